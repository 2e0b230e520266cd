// SPDX-License-Identifier: Apache-2.0
/* Reconciling real maps: by differences, after crashes, with failures. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/agent/fixture.h"
#include "loader/maps.h"
#include "policy/lookup.h"

/* What the next writes meet: see injected(). */
static struct {
	int countdown; /* writes until it happens; -1 = never */
	enum { CRASH, FAIL_ONCE, FAIL_FOR_GOOD } what;
	int only; /* map that fails, -1 = all */
} injection = { .countdown = -1 };

static int injected(enum map_id id, bool deletes)
{
	if (injection.countdown < 0 || (injection.what != CRASH && deletes) ||
	    (injection.only >= 0 && (int)id != injection.only))
		return 0;
	if (injection.countdown > 0) {
		injection.countdown--;
		return 0;
	}
	if (injection.what == CRASH)
		_exit(42);
	if (injection.what == FAIL_ONCE)
		injection.countdown = -1;
	return -E2BIG;
}

static int injected_set(const struct maps *maps, enum map_id id, const void *key, const void *value)
{
	unsigned char old[1024];
	int err;

	/* A map that is full still takes new values for keys that it has. */
	if (injection.what == FAIL_FOR_GOOD && !maps_get(maps, id, key, old))
		return maps_set(maps, id, key, value);
	err = injected(id, false);
	return err ? err : maps_set(maps, id, key, value);
}

static int injected_delete(const struct maps *maps, enum map_id id, const void *key)
{
	int err = injected(id, true);

	return err ? err : maps_delete(maps, id, key);
}

static int injected_set_range(const struct maps *maps, enum map_id id, uint32_t first,
			      uint32_t count, const void *values)
{
	int err = injected(id, false);

	return err ? err : maps_set_range(maps, id, first, count, values);
}

/* The one file through which reconcile writes, over the functions above. */
#define maps_set       injected_set
#define maps_delete    injected_delete
#define maps_set_range injected_set_range
#include "user/reconcile/reconcile_write.c"
#undef maps_set
#undef maps_delete
#undef maps_set_range

static void test_differences_lead_to_the_same_end(void **state)
{
	struct fixture f;
	unsigned int seed = 1, step, names;

	(void)state;
	fixture_open(&f, NULL);
	for (step = 0; step < 60; step++) {
		struct wish *wish = wish_random(&seed);

		assert_int_equal(fixture_apply(&f, wish), 0);
		assert_string_equal(f.result.error, "");
		mapset_expect(f.maps, wish);
		assert_int_equal(fixture_apply(&f, wish), 0);
		assert_int_equal(f.result.written + f.result.deleted, 0);
		assert_false(f.result.policy_changed);
		if (step % 4 == 0) {
			fixture_restart(&f);
			/* The test gives its numbers no names, so that they become #300, ... */
			names = mapset_count(f.maps, MAP_NAME);
			assert_int_equal(fixture_apply(&f, wish), 0);
			assert_int_equal(f.result.written, mapset_count(f.maps, MAP_NAME) - names);
			assert_int_equal(f.result.deleted, 0);
			assert_false(f.result.policy_changed);
		}
		wish_free(wish);
	}
	fixture_close(&f);
}

/* One run that dies before write `at`; false when it came to its end. */
static bool crash_at(struct fixture *f, const struct wish *wish, int at)
{
	int status;
	pid_t child = fork();

	if (!child) {
		injection.countdown = at;
		injection.what = CRASH;
		injection.only = -1;
		fixture_apply(f, wish);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 42);
	return WEXITSTATUS(status) == 42;
}

static void test_a_crash_between_any_two_writes(void **state)
{
	unsigned int seed, at;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	for (seed = 100; seed < 102; seed++) {
		unsigned int random = seed;
		struct wish *old = wish_random(&random), *new = wish_random(&random);
		bool crashed = true;

		for (at = 0; crashed; at++) {
			assert_int_equal(fixture_apply(&f, old), 0);
			mapset_expect(f.maps, old);
			crashed = crash_at(&f, new, (int)at);
			mapset_expect_whole(f.maps, old, new, false);
			fixture_restart(&f);
			/* The next agent may want either. */
			assert_int_equal(fixture_apply(&f, at % 2 ? old : new), 0);
			mapset_expect(f.maps, at % 2 ? old : new);
		}
		assert_true(at > 10);
		wish_free(old);
		wish_free(new);
	}
	fixture_close(&f);
}

static void test_a_failure_at_any_write(void **state)
{
	unsigned int seed, at, what;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	for (seed = 200; seed < 204; seed++) {
		unsigned int random = seed;
		struct wish *old = wish_random(&random), *new = wish_random(&random);

		what = seed % 2 ? FAIL_FOR_GOOD : FAIL_ONCE;
		for (at = 0; at < 1000; at++) {
			assert_int_equal(fixture_apply(&f, old), 0);
			injection.countdown = (int)at;
			injection.what = what;
			injection.only = -1;
			fixture_apply(&f, new);
			if (injection.countdown > 0)
				break;
			injection.countdown = -1;
			mapset_expect_whole(f.maps, old, new, true);
			/* One failure is made up for at once; and rules that only go need no room.
			 */
			if (what == FAIL_ONCE || !f.result.error[0]) {
				assert_string_equal(f.result.error, "");
				mapset_expect(f.maps, new);
			} else {
				assert_non_null(strstr(f.result.error, "is full"));
			}
			assert_int_equal(fixture_apply(&f, new), 0);
			mapset_expect(f.maps, new);
		}
		injection.countdown = -1;
		assert_true(at > 10);
		wish_free(old);
		wish_free(new);
	}
	fixture_close(&f);
}

static struct weft_service service_at(const struct fixture *f, uint8_t last_byte)
{
	struct weft_service_key key = {
		.addr.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = last_byte },
		.port = 80,
		.proto = 6
	};
	struct weft_service service;

	assert_int_equal(maps_get(f->maps, MAP_SERVICE, &key, &service), 0);
	return service;
}

static void test_tables_move_and_rest(void **state)
{
	const uint8_t a[] = { 1, 2, 3 }, b[] = { 1, 2, 4 };
	struct wish *one = wish_new(), *two = wish_new();
	struct weft_service before[2], after[2];
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	wish_add_service(one, 100, 80, 400, a, 3);
	wish_add_service(one, 101, 80, 401, a, 3);
	wish_add_service(two, 100, 80, 400, b, 3);
	wish_add_service(two, 101, 80, 401, a, 3);
	assert_int_equal(fixture_apply(&f, one), 0);
	before[0] = service_at(&f, 100);
	before[1] = service_at(&f, 101);
	assert_int_equal(fixture_apply(&f, two), 0);
	after[0] = service_at(&f, 100);
	after[1] = service_at(&f, 101);
	assert_memory_equal(&before[1], &after[1], sizeof(before[1]));
	assert_true(after[0].generation > before[0].generation);
	assert_true(after[0].first >= before[0].first + 3 || after[0].first + 3 <= before[0].first);
	/* The first range still rests. */
	assert_int_equal(fixture_apply(&f, one), 0);
	assert_int_not_equal(service_at(&f, 100).first, before[0].first);
	assert_int_not_equal(service_at(&f, 100).first, after[0].first);
	wish_free(one);
	wish_free(two);
	fixture_close(&f);
}

static void test_stale_entries_wait_for_the_first_sync(void **state)
{
	unsigned int seed = 5;
	struct wish *old = wish_random(&seed), *nothing = wish_new();
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(fixture_apply(&f, old), 0);
	fixture_restart(&f);
	assert_int_equal(reconcile_apply(f.reconcile, &nothing->desired, NULL, 0, false, &f.result),
			 0);
	mapset_expect(f.maps, old);
	assert_int_equal(fixture_apply(&f, nothing), 0);
	assert_true(f.result.policy_changed);
	mapset_expect(f.maps, nothing);
	wish_free(old);
	wish_free(nothing);
	fixture_close(&f);
}

static void test_a_pod_without_place_keeps_its_entries(void **state)
{
	struct wish *placed = wish_new(), *lost = wish_new(), *moved = wish_new();
	struct weft_local local;
	uint32_t ifindex = 7;
	uint64_t cookie = 70;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	wish_add_local(placed, "a", 1, 7, 70);
	wish_add_local(placed, "b", 2, 8, 80);
	assert_int_equal(fixture_apply(&f, placed), 0);
	fixture_restart(&f);
	/* The agent is back, knows both pods, but cannot find `a` now; and it is permissive now. */
	wish_add_local(lost, "a", 1, 0, 0);
	lost->desired.locals[0].local.peer.flags = WEFT_PEER_PERMISSIVE;
	wish_add_local(lost, "b", 2, 8, 80);
	assert_int_equal(fixture_apply(&f, lost), 0);
	assert_true(reconcile_has_interface(f.reconcile, 7));
	assert_int_equal(maps_get(f.maps, MAP_IFACE, &ifindex, &local), 0);
	assert_int_equal(local.peer.flags, WEFT_PEER_PERMISSIVE);
	assert_int_equal(maps_get(f.maps, MAP_NETNS, &cookie, &local), 0);
	/* Found elsewhere: the old entries go. */
	wish_add_local(moved, "a", 1, 9, 90);
	wish_add_local(moved, "b", 2, 8, 80);
	assert_int_equal(fixture_apply(&f, moved), 0);
	assert_false(reconcile_has_interface(f.reconcile, 7));
	mapset_expect(f.maps, moved);
	wish_free(placed);
	wish_free(lost);
	wish_free(moved);
	fixture_close(&f);
}

static void test_what_calls_for_a_sweep(void **state)
{
	struct wish *base = wish_new(), *more = wish_new(), *weaker = wish_new();
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	wish_add_rules(base, 300, 0, 2);
	wish_add_rules(more, 300, 0, 3);
	wish_add_rules(more, 301, 0, 1);
	wish_add_rules(weaker, 300, 0, 3);
	weaker->desired.dests[0].entries[1].action = WEFT_POLICY_HTTP;
	wish_add_rules(weaker, 301, 0, 1);
	assert_int_equal(fixture_apply(&f, base), 0);
	assert_false(f.result.policy_changed);
	assert_int_equal(fixture_apply(&f, more), 0);
	assert_false(f.result.policy_changed);
	assert_int_equal(fixture_apply(&f, weaker), 0);
	assert_true(f.result.policy_changed);
	assert_int_equal(fixture_apply(&f, more), 0);
	assert_false(f.result.policy_changed);
	assert_int_equal(fixture_apply(&f, base), 0);
	assert_true(f.result.policy_changed);
	wish_free(base);
	wish_free(more);
	wish_free(weaker);
	fixture_close(&f);
}

static void test_names_survive_and_are_never_given_twice(void **state)
{
	struct weft_name_key key = { .kind = WEFT_NAME_IDENTITY };
	struct wish *wish = wish_new();
	uint32_t api, lost;
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	api = names_get(f.names, WEFT_NAME_IDENTITY, "shop", "api", "");
	lost = names_get(f.names, WEFT_NAME_IDENTITY, "shop", "lost", "");
	wish_add_dest(wish, api);
	wish_add_entry(wish, lost, 80, WEFT_POLICY_ALLOW);
	assert_int_equal(fixture_apply(&f, wish), 0);
	/* As if weft_name had been full when `lost` came. */
	key.id = lost;
	assert_int_equal(maps_delete(f.maps, MAP_NAME, &key), 0);
	fixture_restart(&f);
	assert_int_equal(names_find(f.names, WEFT_NAME_IDENTITY, "shop", "api", ""), api);
	assert_int_equal(names_find(f.names, WEFT_NAME_IDENTITY, "shop", "lost", ""), 0);
	assert_int_not_equal(names_get(f.names, WEFT_NAME_IDENTITY, "shop", "new", ""), lost);
	wish_free(wish);
	fixture_close(&f);
}

static void test_names_that_nobody_uses_go_when_it_is_crowded(void **state)
{
	const uint32_t sizes[MAP_ID_COUNT] = { [MAP_NAME] = 16 };
	struct weft_edge_key edge = {};
	struct weft_edge *values;
	struct wish *wish = wish_new();
	char name[16];
	uint32_t used, counted;
	struct fixture f;
	int i;

	(void)state;
	fixture_open(&f, sizes);
	used = names_get(f.names, WEFT_NAME_IDENTITY, "shop", "used", "");
	counted = names_get(f.names, WEFT_NAME_WORKLOAD, "shop", "counted", "");
	edge.src_workload = counted;
	values = calloc(f.maps->cpus, sizeof(*values));
	assert_int_equal(maps_set(f.maps, MAP_EDGE, &edge, values), 0);
	free(values);
	wish_add_rules(wish, used, 0, 1);
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "old-%d", i);
		names_get(f.names, WEFT_NAME_WORKLOAD, "shop", name, "");
	}
	assert_int_equal(fixture_apply(&f, wish), 0);
	assert_int_equal(mapset_count(f.maps, MAP_NAME), 2);
	assert_non_null(names_lookup(f.names, WEFT_NAME_IDENTITY, used));
	assert_non_null(names_lookup(f.names, WEFT_NAME_WORKLOAD, counted));
	assert_int_equal(names_find(f.names, WEFT_NAME_WORKLOAD, "shop", "old-3", ""), 0);
	wish_free(wish);
	fixture_close(&f);
}

/* Inconsistent maps, as no agent should leave them. */
static void test_damaged_maps_are_repaired(void **state)
{
	const uint8_t endpoints[] = { 1, 2, 3 };
	struct weft_service_key key = {
		.addr.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 100 },
		.port = 80,
		.proto = 6
	};
	struct weft_service service = { .service = 400,
					.first = 4294967290u,
					.count = 4000000000u };
	struct weft_policy_key rule = { .dst_identity = 300, .generation = 77, .src_identity = 5 };
	struct weft_policy allow = { .action = WEFT_POLICY_ALLOW };
	struct weft_dest dest = { .generation = 99, .entries = 3 };
	uint32_t identity = 300;
	struct wish *wish = wish_new();
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL);
	assert_int_equal(maps_set(f.maps, MAP_SERVICE, &key, &service), 0);
	/* Two ports that share a table. */
	key.addr.b[15] = 101;
	service.first = 0;
	service.count = 5;
	assert_int_equal(maps_set(f.maps, MAP_SERVICE, &key, &service), 0);
	key.addr.b[15] = 102;
	service.first = 4;
	assert_int_equal(maps_set(f.maps, MAP_SERVICE, &key, &service), 0);
	/* Rules of a generation that is not in force, a destination that lost its rules. */
	assert_int_equal(maps_set(f.maps, MAP_POLICY, &rule, &allow), 0);
	assert_int_equal(maps_set(f.maps, MAP_DEST, &identity, &dest), 0);
	fixture_restart(&f);
	wish_add_rules(wish, 300, 0, 2);
	wish_add_service(wish, 100, 80, 400, endpoints, 3);
	wish_add_service(wish, 101, 80, 401, endpoints, 3);
	wish_add_service(wish, 102, 80, 402, endpoints, 3);
	assert_int_equal(fixture_apply(&f, wish), 0);
	mapset_expect(f.maps, wish);
	assert_int_equal(maps_get(f.maps, MAP_DEST, &identity, &dest), 0);
	assert_true(dest.generation > 99);
	wish_free(wish);
	fixture_close(&f);
}

static int inject_nothing(void **state)
{
	(void)state;
	injection.countdown = -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_differences_lead_to_the_same_end, inject_nothing),
		cmocka_unit_test_setup(test_a_crash_between_any_two_writes, inject_nothing),
		cmocka_unit_test_setup(test_a_failure_at_any_write, inject_nothing),
		cmocka_unit_test_setup(test_tables_move_and_rest, inject_nothing),
		cmocka_unit_test_setup(test_stale_entries_wait_for_the_first_sync, inject_nothing),
		cmocka_unit_test_setup(test_a_pod_without_place_keeps_its_entries, inject_nothing),
		cmocka_unit_test_setup(test_what_calls_for_a_sweep, inject_nothing),
		cmocka_unit_test_setup(test_names_survive_and_are_never_given_twice,
				       inject_nothing),
		cmocka_unit_test_setup(test_names_that_nobody_uses_go_when_it_is_crowded,
				       inject_nothing),
		cmocka_unit_test_setup(test_damaged_maps_are_repaired, inject_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
