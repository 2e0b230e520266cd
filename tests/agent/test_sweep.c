// SPDX-License-Identifier: Apache-2.0
/* Live connections cut, exactly those that were revoked. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "duo.h"
#include "node.h"
#include "policy/address.h"
#include "user/node/sweep.h"
#include "weft.skel.h"

enum {
	PORT_REVOKED = 8001,
	PORT_KEPT = 8002,
	PORT_NOBODY = 8003,
	MANY = 1000,
	SEEN_MAX = 16,
};

/* What the judge of a sweep is told and saw. */
struct judge {
	uint16_t port; /* revoked: connections with this local or remote port; 0 = none */
	struct sweep_connection seen[SEEN_MAX];
	unsigned int seen_count;
};

static bool judge_revoked(const struct sweep_connection *connection, void *context)
{
	struct judge *judge = context;

	if (judge->seen_count < SEEN_MAX)
		judge->seen[judge->seen_count++] = *connection;
	return judge->port &&
	       (connection->local_port == judge->port || connection->remote_port == judge->port);
}

static struct sweep_result sweep(enum end end, struct judge *judge)
{
	struct sweep_result result;

	judge->seen_count = 0;
	assert_int_equal(sweep_run(duo.diag[end], duo_maps(), judge_revoked, judge, &result), 0);
	return result;
}

static int pending_error(int fd)
{
	socklen_t length = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

/* The connection seen with this port; fails when there is none. */
static const struct sweep_connection *seen_with(const struct judge *judge, uint16_t port)
{
	unsigned int i;

	for (i = 0; i < judge->seen_count; i++)
		if (judge->seen[i].local_port == port || judge->seen[i].remote_port == port)
			return &judge->seen[i];
	fail_msg("no connection with port %u seen", (unsigned int)port);
	return NULL;
}

static void assert_address(const struct weft_addr *address, const char *text)
{
	struct weft_addr expected;

	assert_int_equal(address_parse(text, &expected), 0);
	assert_int_equal(address_compare(address, &expected), 0);
}

static void check_kind(const struct duo_kind *kind, enum end end)
{
	int revoked = duo_listen(PORT_REVOKED, 0), kept = duo_listen(PORT_KEPT, 0);
	struct duo_pair cut = duo_pair_make(kind, revoked, PORT_REVOKED, 0), again;
	struct duo_pair stays = duo_pair_make(kind, kept, PORT_KEPT, 0);
	struct judge judge = { .port = PORT_REVOKED };
	const struct sweep_connection *connection;
	struct sweep_result result;
	double start = node_now_ms();

	result = sweep(end, &judge);
	assert_int_equal(result.seen, 2);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(result.failed, 0);
	duo_assert_error(end == CLIENT ? cut.client : cut.server, ECONNABORTED);
	duo_assert_error(end == CLIENT ? cut.server : cut.client, ECONNRESET);
	assert_true(node_now_ms() - start < node_limit_ms(100));
	duo_pair_assert_alive(&stays);

	connection = seen_with(&judge, PORT_KEPT);
	assert_int_equal(connection->direction,
			 end == CLIENT ? WEFT_DIRECTION_OUTBOUND : WEFT_DIRECTION_INBOUND);
	assert_int_equal(connection->listener, end == SERVER);
	assert_address(end == CLIENT ? &connection->local : &connection->remote, kind->client);
	assert_address(end == CLIENT ? &connection->remote : &connection->local, kind->client_sees);

	/* the listener lives */
	again = duo_pair_make(kind, revoked, PORT_REVOKED, 0);
	duo_pair_assert_alive(&again);
	result = sweep(end, &(struct judge){ .port = 0 });
	assert_int_equal(result.seen, 2);
	assert_int_equal(result.destroyed, 0);
	duo_pair_close(&again);
	duo_pair_close(&cut);
	duo_pair_close(&stays);
	close(revoked);
	close(kept);
	/* what closing leaves behind */
	sweep(CLIENT, &(struct judge){ .port = PORT_REVOKED });
	sweep(CLIENT, &(struct judge){ .port = PORT_KEPT });
	sweep(SERVER, &(struct judge){ .port = PORT_REVOKED });
	sweep(SERVER, &(struct judge){ .port = PORT_KEPT });
}

static void test_at_the_server(void **state)
{
	(void)state;
	duo_require();
	for (int i = 0; i < DUO_KINDS; i++)
		check_kind(&duo_kinds[i], SERVER);
}

static void test_at_the_client(void **state)
{
	(void)state;
	duo_require();
	for (int i = 0; i < DUO_KINDS; i++)
		check_kind(&duo_kinds[i], CLIENT);
}

static void test_syn_sent(void **state)
{
	struct judge judge = { .port = PORT_NOBODY };
	struct sweep_result result;
	double start;
	int fd;

	(void)state;
	duo_require();
	fd = duo_start_connecting("10.88.0.1", "10.88.0.77", PORT_NOBODY);
	start = node_now_ms();
	result = sweep(CLIENT, &judge);
	assert_int_equal(result.seen, 1);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(seen_with(&judge, PORT_NOBODY)->direction, WEFT_DIRECTION_OUTBOUND);
	assert_int_equal(pending_error(fd), ECONNABORTED);
	assert_true(node_now_ms() - start < node_limit_ms(100));
	assert_int_equal(sweep(CLIENT, &judge).seen, 0);
	close(fd);
}

/* The server's answer to 10.88.0.9 goes astray, so the handshake hangs half-way. */
static void test_syn_recv(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct sweep_result result;
	int listener, fd, tries;

	(void)state;
	duo_require();
	listener = duo_listen(PORT_REVOKED, 0);
	fd = duo_start_connecting("10.88.0.9", "10.88.0.2", PORT_REVOKED);
	for (tries = 0; tries < 100; tries++) {
		if (sweep(SERVER, &(struct judge){ .port = 0 }).seen)
			break;
		usleep(5000);
	}
	result = sweep(SERVER, &judge);
	assert_int_equal(result.seen, 1);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(result.failed, 0);
	assert_int_equal(seen_with(&judge, PORT_REVOKED)->direction, WEFT_DIRECTION_INBOUND);
	assert_true(seen_with(&judge, PORT_REVOKED)->listener);
	assert_address(&seen_with(&judge, PORT_REVOKED)->remote, "10.88.0.9");
	assert_int_equal(sweep(SERVER, &judge).seen, 0);
	assert_int_equal(sweep(CLIENT, &judge).destroyed, 1);
	close(fd);
	close(listener);
}

/* Lets the handshake complete after its request was seen. */
static bool complete_handshake(const struct sweep_connection *connection, void *context)
{
	int *fd = context;

	if (*fd >= 0) {
		struct pollfd poller = { .fd = *fd, .events = POLLOUT };

		assert_int_equal(connection->remote_port != 0, 1);
		node_run("nsenter --net=/proc/%d/ns/net ip neigh del 10.88.0.9 dev s0",
			 duo.pid[SERVER]);
		assert_int_equal(poll(&poller, 1, 5000), 1);
		assert_int_equal(pending_error(*fd), 0);
		*fd = -1;
	}
	return true;
}

/* What was a request when the sockets were listed is a connection when it is to be destroyed. */
static void test_handshake_completes(void **state)
{
	struct sweep_result result;
	int listener, fd, waiting, tries;

	(void)state;
	duo_require();
	listener = duo_listen(PORT_REVOKED, 0);
	waiting = fd = duo_start_connecting("10.88.0.9", "10.88.0.2", PORT_REVOKED);
	for (tries = 0; tries < 100; tries++) {
		if (sweep(SERVER, &(struct judge){ .port = 0 }).seen)
			break;
		usleep(5000);
	}
	assert_int_equal(
		sweep_run(duo.diag[SERVER], duo_maps(), complete_handshake, &waiting, &result), 0);
	assert_int_equal(waiting, -1);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(result.failed, 0);
	duo_assert_error(fd, ECONNRESET);
	node_run("nsenter --net=/proc/%d/ns/net ip neigh replace 10.88.0.9 "
		 "lladdr 02:00:00:00:00:09 dev s0",
		 duo.pid[SERVER]);
	close(fd);
	close(listener);
}

/* Half-closed by the server: FIN_WAIT2 there, CLOSE_WAIT at the client. */
static void test_half_closed(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct sweep_result result;
	struct duo_pair pair;
	int listener;
	char byte;

	(void)state;
	duo_require();
	listener = duo_listen(PORT_REVOKED, 0);
	for (int i = 0; i < DUO_KINDS; i++) {
		pair = duo_pair_make(&duo_kinds[i], listener, PORT_REVOKED, 0);
		assert_int_equal(shutdown(pair.server, SHUT_WR), 0);
		assert_int_equal(recv(pair.client, &byte, 1, 0), 0);
		result = sweep(SERVER, &judge);
		assert_int_equal(result.destroyed, 1);
		duo_assert_error(pair.server, ECONNABORTED);
		assert_int_equal(send(pair.client, "x", 1, MSG_NOSIGNAL), -1);
		assert_int_equal(sweep(CLIENT, &judge).seen, 0);
		duo_pair_close(&pair);
	}
	close(listener);
}

/* Closed by the server while the client keeps its end: an orphan waits for the client's FIN. */
static void test_orphan(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct sweep_result result;
	struct duo_pair pair;
	int listener;
	char byte;

	(void)state;
	duo_require();
	listener = duo_listen(PORT_REVOKED, 0);
	pair = duo_pair_make(&duo_kinds[0], listener, PORT_REVOKED, 0);
	close(pair.server);
	assert_int_equal(recv(pair.client, &byte, 1, 0), 0);
	result = sweep(SERVER, &judge);
	print_message("orphan in FIN_WAIT2: seen %u, destroyed %u, failed %u\n", result.seen,
		      result.destroyed, result.failed);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(result.failed, 0);
	/* the client was told by a reset, or is cut here */
	result = sweep(CLIENT, &judge);
	assert_int_equal(result.destroyed, result.seen);
	assert_int_equal(send(pair.client, "x", 1, MSG_NOSIGNAL), -1);
	close(pair.client);
	close(listener);
}

/* Sockets older than weft have no record: who listens tells the direction. */
static void test_without_record(void **state)
{
	struct judge judge = { .port = 0 };
	struct duo_pair pair;
	int listener;

	(void)state;
	duo_require();
	bpf_link__destroy(duo.link);
	duo.link = NULL;
	listener = duo_listen(PORT_REVOKED, 0);
	pair = duo_pair_make(&duo_kinds[1], listener, PORT_REVOKED, 0);
	assert_true(duo_attach_sockops());
	sweep(SERVER, &judge);
	assert_int_equal(seen_with(&judge, PORT_REVOKED)->direction, WEFT_DIRECTION_UNKNOWN);
	assert_true(seen_with(&judge, PORT_REVOKED)->listener);
	sweep(CLIENT, &judge);
	assert_int_equal(seen_with(&judge, PORT_REVOKED)->direction, WEFT_DIRECTION_UNKNOWN);
	assert_false(seen_with(&judge, PORT_REVOKED)->listener);
	judge.port = PORT_REVOKED;
	assert_int_equal(sweep(SERVER, &judge).destroyed, 1);
	duo_pair_close(&pair);
	close(listener);
}

static void test_bad_descriptors(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct sweep_result result;
	struct duo_pair pair;
	int listener;

	(void)state;
	duo_require();
	assert_int_equal(sweep_run(-1, NULL, judge_revoked, &judge, &result), -EBADF);
	assert_int_equal(sweep_run(STDIN_FILENO, NULL, judge_revoked, &judge, &result), -ENOTSOCK);
	listener = duo_listen(PORT_REVOKED, 0);
	/* No maps, no such tables, no descriptors: the sockets are found all the same. */
	for (int i = 0; i < 3; i++) {
		const int fds[] = { -1, bpf_map__fd(duo.skel->maps.weft_netns), 8000 };
		struct maps maps = { .fds = { [MAP_CONN] = fds[i], [MAP_SOCK] = fds[i] } };

		pair = duo_pair_make(&duo_kinds[0], listener, PORT_REVOKED, 0);
		judge.seen_count = 0;
		assert_int_equal(sweep_run(duo.diag[SERVER], i ? &maps : NULL, judge_revoked,
					   &judge, &result),
				 0);
		assert_int_equal(result.destroyed, 1);
		assert_int_equal(seen_with(&judge, PORT_REVOKED)->direction,
				 WEFT_DIRECTION_UNKNOWN);
		duo_assert_error(pair.client, ECONNRESET);
		duo_pair_close(&pair);
	}
	close(listener);
}

/* One side speaks TCP only (servers in Go listen with MPTCP): both are told as always. */
static void test_mptcp_fallback(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct duo_pair pair;
	int listener;

	(void)state;
	duo_require_mptcp();
	for (int server = 0; server < 2; server++) {
		listener = duo_listen(PORT_REVOKED, server ? IPPROTO_MPTCP : 0);
		pair = duo_pair_make(&duo_kinds[1], listener, PORT_REVOKED,
				     server ? 0 : IPPROTO_MPTCP);
		duo_pair_assert_alive(&pair);
		assert_int_equal(sweep(SERVER, &judge).destroyed, 1);
		duo_assert_error(pair.server, ECONNABORTED);
		duo_assert_error(pair.client, ECONNRESET);
		duo_pair_close(&pair);
		close(listener);
	}
}

/*
 * MPTCP on both sides: its subflows are cut, so nothing passes any more. The kernel offers no way
 * to abort the socket above, which waits for net.mptcp.close_timeout for another subflow.
 */
static void test_mptcp(void **state)
{
	struct judge judge = { .port = PORT_REVOKED };
	struct sweep_result result;
	struct duo_pair pair;
	int listener;

	(void)state;
	duo_require_mptcp();
	for (int end = 0; end < ENDS; end++) {
		node_run("nsenter --net=/proc/%d/ns/net sh -c "
			 "'cd /proc/sys/net/mptcp && test ! -e close_timeout || "
			 "echo 1 > close_timeout'",
			 duo.pid[end]);
	}
	listener = duo_listen(PORT_REVOKED, IPPROTO_MPTCP);
	pair = duo_pair_make(&duo_kinds[0], listener, PORT_REVOKED, IPPROTO_MPTCP);
	duo_pair_assert_alive(&pair);
	result = sweep(SERVER, &judge);
	assert_int_equal(result.destroyed, 1);
	assert_int_equal(result.failed, 0);
	assert_int_equal(seen_with(&judge, PORT_REVOKED)->direction, WEFT_DIRECTION_INBOUND);
	assert_int_equal(sweep(SERVER, &judge).seen, 0);
	assert_int_equal(sweep(CLIENT, &judge).seen, 0);
	send(pair.client, "x", 1, MSG_NOSIGNAL);
	assert_int_not_equal(recv(pair.server, &(char){ 0 }, 1, 0), 1);
	duo_pair_close(&pair);
	close(listener);
}

static void test_many(void **state)
{
	static struct duo_pair pairs[MANY];
	struct judge judge = { .port = PORT_REVOKED };
	int listener, kept, i;
	struct sweep_result result;
	double start, swept;
	struct duo_pair stays;

	(void)state;
	duo_require();
	listener = duo_listen(PORT_REVOKED, 0);
	kept = duo_listen(PORT_KEPT, 0);
	stays = duo_pair_make(&duo_kinds[0], kept, PORT_KEPT, 0);
	for (i = 0; i < MANY; i++)
		pairs[i] = duo_pair_make(&duo_kinds[i % DUO_KINDS], listener, PORT_REVOKED, 0);
	start = node_now_ms();
	result = sweep(SERVER, &(struct judge){ .port = 0 });
	swept = node_now_ms() - start;
	assert_int_equal(result.seen, MANY + 1);
	print_message("%d connections: looked through in %.1f ms", MANY, swept);
	start = node_now_ms();
	result = sweep(SERVER, &judge);
	swept = node_now_ms() - start;
	assert_int_equal(result.destroyed, MANY);
	for (i = 0; i < MANY; i++) {
		duo_assert_error(pairs[i].server, ECONNABORTED);
		duo_assert_error(pairs[i].client, ECONNRESET);
		duo_pair_close(&pairs[i]);
	}
	print_message(", cut in %.1f ms\n", swept);
	duo_pair_assert_alive(&stays);
	duo_pair_close(&stays);
	close(listener);
	close(kept);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_the_server),
		cmocka_unit_test(test_at_the_client),
		cmocka_unit_test(test_syn_sent),
		cmocka_unit_test(test_syn_recv),
		cmocka_unit_test(test_handshake_completes),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_without_record),
		cmocka_unit_test(test_bad_descriptors),
		cmocka_unit_test(test_mptcp_fallback),
		cmocka_unit_test(test_mptcp),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, duo_setup, duo_teardown);
}

int main(void)
{
	return node_main(run);
}
