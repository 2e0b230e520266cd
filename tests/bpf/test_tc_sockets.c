// SPDX-License-Identifier: Apache-2.0
/*
 * Refusals as real sockets see them: over a router and over a bridge, with
 * checksum offload on and off. See tcnet.h for the topology.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "tests/bpf/tcnet.h"

enum {
	PORT = 7000,
	PORT_CLIENT = 7100,
	REFUSAL_MS = 100,
	ARRIVAL_MS = 50,
	BIG = 9000, /* more than any MTU here: fragments */
	BULK = 4 << 20,
};

static const int families[] = { AF_INET, AF_INET6 };

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Emulated machines (WEFT_TEST_SLOWNESS, times) may take longer. */
static double refusal_limit_ms(void)
{
	const char *slowness = getenv("WEFT_TEST_SLOWNESS");

	return slowness ? REFUSAL_MS * atof(slowness) : REFUSAL_MS;
}

/* errno of a connect from the place to the pod, 0 = connected; the socket in *fd. */
static int dial(struct tcnet *net, enum tcnet_place from, int family, int type, int *fd,
		double *took_ms)
{
	struct sockaddr_storage addr;
	double start;
	socklen_t len;
	int err;

	addr = tcnet_sockaddr(net, NET_POD, family, PORT, &len);
	*fd = tcnet_socket(net, from, family, type, 0);
	start = now_ms();
	err = connect(*fd, (void *)&addr, len) ? errno : 0;
	*took_ms = now_ms() - start;
	return err;
}

static void check_tcp(struct tcnet *net, int family)
{
	int server = tcnet_socket(net, NET_POD, family, SOCK_STREAM, PORT), fd, accepted;
	char *bulk = calloc(1, BULK);
	struct pollfd waiting = { .fd = server, .events = POLLIN };
	size_t got = 0;
	pid_t sender;
	double ms;
	ssize_t n;

	tcnet_set_rule(net, IPPROTO_TCP, PORT, false);
	assert_int_equal(dial(net, NET_CLIENT, family, SOCK_STREAM, &fd, &ms), ECONNREFUSED);
	assert_true(ms < refusal_limit_ms());
	close(fd);
	assert_int_equal(poll(&waiting, 1, 0), 0);

	/* And what is allowed is not slowed, cut or spoilt. */
	tcnet_set_rule(net, IPPROTO_TCP, PORT, true);
	assert_int_equal(dial(net, NET_CLIENT, family, SOCK_STREAM, &fd, &ms), 0);
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	sender = fork();
	if (!sender) {
		alarm(20);
		for (size_t sent = 0; sent < BULK; sent += (size_t)n) {
			n = write(accepted, bulk + sent, BULK - sent);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	while (got < BULK && (n = read(fd, bulk, BULK)) > 0)
		got += (size_t)n;
	assert_int_equal(got, BULK);
	assert_int_equal(waitpid(sender, NULL, 0), sender);
	close(fd);
	close(accepted);
	close(server);
	free(bulk);
}

static void check_udp(struct tcnet *net, int family)
{
	int server = tcnet_socket(net, NET_POD, family, SOCK_DGRAM, PORT), fd;
	struct pollfd arrival = { .fd = server, .events = POLLIN };
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	static char big[BIG];
	double ms, start;
	ssize_t n;

	tcnet_set_rule(net, IPPROTO_UDP, PORT, false);
	for (size_t size = 0; size < 1400; size = size * 3 + 1) {
		assert_int_equal(dial(net, NET_CLIENT, family, SOCK_DGRAM, &fd, &ms), 0);
		assert_int_equal(send(fd, big, size, 0), size);
		start = now_ms();
		assert_int_equal(recv(fd, big, sizeof(big), 0), -1);
		assert_int_equal(errno, ECONNREFUSED);
		assert_true(now_ms() - start < refusal_limit_ms());
		close(fd);
	}
	/*
	 * A refused datagram in fragments is dropped in silence. A busy machine may still have it
	 * on its way, and must not meet the next rule with it.
	 */
	assert_int_equal(dial(net, NET_CLIENT, family, SOCK_DGRAM, &fd, &ms), 0);
	assert_int_equal(send(fd, big, BIG, 0), BIG);
	assert_int_equal(poll(&arrival, 1, ARRIVAL_MS), 0);
	assert_int_equal(recv(fd, big, BIG, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);

	tcnet_set_rule(net, IPPROTO_UDP, PORT, true);
	for (size_t size = 1; size <= BIG; size = size < 1000 ? size * 100 : size + 4000) {
		assert_int_equal(send(fd, big, size, 0), size);
		n = recvfrom(server, big, BIG, 0, (void *)&from, &len);
		assert_int_equal(n, size);
		assert_int_equal(sendto(server, big, size, 0, (void *)&from, len), size);
		assert_int_equal(recv(fd, big, BIG, 0), size);
	}
	/* Revoked: the answers that the pod sent do not hold the door open. */
	tcnet_set_rule(net, IPPROTO_UDP, PORT, false);
	assert_int_equal(send(fd, big, 10, 0), 10);
	assert_int_equal(recv(fd, big, BIG, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	close(server);
}

/* The pod asks the client, whom no rule lets in: the answer passes. */
static void check_udp_reply(struct tcnet *net, int family)
{
	int server = tcnet_socket(net, NET_CLIENT, family, SOCK_DGRAM, PORT_CLIENT), fd;
	struct sockaddr_storage addr, from;
	socklen_t len, from_len = sizeof(from);
	static char big[BIG];

	addr = tcnet_sockaddr(net, NET_CLIENT, family, PORT_CLIENT, &len);
	fd = tcnet_socket(net, NET_POD, family, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (void *)&addr, len), 0);
	for (size_t size = 1; size <= BIG; size += BIG - 1) {
		assert_int_equal(send(fd, big, size, 0), size);
		assert_int_equal(recvfrom(server, big, BIG, 0, (void *)&from, &from_len), size);
		assert_int_equal(sendto(server, big, size, 0, (void *)&from, from_len), size);
		assert_int_equal(recv(fd, big, BIG, 0), size);
	}
	close(fd);
	close(server);
}

/* The node itself is let in without a rule. */
static void check_node(struct tcnet *net, int family)
{
	int server = tcnet_socket(net, NET_POD, family, SOCK_STREAM, PORT), fd;
	double ms;

	tcnet_set_rule(net, IPPROTO_TCP, PORT, false);
	assert_int_equal(dial(net, NET_NODE, family, SOCK_STREAM, &fd, &ms), 0);
	close(fd);
	close(server);
}

/* A SYN that nobody judged: the SYN-ACK is, both ends are reset, nothing is accepted. */
static void check_second_lock(struct tcnet *net, int family)
{
	int server = tcnet_socket(net, NET_POD, family, SOCK_STREAM, PORT), fd;
	__u64 before = tcnet_verdicts(net, WEFT_HOOK_FROM_POD, WEFT_REASON_NO_RULE);
	struct pollfd waiting = { .fd = server, .events = POLLIN };
	double ms;

	tcnet_set_rule(net, IPPROTO_TCP, PORT, false);
	tcnet_guard(net, false);
	assert_int_equal(dial(net, NET_CLIENT, family, SOCK_STREAM, &fd, &ms), ECONNREFUSED);
	assert_true(ms < refusal_limit_ms());
	tcnet_guard(net, true);
	assert_int_equal(poll(&waiting, 1, 50), 0);
	assert_int_equal(tcnet_verdicts(net, WEFT_HOOK_FROM_POD, WEFT_REASON_NO_RULE), before + 1);
	close(fd);
	close(server);
}

/* The pod forges the node's address. */
static void check_spoofing(struct tcnet *net)
{
	__u64 before = tcnet_verdicts(net, WEFT_HOOK_FROM_POD, WEFT_REASON_SPOOFED_SOURCE);
	int server = tcnet_socket(net, NET_CLIENT, AF_INET, SOCK_DGRAM, PORT_CLIENT), raw;
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} packet = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
		.udp = { .source = htons(1), .dest = htons(PORT_CLIENT), .len = htons(8) },
	};
	struct sockaddr_storage addr;
	socklen_t len;
	char byte;

	tcnet_enter(net, NET_POD);
	raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	assert_true(raw >= 0);
	addr = tcnet_sockaddr(net, NET_CLIENT, AF_INET, 0, &len);
	inet_pton(AF_INET, tcnet_address(net, NET_CLIENT, AF_INET), &packet.ip.daddr);
	inet_pton(AF_INET, tcnet_address(net, NET_NODE, AF_INET), &packet.ip.saddr);
	assert_int_equal(sendto(raw, &packet, sizeof(packet), 0, (void *)&addr, len),
			 sizeof(packet));
	assert_int_equal(tcnet_verdicts(net, WEFT_HOOK_FROM_POD, WEFT_REASON_SPOOFED_SOURCE),
			 before + 1);
	inet_pton(AF_INET, tcnet_address(net, NET_POD, AF_INET), &packet.ip.saddr);
	assert_int_equal(sendto(raw, &packet, sizeof(packet), 0, (void *)&addr, len),
			 sizeof(packet));
	assert_int_equal(recv(server, &byte, 1, 0), 0);
	assert_int_equal(recv(server, &byte, 1, MSG_DONTWAIT), -1);
	close(raw);
	close(server);
}

static void run(bool bridged, enum tcnet_offload offload)
{
	struct tcnet net;
	int err = tcnet_open(&net, bridged, offload);

	if (err) {
		tcnet_close(&net);
		if (err != -EPERM)
			fail_msg("%s", net.obstacle);
		print_message("SKIP: %s; run as root with CAP_BPF and CAP_NET_ADMIN\n",
			      net.obstacle);
		skip();
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		check_tcp(&net, families[i]);
		check_udp(&net, families[i]);
		check_udp_reply(&net, families[i]);
		check_node(&net, families[i]);
		check_second_lock(&net, families[i]);
	}
	check_spoofing(&net);
	for (int place = 0; place < NET_PLACES; place++)
		assert_int_equal(tcnet_checksum_errors(&net, place), 0);
	tcnet_close(&net);
}

static void routed_with_offload(void **state)
{
	(void)state;
	run(false, OFFLOAD_ALL);
}

static void routed_without_offload(void **state)
{
	(void)state;
	run(false, OFFLOAD_NONE);
}

static void routed_with_offload_at_the_ends(void **state)
{
	(void)state;
	run(false, OFFLOAD_ENDS);
}

static void bridged_with_offload(void **state)
{
	(void)state;
	run(true, OFFLOAD_ALL);
}

static void bridged_without_offload(void **state)
{
	(void)state;
	run(true, OFFLOAD_NONE);
}

static void bridged_with_offload_at_the_ends(void **state)
{
	(void)state;
	run(true, OFFLOAD_ENDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routed_with_offload),
		cmocka_unit_test(routed_without_offload),
		cmocka_unit_test(routed_with_offload_at_the_ends),
		cmocka_unit_test(bridged_with_offload),
		cmocka_unit_test(bridged_without_offload),
		cmocka_unit_test(bridged_with_offload_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
