// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/telemetry/metric_text.h"

static void expect_text(struct metric_text *text, const char *expected)
{
	size_t length;
	char *taken = metric_text_take(text, &length);

	assert_string_equal(taken, expected);
	assert_int_equal(length, strlen(expected));
	free(taken);
}

static void begin(const struct metric_sink *sink, const char *name, enum metric_type type)
{
	const struct metric_family family = { .name = name, .type = type, .help = "Says it." };

	sink->family(sink->context, &family);
}

static void test_values(void **state)
{
	struct metric_text text;
	const struct metric_sink *sink = &text.sink;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	begin(sink, "a", METRIC_GAUGE);
	metric_put_number(sink, NULL, 0);
	metric_put_number(sink, NULL, UINT64_MAX);
	metric_put_fixed(sink, NULL, 7, 6);
	metric_put_fixed(sink, NULL, 1234567890123, 9);
	metric_put_fixed(sink, NULL, UINT64_MAX, 9);
	metric_put_real(sink, NULL, -0.25);
	expect_text(&text, "# HELP a Says it.\n# TYPE a gauge\n"
			   "a 0\na 18446744073709551615\na 0.000007\na 1234.567890123\n"
			   "a 18446744073.709551615\na -0.25\n");
}

static void test_names_by_type(void **state)
{
	struct metric_text text;
	const struct metric_sink *sink = &text.sink;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	begin(sink, "b", METRIC_INFO);
	metric_put_number(sink, NULL, 1);
	begin(sink, "c", METRIC_COUNTER);
	metric_put_number(sink, NULL, 2);
	expect_text(&text, "# HELP b_info Says it.\n# TYPE b_info gauge\nb_info 1\n"
			   "# HELP c_total Says it.\n# TYPE c_total counter\nc_total 2\n");
}

static void test_labels_are_escaped(void **state)
{
	const struct metric_label items[] = { { "x", "\\a\"b\nc\"" }, { "y", "" } };
	const struct metric_labels labels = { items, 2 };
	struct metric_text text;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	begin(&text.sink, "a", METRIC_GAUGE);
	metric_put_number(&text.sink, &labels, 1);
	expect_text(&text, "# HELP a Says it.\n# TYPE a gauge\n"
			   "a{x=\"\\\\a\\\"b\\nc\\\"\",y=\"\"} 1\n");
}

static void test_histogram(void **state)
{
	const struct metric_label item = { "x", "y" };
	const struct metric_labels labels = { &item, 1 }, none = { NULL, 0 };
	const uint64_t bounds[] = { 500, 1000 }, counts[] = { 3, 0, 4 };
	const struct metric_histogram histogram = { bounds, 2, counts, 12345, 3, false };
	struct metric_text text;
	const struct metric_sink *sink = &text.sink;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	begin(sink, "a", METRIC_HISTOGRAM);
	sink->histogram(sink->context, &labels, &histogram);
	sink->histogram(sink->context, &none, &histogram);
	expect_text(&text, "# HELP a Says it.\n# TYPE a histogram\n"
			   "a_bucket{x=\"y\",le=\"0.500\"} 3\n"
			   "a_bucket{x=\"y\",le=\"1.000\"} 3\n"
			   "a_bucket{x=\"y\",le=\"+Inf\"} 7\n"
			   "a_sum{x=\"y\"} 12.345\na_count{x=\"y\"} 7\n"
			   "a_bucket{le=\"0.500\"} 3\na_bucket{le=\"1.000\"} 3\n"
			   "a_bucket{le=\"+Inf\"} 7\na_sum 12.345\na_count 7\n");
}

/* The buffer grows, also between the pieces of a line. */
static void test_long_texts(void **state)
{
	enum { SAMPLES = 5000 };
	const struct metric_label item = { "label", "value" };
	const struct metric_labels labels = { &item, 1 };
	static const char line[] = "a{label=\"value\"} 1\n";
	struct metric_text text;
	size_t length, head, i;
	char *taken;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	begin(&text.sink, "a", METRIC_GAUGE);
	head = text.length;
	for (i = 0; i < SAMPLES; i++)
		metric_put_number(&text.sink, &labels, 1);
	taken = metric_text_take(&text, &length);
	assert_int_equal(length, head + SAMPLES * strlen(line));
	for (i = 0; i < SAMPLES; i++)
		assert_memory_equal(taken + head + i * strlen(line), line, strlen(line));
	free(taken);
}

static void test_values_as_floating_point(void **state)
{
	const struct metric_value fixed = { .number = 1500000, .decimals = 6 };
	const struct metric_value real = { .is_real = true, .real = 0.5 };

	(void)state;
	assert_true(metric_value_real(&fixed) == 1.5);
	assert_true(metric_value_real(&real) == 0.5);
}

static void test_openmetrics(void **state)
{
	const struct metric_family bytes = { .name = "d_bytes", .unit = "bytes", .help = "D." };
	const uint64_t bounds[] = { 1 }, counts[] = { 2, 1 };
	const struct metric_histogram histogram = { bounds, 1, counts, 9, 0, false };
	const struct metric_labels none = { NULL, 0 };
	struct metric_text text;
	const struct metric_sink *sink = &text.sink;

	(void)state;
	metric_text_init(&text, METRIC_FORMAT_OPENMETRICS);
	begin(sink, "a", METRIC_GAUGE);
	metric_put_number(sink, NULL, 3);
	begin(sink, "b", METRIC_INFO);
	metric_put_number(sink, NULL, 1);
	begin(sink, "c", METRIC_HISTOGRAM);
	sink->histogram(sink->context, &none, &histogram);
	sink->family(sink->context, &bytes);
	metric_put_number(sink, NULL, 2);
	expect_text(&text, "# HELP a Says it.\n# TYPE a gauge\na 3\n"
			   "# HELP b Says it.\n# TYPE b info\nb_info 1\n"
			   "# HELP c Says it.\n# TYPE c histogram\nc_bucket{le=\"1\"} 2\n"
			   "c_bucket{le=\"+Inf\"} 3\nc_sum 9\nc_count 3\n"
			   "# HELP d_bytes D.\n# TYPE d_bytes counter\n# UNIT d_bytes bytes\n"
			   "d_bytes_total 2\n# EOF\n");
}

static void test_accepted_formats(void **state)
{
	static const struct {
		const char *accept;
		enum metric_format format;
	} cases[] = {
		{ NULL, METRIC_FORMAT_PROMETHEUS },
		{ "", METRIC_FORMAT_PROMETHEUS },
		{ "*/*", METRIC_FORMAT_PROMETHEUS },
		{ "application/json", METRIC_FORMAT_PROMETHEUS },
		{ "text/plain", METRIC_FORMAT_PROMETHEUS },
		{ "application/openmetrics-text", METRIC_FORMAT_OPENMETRICS },
		{ "Application/OpenMetrics-Text ; Version=\"1.0.0\"; charset=utf-8",
		  METRIC_FORMAT_OPENMETRICS },
		{ "application/openmetrics-text;version=0.0.1", METRIC_FORMAT_PROMETHEUS },
		{ "application/openmetrics-text;version=2.0.0", METRIC_FORMAT_PROMETHEUS },
		{ "application/openmetrics-text;q=0", METRIC_FORMAT_PROMETHEUS },
		{ "application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.75",
		  METRIC_FORMAT_PROMETHEUS },
		{ "text/plain;version=0.0.4;q=0.5 , application/openmetrics-text;q=0.6",
		  METRIC_FORMAT_OPENMETRICS },
		/* Prometheus 2.42, 2.50 with native histograms, 3.0 */
		{ "application/openmetrics-text;version=1.0.0,"
		  "application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  METRIC_FORMAT_OPENMETRICS },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		  "encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,"
		  "application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  METRIC_FORMAT_PROTOBUF },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		  "encoding=text,text/plain;q=0.1",
		  METRIC_FORMAT_PROMETHEUS },
		{ "application/vnd.google.protobuf;encoding=delimited", METRIC_FORMAT_PROMETHEUS },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
		  "application/openmetrics-text;version=0.0.1;q=0.4,"
		  "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
		  "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		  METRIC_FORMAT_OPENMETRICS },
		{ ",;=;,application/openmetrics-text;;q", METRIC_FORMAT_PROMETHEUS },
		{ ", ;, application/openmetrics-text;version;x=y", METRIC_FORMAT_OPENMETRICS },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (metric_format_accepted(cases[i].accept) != cases[i].format)
			fail_msg("wrong format for: %s", cases[i].accept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_names_by_type),
		cmocka_unit_test(test_labels_are_escaped),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_values_as_floating_point),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_accepted_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
