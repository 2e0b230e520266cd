// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/alias.h"
#include "policy/memory.h"

/* The shares that a table gives, each slot being met with the same probability. */
static double *table_shares(const struct weft_alias *table, uint32_t count)
{
	double *shares = memory_alloc(count * sizeof(*shares));
	uint32_t i;

	for (i = 0; i < count; i++) {
		double own = table[i].threshold == UINT32_MAX ? 1 : table[i].threshold / 0x1p32;

		shares[i] += own / count;
		shares[table[i].alias] += (1 - own) / count;
	}
	return shares;
}

static void check_weights(const uint64_t *weights, uint32_t count)
{
	struct weft_alias *table = memory_alloc(count * sizeof(*table));
	double *shares, sum = 0;
	uint32_t i;

	assert_int_equal(alias_build(weights, count, table), 0);
	shares = table_shares(table, count);
	for (i = 0; i < count; i++)
		sum += (double)weights[i];
	for (i = 0; i < count; i++) {
		assert_true(table[i].alias < count);
		assert_true(fabs(shares[i] - (double)weights[i] / sum) < 0x1p-32);
		if (!weights[i])
			assert_true(shares[i] == 0);
	}
	free(shares);
	free(table);
}

static void test_shares_are_exact(void **state)
{
	(void)state;
	check_weights((uint64_t[]){ 1 }, 1);
	check_weights((uint64_t[]){ 90, 10 }, 2);
	check_weights((uint64_t[]){ 1, 999 }, 2);
	check_weights((uint64_t[]){ 0, 7, 0 }, 3);
	check_weights((uint64_t[]){ 0, 0, 0, 1 }, 4);
	check_weights((uint64_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 10);
	check_weights((uint64_t[]){ UINT64_MAX, 1, UINT64_MAX / 3 }, 3);
	check_weights((uint64_t[]){ 900, 100, 0, 1, 333333333333 }, 5);
}

static void test_large_tables(void **state)
{
	enum { COUNT = 65536 };
	uint64_t *weights = memory_alloc(COUNT * sizeof(*weights));
	uint64_t random = 1;
	uint32_t i;

	(void)state;
	for (i = 0; i < COUNT; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		weights[i] = random >> 40;
	}
	check_weights(weights, COUNT);
	for (i = 0; i < COUNT; i++)
		weights[i] = 1;
	check_weights(weights, COUNT);
	free(weights);
}

static void test_refusals(void **state)
{
	struct weft_alias table[2];
	uint64_t zero[2] = { 0, 0 };

	(void)state;
	assert_int_equal(alias_build(zero, 0, table), -EINVAL);
	assert_int_equal(alias_build(zero, 2, table), -EINVAL);
}

/* Weights of 2^64 - 1 fit as long as sum times count stays below 2^96. */
static void test_range(void **state)
{
	enum { COUNT = 65537 };
	uint64_t *weights = memory_alloc(COUNT * sizeof(*weights));
	struct weft_alias *table = memory_alloc(COUNT * sizeof(*table));
	uint32_t i;

	(void)state;
	for (i = 0; i < COUNT; i++)
		weights[i] = UINT64_MAX;
	assert_int_equal(alias_build(weights, COUNT, table), -ERANGE);
	assert_int_equal(alias_build(weights, 65536, table), 0);
	free(weights);
	free(table);
}

static void test_pick_follows_shares(void **state)
{
	enum { PICKS = 1 << 20 };
	const uint64_t weights[] = { 1, 0, 49, 50 };
	struct weft_alias table[4];
	uint32_t hits[4] = { 0 }, i;

	(void)state;
	assert_int_equal(alias_build(weights, 4, table), 0);
	for (i = 0; i < PICKS; i++)
		hits[alias_pick(table, 4, i * 4096 + 17)]++;
	assert_int_equal(hits[1], 0);
	for (i = 0; i < 4; i++)
		assert_true(fabs((double)hits[i] / PICKS - (double)weights[i] / 100) < 1e-4);
	assert_true(alias_pick(table, 4, 0) < 4);
	assert_true(alias_pick(table, 4, UINT32_MAX) < 4);
}

static void test_always_covers_the_last_number(void **state)
{
	const uint64_t weights[] = { 5, 5, 5 };
	struct weft_alias table[3];

	(void)state;
	assert_int_equal(alias_build(weights, 3, table), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(table[i].threshold, UINT32_MAX);
		assert_int_equal(table[i].alias, i);
	}
	assert_int_equal(alias_pick(table, 3, UINT32_MAX), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_are_exact),
		cmocka_unit_test(test_large_tables),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_pick_follows_shares),
		cmocka_unit_test(test_always_covers_the_last_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
