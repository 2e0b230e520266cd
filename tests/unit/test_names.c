// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/names.h"

static void test_numbers_stay(void **state)
{
	struct names *names = names_new();
	uint32_t api, web;

	(void)state;
	api = names_get(names, WEFT_NAME_IDENTITY, "shop", "api", "");
	web = names_get(names, WEFT_NAME_IDENTITY, "shop", "web", "");
	assert_int_equal(api, WEFT_ID_FIRST);
	assert_int_equal(web, WEFT_ID_FIRST + 1);
	assert_int_equal(names_get(names, WEFT_NAME_IDENTITY, "shop", "api", ""), api);
	assert_int_not_equal(names_get(names, WEFT_NAME_IDENTITY, "shop", "api", "x"), api);
	assert_int_not_equal(names_get(names, WEFT_NAME_IDENTITY, "shopa", "pi", ""), api);
	assert_int_equal(names_get(names, WEFT_NAME_SERVICE, "shop", "api", ""), WEFT_ID_FIRST);
	assert_int_equal(names_find(names, WEFT_NAME_IDENTITY, "shop", "web", ""), web);
	assert_int_equal(names_find(names, WEFT_NAME_IDENTITY, "shop", "none", ""), 0);
	assert_string_equal(names_lookup(names, WEFT_NAME_IDENTITY, web)->name, "web");
	assert_null(names_lookup(names, WEFT_NAME_WORKLOAD, web));
	names_free(names);
	names_free(NULL);
}

static void test_dropped_numbers_are_not_reused(void **state)
{
	struct names *names = names_new();
	uint32_t first = names_get(names, WEFT_NAME_SERVICE, "shop", "a", "");

	(void)state;
	names_drop(names, WEFT_NAME_SERVICE, first);
	names_drop(names, WEFT_NAME_SERVICE, 12345);
	assert_null(names_lookup(names, WEFT_NAME_SERVICE, first));
	assert_int_equal(names_find(names, WEFT_NAME_SERVICE, "shop", "a", ""), 0);
	assert_int_equal(names_get(names, WEFT_NAME_SERVICE, "shop", "a", ""), first + 1);
	names_free(names);
}

static void test_long_details_are_cut_and_distinct(void **state)
{
	struct names *names = names_new();
	char a[1000], b[1000], fits[WEFT_NAME_LEN];
	const struct weft_name *name;
	uint32_t id_a, id_b;

	(void)state;
	memset(a, 'a', sizeof(a));
	a[sizeof(a) - 1] = 0;
	memcpy(b, a, sizeof(b));
	b[998] = 'b';
	memcpy(fits, a, sizeof(fits));
	fits[sizeof(fits) - 1] = 0;
	id_a = names_get(names, WEFT_NAME_IDENTITY, "shop", "api", a);
	id_b = names_get(names, WEFT_NAME_IDENTITY, "shop", "api", b);
	assert_int_not_equal(id_a, id_b);
	assert_int_equal(names_get(names, WEFT_NAME_IDENTITY, "shop", "api", a), id_a);
	name = names_lookup(names, WEFT_NAME_IDENTITY, id_a);
	assert_int_equal(strlen(name->detail), WEFT_NAME_LEN - 1);
	assert_int_equal(names_get(names, WEFT_NAME_IDENTITY, "shop", "api", name->detail), id_a);
	name = names_lookup(names, WEFT_NAME_IDENTITY,
			    names_get(names, WEFT_NAME_IDENTITY, "shop", "api", fits));
	assert_string_equal(name->detail, fits);
	names_free(names);
}

static int seed(struct names *names, uint32_t id, const char *name)
{
	struct weft_name_key key = { .kind = WEFT_NAME_SERVICE, .id = id };
	struct weft_name value = { .name_space = "shop" };

	strncpy(value.name, name, sizeof(value.name) - 1);
	return names_seed(names, &key, &value);
}

static void test_seeds(void **state)
{
	struct names *names = names_new();
	struct weft_name_key key = { .kind = WEFT_NAME_SERVICE, .id = 400 };
	struct weft_name value;

	(void)state;
	assert_int_equal(seed(names, 300, "a"), 0);
	assert_int_equal(seed(names, 300, "a"), 0);
	assert_int_equal(seed(names, 300, "b"), -EEXIST);
	assert_int_equal(seed(names, 301, "a"), -EEXIST);
	assert_int_equal(names_get(names, WEFT_NAME_SERVICE, "shop", "a", ""), 300);
	assert_int_equal(names_get(names, WEFT_NAME_SERVICE, "shop", "b", ""), 301);
	assert_int_equal(seed(names, WEFT_ID_HOST, "host"), 0);
	assert_int_equal(seed(names, WEFT_ID_HOST, "a"), -EEXIST);
	assert_int_equal(seed(names, 77, "z"), -EEXIST);
	assert_int_equal(seed(names, UINT32_MAX, "last"), 0);
	assert_int_equal(names_get(names, WEFT_NAME_SERVICE, "shop", "c", ""), WEFT_ID_FIRST);
	memset(&value, 'x', sizeof(value));
	assert_int_equal(names_seed(names, &key, &value), -EINVAL);
	key.kind = 9;
	memset(&value, 0, sizeof(value));
	assert_int_equal(names_seed(names, &key, &value), -EINVAL);
	names_free(names);
}

static void test_reserved_names(void **state)
{
	struct names *names = names_new();

	(void)state;
	assert_string_equal(names_lookup(names, WEFT_NAME_IDENTITY, 0)->name, "unknown");
	assert_string_equal(names_lookup(names, WEFT_NAME_WORKLOAD, 1)->name, "host");
	assert_string_equal(names_lookup(names, WEFT_NAME_IDENTITY, 2)->name, "service");
	assert_null(names_lookup(names, WEFT_NAME_IDENTITY, 3));
	names_free(names);
}

static void remember(const struct weft_name_key *key, const struct weft_name *value, void *context)
{
	uint32_t *seen = context;

	assert_true(value->name[0]);
	seen[++seen[0]] = (uint32_t)key->kind << 16 | key->id;
}

static void test_each_is_in_order(void **state)
{
	struct names *names = names_new();
	uint32_t seen[8] = { 0 };

	(void)state;
	names_each(names, remember, seen);
	assert_int_equal(seen[0], 0);
	seed(names, 500, "a");
	seed(names, 300, "b");
	names_get(names, WEFT_NAME_IDENTITY, "shop", "c", "");
	names_each(names, remember, seen);
	assert_int_equal(seen[0], 3);
	assert_true(seen[1] < seen[2] && seen[2] < seen[3]);
	names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_stay),
		cmocka_unit_test(test_dropped_numbers_are_not_reused),
		cmocka_unit_test(test_long_details_are_cut_and_distinct),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_each_is_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
