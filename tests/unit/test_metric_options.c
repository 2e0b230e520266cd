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
#include "bpf/http_latency.bpf.h"
#include "user/telemetry/latency_bounds.h"
#include "user/telemetry/metric_options.h"

static void test_labels(void **state)
{
	static const char *const wrong[] = { "",	  "pods",	"rule,",
					     ",rule",	  "rule,,port", "all,rule",
					     "none,rule", "rul",	"rule port" };
	struct metric_options options;
	size_t i;

	(void)state;
	assert_int_equal(metric_options_set_labels(&options, "all"), 0);
	assert_int_equal(options.labels, METRIC_LABELS_ALL);
	assert_int_equal(metric_options_set_labels(&options, "none"), 0);
	assert_int_equal(options.labels, 0);
	assert_int_equal(metric_options_set_labels(&options, "rule"), 0);
	assert_int_equal(options.labels, METRIC_LABELS_RULE);
	assert_int_equal(metric_options_set_labels(
				 &options,
				 "workload,service_account,port,service,rule,method,pod,kind"),
			 0);
	assert_int_equal(options.labels, METRIC_LABELS_ALL);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (metric_options_set_labels(&options, wrong[i]) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
}

static void test_buckets(void **state)
{
	static const char *const wrong[] = {
		"",	  "fine ",     "1ms",	   "1ms-",
		"-1s",	  "1ms-1ms",   "1s-1ms",   "1ns-1s",
		"1us-1s", "1ms-61s",   "1-2",	   "1ms-2s ",
		"1m-2m",  "1ms-1s-2s", "0x1ms-1s", "1ms-99999999999999999999s"
	};
	struct metric_options options;
	size_t i;

	(void)state;
	assert_int_equal(metric_options_set_buckets(&options, "fine"), 0);
	assert_int_equal(options.fine_from_ns, 1000000);
	assert_int_equal(options.fine_to_ns, 1000000000);
	assert_int_equal(metric_options_set_buckets(&options, "2us-60s"), 0);
	assert_int_equal(options.fine_from_ns, 2000);
	assert_int_equal(options.fine_to_ns, 60000000000);
	assert_int_equal(metric_options_set_buckets(&options, "coarse"), 0);
	assert_int_equal(options.fine_to_ns, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (metric_options_set_buckets(&options, wrong[i]) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
}

static bool has(const struct latency_bounds *bounds, uint16_t bucket)
{
	size_t i;

	for (i = 0; i < bounds->count; i++)
		if (bounds->buckets[i] == bucket)
			return true;
	return false;
}

/* From one bound to the next it is at most 4 %, where that is asked for, and in order. */
static void expect_bounds(uint64_t from_ns, uint64_t to_ns)
{
	struct latency_bounds bounds, coarse;
	uint64_t first = 0, last = 0;
	size_t i;

	latency_bounds_make(&coarse, 0, 0);
	latency_bounds_make(&bounds, from_ns, to_ns);
	for (i = 0; i < coarse.count; i++)
		assert_true(has(&bounds, coarse.buckets[i]));
	for (i = 0; i < bounds.count; i++) {
		uint64_t floor = latency_floor(bounds.buckets[i]), before;

		assert_in_range(bounds.buckets[i], 1, WEFT_LATENCY_BUCKETS - 1);
		before = i ? latency_floor(bounds.buckets[i - 1]) : 0;
		assert_true(floor > before);
		if (before >= from_ns && floor <= to_ns)
			assert_true(floor * 100 <= before * 104);
		if (floor <= from_ns)
			first = floor;
		if (!last && floor >= to_ns)
			last = floor;
	}
	assert_true(first && first * 104 >= from_ns * 100);
	assert_true(last && last * 100 <= to_ns * 104);
}

static void test_bounds(void **state)
{
	struct latency_bounds bounds;

	(void)state;
	latency_bounds_make(&bounds, 0, 0);
	assert_int_equal(bounds.count, 18);
	assert_int_equal(latency_floor(bounds.buckets[4]), 999424);
	expect_bounds(1000000, 1000000000);
	expect_bounds(2000, 60000000000);
	expect_bounds(40000000000, 60000000000);
	expect_bounds(2000, 3000);
	/* What the manual says of the costs. */
	latency_bounds_make(&bounds, 1000000, 1000000000);
	assert_in_range(bounds.count, 250, 290);
	latency_bounds_make(&bounds, 2000, 60000000000);
	assert_in_range(bounds.count, 600, 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
