// SPDX-License-Identifier: Apache-2.0
/* Counters and events of TCP connections, compared with what the sockets transferred. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "podnet.h"

enum {
	SERVICE = 70,
	BACKEND = 71,
	CHUNK = 8192,
};

/* One connection from the client to VIP:80, both ends at hand. */
struct line {
	const struct podnet_kind *kind;
	int listener;
	int client;
	int server;
	__u64 sent;	/* by the client */
	__u64 answered; /* by the server */
	__u16 client_port;
};

static const struct weft_edge_key outbound = {
	.src_workload = CLIENT_WORKLOAD,
	.dst_workload = SERVER_WORKLOAD,
	.service = SERVICE,
	.backend = BACKEND,
	.port = 8080,
	.proto = IPPROTO_TCP,
	.direction = WEFT_DIRECTION_OUTBOUND,
};

static const struct weft_edge_key inbound = {
	.src_workload = CLIENT_WORKLOAD,
	.dst_workload = SERVER_WORKLOAD,
	.port = 8080,
	.proto = IPPROTO_TCP,
	.direction = WEFT_DIRECTION_INBOUND,
};

static struct line line_open(struct podnet *pods, const struct podnet_kind *kind)
{
	static const struct weft_service service = { .service = SERVICE, .count = 1 };
	struct podnet_slot slot = { kind->endpoint[0], 8080, 1, BACKEND };
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	struct line line = { .kind = kind };

	podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &service, &slot);
	line.listener = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
	line.client = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_STREAM, 0);
	assert_int_equal(podnet_connect(line.client, kind->family, kind->vip, 80), 0);
	line.server = accept(line.listener, (struct sockaddr *)&from, &size);
	assert_true(line.server >= 0);
	line.client_port = ntohs(from.sin6_port);
	podnet_poll_events(pods);
	return line;
}

/* One thread plays both ends, so what is sent is read before more is. */
static void line_move(int from, int to, __u64 bytes)
{
	static char buffer[CHUNK];
	size_t chunk;

	while (bytes) {
		chunk = bytes < CHUNK ? bytes : CHUNK;
		assert_int_equal(send(from, buffer, chunk, MSG_NOSIGNAL), chunk);
		assert_int_equal(recv(to, buffer, chunk, MSG_WAITALL), chunk);
		bytes -= chunk;
	}
}

static void line_talk(struct line *line, __u64 sent, __u64 answered)
{
	line_move(line->client, line->server, sent);
	line_move(line->server, line->client, answered);
	line->sent += sent;
	line->answered += answered;
}

static void line_hang_up(int *end)
{
	close(*end);
	*end = -1;
}

static void line_reset(int *end)
{
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(*end, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	line_hang_up(end);
}

/* Waits until nothing that this end sent is unacknowledged. */
static void line_settle(int end)
{
	int queued = 1;

	for (int i = 0; i < 200 && queued; i++) {
		assert_int_equal(ioctl(end, TIOCOUTQ, &queued), 0);
		if (queued)
			usleep(5000);
	}
	assert_int_equal(queued, 0);
}

/* Closes what is open and waits until both ends have told. */
static void line_close(struct podnet *pods, struct line *line)
{
	if (line->client >= 0)
		line_hang_up(&line->client);
	if (line->server >= 0)
		line_hang_up(&line->server);
	close(line->listener);
	for (int i = 0;
	     i < 200 &&
	     podnet_edge(pods, &outbound).closed + podnet_edge(pods, &inbound).closed < 2;
	     i++)
		usleep(5000);
	podnet_poll_events(pods);
}

static void check_edge(struct podnet *pods, const struct weft_edge_key *key,
		       const struct line *line)
{
	struct weft_edge edge = podnet_edge(pods, key);

	assert_int_equal(edge.opened, 1);
	assert_int_equal(edge.closed, 1);
	assert_int_equal(edge.bytes_to_dst, line->sent);
	assert_int_equal(edge.bytes_to_src, line->answered);
	assert_int_equal(edge.datagrams_to_dst, 0);
}

static void check_line(struct podnet *pods, struct line *line)
{
	line_close(pods, line);
	check_edge(pods, &outbound, line);
	check_edge(pods, &inbound, line);
	podnet_clear_edges(pods);
}

/* Every way to end a connection; each leaves other FINs in the kernel's counters. */

static void end_by_client(struct line *line)
{
	line_hang_up(&line->client);
	assert_int_equal(recv(line->server, &(char){ 0 }, 1, 0), 0);
	line_hang_up(&line->server);
}

static void end_by_server(struct line *line)
{
	line_hang_up(&line->server);
	assert_int_equal(recv(line->client, &(char){ 0 }, 1, 0), 0);
	line_hang_up(&line->client);
}

static void end_at_half(struct line *line)
{
	shutdown(line->client, SHUT_WR);
	assert_int_equal(recv(line->server, &(char){ 0 }, 1, 0), 0);
	line_move(line->server, line->client, 1000);
	line->answered += 1000;
	line_hang_up(&line->server);
	line_hang_up(&line->client);
}

static void end_by_client_reset(struct line *line)
{
	line_settle(line->server);
	line_reset(&line->client);
}

static void end_by_server_reset(struct line *line)
{
	line_settle(line->client);
	line_reset(&line->server);
}

/* The FIN was sent and acknowledged, the answer is a reset. */
static void end_half_then_reset(struct line *line)
{
	shutdown(line->client, SHUT_WR);
	assert_int_equal(recv(line->server, &(char){ 0 }, 1, 0), 0);
	line_reset(&line->server);
}

/* The server never says FIN: the client's end leaves FIN_WAIT2 by itself. */
static void end_without_fin_of_server(struct line *line)
{
	shutdown(line->client, SHUT_WR);
	assert_int_equal(recv(line->server, &(char){ 0 }, 1, 0), 0);
	line_hang_up(&line->client);
	usleep(20000);
}

/* Close with unread data sends a reset; what the kernel took in was transferred. */
static void end_with_unread_data(struct line *line)
{
	assert_int_equal(send(line->client, "unread", 6, 0), 6);
	line_settle(line->client);
	line->sent += 6;
	line_hang_up(&line->server);
}

static void end_by_disconnect(struct line *line)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	assert_int_equal(connect(line->client, &nobody, sizeof(nobody)), 0);
}

static void test_bytes_are_exact(void **state)
{
	static const struct {
		const char *name;
		void (*end)(struct line *line);
	} ends[] = {
		{ "client closes first", end_by_client },
		{ "server closes first", end_by_server },
		{ "half-close", end_at_half },
		{ "client resets", end_by_client_reset },
		{ "server resets", end_by_server_reset },
		{ "reset after FIN", end_half_then_reset },
		{ "no FIN from the server", end_without_fin_of_server },
		{ "unread data", end_with_unread_data },
		{ "disconnect", end_by_disconnect },
	};
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
			struct line line = line_open(pods, kind);

			print_message("%s, %s\n", kind->name, ends[i].name);
			line_talk(&line, 12345 + i, 54321);
			line_settle(line.client);
			line_settle(line.server);
			ends[i].end(&line);
			check_line(pods, &line);
		}
	}
}

static void test_bulk(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct line line = line_open(pods, &podnet_kinds[1]);

	line_talk(&line, 5000001, 3000003);
	end_by_client(&line);
	check_line(pods, &line);
}

static void test_nothing_transferred(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct line line = line_open(pods, kind);

		end_by_client(&line);
		check_line(pods, &line);
		line = line_open(pods, kind);
		line_reset(&line.client);
		check_line(pods, &line);
	}
}

static const struct weft_event *close_event(const struct podnet *pods,
					    enum weft_direction direction)
{
	for (size_t i = 0; i < pods->event_count; i++)
		if (pods->events[i].type == WEFT_EVENT_TCP_CLOSE &&
		    pods->events[i].direction == direction)
			return &pods->events[i];
	fail_msg("no close event of direction %d", (int)direction);
	return NULL;
}

static void check_event(const struct podnet *pods, enum weft_direction direction,
			const struct line *line)
{
	const struct weft_event *event = close_event(pods, direction);
	bool out = direction == WEFT_DIRECTION_OUTBOUND;
	struct weft_addr src = podnet_addr(line->kind->client);
	struct weft_addr dst = podnet_addr(line->kind->endpoint[0]);

	assert_int_equal(event->reason, WEFT_REASON_NONE);
	assert_int_equal(event->hook, 0);
	assert_int_equal(event->action, 0);
	assert_int_equal(event->proto, IPPROTO_TCP);
	assert_memory_equal(&event->src, &src, sizeof(src));
	assert_memory_equal(&event->dst, &dst, sizeof(dst));
	assert_int_equal(event->src_port, line->client_port);
	assert_int_equal(event->dst_port, 8080);
	assert_int_equal(event->src_identity, CLIENT_IDENTITY);
	assert_int_equal(event->dst_identity, SERVER_IDENTITY);
	assert_int_equal(event->src_workload, CLIENT_WORKLOAD);
	assert_int_equal(event->dst_workload, SERVER_WORKLOAD);
	assert_int_equal(event->service, out ? SERVICE : 0);
	assert_int_equal(event->backend, out ? BACKEND : 0);
	assert_int_equal(event->bytes_to_dst, line->sent);
	assert_int_equal(event->bytes_to_src, line->answered);
	assert_in_range(event->duration_us, 30000, 2000000);
	assert_in_range(event->srtt_us, 1, 1000000);
	assert_int_equal(event->retransmits, 0);
}

static void test_close_event(void **state)
{
	struct podnet *pods = podnet_require(state);

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		struct line line = line_open(pods, kind);
		struct timespec now;
		__u64 now_ns;

		line_talk(&line, 100, 200);
		usleep(30000);
		end_by_client(&line);
		line_close(pods, &line);
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
		assert_int_equal(pods->event_count, 2);
		check_event(pods, WEFT_DIRECTION_OUTBOUND, &line);
		check_event(pods, WEFT_DIRECTION_INBOUND, &line);
		assert_in_range(now_ns - pods->events[0].time_ns, 0, 2000000000);
		/* The sums of the edge are those of its one connection. */
		struct weft_edge edge = podnet_edge(pods, &outbound);
		const struct weft_event *event = close_event(pods, WEFT_DIRECTION_OUTBOUND);

		assert_int_equal(edge.duration_us, event->duration_us);
		assert_int_equal(edge.srtt_us, event->srtt_us);
		podnet_clear_edges(pods);
	}
}

/* Unknown remote ends are workload 0, services that were not asked for 0. */
static void test_direct_and_unknown(void **state)
{
	struct podnet *pods = podnet_require(state);
	int listener = podnet_bind(pods, POD_SERVER, SOCK_STREAM, "10.77.0.254", 8080);
	int client = podnet_socket(pods, POD_CLIENT, AF_INET, SOCK_STREAM, 0);
	struct weft_edge_key key = outbound;

	key.dst_workload = 0;
	key.service = 0;
	key.backend = 0;
	assert_int_equal(podnet_connect(client, AF_INET, "10.77.0.254", 8080), 0);
	assert_int_equal(podnet_edge(pods, &key).opened, 1);
	assert_int_equal(podnet_edge(pods, &key).closed, 0);
	close(client);
	close(listener);
}

static void test_left_out(void **state)
{
	struct podnet *pods = podnet_require(state);
	static const struct {
		const char *addr;
		enum podnet_member at;
	} cases[] = { { "127.0.0.1", POD_CLIENT },
		      { "::1", POD_CLIENT },
		      { "10.96.0.10", POD_STRANGER },
		      { "fd96::10", POD_STRANGER } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int family = strchr(cases[i].addr, ':') ? AF_INET6 : AF_INET;
		int listener = podnet_bind(pods, cases[i].at, SOCK_STREAM, cases[i].addr, 8080);
		int client = podnet_socket(pods, cases[i].at, family, SOCK_STREAM, 0);

		assert_int_equal(podnet_connect(client, family, cases[i].addr, 8080), 0);
		close(client);
		close(listener);
	}
	podnet_poll_events(pods);
	assert_int_equal(pods->event_count, 0);
	assert_int_equal(podnet_count_edges(pods), 0);
}

/* A pod that is deleted leaves the maps before its last connections close. */
static void test_pod_is_forgotten_before_close(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct line line = line_open(pods, &podnet_kinds[1]);

	line_talk(&line, 7, 8);
	podnet_forget_local(pods, POD_CLIENT);
	podnet_forget_peer(pods, line.kind->endpoint[0]);
	podnet_forget_peer(pods, line.kind->client);
	end_by_client(&line);
	check_line(pods, &line);
}

/* Refused by the server: never established, so nothing was opened. */
static void test_refused(void **state)
{
	struct podnet *pods = podnet_require(state);
	int client = podnet_socket(pods, POD_CLIENT, AF_INET, SOCK_STREAM, 0);

	assert_int_equal(podnet_connect(client, AF_INET, "10.77.0.2", 1), -ECONNREFUSED);
	close(client);
	assert_int_equal(podnet_count_edges(pods), 0);
}

/* A socket that is connected again is another connection, perhaps of another service. */
static void test_reconnected_socket(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct line line = line_open(pods, &podnet_kinds[0]);
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct weft_edge_key direct = outbound;

	direct.service = 0;
	direct.backend = 0;
	line_talk(&line, 10, 20);
	line_settle(line.client);
	line_settle(line.server);
	assert_int_equal(connect(line.client, &nobody, sizeof(nobody)), 0);
	assert_int_equal(podnet_connect(line.client, AF_INET, line.kind->endpoint[0], 8080), 0);
	assert_int_equal(podnet_edge(pods, &outbound).closed, 1);
	assert_int_equal(podnet_edge(pods, &outbound).bytes_to_dst, 10);
	assert_int_equal(podnet_edge(pods, &direct).opened, 1);
	assert_int_equal(send(line.client, "hello", 5, 0), 5);
	line_settle(line.client);
	line_hang_up(&line.server);
	line.server = accept(line.listener, NULL, NULL);
	line_hang_up(&line.server);
	line_hang_up(&line.client);
	for (int i = 0; i < 200 && !podnet_edge(pods, &direct).closed; i++)
		usleep(5000);
	assert_int_equal(podnet_edge(pods, &direct).bytes_to_dst, 5);
	close(line.listener);
}

/* A full edge map: counted under the all-zero key that the agent keeps there. */
static void test_edge_overflow(void **state)
{
	struct podnet *pods = podnet_require(state);
	static const struct weft_edge_key overflow;
	__u64 before = podnet_stat(pods, WEFT_STAT_EDGE_OVERFLOW);
	struct line line;

	podnet_fill_edges(pods);
	line = line_open(pods, &podnet_kinds[0]);
	line_talk(&line, 11, 22);
	end_by_client(&line);
	for (int i = 0; i < 200 && podnet_edge(pods, &overflow).closed < 2; i++)
		usleep(5000);
	assert_int_equal(podnet_edge(pods, &overflow).opened, 2);
	assert_int_equal(podnet_edge(pods, &overflow).bytes_to_dst, 22);
	assert_int_equal(podnet_edge(pods, &overflow).bytes_to_src, 44);
	assert_int_equal(podnet_stat(pods, WEFT_STAT_EDGE_OVERFLOW), before + 4);
	close(line.listener);
}

/* Both ends are noted in the table until they close, if there is room; else with their sockets. */
static void test_where_connections_are_noted(void **state)
{
	static const struct weft_conn_slot taken = { 1ULL << 60,
						     { .state = WEFT_CONN_ESTABLISHED } };
	struct podnet *pods = podnet_require(state);
	struct line line = line_open(pods, &podnet_kinds[1]);

	assert_int_equal(podnet_count_conns(pods, 0), 2);
	line_talk(&line, 3, 4);
	end_by_client(&line);
	check_line(pods, &line);
	assert_int_equal(podnet_count_conns(pods, 0), 0);

	podnet_fill_conns(pods, &taken);
	line = line_open(pods, &podnet_kinds[1]);
	line_talk(&line, 5, 6);
	end_by_server(&line);
	check_line(pods, &line);
	assert_int_equal(podnet_stat(pods, WEFT_STAT_SOCK_STORAGE_FAILED), 0);
}

/* Closes beyond the pace are counted like others, but make no events. */
static void test_closes_beyond_the_pace(void **state)
{
	struct podnet *pods = podnet_require(state);
	__u64 before = podnet_stat(pods, WEFT_STAT_CLOSES_UNTOLD);
	struct line line = line_open(pods, &podnet_kinds[0]);

	line_talk(&line, 1, 2);
	podnet_set_pace(pods, ~0ULL);
	end_by_client(&line);
	check_line(pods, &line);
	assert_int_equal(pods->event_count, 0);
	assert_int_equal(podnet_stat(pods, WEFT_STAT_CLOSES_UNTOLD), before + 2);

	podnet_set_pace(pods, 0);
	line = line_open(pods, &podnet_kinds[0]);
	end_by_client(&line);
	check_line(pods, &line);
	assert_int_equal(pods->event_count, 2);
	assert_int_equal(podnet_stat(pods, WEFT_STAT_CLOSES_UNTOLD), before + 2);
}

static int suite(void)
{
#define SOCKOPS_TEST(name) cmocka_unit_test_setup(name, podnet_test_setup)
	const struct CMUnitTest tests[] = {
		SOCKOPS_TEST(test_bytes_are_exact),
		SOCKOPS_TEST(test_bulk),
		SOCKOPS_TEST(test_nothing_transferred),
		SOCKOPS_TEST(test_close_event),
		SOCKOPS_TEST(test_direct_and_unknown),
		SOCKOPS_TEST(test_left_out),
		SOCKOPS_TEST(test_pod_is_forgotten_before_close),
		SOCKOPS_TEST(test_refused),
		SOCKOPS_TEST(test_reconnected_socket),
		SOCKOPS_TEST(test_where_connections_are_noted),
		SOCKOPS_TEST(test_closes_beyond_the_pace),
		SOCKOPS_TEST(test_edge_overflow),
	};

	return cmocka_run_group_tests_name("sockops", tests, podnet_group_setup,
					   podnet_group_teardown);
}

int main(void)
{
	return podnet_main(suite);
}
