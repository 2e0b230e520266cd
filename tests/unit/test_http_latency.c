// SPDX-License-Identifier: Apache-2.0
/* Buckets of latencies, and what is told from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "bpf/http_latency.bpf.h"
#include "loader/requests.h"

static void test_buckets_are_what_the_abi_states(void **state)
{
	uint32_t b;

	(void)state;
	for (b = 0; b < WEFT_LATENCY_BUCKETS; b++) {
		uint64_t low = ((32ULL + b % 32) << b / 32) * 32;
		uint64_t high = ((33ULL + b % 32) << b / 32) * 32;

		assert_int_equal(latency_floor(b), low);
		assert_int_equal(latency_floor(b + 1), high);
		assert_int_equal(latency_bucket(low), b);
		assert_int_equal(latency_bucket(low + (high - low) / 2), b);
		assert_int_equal(latency_bucket(high - 1), b);
		/* at most 4 % from any value in it to its bounds */
		assert_true(high - low <= low / 32);
	}
}

static void test_buckets_at_the_ends(void **state)
{
	(void)state;
	assert_int_equal(latency_floor(0), 1024);
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(1), 0);
	assert_int_equal(latency_bucket(1023), 0);
	assert_int_equal(latency_floor(WEFT_LATENCY_BUCKETS), 1ULL << 36);
	assert_int_equal(latency_bucket(1ULL << 36), WEFT_LATENCY_BUCKETS - 1);
	assert_int_equal(latency_bucket(UINT64_MAX), WEFT_LATENCY_BUCKETS - 1);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_quantiles_of_random_latencies(void **state)
{
	enum { VALUES = 20000 };
	static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };
	static struct request_bucket buckets[WEFT_LATENCY_BUCKETS];
	static uint64_t values[VALUES];
	static uint64_t counts[WEFT_LATENCY_BUCKETS];
	struct request_edge edge = { .buckets = buckets };
	unsigned int seed = 7;
	size_t i;

	(void)state;
	for (i = 0; i < VALUES; i++) {
		values[i] = 2000ULL + ((uint64_t)rand_r(&seed) << rand_r(&seed) % 4);
		counts[latency_bucket(values[i])]++;
	}
	for (i = 0; i < WEFT_LATENCY_BUCKETS; i++)
		if (counts[i])
			buckets[edge.bucket_count++] =
				(struct request_bucket){ .key.bucket = (uint16_t)i,
							 .count = counts[i] };
	qsort(values, VALUES, sizeof(values[0]), by_value);
	for (i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double exact = (double)values[(size_t)(shares[i] * VALUES) - 1];
		double told = (double)request_edge_quantile(&edge, shares[i]);

		assert_true(told > exact * (1 - 1.0 / 32) && told < exact * (1 + 1.0 / 32));
	}
	assert_true(request_edge_quantile(&edge, 1) >= values[VALUES - 1] / 33 * 32);
	assert_true(request_edge_quantile(&edge, 0) <= values[0]);
}

static void test_quantile_of_few(void **state)
{
	struct request_bucket one = { .key.bucket = 320, .count = 1 };
	struct request_edge edge = { .buckets = &one, .bucket_count = 1 }, none = { 0 };

	(void)state;
	assert_int_equal(request_edge_quantile(&none, 0.5), 0);
	assert_in_range(request_edge_quantile(&edge, 0.5), latency_floor(320), latency_floor(321));
	assert_in_range(request_edge_quantile(&edge, 1), latency_floor(320), latency_floor(321));
}

/* Counts and buckets of the same edges are put together, in any combination. */
static void test_edges_are_put_together(void **state)
{
	struct request_count counts[] = {
		{ .key = { 300, 400, 1, 80, WEFT_HTTP_GET, 2 }, .sum = { 5, 50 } },
		{ .key = { 300, 400, 1, 80, WEFT_HTTP_GET, 5 }, .sum = { 1, 10 } },
		{ .key = { 300, 400, 2, 80, WEFT_HTTP_GET, 0 }, .sum = { 3, 0 } },
		{ .key = { 302, 400, 2, 80, WEFT_HTTP_PUT, 2 }, .sum = { 2, 20 } },
	};
	struct request_bucket buckets[] = {
		{ .key = { 300, 400, 1, 80, 3 }, .count = 4 },
		{ .key = { 300, 400, 1, 80, 9 }, .count = 2 },
		{ .key = { 301, 400, 1, 80, 9 }, .count = 7 },
		{ .key = { 302, 400, 2, 80, 9 }, .count = 2 },
		{ .key = { 302, 400, 2, 81, 9 }, .count = 2 },
	};
	static const struct {
		uint32_t src, rule;
		uint16_t port;
		size_t counts, buckets;
		uint64_t total, latency;
	} expected[] = {
		{ 300, 1, 80, 2, 2, 6, 60 }, { 300, 2, 80, 1, 0, 3, 0 }, { 301, 1, 80, 0, 1, 0, 0 },
		{ 302, 2, 80, 1, 1, 2, 20 }, { 302, 2, 81, 0, 1, 0, 0 },
	};
	struct requests requests = {
		.counts = counts,
		.count_count = 4,
		.buckets = buckets,
		.bucket_count = 5,
	};
	struct requests empty = { 0 };
	struct request_edge edge = { 0 };
	uint64_t latency;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(requests_next(&requests, &edge));
		assert_int_equal(edge.src_workload, expected[i].src);
		assert_int_equal(edge.dst_workload, 400);
		assert_int_equal(edge.rule, expected[i].rule);
		assert_int_equal(edge.port, expected[i].port);
		assert_int_equal(edge.count_count, expected[i].counts);
		assert_int_equal(edge.bucket_count, expected[i].buckets);
		assert_int_equal(request_edge_total(&edge, &latency), expected[i].total);
		assert_int_equal(latency, expected[i].latency);
	}
	assert_false(requests_next(&requests, &edge));
	edge = (struct request_edge){ 0 };
	assert_false(requests_next(&empty, &edge));
	requests.count_count = 0;
	requests.counts = NULL;
	for (i = 0; requests_next(&requests, &edge); i++)
		assert_int_equal(edge.count_count, 0);
	assert_int_equal(i, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_are_what_the_abi_states),
		cmocka_unit_test(test_buckets_at_the_ends),
		cmocka_unit_test(test_quantiles_of_random_latencies),
		cmocka_unit_test(test_quantile_of_few),
		cmocka_unit_test(test_edges_are_put_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
