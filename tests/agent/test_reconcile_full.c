// SPDX-License-Identifier: Apache-2.0
/* Reconciling real maps that are full, or would be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/agent/fixture.h"
#include "loader/maps.h"

static void test_full_policy_map(void **state)
{
	const uint32_t sizes[MAP_ID_COUNT] = { [MAP_POLICY] = 20 };
	struct wish *ten = wish_new(), *six = wish_new(), *other = wish_new(), *many = wish_new();
	struct wish *common = wish_new(), *two = wish_new(), *swapped = wish_new();
	struct fixture f;

	(void)state;
	fixture_open(&f, sizes);
	wish_add_rules(ten, 300, 0, 15);
	assert_int_equal(fixture_apply(&f, ten), 0);
	/* Fewer rules: 12 beside 15 do not fit, but taking away needs no room. */
	wish_add_rules(six, 300, 2, 12);
	assert_int_equal(fixture_apply(&f, six), 0);
	assert_true(f.result.policy_changed);
	mapset_expect(f.maps, six);
	/* More rules that cannot fit: nothing changes, and other destinations go on. */
	wish_add_rules(many, 300, 2, 30);
	wish_add_rules(many, 301, 0, 4);
	assert_int_equal(fixture_apply(&f, many), -E2BIG);
	assert_non_null(strstr(f.result.error, "weft_policy is full (20 entries)"));
	assert_non_null(strstr(f.result.error, "--max-policies"));
	assert_false(f.result.policy_changed);
	wish_add_rules(two, 300, 2, 12);
	wish_add_rules(two, 301, 0, 4);
	mapset_expect(f.maps, two);
	/* Some go, some come, no room for both: what went is gone, what came is not there. */
	wish_add_rules(other, 300, 8, 30);
	assert_int_equal(fixture_apply(&f, other), -E2BIG);
	assert_true(f.result.policy_changed);
	wish_add_rules(common, 300, 8, 6);
	mapset_expect(f.maps, common);
	/* A destination that goes makes room for one that comes. */
	wish_add_rules(swapped, 301, 0, 18);
	assert_int_equal(fixture_apply(&f, swapped), 0);
	mapset_expect(f.maps, swapped);
	fixture_restart(&f);
	assert_int_equal(fixture_apply(&f, ten), 0);
	mapset_expect(f.maps, ten);
	wish_free(ten);
	wish_free(six);
	wish_free(other);
	wish_free(many);
	wish_free(common);
	wish_free(two);
	wish_free(swapped);
	fixture_close(&f);
}

/* Removing them makes the agent wait; unless their room is needed, that is done later. */
static void test_old_rules_rest(void **state)
{
	const uint32_t sizes[MAP_ID_COUNT] = { [MAP_POLICY] = 20 };
	static const unsigned int rules[] = { 6, 5, 8, 9 }, held[] = { 6, 11, 19, 17 };
	struct reconcile_result tidied;
	struct wish *wish = NULL;
	struct fixture f;
	size_t i;

	(void)state;
	fixture_open(&f, sizes);
	for (i = 0; i < 4; i++) {
		wish_free(wish);
		wish = wish_new();
		wish_add_rules(wish, 300, (unsigned int)i, rules[i]);
		assert_int_equal(fixture_apply_untidy(&f, wish), 0);
		assert_string_equal(f.result.error, "");
		assert_int_equal(mapset_count(f.maps, MAP_POLICY), held[i]);
	}
	assert_true(reconcile_is_untidy(f.reconcile));
	/* What is put out of force during the wait is not what was waited for. */
	reconcile_tidy_begin(f.reconcile);
	wish_free(wish);
	wish = wish_new();
	wish_add_rules(wish, 300, 4, 3);
	assert_int_equal(fixture_apply_untidy(&f, wish), 0);
	assert_int_equal(reconcile_tidy_end(f.reconcile, &tidied), 0);
	assert_int_equal(tidied.deleted, 8);
	assert_int_equal(mapset_count(f.maps, MAP_POLICY), 9 + 3);
	assert_true(reconcile_is_untidy(f.reconcile));
	assert_int_equal(reconcile_tidy(f.reconcile, &tidied), 0);
	assert_int_equal(tidied.deleted, 9);
	assert_false(reconcile_is_untidy(f.reconcile));
	mapset_expect(f.maps, wish);
	wish_free(wish);
	fixture_close(&f);
}

static void test_full_small_maps(void **state)
{
	const uint32_t sizes[MAP_ID_COUNT] = { [MAP_IDENT] = 4, [MAP_DEST] = 2, [MAP_SERVICE] = 2 };
	const uint8_t endpoints[] = { 1, 2 };
	struct wish *many = wish_new(), *few = wish_new();
	struct weft_peer peer;
	struct weft_addr address = { .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 5 } };
	struct fixture f;
	uint8_t i;

	(void)state;
	fixture_open(&f, sizes);
	for (i = 0; i < 6; i++)
		wish_add_peer(many, (uint8_t)(1 + i), 300, 1);
	for (i = 0; i < 3; i++) {
		wish_add_rules(many, 300u + i, 0, 2);
		wish_add_service(many, (uint8_t)(100 + i), 80, 400, endpoints, 2);
	}
	assert_int_equal(fixture_apply(&f, many), -E2BIG);
	assert_int_equal(mapset_count(f.maps, MAP_IDENT), 4);
	assert_int_equal(mapset_count(f.maps, MAP_DEST), 2);
	assert_int_equal(mapset_count(f.maps, MAP_POLICY), 4);
	assert_int_equal(mapset_count(f.maps, MAP_SERVICE), 2);
	/* Others in their place: what goes makes room in the same run. */
	for (i = 4; i < 8; i++)
		wish_add_peer(few, (uint8_t)(1 + i), 301, 2);
	wish_add_rules(few, 302, 0, 2);
	wish_add_service(few, 102, 80, 400, endpoints, 2);
	assert_int_equal(fixture_apply(&f, few), 0);
	mapset_expect(f.maps, few);
	assert_int_equal(maps_get(f.maps, MAP_IDENT, &address, &peer), 0);
	assert_int_equal(peer.identity, 301);
	wish_free(many);
	wish_free(few);
	fixture_close(&f);
}

static void test_full_endpoint_table(void **state)
{
	const uint32_t sizes[MAP_ID_COUNT] = { [MAP_ALIAS] = 10, [MAP_ENDPOINT] = 10 };
	const uint8_t six[] = { 1, 2, 3, 4, 5, 6 }, others[] = { 2, 3, 4, 5, 6, 7 };
	struct wish *first = wish_new(), *second = wish_new();
	struct fixture f;

	(void)state;
	fixture_open(&f, sizes);
	wish_add_service(first, 100, 80, 400, six, 6);
	wish_add_service(second, 100, 80, 400, others, 6);
	assert_int_equal(fixture_apply(&f, first), 0);
	assert_int_equal(fixture_apply(&f, second), -ENOSPC);
	assert_non_null(strstr(f.result.error, "--max-endpoints"));
	mapset_expect(f.maps, first);
	wish_free(first);
	wish_free(second);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_policy_map),
		cmocka_unit_test(test_old_rules_rest),
		cmocka_unit_test(test_full_small_maps),
		cmocka_unit_test(test_full_endpoint_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
