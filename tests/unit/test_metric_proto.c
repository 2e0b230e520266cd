// SPDX-License-Identifier: Apache-2.0
/* Read back by the generated code, and quantiles by Prometheus' rules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/http_latency.bpf.h"
#include "user/telemetry/latency_bounds.h"
#include "user/telemetry/metric_proto.h"
#include "user/telemetry/metrics.pb-c.h"

enum { FAMILIES = 4 };

static const struct metric_labels none = { NULL, 0 };

/* The families of a message; *count of them. */
static void read_back(struct metric_proto *proto, Wire__MetricFamily *families[FAMILIES],
		      size_t *count)
{
	size_t length, at = 0, size;
	char *bytes = metric_proto_take(proto, &length);
	unsigned int shift;

	for (*count = 0; at < length; at += size, ++*count) {
		assert_true(*count < FAMILIES);
		size = 0;
		for (shift = 0;; shift += 7) {
			size |= (size_t)(bytes[at] & 0x7f) << shift;
			if (!(bytes[at++] & 0x80))
				break;
		}
		assert_true(size <= length - at);
		families[*count] = wire__metric_family__unpack(NULL, size, (uint8_t *)bytes + at);
		assert_non_null(families[*count]);
	}
	free(bytes);
}

static void free_families(Wire__MetricFamily *families[FAMILIES], size_t count)
{
	while (count--)
		wire__metric_family__free_unpacked(families[count], NULL);
}

static void test_families(void **state)
{
	const struct metric_family counter = { .name = "a_bytes", .unit = "bytes", .help = "A." };
	const struct metric_family gauge = { .name = "b", .type = METRIC_GAUGE, .help = "B." };
	const struct metric_family info = { .name = "c", .type = METRIC_INFO, .help = "C." };
	const struct metric_label items[] = { { "x", "\"y\"" }, { "z", "" } };
	const struct metric_labels labels = { items, 2 };
	Wire__MetricFamily *families[FAMILIES];
	struct metric_proto proto;
	size_t count, i;

	(void)state;
	metric_proto_init(&proto);
	proto.sink.family(&proto, &counter);
	for (i = 0; i < 3000; i++)
		metric_put_fixed(&proto.sink, &labels, 1500, 3);
	proto.sink.family(&proto, &gauge);
	metric_put_real(&proto.sink, NULL, -2.5);
	proto.sink.family(&proto, &info);
	read_back(&proto, families, &count);
	assert_int_equal(count, 3);
	assert_string_equal(families[0]->name, "a_bytes_total");
	assert_string_equal(families[0]->help, "A.");
	assert_int_equal(families[0]->type, WIRE__METRIC_TYPE__COUNTER);
	assert_int_equal(families[0]->n_metric, 3000);
	assert_int_equal(families[0]->metric[2999]->n_label, 2);
	assert_string_equal(families[0]->metric[2999]->label[0]->name, "x");
	assert_string_equal(families[0]->metric[2999]->label[0]->value, "\"y\"");
	assert_true(families[0]->metric[2999]->counter->value == 1.5);
	assert_true(families[1]->metric[0]->gauge->value == -2.5);
	assert_string_equal(families[2]->name, "c_info");
	assert_int_equal(families[2]->n_metric, 0);
	free_families(families, count);
}

static void test_classic_histogram(void **state)
{
	const struct metric_family family = { .name = "a", .type = METRIC_HISTOGRAM, .help = "A." };
	const uint64_t bounds[] = { 500, 1000 }, counts[] = { 3, 0, 4 };
	const struct metric_histogram histogram = { bounds, 2, counts, 12345, 3, false };
	Wire__MetricFamily *families[FAMILIES];
	const Wire__Histogram *found;
	struct metric_proto proto;
	size_t count;

	(void)state;
	metric_proto_init(&proto);
	proto.sink.family(&proto, &family);
	proto.sink.histogram(&proto, &none, &histogram);
	read_back(&proto, families, &count);
	found = families[0]->metric[0]->histogram;
	assert_int_equal(found->sample_count, 7);
	assert_true(found->sample_sum == 12.345);
	assert_false(found->has_schema);
	assert_int_equal(found->n_bucket, 2);
	assert_true(found->bucket[0]->upper_bound == 0.5);
	assert_int_equal(found->bucket[1]->cumulative_count, 3);
	free_families(families, count);
}

/* What Prometheus says of one latency that was counted ten times: where its bucket is. */
static void expect_latency(const struct latency_bounds *bounds, uint64_t ns)
{
	const struct metric_family family = { .name = "a", .type = METRIC_HISTOGRAM, .help = "A." };
	uint64_t bounds_ns[WEFT_LATENCY_BUCKETS], counts[WEFT_LATENCY_BUCKETS + 1] = { 0 };
	struct metric_histogram histogram = { bounds_ns, bounds->count, counts, 10 * ns, 9, true };
	Wire__MetricFamily *families[FAMILIES];
	const Wire__Histogram *found;
	struct metric_proto proto;
	double low, high;
	size_t count, i;

	for (i = 0; i < bounds->count; i++)
		bounds_ns[i] = latency_floor(bounds->buckets[i]);
	counts[latency_bucket(ns)] = 10;
	metric_proto_init(&proto);
	proto.sink.family(&proto, &family);
	proto.sink.histogram(&proto, &none, &histogram);
	read_back(&proto, families, &count);
	found = families[0]->metric[0]->histogram;
	assert_int_equal(found->n_bucket, 0);
	assert_int_equal(found->n_positive_span, 1);
	assert_int_equal(found->positive_span[0]->length, 1);
	assert_int_equal(found->n_positive_delta, 1);
	assert_int_equal(found->positive_delta[0], 10);
	high = exp2(ldexp(found->positive_span[0]->offset, -found->schema)) * 1e9;
	low = exp2(ldexp(found->positive_span[0]->offset - 1, -found->schema)) * 1e9;
	if (high > (double)ns * 1.04 || low < (double)ns / 1.04)
		fail_msg("%llu ns: %g to %g", (unsigned long long)ns, low, high);
	free_families(families, count);
}

static void test_native_histograms_are_exact_to_4_percent(void **state)
{
	struct latency_bounds bounds;
	double ns;

	(void)state;
	latency_bounds_make_all(&bounds);
	for (ns = 1100; ns < 6e10; ns *= 1.011)
		expect_latency(&bounds, (uint64_t)ns);
}

/* Spans and deltas of buckets next to one another, and of others. */
static void test_native_buckets(void **state)
{
	const struct metric_family family = { .name = "a", .type = METRIC_HISTOGRAM, .help = "A." };
	/* 1 s and what is next to it: 2^0 is the upper bound of bucket 0, 1.0219 of bucket 1 */
	const uint64_t bounds[] = { 990, 999, 1010, 1015, 1030, 2000, 2010 };
	const uint64_t counts[] = { 0, 5, 7, 1, 2, 0, 9, 0 };
	const struct metric_histogram histogram = { bounds, 7, counts, 1, 3, true };
	Wire__MetricFamily *families[FAMILIES];
	const Wire__Histogram *found;
	struct metric_proto proto;
	size_t count;

	(void)state;
	metric_proto_init(&proto);
	proto.sink.family(&proto, &family);
	proto.sink.histogram(&proto, &none, &histogram);
	read_back(&proto, families, &count);
	found = families[0]->metric[0]->histogram;
	assert_int_equal(found->sample_count, 24);
	assert_int_equal(found->n_positive_span, 2);
	assert_int_equal(found->positive_span[0]->offset, 0);
	assert_int_equal(found->positive_span[0]->length, 3);
	assert_int_equal(found->positive_span[1]->offset, 30);
	assert_int_equal(found->positive_span[1]->length, 1);
	assert_int_equal(found->n_positive_delta, 4);
	assert_int_equal(found->positive_delta[0], 5);
	assert_int_equal(found->positive_delta[1], 8 - 5);
	assert_int_equal(found->positive_delta[2], 2 - 8);
	assert_int_equal(found->positive_delta[3], 9 - 2);
	free_families(families, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_classic_histogram),
		cmocka_unit_test(test_native_histograms_are_exact_to_4_percent),
		cmocka_unit_test(test_native_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
