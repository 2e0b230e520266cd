// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/reconcile/ranges.h"

static void test_first_fit(void **state)
{
	struct ranges *ranges = ranges_new(100);
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(ranges_take(ranges, 10, 0, &a), 0);
	assert_int_equal(ranges_take(ranges, 20, 0, &b), 0);
	assert_int_equal(a, 0);
	assert_int_equal(b, 10);
	ranges_give_unused(ranges, a, 10);
	assert_int_equal(ranges_take(ranges, 11, 0, &c), 0);
	assert_int_equal(c, 30);
	assert_int_equal(ranges_take(ranges, 10, 0, &c), 0);
	assert_int_equal(c, 0);
	assert_int_equal(ranges_take(ranges, 60, 0, &c), -ENOSPC);
	assert_int_equal(ranges_available(ranges, 0), 59);
	ranges_free(ranges);
	ranges_free(NULL);
}

static void test_given_ranges_rest(void **state)
{
	struct ranges *ranges = ranges_new(10);
	uint32_t first;

	(void)state;
	assert_int_equal(ranges_take(ranges, 10, 5, &first), 0);
	ranges_give(ranges, 0, 4, 5);
	ranges_give(ranges, 4, 6, 7);
	assert_int_equal(ranges_take(ranges, 1, 5 + RANGES_REST_NS - 1, &first), -ENOSPC);
	assert_int_equal(ranges_available(ranges, 5 + RANGES_REST_NS), 4);
	assert_int_equal(ranges_take(ranges, 5, 5 + RANGES_REST_NS, &first), -ENOSPC);
	/* Both awake: they have grown together. */
	assert_int_equal(ranges_take(ranges, 10, 7 + RANGES_REST_NS, &first), 0);
	assert_int_equal(first, 0);
	ranges_free(ranges);
}

static void test_reserve(void **state)
{
	struct ranges *ranges = ranges_new(100);
	uint32_t first;

	(void)state;
	assert_int_equal(ranges_reserve(ranges, 10, 10), 0);
	assert_int_equal(ranges_reserve(ranges, 19, 1), -EEXIST);
	assert_int_equal(ranges_reserve(ranges, 5, 6), -EEXIST);
	assert_int_equal(ranges_reserve(ranges, 9, 12), -EEXIST);
	assert_int_equal(ranges_reserve(ranges, 0, 10), 0);
	assert_int_equal(ranges_reserve(ranges, 0, 1), -EEXIST);
	assert_int_equal(ranges_reserve(ranges, 99, 2), -ERANGE);
	assert_int_equal(ranges_reserve(ranges, 100, 1), -ERANGE);
	assert_int_equal(ranges_reserve(ranges, 4000000000u, 4000000000u), -ERANGE);
	assert_int_equal(ranges_reserve(ranges, 50, 0), -ERANGE);
	assert_int_equal(ranges_reserve(ranges, 99, 1), 0);
	assert_int_equal(ranges_take(ranges, 79, 0, &first), 0);
	assert_int_equal(first, 20);
	assert_int_equal(ranges_available(ranges, 0), 0);
	assert_int_equal(ranges_reserve(ranges, 0, 1), -EEXIST);
	ranges_free(ranges);
}

static void test_nothing_to_give(void **state)
{
	struct ranges *ranges = ranges_new(0);
	uint32_t first;

	(void)state;
	assert_int_equal(ranges_take(ranges, 1, 0, &first), -ENOSPC);
	assert_int_equal(ranges_reserve(ranges, 0, 1), -ERANGE);
	ranges_free(ranges);
}

enum { SIZE = 200, HELD = 40, STEPS = 20000 };

struct held {
	uint32_t first, count;
	uint64_t until; /* resting; 0 = held */
};

/* Against a plain array of "who has it": nothing is given twice, nothing is lost. */
static void test_random(void **state)
{
	struct ranges *ranges = ranges_new(SIZE);
	struct held held[HELD] = {};
	uint64_t used_until[SIZE] = {}, now = 0;
	unsigned int seed = 7;
	int step;

	(void)state;
	for (step = 0; step < STEPS; step++) {
		struct held *h = &held[rand_r(&seed) % HELD];
		uint32_t i, idle = 0;

		now += (uint64_t)rand_r(&seed) % (RANGES_REST_NS / 16);
		if (h->count) {
			bool unused = rand_r(&seed) % 4 == 0;

			for (i = 0; i < h->count; i++)
				used_until[h->first + i] = unused ? 0 : now + RANGES_REST_NS;
			if (unused)
				ranges_give_unused(ranges, h->first, h->count);
			else
				ranges_give(ranges, h->first, h->count, now);
			h->count = 0;
		} else {
			uint32_t count = 1 + (uint32_t)rand_r(&seed) % 12, first;
			int err = ranges_take(ranges, count, now, &first);

			if (!err) {
				for (i = 0; i < count; i++) {
					assert_true(used_until[first + i] <= now);
					used_until[first + i] = UINT64_MAX;
				}
				*h = (struct held){ .first = first, .count = count };
			} else {
				uint32_t run = 0;

				for (i = 0; i < SIZE; i++) {
					run = used_until[i] <= now ? run + 1 : 0;
					assert_true(run < count);
				}
			}
		}
		for (i = 0; i < SIZE; i++)
			idle += used_until[i] <= now;
		assert_int_equal(ranges_available(ranges, now), idle);
	}
	ranges_free(ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_fit), cmocka_unit_test(test_given_ranges_rest),
		cmocka_unit_test(test_reserve),	  cmocka_unit_test(test_nothing_to_give),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
