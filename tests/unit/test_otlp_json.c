// SPDX-License-Identifier: Apache-2.0
/* Metrics and events as the JSON of OTLP, to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/otlp/otlp_json.h"
#include "user/otlp/otlp_log.h"
#include "user/otlp/otlp_metric.h"

enum { AGENT_NS = 5, MAP_NS = 1000000000 };

static struct {
	struct otlp_envelope envelope;
	struct otlp_metrics metrics;
	struct metric_sink sink;
	struct otlp_body *bodies[8];
	size_t count;
} f;

static uint64_t since(void *context, const struct metric_family *family)
{
	(void)context;
	return family->map ? MAP_NS + family->map : AGENT_NS;
}

static void take(void *context, struct otlp_body *body)
{
	(void)context;
	assert_true(f.count < sizeof(f.bodies) / sizeof(f.bodies[0]));
	f.bodies[f.count++] = body;
}

static int setup(void **state)
{
	struct json_object *resource = json_object_new_array();

	(void)state;
	memset(&f, 0, sizeof(f));
	otlp_json_add_text(resource, "service.name", "weftd");
	otlp_envelope_make(&f.envelope, resource, "resourceMetrics", "scopeMetrics", "metrics");
	f.metrics = (struct otlp_metrics){ .envelope = &f.envelope,
					   .time_ns = UINT64_C(1795946093842457344),
					   .monotonic_ns = 77,
					   .since = since,
					   .body = take };
	f.sink = otlp_metrics_sink(&f.metrics);
	return 0;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < f.count; i++)
		otlp_body_free(f.bodies[i]);
	otlp_envelope_clear(&f.envelope);
	return 0;
}

#define HEAD                                                                               \
	"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","  \
	"\"value\":{\"stringValue\":\"weftd\"}}]},\"scopeMetrics\":[{\"scope\":{\"name\":" \
	"\"weft.dev/weftd\",\"version\":\"" WEFT_VERSION "\"},\"metrics\":["
#define TAIL "]}]}]}"
#define TIME "\"timeUnixNano\":\"1795946093842457344\""

/* The only body has this text between HEAD and TAIL. */
static void assert_metrics(const char *metrics, unsigned int points)
{
	char *expected;

	otlp_metrics_end(&f.metrics);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.bodies[0]->items, points);
	assert_int_equal(f.bodies[0]->made_ns, 77);
	assert_true(asprintf(&expected, HEAD "%s" TAIL, metrics) > 0);
	assert_int_equal(f.bodies[0]->size, strlen(expected));
	assert_memory_equal(f.bodies[0]->bytes, expected, strlen(expected));
	free(expected);
}

static void put_family(const char *name, enum metric_type type, const char *unit, unsigned int map)
{
	f.sink.family(f.sink.context, &(struct metric_family){ .name = name,
							       .type = type,
							       .unit = unit,
							       .help = "A \"help\".",
							       .map = map });
}

static void test_counters(void **state)
{
	const struct metric_label labels[] = { { "empty", "" }, { "a", "x\"\xff" }, { "b", "y" } };

	(void)state;
	put_family("weft_sent_bytes", METRIC_COUNTER, "bytes", 3);
	metric_put_number(&f.sink, &(struct metric_labels){ labels, 3 }, UINT64_MAX);
	metric_put_number(&f.sink, &(struct metric_labels){ labels, 1 }, 0);
	assert_metrics(
		"{\"name\":\"weft_sent_bytes\",\"description\":\"A \\\"help\\\".\",\"unit\":\"By\","
		"\"sum\":{\"dataPoints\":[{\"attributes\":["
		"{\"key\":\"a\",\"value\":{\"stringValue\":\"x\\\"\xef\xbf\xbd\"}},"
		"{\"key\":\"b\",\"value\":{\"stringValue\":\"y\"}}],"
		"\"startTimeUnixNano\":\"1000000003\"," TIME ",\"asInt\":\"18446744073709551615\"},"
		"{\"attributes\":[],\"startTimeUnixNano\":\"1000000003\"," TIME
		",\"asInt\":\"0\"}],"
		"\"aggregationTemporality\":2,\"isMonotonic\":true}}",
		2);
}

static void test_fractions(void **state)
{
	(void)state;
	put_family("weft_x_seconds", METRIC_COUNTER, "seconds", 0);
	metric_put_fixed(&f.sink, NULL, 1234567, 6);
	metric_put_fixed(&f.sink, NULL, 100000, 6);
	assert_metrics("{\"name\":\"weft_x_seconds\",\"description\":\"A \\\"help\\\".\",\"unit\":"
		       "\"s\",\"sum\":{\"dataPoints\":["
		       "{\"attributes\":[],\"startTimeUnixNano\":\"5\"," TIME
		       ",\"asDouble\":1.234567},"
		       "{\"attributes\":[],\"startTimeUnixNano\":\"5\"," TIME ",\"asDouble\":0.1}],"
		       "\"aggregationTemporality\":2,\"isMonotonic\":true}}",
		       2);
}

static void test_gauges_have_no_beginning(void **state)
{
	(void)state;
	put_family("weft_none", METRIC_GAUGE, NULL, 0);
	put_family("weft_pods", METRIC_GAUGE, NULL, 0);
	metric_put_number(&f.sink, NULL, 3);
	put_family("weft_at", METRIC_GAUGE, NULL, 0);
	metric_put_real(&f.sink, NULL, 1795946093.8424573);
	put_family("weft_build", METRIC_INFO, NULL, 0);
	metric_put_number(&f.sink, NULL, 1);
	put_family("weft_nothing", METRIC_COUNTER, NULL, 0);
	/* A family without samples is no metric: OTLP knows no empty ones. */
	assert_metrics(
		"{\"name\":\"weft_pods\",\"description\":\"A \\\"help\\\".\",\"unit\":\"\",\"gauge\":"
		"{\"dataPoints\":[{\"attributes\":[]," TIME ",\"asInt\":\"3\"}]}},"
		"{\"name\":\"weft_at\",\"description\":\"A \\\"help\\\".\",\"unit\":\"\",\"gauge\":"
		"{\"dataPoints\":[{\"attributes\":[]," TIME ",\"asDouble\":1795946093.8424573}]}},"
		"{\"name\":\"weft_build_info\",\"description\":\"A \\\"help\\\".\",\"unit\":\"\","
		"\"gauge\":{\"dataPoints\":[{\"attributes\":[]," TIME ",\"asInt\":\"1\"}]}}",
		3);
}

static void test_histograms(void **state)
{
	static const uint64_t bounds[] = { 50000, 30064771072 }, counts[] = { 1, 0, 4 };
	const struct metric_histogram histogram = { .bounds = bounds,
						    .bound_count = 2,
						    .counts = counts,
						    .sum = 6017000000,
						    .decimals = 9 };

	(void)state;
	put_family("weft_d_seconds", METRIC_HISTOGRAM, "seconds", 1);
	f.sink.histogram(f.sink.context, &(struct metric_labels){ 0 }, &histogram);
	assert_metrics(
		"{\"name\":\"weft_d_seconds\",\"description\":\"A \\\"help\\\".\",\"unit\":"
		"\"s\",\"histogram\":{\"dataPoints\":[{\"attributes\":[],"
		"\"startTimeUnixNano\":\"1000000001\"," TIME ",\"count\":\"5\",\"sum\":6.017,"
		"\"bucketCounts\":[\"1\",\"0\",\"4\"],\"explicitBounds\":[5e-05,30.064771072]}],"
		"\"aggregationTemporality\":2}}",
		1);
}

static void test_a_clock_that_was_set_back(void **state)
{
	(void)state;
	f.metrics.time_ns = MAP_NS;
	put_family("weft_x", METRIC_COUNTER, NULL, 9);
	metric_put_number(&f.sink, NULL, 1);
	assert_metrics("{\"name\":\"weft_x\",\"description\":\"A \\\"help\\\".\",\"unit\":\"\","
		       "\"sum\":{\"dataPoints\":[{\"attributes\":[],\"startTimeUnixNano\":"
		       "\"1000000000\",\"timeUnixNano\":\"1000000000\",\"asInt\":\"1\"}],"
		       "\"aggregationTemporality\":2,\"isMonotonic\":true}}",
		       1);
}

/* Every body is a whole request, none is much larger than a MiB, and no point is lost. */
static void test_many_points_are_several_bodies(void **state)
{
	enum { POINTS = 20000, LIMIT = (1 << 20) + 4096 };
	struct json_object *seen = json_object_new_object();
	unsigned int i, points = 0;
	char text[16];
	size_t b;

	(void)state;
	put_family("weft_x", METRIC_COUNTER, NULL, 1);
	for (i = 0; i < POINTS; i++) {
		const struct metric_label label = { "number", text };

		snprintf(text, sizeof(text), "%u", i);
		if (i == POINTS / 2)
			put_family("weft_y", METRIC_GAUGE, NULL, 1);
		metric_put_number(&f.sink, &(struct metric_labels){ &label, 1 }, i);
	}
	otlp_metrics_end(&f.metrics);
	otlp_metrics_end(&f.metrics);
	assert_true(f.count > 2);
	for (b = 0; b < f.count; b++) {
		struct json_tokener *tokener = json_tokener_new();
		struct json_object *json =
			json_tokener_parse_ex(tokener, f.bodies[b]->bytes, (int)f.bodies[b]->size);
		const char *at = f.bodies[b]->bytes, *end = at + f.bodies[b]->size;

		assert_non_null(json);
		assert_int_equal(json_tokener_get_parse_end(tokener), f.bodies[b]->size);
		assert_true(f.bodies[b]->size < LIMIT);
		points += f.bodies[b]->items;
		while ((at = memmem(at, (size_t)(end - at), "\"asInt\":\"", 9))) {
			at += 9;
			snprintf(text, sizeof(text), "%d", atoi(at));
			json_object_object_add(seen, text, NULL);
		}
		json_object_put(json);
		json_tokener_free(tokener);
	}
	assert_int_equal(points, POINTS);
	assert_int_equal(json_object_object_length(seen), POINTS);
	json_object_put(seen);
}

static void assert_record(const char *event, const char *expected)
{
	struct json_object *json = json_tokener_parse(event);
	struct json_object *record = otlp_log_record(json, UINT64_C(1795946093842457344), 7);

	assert_string_equal(json_object_to_json_string_ext(record,
							   JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE),
			    expected);
	json_object_put(record);
	json_object_put(json);
}

static void test_a_denied_request(void **state)
{
	(void)state;
	assert_record(
		"{\"seq\":1,\"time\":\"x\",\"type\":\"denied\",\"protocol\":\"tcp\",\"source\":"
		"{\"address\":\"fd00::1\",\"port\":4,\"namespace\":\"\",\"workload\":\"unknown\","
		"\"service_account\":\"\"},\"destination\":{\"address\":\"10.0.0.2\",\"port\":80,"
		"\"namespace\":\"shop\",\"workload\":\"api\",\"pod\":\"api-1\"},\"request\":"
		"{\"method\":\"other\",\"path\":\"/\\\\xff\",\"status\":403},\"reason\":\"no_rule\"}",
		"{" TIME ",\"observedTimeUnixNano\":\"7\",\"severityNumber\":13,\"severityText\":"
		"\"WARN\",\"eventName\":\"weft.denied\",\"body\":{\"stringValue\":\"denied other "
		"/\\\\xff 403 from fd00::1 to shop/api port 80: no_rule\"},\"attributes\":["
		"{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"_OTHER\"}},"
		"{\"key\":\"network.transport\",\"value\":{\"stringValue\":\"tcp\"}},"
		"{\"key\":\"weft.reason\",\"value\":{\"stringValue\":\"no_rule\"}},"
		"{\"key\":\"source.address\",\"value\":{\"stringValue\":\"fd00::1\"}},"
		"{\"key\":\"source.port\",\"value\":{\"intValue\":\"4\"}},"
		"{\"key\":\"source.k8s.workload.name\",\"value\":{\"stringValue\":\"unknown\"}},"
		"{\"key\":\"destination.address\",\"value\":{\"stringValue\":\"10.0.0.2\"}},"
		"{\"key\":\"destination.port\",\"value\":{\"intValue\":\"80\"}},"
		"{\"key\":\"destination.k8s.namespace.name\",\"value\":{\"stringValue\":\"shop\"}},"
		"{\"key\":\"destination.k8s.workload.name\",\"value\":{\"stringValue\":\"api\"}},"
		"{\"key\":\"destination.k8s.pod.name\",\"value\":{\"stringValue\":\"api-1\"}},"
		"{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/\\\\xff\"}},"
		"{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"403\"}}]}");
}

static void test_a_closed_connection(void **state)
{
	(void)state;
	assert_record(
		"{\"type\":\"tcp_close\",\"protocol\":\"tcp\",\"source\":{\"namespace\":\"a\","
		"\"workload\":\"b\"},\"destination\":{\"namespace\":\"c\",\"workload\":\"d\"},"
		"\"bytes_to_destination\":12345678901,\"retransmits\":0}",
		"{" TIME ",\"observedTimeUnixNano\":\"7\",\"severityNumber\":9,\"severityText\":"
		"\"INFO\",\"eventName\":\"weft.tcp_close\",\"body\":{\"stringValue\":\"tcp_close tcp "
		"from a/b to c/d port 0\"},\"attributes\":["
		"{\"key\":\"network.transport\",\"value\":{\"stringValue\":\"tcp\"}},"
		"{\"key\":\"weft.bytes_to_destination\",\"value\":{\"intValue\":\"12345678901\"}},"
		"{\"key\":\"weft.retransmits\",\"value\":{\"intValue\":\"0\"}},"
		"{\"key\":\"source.k8s.namespace.name\",\"value\":{\"stringValue\":\"a\"}},"
		"{\"key\":\"source.k8s.workload.name\",\"value\":{\"stringValue\":\"b\"}},"
		"{\"key\":\"destination.k8s.namespace.name\",\"value\":{\"stringValue\":\"c\"}},"
		"{\"key\":\"destination.k8s.workload.name\",\"value\":{\"stringValue\":\"d\"}}]}");
}

#define METRICS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(test_counters),
		METRICS_TEST(test_fractions),
		METRICS_TEST(test_gauges_have_no_beginning),
		METRICS_TEST(test_histograms),
		METRICS_TEST(test_a_clock_that_was_set_back),
		METRICS_TEST(test_many_points_are_several_bodies),
		cmocka_unit_test(test_a_denied_request),
		cmocka_unit_test(test_a_closed_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
