// SPDX-License-Identifier: Apache-2.0
/*
 * Segments whose checksum is left to the device (CHECKSUM_PARTIAL), which is what pods of the same
 * node send: sent by a packet socket through a real device with weft_to_pod.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"
#include "weft.skel.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define ALLOWED "GET /ok HTTP/1.1\r\n" FIELDS
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS

enum { AT_CHECK = 16, TCP_HEADER = 20, WAIT_MS = 2000, SHORT_WAIT_MS = 200, IFINDEX_LO = 1 };

/* A frame as packet sockets with PACKET_VNET_HDR take and give it. */
struct parcel {
	struct virtio_net_hdr_v1 offload; /* its first 10 bytes */
	struct frame frame;
};

enum { OFFLOAD_LEN = sizeof(struct virtio_net_hdr) };

static int near_end = -1, far_end = -1; /* the host's side, the pod's side */

static int open_end(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int group_setup(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	struct play *play;

	if (play_group_setup(state))
		return -1;
	play = *state;
	if (!play)
		return 0;
	/* In the namespace of the group, with which it goes. */
	if (system("ip link add near type veth peer name far && ip link set near up && "
		   "ip link set far up"))
		return -1;
	hook.ifindex = (int)if_nametoindex("near");
	opts.prog_fd = bpf_program__fd(play->run->skel->progs.weft_to_pod);
	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		return -1;
	near_end = open_end("near");
	far_end = open_end("far");
	return 0;
}

static int group_teardown(void **state)
{
	close(near_end);
	close(far_end);
	return play_group_teardown(state);
}

/* The device is the pod's, too. */
static void adopt_device(struct play *play)
{
	int fd = bpf_map__fd(play->run->skel->maps.weft_iface);
	__u32 lo = IFINDEX_LO, near = if_nametoindex("near");
	struct weft_local local;

	assert_int_equal(bpf_map_lookup_elem(fd, &lo, &local), 0);
	assert_int_equal(bpf_map_update_elem(fd, &near, &local, BPF_ANY), 0);
}

static struct parcel build(struct play *play, const char *text, size_t check_offset)
{
	struct frame_row row = {
		.proto = IPPROTO_TCP,
		.dport = PORT_HTTP,
		.flags = PSH | ACK,
		.payload = strlen(text),
		.data = text,
		.seq = play->client_isn + 1 + play->said,
		.ack = play->server_isn + 1 + play->client_has,
		.acks = true,
	};
	struct parcel parcel = {};
	struct frame *frame = &parcel.frame;
	__u8 *check;
	__u32 sum;

	frame_build(frame, &row, play->family);
	/* The sum of the pseudo header alone: what stands there, less the segment. */
	check = frame->data + frame->l4 + AT_CHECK;
	check[0] = check[1] = 0;
	sum = frame_l4_sum(frame, IPPROTO_TCP);
	for (size_t i = frame->l4; i < frame->len; i++)
		sum += (__u16) ~((i - frame->l4) % 2 ? frame->data[i] : frame->data[i] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	check[0] = sum >> 8;
	check[1] = sum;
	parcel.offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	parcel.offload.csum_start = frame->l4;
	parcel.offload.csum_offset = check_offset;
	return parcel;
}

static void send_parcel(const struct parcel *parcel)
{
	struct iovec parts[] = {
		{ (void *)&parcel->offload, OFFLOAD_LEN },
		{ (void *)parcel->frame.data, parcel->frame.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	/* What the program drops is an error of the device. */
	assert_true(sendmsg(near_end, &message, 0) > 0 || errno == ENOBUFS);
}

/* The next TCP segment of the play's family that arrives: its payload's length, or -1. */
static int receive(struct play *play, int fd, struct parcel *parcel, int wait_ms)
{
	struct frame *frame = &parcel->frame;
	struct iovec parts[] = {
		{ &parcel->offload, OFFLOAD_LEN },
		{ frame->data, sizeof(frame->data) },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t len;

	while (poll(&wait, 1, wait_ms) > 0) {
		len = recvmsg(fd, &message, 0);
		assert_true(len > OFFLOAD_LEN);
		frame->len = len - OFFLOAD_LEN;
		frame->l3 = FRAME_L2;
		frame->l4 = FRAME_L2 + (play->family == 6 ? 40 : 20);
		/* Not what the kernel says by itself. */
		if (frame->len >= frame->l4 + TCP_HEADER &&
		    frame->data[12] == (play->family == 6 ? 0x86 : 0x08) &&
		    frame->data[play->family == 6 ? 20 : 23] == IPPROTO_TCP)
			return (int)(frame->len - frame->l4 - TCP_HEADER);
	}
	return -1;
}

/* Does the device, or did the program, what makes the checksum right? */
static void check_sum(struct parcel *parcel)
{
	struct frame *frame = &parcel->frame;
	__u8 *check = frame->data + frame->l4 + AT_CHECK;
	__u32 sum = 0;

	if (parcel->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		assert_int_equal(parcel->offload.csum_start, frame->l4);
		assert_int_equal(parcel->offload.csum_offset, AT_CHECK);
		for (size_t i = frame->l4; i < frame->len; i++)
			sum += (i - frame->l4) % 2 ? frame->data[i] : frame->data[i] << 8;
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		check[0] = (__u8)(~sum >> 8);
		check[1] = (__u8)~sum;
	}
	assert_int_equal(frame_l4_sum(frame, IPPROTO_TCP), 0xffff);
	if (frame->data[frame->l3] >> 4 == 4)
		assert_int_equal(frame_ip_sum(frame), 0xffff);
}

static int exchange(struct play *play, const char *text, struct parcel *got)
{
	struct parcel parcel = build(play, text, AT_CHECK);
	int len;

	send_parcel(&parcel);
	len = receive(play, far_end, got, WAIT_MS);
	assert_true(len >= 0);
	check_sum(got);
	return len;
}

static void test_passes(void **state)
{
	struct play *play = play_require(state);
	struct parcel got;

	adopt_device(play);
	play_open(play);
	assert_int_equal(exchange(play, ALLOWED, &got), strlen(ALLOWED));
	assert_true(got.offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(play_flow(play).requests, 1);
}

static void test_cut(void **state)
{
	static const char *const denied[] = { DENIED, "GET /n HTTP/1.1\r\n" FIELDS };
	struct play *play = play_require(state);
	struct parcel got;
	char text[256];

	for (size_t i = 0; i < 2; i++) {
		play_again(state);
		adopt_device(play);
		play_open(play);
		strcpy(text, ALLOWED);
		strcat(text, denied[i]);
		assert_int_equal(exchange(play, text, &got), strlen(ALLOWED));
		assert_memory_equal(got.frame.data + got.frame.l4 + TCP_HEADER, ALLOWED,
				    strlen(ALLOWED));
	}
}

static void test_forbidden(void **state)
{
	struct play *play = play_require(state);
	struct parcel got;

	adopt_device(play);
	play_open(play);
	assert_int_equal(exchange(play, DENIED, &got), 0);
	assert_int_equal(got.frame.data[got.frame.l4 + 13], RST | ACK);
	assert_true(receive(play, near_end, &got, WAIT_MS) > 0);
	assert_int_equal(got.frame.data[got.frame.l4 + 13], PSH | FIN | ACK);
	check_sum(&got);
}

static bool programs_see_checksums(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return found;
}

/* The device would write into what was read. */
static void test_elsewhere(void **state)
{
	struct play *play = play_require(state);
	struct parcel parcel, got;

	if (!programs_see_checksums()) {
		print_message("SKIP: the kernel does not tell programs where a checksum is due\n");
		skip();
	}
	adopt_device(play);
	play_open(play);
	parcel = build(play, ALLOWED, TCP_HEADER + 5);
	send_parcel(&parcel);
	assert_int_equal(receive(play, far_end, &got, SHORT_WAIT_MS), -1);
	assert_int_equal(play_flow(play).requests, 0);
	assert_int_equal(exchange(play, ALLOWED, &got), strlen(ALLOWED));
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_passes),
	PLAY_TESTS(test_cut),
	PLAY_TESTS(test_forbidden),
	PLAY_TESTS(test_elsewhere),
};

int main(void)
{
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
