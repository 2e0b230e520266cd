// SPDX-License-Identifier: Apache-2.0
/* connect4/6 and getpeername4/6 with real TCP sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "podnet.h"

enum {
	SERVICE = 70,
	BACKEND = 71,
};

static const struct weft_service one_endpoint = { .service = SERVICE, .count = 1, .generation = 1 };

static void serve(struct podnet *pods, const struct podnet_kind *kind, __u8 proto)
{
	struct podnet_slot slot = { kind->endpoint[0], 8080, 1, BACKEND };

	podnet_set_service(pods, kind->vip, 80, proto, &one_endpoint, &slot);
}

static int client_socket(struct podnet *pods, const struct podnet_kind *kind)
{
	int fd = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

/* Connects and hangs up. */
static int call(struct podnet *pods, const struct podnet_kind *kind, const char *addr, __u16 port)
{
	int fd = client_socket(pods, kind);
	int err = podnet_connect(fd, kind->family, addr, port);

	close(fd);
	return err;
}

static __u64 denied(struct podnet *pods, enum weft_reason reason)
{
	return podnet_verdicts(pods, WEFT_HOOK_CONNECT, reason, WEFT_VERDICT_DENY);
}

static __u64 allowed(struct podnet *pods, enum weft_reason reason)
{
	return podnet_verdicts(pods, WEFT_HOOK_CONNECT, reason, WEFT_VERDICT_ALLOW);
}

static void assert_peer(int fd, const char *addr, int port)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%s:%d", addr, port);
	assert_string_equal(podnet_peername(fd), expected);
}

static void test_vip_reaches_endpoint(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		int client = client_socket(pods, kind);
		int accepted;

		serve(pods, kind, IPPROTO_TCP);
		assert_int_equal(podnet_connect(client, kind->family, kind->vip, 80), 0);
		assert_peer(client, kind->vip, 80);
		accepted = accept(server, NULL, NULL);
		assert_true(accepted >= 0);
		/* The server sees the pod itself. */
		assert_memory_equal(podnet_peername(accepted), kind->client, strlen(kind->client));
		close(accepted);
		close(client);
		close(server);
	}
	assert_int_equal(allowed(pods, WEFT_REASON_POLICY), PODNET_KINDS);
	podnet_poll_events(pods);
	for (size_t i = 0; i < pods->event_count; i++)
		assert_int_equal(pods->events[i].type, WEFT_EVENT_TCP_CLOSE);
}

static void test_vip_is_spread_over_endpoints(void **state)
{
	static const struct weft_service two = { .service = SERVICE, .count = 2, .generation = 1 };
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		const int servers[] = {
			podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080),
			podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[1], 9090)
		};
		struct podnet_slot slots[] = { { kind->endpoint[0], 8080, 1, 71 },
					       { kind->endpoint[1], 9090, 1, 72 } };
		int calls[2] = {}, at, fd;

		podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &two, slots);
		for (int i = 0; i < 40; i++) {
			assert_int_equal(call(pods, kind, kind->vip, 80), 0);
			at = podnet_first_waiting(servers, 2, 1000);
			assert_true(at >= 0);
			calls[at]++;
			fd = accept(servers[at], NULL, NULL);
			assert_true(fd >= 0);
			close(fd);
		}
		assert_true(calls[0] && calls[1]);
		close(servers[0]);
		close(servers[1]);
	}
}

static void test_no_endpoint(void **state)
{
	static const struct weft_service none = { .service = SERVICE, .generation = 1 };
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct weft_addr vip = podnet_addr(kind->vip);

		podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &none, NULL);
		podnet_poll_events(pods);
		assert_int_equal(call(pods, kind, kind->vip, 80), -ECONNREFUSED);
		podnet_poll_events(pods);
		assert_int_equal(pods->event_count, 1);
		assert_int_equal(pods->events[0].reason, WEFT_REASON_NO_ENDPOINT);
		assert_int_equal(pods->events[0].service, SERVICE);
		assert_int_equal(pods->events[0].dst_identity, WEFT_ID_SERVICE);
		assert_memory_equal(&pods->events[0].dst, &vip, sizeof(vip));
		assert_int_equal(pods->events[0].dst_port, 80);
	}
	assert_int_equal(denied(pods, WEFT_REASON_NO_ENDPOINT), PODNET_KINDS);
}

static void test_unknown_service_port(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		/* The port exists, for another protocol. */
		serve(pods, kind, IPPROTO_UDP);
		assert_int_equal(call(pods, kind, kind->vip, 80), -ECONNREFUSED);
		assert_int_equal(call(pods, kind, kind->vip, 81), -ECONNREFUSED);
	}
	assert_int_equal(denied(pods, WEFT_REASON_UNKNOWN_SERVICE_PORT), 2 * PODNET_KINDS);
}

/* A table that the agent would never write must not let anything through. */
static void test_broken_table(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct weft_service outside = { .count = 1, .first = 0xffffff00u };
	struct podnet_slot slot = { "fd77::2", 8080, 1, BACKEND };

	podnet_set_service(pods, "10.96.0.10", 80, IPPROTO_TCP, &one_endpoint, &slot);
	assert_int_equal(call(pods, &podnet_kinds[0], "10.96.0.10", 80), -ECONNREFUSED);
	podnet_set_service_only(pods, "10.96.0.10", 80, IPPROTO_TCP, &outside);
	assert_int_equal(call(pods, &podnet_kinds[0], "10.96.0.10", 80), -ECONNREFUSED);
	assert_int_equal(denied(pods, WEFT_REASON_INTERNAL), 2);
}

static void test_denied(void **state)
{
	struct podnet *pods = podnet_require(state);

	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct weft_addr src = podnet_addr(kind->client);
		struct weft_addr dst = podnet_addr(kind->endpoint[0]);
		const struct weft_event *event = &pods->events[0];

		serve(pods, kind, IPPROTO_TCP);
		podnet_poll_events(pods);
		assert_int_equal(call(pods, kind, kind->vip, 80), -EACCES);
		podnet_poll_events(pods);
		assert_int_equal(pods->event_count, 1);
		assert_int_equal(event->type, WEFT_EVENT_VERDICT);
		assert_int_equal(event->reason, WEFT_REASON_NO_RULE);
		assert_int_equal(event->action, WEFT_VERDICT_DENY);
		assert_int_equal(event->hook, WEFT_HOOK_CONNECT);
		assert_int_equal(event->direction, WEFT_DIRECTION_OUTBOUND);
		assert_int_equal(event->proto, IPPROTO_TCP);
		assert_memory_equal(&event->src, &src, sizeof(src));
		assert_memory_equal(&event->dst, &dst, sizeof(dst));
		assert_int_equal(event->src_port, 0);
		assert_int_equal(event->dst_port, 8080);
		assert_int_equal(event->src_identity, CLIENT_IDENTITY);
		assert_int_equal(event->dst_identity, SERVER_IDENTITY);
		assert_int_equal(event->src_workload, CLIENT_WORKLOAD);
		assert_int_equal(event->dst_workload, SERVER_WORKLOAD);
		assert_int_equal(event->service, SERVICE);
		assert_int_equal(event->backend, BACKEND);
		/* And without a service. */
		assert_int_equal(call(pods, kind, kind->endpoint[0], 8080), -EACCES);
	}
	assert_int_equal(denied(pods, WEFT_REASON_NO_RULE), 2 * PODNET_KINDS);
}

/* The verdict is on the endpoint's port, not on the service's. */
static void test_rule_for_one_port(void **state)
{
	struct podnet *pods = podnet_require(state);
	int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, "10.77.0.2", 8080);
	const struct podnet_kind *kind = &podnet_kinds[0];

	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	podnet_set_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, 8080);
	serve(pods, kind, IPPROTO_TCP);
	assert_int_equal(call(pods, kind, kind->vip, 80), 0);
	assert_int_equal(call(pods, kind, kind->endpoint[0], 8080), 0);
	assert_int_equal(call(pods, kind, kind->endpoint[0], 8081), -EACCES);
	close(server);
}

static void test_permissive(void **state)
{
	struct podnet *pods = podnet_require(state);
	int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, "10.77.0.2", 8080);

	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	podnet_set_server_flags(pods, WEFT_PEER_PERMISSIVE);
	serve(pods, &podnet_kinds[0], IPPROTO_TCP);
	podnet_poll_events(pods);
	assert_int_equal(call(pods, &podnet_kinds[0], "10.96.0.10", 80), 0);
	assert_int_equal(podnet_verdicts(pods, WEFT_HOOK_CONNECT, WEFT_REASON_NO_RULE,
					 WEFT_VERDICT_WOULD_DENY),
			 1);
	podnet_poll_events(pods);
	assert_true(pods->event_count >= 1);
	assert_int_equal(pods->events[0].action, WEFT_VERDICT_WOULD_DENY);
	close(server);
}

/* Neither split nor told that the port is unknown, but judged. */
static void test_unmeshed_client(void **state)
{
	struct podnet *pods = podnet_require(state);

	podnet_set_local(pods, POD_CLIENT, 0);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		serve(pods, kind, IPPROTO_TCP);
		/* Its service proxy would answer; here nobody does. */
		assert_int_equal(call(pods, kind, kind->vip, 80), -ENETUNREACH);
		assert_int_equal(call(pods, kind, kind->vip, 81), -ENETUNREACH);
	}
	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++)
		assert_int_equal(call(pods, kind, kind->endpoint[0], 8080), -EACCES);
	assert_int_equal(allowed(pods, WEFT_REASON_UNMESHED), 2 * PODNET_KINDS);
}

static void test_host_process_is_untouched(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		int server = podnet_bind(pods, POD_STRANGER, SOCK_STREAM, kind->vip, 80);
		int client = podnet_socket(pods, POD_STRANGER, kind->family, SOCK_STREAM, 0);

		serve(pods, kind, IPPROTO_TCP);
		assert_int_equal(podnet_connect(client, kind->family, kind->vip, 80), 0);
		assert_true(podnet_waiting(server, 1000));
		close(client);
		close(server);
	}
	assert_int_equal(allowed(pods, WEFT_REASON_UNMESHED), 0);
	assert_int_equal(allowed(pods, WEFT_REASON_POLICY), 0);
}

static void test_destinations_that_need_no_rule(void **state)
{
	struct podnet *pods = podnet_require(state);
	static const struct {
		const char *addr;
		enum podnet_member at;
		enum weft_reason reason;
	} cases[] = {
		{ "10.77.0.1", POD_CLIENT, WEFT_REASON_OWN_POD },
		{ "fd77::1", POD_CLIENT, WEFT_REASON_OWN_POD },
		{ "127.0.0.1", POD_CLIENT, WEFT_REASON_NONE },
		{ "127.8.9.10", POD_CLIENT, WEFT_REASON_NONE },
		{ "::1", POD_CLIENT, WEFT_REASON_NONE },
		{ "10.77.0.254", POD_SERVER, WEFT_REASON_UNMESHED },
		{ "fd77::254", POD_SERVER, WEFT_REASON_UNMESHED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int server = podnet_bind(pods, cases[i].at, SOCK_STREAM, cases[i].addr, 8080);
		const struct podnet_kind *kind = &podnet_kinds[strchr(cases[i].addr, ':') ? 1 : 0];
		__u64 before = allowed(pods, cases[i].reason);

		assert_int_equal(call(pods, kind, cases[i].addr, 8080), 0);
		/* What stays in the pod is not even counted. */
		assert_int_equal(allowed(pods, cases[i].reason),
				 before + (cases[i].reason != WEFT_REASON_NONE));
		close(server);
	}
}

/* The node itself is no meshed destination. */
static void test_node_address(void **state)
{
	struct podnet *pods = podnet_require(state);
	int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, "10.77.0.254", 8080);

	podnet_set_peer(pods, "10.77.0.254", WEFT_ID_HOST, 0, WEFT_PEER_LOCAL_HOST);
	assert_int_equal(call(pods, &podnet_kinds[0], "10.77.0.254", 8080), 0);
	assert_int_equal(allowed(pods, WEFT_REASON_UNMESHED), 1);
	podnet_forget_peer(pods, "10.77.0.254");
	close(server);
}

static void test_reconnect_clears_record(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct sockaddr disconnect = { .sa_family = AF_UNSPEC };

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		int fd = client_socket(pods, kind);

		serve(pods, kind, IPPROTO_TCP);
		assert_int_equal(podnet_connect(fd, kind->family, kind->vip, 80), 0);
		assert_peer(fd, kind->vip, 80);
		assert_int_equal(connect(fd, &disconnect, sizeof(disconnect)), 0);
		assert_int_equal(podnet_connect(fd, kind->family, kind->endpoint[0], 8080), 0);
		assert_peer(fd, kind->endpoint[0], 8080);
		assert_int_equal(connect(fd, &disconnect, sizeof(disconnect)), 0);
		assert_int_equal(podnet_connect(fd, kind->family, kind->vip, 80), 0);
		assert_peer(fd, kind->vip, 80);
		close(fd);
		close(server);
	}
}

static void test_nonblocking_connect(void **state)
{
	struct podnet *pods = podnet_require(state);
	const struct podnet_kind *kind = &podnet_kinds[1];
	int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
	int fd = client_socket(pods, kind);
	int err;

	serve(pods, kind, IPPROTO_TCP);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	err = podnet_connect(fd, kind->family, kind->vip, 80);
	assert_true(err == 0 || err == -EINPROGRESS);
	assert_true(podnet_waiting(server, 1000));
	/* The way to ask how it went; not another call. */
	err = podnet_connect(fd, kind->family, kind->vip, 80);
	assert_true(err == 0 || err == -EISCONN);
	assert_peer(fd, kind->vip, 80);
	assert_int_equal(allowed(pods, WEFT_REASON_POLICY), 1);
	close(fd);
	close(server);
}

static void test_fast_open(void **state)
{
	struct podnet *pods = podnet_require(state);
	int server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, "10.77.0.2", 8080);
	int fd = client_socket(pods, &podnet_kinds[0]);
	struct sockaddr_in vip = { .sin_family = AF_INET, .sin_port = htons(80) };

	serve(pods, &podnet_kinds[0], IPPROTO_TCP);
	assert_int_equal(inet_pton(AF_INET, "10.96.0.10", &vip.sin_addr), 1);
	assert_int_equal(sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&vip, sizeof(vip)),
			 5);
	assert_peer(fd, "10.96.0.10", 80);
	assert_true(podnet_waiting(server, 1000));
	close(fd);
	fd = client_socket(pods, &podnet_kinds[0]);
	podnet_drop_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	assert_int_equal(sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&vip, sizeof(vip)),
			 -1);
	assert_int_equal(errno, EACCES);
	close(fd);
	close(server);
}

static void test_mptcp(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct weft_edge_key key = {
			.src_workload = CLIENT_WORKLOAD,
			.dst_workload = SERVER_WORKLOAD,
			.service = SERVICE,
			.backend = BACKEND,
			.port = 8080,
			.proto = IPPROTO_TCP,
			.direction = WEFT_DIRECTION_OUTBOUND,
		};
		int server, fd;
		__u64 opened;

		fd = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_STREAM, IPPROTO_MPTCP);
		if (fd < 0) {
			print_message("SKIP: no MPTCP in this kernel; use one with CONFIG_MPTCP\n");
			skip();
		}
		server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		serve(pods, kind, IPPROTO_TCP);
		opened = podnet_edge(pods, &key).opened;
		assert_int_equal(podnet_connect(fd, kind->family, kind->vip, 80), 0);
		assert_peer(fd, kind->vip, 80);
		assert_true(podnet_waiting(server, 1000));
		/* Told by the subflow, named by the MPTCP socket's record. */
		assert_int_equal(podnet_edge(pods, &key).opened, opened + 1);
		close(fd);
		close(server);
	}
	assert_int_equal(allowed(pods, WEFT_REASON_POLICY), PODNET_KINDS);
}

/* sessionAffinity ClientIP: the pod keeps its endpoint, whichever socket asks. */
static void test_client_affinity(void **state)
{
	static const struct weft_service service = {
		.service = SERVICE, .count = 3, .generation = 1, .affinity_seconds = 30
	};
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct podnet_slot slots[3];
		int server[3], first = -1, at;

		for (int i = 0; i < 3; i++) {
			server[i] =
				podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[i], 8080);
			slots[i] = (struct podnet_slot){ kind->endpoint[i], 8080, 1, BACKEND };
		}
		podnet_clear_sticky(pods);
		podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &service, slots);
		for (int round = 0; round < 12; round++) {
			assert_int_equal(call(pods, kind, kind->vip, 80), 0);
			at = podnet_first_waiting(server, 3, 1000);
			first = round ? first : at;
			assert_true(at >= 0 && at == first);
			close(accept(server[at], NULL, NULL));
			/* Nearly idle for too long, but not yet. */
			podnet_age_sticky(pods, 28);
		}
		/* The kept one has no weight any more: only idleness makes the pod leave it. */
		for (int i = 0; i < 3; i++)
			slots[i].weight = i != first;
		podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &service, slots);
		podnet_age_sticky(pods, 31);
		assert_int_equal(call(pods, kind, kind->vip, 80), 0);
		at = podnet_first_waiting(server, 3, 1000);
		assert_true(at >= 0 && at != first);
		for (int i = 0; i < 3; i++)
			close(server[i]);
	}
}

static int suite(void)
{
#define TCP_TEST(name) cmocka_unit_test_setup(name, podnet_test_setup)
	const struct CMUnitTest tests[] = {
		TCP_TEST(test_vip_reaches_endpoint),
		TCP_TEST(test_vip_is_spread_over_endpoints),
		TCP_TEST(test_no_endpoint),
		TCP_TEST(test_unknown_service_port),
		TCP_TEST(test_broken_table),
		TCP_TEST(test_denied),
		TCP_TEST(test_rule_for_one_port),
		TCP_TEST(test_permissive),
		TCP_TEST(test_unmeshed_client),
		TCP_TEST(test_host_process_is_untouched),
		TCP_TEST(test_destinations_that_need_no_rule),
		TCP_TEST(test_node_address),
		TCP_TEST(test_reconnect_clears_record),
		TCP_TEST(test_nonblocking_connect),
		TCP_TEST(test_fast_open),
		TCP_TEST(test_mptcp),
		TCP_TEST(test_client_affinity),
	};

	return cmocka_run_group_tests_name("socket_tcp", tests, podnet_group_setup,
					   podnet_group_teardown);
}

int main(void)
{
	return podnet_main(suite);
}
