// SPDX-License-Identifier: Apache-2.0
/* Which live connections a policy lets go on, those that HTTP rules judge above all. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/agent/mapset.h"
#include "user/node/sweep_judge.h"

enum { POD = 310, CLIENT = 311, STRANGER = 312, HTTP_PORT = 80, PLAIN_PORT = 81, CLOSED_PORT = 82 };

static struct mapset *set;
static struct wish *wish;
static struct weft_local local;

static struct weft_addr address(uint8_t last_byte)
{
	return (struct weft_addr){ .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = last_byte } };
}

static int open_all(void **state)
{
	(void)state;
	set = mapset_new(NULL);
	wish = wish_new();
	wish_add_peer(wish, 10, POD, WEFT_PEER_ENFORCE);
	wish_add_peer(wish, 11, CLIENT, WEFT_PEER_ENFORCE);
	wish_add_peer(wish, 12, STRANGER, WEFT_PEER_ENFORCE);
	wish_add_dest(wish, POD);
	wish_add_http_entry(wish, CLIENT, HTTP_PORT, 1);
	wish_add_entry(wish, CLIENT, PLAIN_PORT, WEFT_POLICY_ALLOW);
	wish_add_program(wish, 0, 1);
	wish_add_dest(wish, CLIENT);
	wish_add_http_entry(wish, POD, HTTP_PORT, 1);
	wish_add_program(wish, 0, 1);
	local = (struct weft_local){ .peer = { POD, POD + 1000, WEFT_PEER_ENFORCE },
				     .addr = { address(10) } };
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	wish_free(wish);
	mapset_free(set);
	return 0;
}

static bool is_revoked(uint8_t peer, uint16_t local_port, uint16_t remote_port,
		       enum weft_direction direction)
{
	struct sweep_connection connection = {
		.local = address(10),
		.remote = address(peer),
		.local_port = local_port,
		.remote_port = remote_port,
		.direction = direction,
		.listener = local_port < 1024,
	};
	struct sweep_judge judge = { &wish->desired, mapset_maps(set), &local };

	return sweep_judge_is_revoked(&connection, &judge);
}

static void set_flow(uint8_t peer, uint8_t phase, uint8_t answer_flags)
{
	struct weft_http_key key = { address(10), address(peer), HTTP_PORT, 40000 };
	struct weft_http_flow flow = { .phase = phase, .answer_flags = answer_flags };

	assert_int_equal(maps_set(mapset_maps(set), MAP_HTTP_FLOW, &key, &flow), 0);
}

static void test_rules_of_l4(void **state)
{
	(void)state;
	assert_false(is_revoked(11, PLAIN_PORT, 40000, WEFT_DIRECTION_INBOUND));
	assert_true(is_revoked(11, CLOSED_PORT, 40000, WEFT_DIRECTION_INBOUND));
	assert_true(is_revoked(12, PLAIN_PORT, 40000, WEFT_DIRECTION_INBOUND));
	assert_true(is_revoked(12, PLAIN_PORT, 40000, WEFT_DIRECTION_UNKNOWN));
	assert_true(is_revoked(11, 40000, CLOSED_PORT, WEFT_DIRECTION_OUTBOUND));
	assert_false(is_revoked(10, CLOSED_PORT, 40000, WEFT_DIRECTION_INBOUND));
}

static void test_connections_that_are_read_go_on(void **state)
{
	static const uint8_t phases[] = { WEFT_HTTP_PHASE_SYN, WEFT_HTTP_PHASE_READ,
					  WEFT_HTTP_PHASE_HOLD, WEFT_HTTP_PHASE_DENIED };
	size_t i;

	(void)state;
	/* Older than the rules. */
	assert_true(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
	assert_true(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_UNKNOWN));
	for (i = 0; i < sizeof(phases); i++) {
		set_flow(11, phases[i], 0);
		assert_false(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
		assert_false(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_UNKNOWN));
	}
	/* Another one is not this one. */
	assert_true(is_revoked(11, HTTP_PORT, 40001, WEFT_DIRECTION_INBOUND));
	/* What nothing allows is cut, read or not. */
	set_flow(12, WEFT_HTTP_PHASE_READ, 0);
	assert_true(is_revoked(12, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
}

static void test_opaque_connections(void **state)
{
	(void)state;
	/* A rule of L4 allowed it before there were these. */
	set_flow(11, WEFT_HTTP_PHASE_OPAQUE, 0);
	assert_true(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
	set_flow(11, WEFT_HTTP_PHASE_OPAQUE, WEFT_HTTP_ANSWER_UPGRADED);
	assert_false(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
	set_flow(12, WEFT_HTTP_PHASE_OPAQUE, WEFT_HTTP_ANSWER_UPGRADED);
	assert_true(is_revoked(12, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
}

static void test_what_is_not_this_pods_to_judge(void **state)
{
	(void)state;
	/* It opened it: the destination's node reads the requests. */
	assert_false(is_revoked(11, 40000, HTTP_PORT, WEFT_DIRECTION_OUTBOUND));
	assert_false(is_revoked(11, 40000, HTTP_PORT, WEFT_DIRECTION_UNKNOWN));
	/* Nothing is cut where nothing is enforced. */
	local.peer.flags = WEFT_PEER_PERMISSIVE;
	assert_false(is_revoked(11, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
	assert_false(is_revoked(12, HTTP_PORT, 40000, WEFT_DIRECTION_INBOUND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rules_of_l4, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_connections_that_are_read_go_on, open_all,
						close_all),
		cmocka_unit_test_setup_teardown(test_opaque_connections, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_what_is_not_this_pods_to_judge, open_all,
						close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
