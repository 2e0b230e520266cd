// SPDX-License-Identifier: Apache-2.0
/* Connections through the TC programs, segment by segment. */
#include "tests/bpf/httpplay.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "policy/http_program.h"
#include "weft.skel.h"

enum {
	IFINDEX_LO = 1,
	MAX_CPUS = 1024,
	FIRST_RULE = 9000,
	ANSWER_WAIT_MS = 2000,
	ANY = 0xff,
};

static int tap_open(void)
{
	struct sockaddr_ll lo = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = IFINDEX_LO,
	};
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int tap = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (tap < 0 || ioctl(tap, SIOCSIFFLAGS, &request) ||
	    bind(tap, (struct sockaddr *)&lo, sizeof(lo)))
		return -1;
	return tap;
}

static void compile(struct play *play, enum play_program number, const struct http_match *matches,
		    size_t count)
{
	struct http_rule rules[4] = {};
	struct http_rule_mask mask = {};
	struct http_program_options options = {};
	struct http_program program = {};

	for (size_t i = 0; i < count; i++) {
		rules[i] = (struct http_rule){ .match = &matches[i], .id = FIRST_RULE + i };
		mask.bits[0] |= 1ULL << i;
	}
	http_program_compile(rules, count, &mask, 1, &options, &program);
	play->offsets[number] = number ? WEFT_HTTP_PROGRAM_MAX : WEFT_HTTP_UNIT;
	play->masks[number] = program.masks[0];
	memcpy(&play->arena->bytes[play->offsets[number]], program.bytes, program.size);
	http_program_clear(&program);
}

static void compile_all(struct play *play)
{
	char *methods[] = { (char *)"GET", (char *)"HEAD", (char *)"POST", (char *)"PUT" };
	char *connect[] = { (char *)"CONNECT" };
	struct http_header_match token = { (char *)"x-token", (char *)"^secret$" };
	const struct http_match a[] = {
		{ .has_path = true,
		  .path_regex = (char *)"/ok.*",
		  .methods = methods,
		  .method_count = 4 },
		{ .path_regex = (char *)"", .methods = connect, .method_count = 1 },
		{ .has_path = true,
		  .path_regex = (char *)"/token",
		  .headers = &token,
		  .header_count = 1 },
	};
	const struct http_match b[] = { { .has_path = true, .path_regex = (char *)"/new.*" } };

	compile(play, PLAY_A, a, 3);
	compile(play, PLAY_B, b, 1);
}

int play_group_setup(void **state)
{
	struct play *play;
	void *run = NULL;

	if (tcrun_group_setup(&run))
		return -1;
	*state = NULL;
	if (!run)
		return 0;
	play = calloc(1, sizeof(*play));
	if (!play)
		return -1;
	play->run = run;
	play->tap = tap_open();
	play->arena = mmap(NULL, sizeof(*play->arena), PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_map__fd(play->run->skel->maps.weft_http), 0);
	if (play->tap < 0 || play->arena == MAP_FAILED)
		return -1;
	compile_all(play);
	*state = play;
	return 0;
}

int play_group_teardown(void **state)
{
	struct play *play = *state;
	void *run;

	if (!play)
		return 0;
	run = play->run;
	munmap(play->arena, sizeof(*play->arena));
	close(play->tap);
	free(play);
	return tcrun_group_teardown(&run);
}

static void update(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void clear(struct bpf_map *map)
{
	__u8 key[256];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

static struct weft_http_program *program_at(struct play *play, enum play_program program)
{
	return (struct weft_http_program *)&play->arena->bytes[play->offsets[program]];
}

void play_rules(struct play *play, enum play_program program)
{
	__u32 generation = program == PLAY_A ? PLAY_GENERATION_A : PLAY_GENERATION_B;
	struct weft_dest dest = { .generation = generation, .http = play->offsets[program] };
	struct weft_policy policy = { WEFT_POLICY_HTTP, play->masks[program] };
	struct weft_policy_key key = {
		.dst_identity = POD_IDENTITY,
		.generation = generation,
		.src_identity = ALLY_IDENTITY,
		.port = PORT_HTTP,
		.proto = IPPROTO_TCP,
	};
	__u32 identity = POD_IDENTITY;

	program_at(play, program)->generation = generation;
	update(play->run->skel->maps.weft_policy, &key, &policy);
	update(play->run->skel->maps.weft_dest, &identity, &dest);
	tcrun_touch(play->run);
}

void play_withdraw(struct play *play, enum play_program program)
{
	program_at(play, program)->generation = 0;
}

static int setup(void **state, int family)
{
	struct weft_config config = { .http_key = { 0x0123456789abcdef, 0xfedcba9876543210 } };
	struct play *play = *state;
	__u32 zero = 0;
	void *run;

	if (!play)
		return 0;
	run = play->run;
	tcrun_test_setup(&run);
	clear(play->run->skel->maps.weft_http_flow);
	clear(play->run->skel->maps.weft_request);
	update(play->run->skel->maps.weft_config, &zero, &config);
	tcrun_set_pod(play->run, WEFT_PEER_ENFORCE | WEFT_PEER_HTTP, true);
	play_withdraw(play, PLAY_B);
	play_rules(play, PLAY_A);
	play->family = family;
	play->client_isn = (__u32)PLAY_CLIENT_ISN;
	play->server_isn = (__u32)PLAY_SERVER_ISN;
	play->said = 0;
	play->client_has = 0;
	play->answered = 0;
	play->server_has = 0;
	return 0;
}

int play_setup_v4(void **state)
{
	return setup(state, 4);
}

int play_setup_v6(void **state)
{
	return setup(state, 6);
}

void play_again(void **state)
{
	struct play *play = *state;

	setup(state, play->family);
}

struct play *play_require(void **state)
{
	struct play *play = *state;
	void *run = play ? play->run : NULL;

	tcrun_require(&run);
	return play;
}

static __u32 be32(const __u8 *bytes)
{
	return (__u32)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Takes a segment apart, after its lengths and checksums were found right. */
static void take_apart(struct frame *frame, struct play_segment *segment)
{
	bool v6;

	frame->l3 = FRAME_L2;
	v6 = frame->data[frame->l3] >> 4 == 6;
	frame->l4 = frame->l3 + (v6 ? 40 : 20);
	if (v6) {
		assert_int_equal(frame->data[18] << 8 | frame->data[19],
				 frame->len - FRAME_L2 - 40);
	} else {
		assert_int_equal(frame_ip_sum(frame), 0xffff);
		assert_int_equal(frame->data[16] << 8 | frame->data[17], frame->len - FRAME_L2);
	}
	assert_int_equal(frame_l4_sum(frame, IPPROTO_TCP), 0xffff);
	segment->seq = be32(frame->data + frame->l4 + 4);
	segment->ack = be32(frame->data + frame->l4 + 8);
	segment->flags = frame->data[frame->l4 + 13];
	segment->len = frame->len - frame->l4 - 20;
	memcpy(segment->bytes, frame->data + frame->l4 + 20, segment->len);
}

static bool tap_read(struct play *play, int wait_ms)
{
	struct pollfd wait = { .fd = play->tap, .events = POLLIN };
	struct frame frame;
	ssize_t len;

	if (poll(&wait, 1, wait_ms) <= 0)
		return false;
	len = recv(play->tap, frame.data, sizeof(frame.data), 0);
	assert_true(len >= FRAME_L2 + 40);
	frame.len = len;
	take_apart(&frame, &play->client);
	return true;
}

/* Sends the segment; what came out is in play->out unless it was dropped. */
static int run_segment(struct play *play, enum tcrun_hook hook, __u32 seq, __u32 ack,
		       const void *data, size_t len, __u8 flags)
{
	struct frame_row row = {
		.proto = IPPROTO_TCP,
		.src = hook == TO_POD ? ALLY : POD,
		.dst = hook == TO_POD ? POD : ALLY,
		.sport = hook == TO_POD ? PORT_CLIENT : PORT_HTTP,
		.dport = hook == TO_POD ? PORT_HTTP : PORT_CLIENT,
		.flags = flags,
		.payload = len,
		.data = data,
		.seq = seq,
		.ack = ack,
		.acks = true,
	};
	int result;

	while (tap_read(play, 0))
		; /* of earlier segments */
	play->run->mark = 0;
	result = tcrun_row(play->run, hook, &row, play->family);
	if (result != TCRUN_DROP)
		take_apart(&play->run->out, &play->out);
	return result;
}

static enum play_fate ended(struct play *play, __u32 seq, __u32 ack, size_t len)
{
	static const char head[] = "HTTP/1.1 403 Forbidden\r\n";

	assert_int_equal(play->out.seq, seq);
	assert_int_equal(play->out.len, 0);
	assert_true(tap_read(play, ANSWER_WAIT_MS));
	assert_int_equal(play->client.seq, ack);
	assert_int_equal(play->client.ack, (__u32)(seq + len));
	if (play->client.flags & RST) {
		assert_int_equal(play->client.len, 0);
		return PLAY_RESET;
	}
	assert_int_equal(play->client.flags, ACK | PSH | FIN);
	assert_memory_equal(play->client.bytes, head, sizeof(head) - 1);
	return PLAY_FORBIDDEN;
}

enum play_fate play_client(struct play *play, __u32 offset, const void *data, size_t len,
			   __u8 flags)
{
	__u32 seq = play->client_isn + 1 + offset, ack = play->server_isn + 1 + play->client_has;
	int result = run_segment(play, TO_POD, seq, ack, data, len, flags | ACK);

	if (result == TCRUN_DROP)
		return PLAY_DROPPED;
	if (result == TCRUN_REDIRECT)
		return PLAY_ANSWERED;
	assert_int_equal(result, TCRUN_PASS);
	if (play->out.flags & RST && !(flags & RST))
		return ended(play, seq, ack, len + !!(flags & FIN));
	assert_int_equal(play->out.seq, seq);
	assert_int_equal(play->out.ack, ack);
	assert_true(play->out.len <= len);
	if (play->out.len)
		assert_memory_equal(play->out.bytes, data, play->out.len);
	play->cut = play->out.len;
	if (play->cut < len) {
		assert_true(play->cut > 0);
		assert_int_equal(play->out.flags & FIN, 0);
		return PLAY_CUT;
	}
	assert_int_equal(play->out.flags, flags | ACK);
	return PLAY_PASSED;
}

enum play_fate play_server(struct play *play, __u32 offset, const void *data, size_t len,
			   __u8 flags)
{
	__u32 seq = play->server_isn + 1 + offset, ack = play->client_isn + 1 + play->server_has;
	int result = run_segment(play, FROM_POD, seq, ack, data, len, flags | ACK);

	if (result == TCRUN_DROP)
		return PLAY_DROPPED;
	if (result == TCRUN_REDIRECT)
		return PLAY_ANSWERED;
	assert_int_equal(result, TCRUN_PASS);
	/* Nothing that the server says is changed. */
	assert_int_equal(play->out.seq, seq);
	assert_int_equal(play->out.len, len);
	assert_int_equal(play->out.flags, flags | ACK);
	if (len)
		assert_memory_equal(play->out.bytes, data, len);
	return PLAY_PASSED;
}

int play_syn(struct play *play, __u32 isn)
{
	return run_segment(play, TO_POD, isn, 0, NULL, 0, SYN);
}

int play_syn_ack(struct play *play)
{
	return run_segment(play, FROM_POD, play->server_isn, play->client_isn + 1, NULL, 0,
			   SYN | ACK);
}

void play_open(struct play *play)
{
	assert_int_equal(play_syn(play, play->client_isn), TCRUN_PASS);
	assert_int_equal(play_syn_ack(play), TCRUN_PASS);
	assert_int_equal(play_client(play, 0, NULL, 0, 0), PLAY_PASSED);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_READ);
}

void play_ack(struct play *play)
{
	play->server_has = play->said;
	assert_int_equal(play_server(play, play->answered, NULL, 0, 0), PLAY_PASSED);
}

enum play_fate play_tries(struct play *play, const char *text)
{
	return play_client(play, play->said, text, strlen(text), PSH);
}

void play_says(struct play *play, const char *text)
{
	enum play_fate fate = play_tries(play, text);

	if (fate != PLAY_PASSED)
		fail_msg("%d became of: %s", (int)fate, text);
	play->said += strlen(text);
	play_ack(play);
}

void play_answers(struct play *play, const char *text)
{
	assert_int_equal(play_server(play, play->answered, text, strlen(text), PSH), PLAY_PASSED);
	play->answered += strlen(text);
	play->client_has = play->answered;
	assert_int_equal(play_client(play, play->said, NULL, 0, 0), PLAY_PASSED);
}

static struct weft_http_key flow_key(const struct play *play)
{
	return (struct weft_http_key){
		.pod = tcrun_addr(POD, play->family),
		.peer = tcrun_addr(ALLY, play->family),
		.pod_port = PORT_HTTP,
		.peer_port = PORT_CLIENT,
	};
}

struct weft_http_flow play_flow(struct play *play)
{
	struct weft_http_key key = flow_key(play);
	struct weft_http_flow flow;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(play->run->skel->maps.weft_http_flow),
					     &key, &flow),
			 0);
	return flow;
}

void play_store(struct play *play, const struct weft_http_flow *flow)
{
	struct weft_http_key key = flow_key(play);

	update(play->run->skel->maps.weft_http_flow, &key, flow);
}

__u64 play_requests(struct play *play, __u8 method, __u8 status)
{
	int fd = bpf_map__fd(play->run->skel->maps.weft_request), cpus = libbpf_num_possible_cpus();
	static struct weft_request values[MAX_CPUS];
	struct weft_request_key key, *last = NULL;
	__u64 count = 0;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if ((method != ANY && key.method != method) ||
		    (status != ANY && key.status != status))
			continue;
		assert_int_equal(bpf_map_lookup_elem(fd, &key, values), 0);
		assert_int_equal(key.src_workload, ALLY_WORKLOAD);
		assert_int_equal(key.dst_workload, POD_WORKLOAD);
		for (int i = 0; i < cpus; i++)
			count += values[i].count;
	}
	return count;
}

__u64 play_denials(struct play *play, enum weft_reason reason)
{
	return tcrun_verdicts(play->run, WEFT_HOOK_TO_POD, reason, WEFT_VERDICT_DENY);
}
