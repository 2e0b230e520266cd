// SPDX-License-Identifier: Apache-2.0
/* The slot that a call to a cluster IP takes in weft_conn, from connect until its socket closes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "podnet.h"

enum {
	SERVICE = 70,
	BACKEND = 71,
};

/* No route leads there; nobody is there. */
static const char *const unroutable[PODNET_KINDS] = { "203.0.113.9", "2001:db8::9", "203.0.113.9" };
static const char *const absent[PODNET_KINDS] = { "10.77.0.99", "fd77::99", "10.77.0.99" };

static int call(struct podnet *pods, const struct podnet_kind *kind, const char *endpoint, int *fd)
{
	static const struct weft_service service = { .service = SERVICE, .count = 1 };
	struct podnet_slot slot = { endpoint, 8080, 1, BACKEND };

	podnet_set_peer(pods, endpoint, SERVER_IDENTITY, SERVER_WORKLOAD, WEFT_PEER_MESHED);
	podnet_set_service(pods, kind->vip, 80, IPPROTO_TCP, &service, &slot);
	*fd = podnet_socket(pods, POD_CLIENT, kind->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(*fd >= 0);
	return podnet_connect(*fd, kind->family, kind->vip, 80);
}

static void assert_peer(int fd, const char *addr, int port)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%s:%d", addr, port);
	assert_string_equal(podnet_peername(fd), expected);
}

static void test_refused(void **state)
{
	struct podnet *pods = podnet_require(state);
	int fd, err;

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		err = call(pods, kind, kind->endpoint[0], &fd);
		assert_true(err == -EINPROGRESS || err == -ECONNREFUSED);
		for (int i = 0; i < 100 && podnet_count_conns(pods, 0); i++)
			usleep(5000);
		assert_int_equal(podnet_count_conns(pods, 0), 0);
		close(fd);
	}
}

/* An attempt that nobody answers holds its slot until the application gives up. */
static void test_given_up(void **state)
{
	struct podnet *pods = podnet_require(state);
	int fd;

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		assert_int_equal(call(pods, kind, absent[kind - podnet_kinds], &fd), -EINPROGRESS);
		assert_int_equal(podnet_count_conns(pods, 0), 1);
		close(fd);
		assert_int_equal(podnet_count_conns(pods, 0), 0);
	}
}

/* Nothing tells of a connect that fails before its SYN. */
static void test_never_begun(void **state)
{
	struct podnet *pods = podnet_require(state);
	int server, fd;

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		assert_int_equal(call(pods, kind, unroutable[kind - podnet_kinds], &fd),
				 -ENETUNREACH);
		assert_int_equal(podnet_count_conns(pods, 0), 1);
		/* The same socket, elsewhere: what it had asked for is history. */
		podnet_connect(fd, kind->family, kind->endpoint[0], 8080);
		assert_true(podnet_waiting(server, 1000));
		assert_peer(fd, kind->endpoint[0], 8080);
		close(fd);
		close(server);
	}
}

/* Whoever needs a slot takes one whose socket never began, but not of one that may just begin. */
static void test_abandoned(void **state)
{
	struct podnet *pods = podnet_require(state);
	struct weft_conn_slot slot = { .cookie = 1ULL << 60 };
	struct timespec now;
	int server, fd;

	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		clock_gettime(CLOCK_MONOTONIC, &now);
		slot.conn.start_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
		for (int taken = 0; taken <= 2; taken += 2) {
			podnet_fill_conns(pods, &slot);
			call(pods, kind, kind->endpoint[0], &fd);
			assert_true(podnet_waiting(server, 1000));
			assert_peer(fd, kind->vip, 80);
			assert_int_equal(podnet_count_conns(pods, slot.cookie), taken);
			close(fd);
			close(accept(server, NULL, NULL));
			slot.conn.start_ns -= WEFT_CONN_ABANDONED_NS;
		}
		close(server);
	}
}

/* Without a free slot the socket keeps it itself. */
static void test_no_slot(void **state)
{
	static const struct weft_conn_slot taken = { 1ULL << 60,
						     { .state = WEFT_CONN_CONNECTING } };
	struct podnet *pods = podnet_require(state);
	int server, fd;

	podnet_fill_conns(pods, &taken);
	for (const struct podnet_kind *kind = podnet_kinds; kind->name; kind++) {
		server = podnet_bind(pods, POD_SERVER, SOCK_STREAM, kind->endpoint[0], 8080);
		call(pods, kind, kind->endpoint[0], &fd);
		assert_true(podnet_waiting(server, 1000));
		assert_peer(fd, kind->vip, 80);
		close(fd);
		close(server);
	}
	assert_int_equal(podnet_count_conns(pods, taken.cookie), 0);
	assert_int_equal(podnet_stat(pods, WEFT_STAT_SOCK_STORAGE_FAILED), 0);
}

static int suite(void)
{
#define SLOT_TEST(name) cmocka_unit_test_setup(name, podnet_test_setup)
	const struct CMUnitTest tests[] = {
		SLOT_TEST(test_refused),   SLOT_TEST(test_given_up), SLOT_TEST(test_never_begun),
		SLOT_TEST(test_abandoned), SLOT_TEST(test_no_slot),
	};

	return cmocka_run_group_tests_name("socket_slots", tests, podnet_group_setup,
					   podnet_group_teardown);
}

int main(void)
{
	return podnet_main(suite);
}
