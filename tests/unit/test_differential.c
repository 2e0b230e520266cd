// SPDX-License-Identifier: Apache-2.0
/* Random clusters: compiler and reference evaluator must agree about every connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "unit/differential.h"

enum {
	CLUSTERS = 3000,
	SECONDS = 3,		 /* enough; a fast machine checks more in it */
	CLUSTERS_AT_LEAST = 600, /* by then everything was met */
};

static void test_random_clusters(void **state)
{
	time_t end = time(NULL) + SECONDS;
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= CLUSTERS; seed++) {
		struct dice dice = { .state = seed * 0x9e3779b97f4a7c15 };
		struct cluster *cluster = random_cluster(&dice);

		if (!differential_check(cluster))
			fail_msg("seed %llu", (unsigned long long)seed);
		cluster_free(cluster);
		if (seed >= CLUSTERS_AT_LEAST && time(NULL) >= end)
			break;
	}
	print_message("%llu clusters\n", (unsigned long long)(seed > CLUSTERS ? CLUSTERS : seed));
}

/* Agreement about nothing would be worth nothing: everything that can happen has happened. */
static void test_everything_was_met(void **state)
{
	static const enum weft_reason reasons[] = {
		WEFT_REASON_UNMESHED,	  WEFT_REASON_POLICY,		WEFT_REASON_LOCAL_HOST,
		WEFT_REASON_CLUSTER_HOST, WEFT_REASON_EXTERNAL_ALLOWED, WEFT_REASON_OWN_POD,
		WEFT_REASON_NO_RULE,	  WEFT_REASON_UNKNOWN_SOURCE,	WEFT_REASON_REMOTE_HOST,
		WEFT_REASON_HTTP,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		print_message("reason %d: %llu\n", (int)reasons[i],
			      (unsigned long long)differential_coverage.reasons[reasons[i]]);
		assert_true(differential_coverage.reasons[reasons[i]] > 0);
	}
	print_message("splits: %llu, without endpoint: %llu\n",
		      (unsigned long long)differential_coverage.splits,
		      (unsigned long long)differential_coverage.empty_splits);
	print_message("heads: %llu, allowed: %llu\n", (unsigned long long)http_coverage.heads,
		      (unsigned long long)http_coverage.allowed);
	assert_true(http_coverage.heads > 0);
	assert_in_range(http_coverage.allowed, http_coverage.heads / 10, http_coverage.heads);
	assert_true(differential_coverage.splits > 0);
	assert_true(differential_coverage.empty_splits > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_clusters),
		cmocka_unit_test(test_everything_was_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
