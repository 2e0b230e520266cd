// SPDX-License-Identifier: Apache-2.0
/* An answer of Prometheus as readings. */
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "tests/unit/objects.h"
#include "user/smi/smi_prometheus.h"

#define ENDS                                                                                \
	"'source_namespace':'shop','source_workload':'web','source_kind':'Deployment',"     \
	"'source_pod':'web-1','destination_namespace':'shop','destination_workload':'api'," \
	"'destination_kind':'Deployment','destination_pod':'api-1','destination_port':'8080'"
#define SAMPLE(name, labels, value)                                           \
	"{'metric':{'__name__':'" name "','instance':'10.0.0.1:9464'," labels \
	"},'value':[1000.5,'" value "']}"

/* Samples, ended by NULL. */
static struct traffic **read_samples(const char *const *samples, size_t *count, const char **error)
{
	char text[8192] = "{'status':'success','data':{'resultType':'vector','result':[", *c;
	struct json_object *json;
	struct traffic **readings;
	size_t i;

	for (i = 0; samples[i]; i++) {
		strcat(text, i ? "," : "");
		strcat(text, samples[i]);
	}
	strcat(text, "]}}");
	for (c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_tokener_parse(text);
	assert_non_null(json);
	readings = smi_prometheus_read(json, count, error);
	json_object_put(json);
	return readings;
}

static void readings_free(struct traffic **readings, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		traffic_free(readings[i]);
	free(readings);
}

#define CONNECTIONS ENDS ",'reporter':'source','service':'api','backend':'api-v1'"
#define DENIED	    ENDS ",'verdict':'deny','reason':'no_rule','hook':'to_pod','protocol':'tcp'"
#define WEIGHT(backend) \
	"'destination_namespace':'shop','service':'api','split':'canary','backend':'" backend "'"
#define GONE                                                                       \
	"'source_namespace':'shop','source_workload':'web','source_pod':'(gone)'," \
	"'destination_namespace':'shop','destination_workload':'api',"             \
	"'destination_port':'8080','status_class':'2xx'"

static void test_counters(void **state)
{
	static const char *const samples[] = {
		SAMPLE("weft_http_requests_total", ENDS ",'status_class':'2xx','method':'A'", "7"),
		SAMPLE("weft_http_requests_total", ENDS ",'status_class':'2xx','method':'B'", "3"),
		SAMPLE("weft_http_requests_total", ENDS ",'status_class':'none'", "2"),
		SAMPLE("weft_http_requests_total", GONE, "1000"),
		SAMPLE("weft_tcp_connections_opened_total", CONNECTIONS, "5"),
		SAMPLE("weft_tcp_connections_closed_total", CONNECTIONS, "4"),
		SAMPLE("weft_verdicts_total", DENIED, "9"),
		SAMPLE("weft_verdicts_total", ENDS ",'verdict':'allow','reason':'policy'", "99"),
		SAMPLE("weft_split_backend_weight", WEIGHT("api-v1"), "90"),
		SAMPLE("weft_split_backend_weight", WEIGHT("api-v2"), "0.5"),
		"{'metric':{},'value':[1,'1']}",
		"7",
		"{'metric':{'__name__':'weft_http_requests_total','instance':'b','node':'n2'},"
		"'value':[1,'NaN']}",
		NULL,
	};
	const struct traffic *traffic;
	const char *error;
	size_t count;
	struct traffic **readings = read_samples(samples, &count, &error);

	(void)state;
	assert_non_null(readings);
	assert_int_equal(count, 1);
	traffic = readings[0];
	assert_string_equal(traffic->node, "10.0.0.1:9464");
	assert_int_equal(traffic->request_count, 1);
	assert_int_equal(traffic->requests[0].count[2], 10);
	assert_int_equal(traffic->requests[0].count[0], 2);
	assert_string_equal(traffic->requests[0].source->pod, "web-1");
	assert_string_equal(traffic->requests[0].destination->kind, "Deployment");
	assert_int_equal(traffic->edge_count, 1);
	assert_int_equal(traffic->edges[0].count.opened, 5);
	assert_int_equal(traffic->edges[0].count.closed, 4);
	assert_int_equal(traffic->edges[0].reporter, WEFT_DIRECTION_OUTBOUND);
	assert_string_equal(traffic->edges[0].backend, "shop/api-v1");
	assert_int_equal(traffic->denial_count, 1);
	assert_int_equal(traffic->denials[0].count, 9);
	assert_int_equal(traffic->denials[0].proto, IPPROTO_TCP);
	assert_int_equal(traffic->split_count, 1);
	assert_int_equal(traffic->splits[0].backend_count, 2);
	assert_int_equal(traffic->splits[0].backends[0].weight, 90000);
	assert_int_equal(traffic->splits[0].backends[1].weight, 500);
	readings_free(readings, count);
}

#define BUCKET(le, value) \
	SAMPLE("weft_http_request_duration_seconds_bucket", ENDS ",'le':'" le "'", value)

static void test_histograms(void **state)
{
	/* any order; nothing below 1 ms, 60 to 5 ms, 40 to 10 ms, all but one */
	static const char *const samples[] = {
		BUCKET("+Inf", "101"),
		BUCKET("0.001015808", "0"),
		BUCKET("0.010092544", "100"),
		BUCKET("0.005046272", "60"),
		NULL,
	};
	const struct traffic_requests *requests;
	const char *error;
	size_t count, i;
	uint64_t sum = 0;
	struct traffic **readings = read_samples(samples, &count, &error);

	(void)state;
	assert_non_null(readings);
	assert_int_equal(count, 1);
	assert_int_equal(readings[0]->request_count, 1);
	requests = &readings[0]->requests[0];
	for (i = 0; i < requests->bucket_count; i++)
		sum += requests->buckets[i].count;
	assert_int_equal(sum, 101);
	/* linear between the bounds, as histogram_quantile() has it */
	assert_in_range(traffic_quantile(requests, 0.3), 2900000, 3200000);
	assert_in_range(traffic_quantile(requests, 0.594), 4900000, 5200000);
	assert_in_range(traffic_quantile(requests, 0.8), 7400000, 7900000);
	assert_in_range(traffic_quantile(requests, 1), 10000000, 10500000);
	readings_free(readings, count);
}

static void test_what_is_no_answer(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"status\":\"error\",\"error\":\"x\"}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":7}}",
	};
	static const char *const none[] = { NULL };
	struct json_object *json;
	const char *error;
	struct traffic **readings;
	size_t i, count;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		json = json_tokener_parse(texts[i]);
		assert_null(smi_prometheus_read(json, &count, &error));
		assert_true(*error);
		json_object_put(json);
	}
	readings = read_samples(none, &count, &error);
	assert_non_null(readings);
	assert_int_equal(count, 0);
	assert_false(*error);
	readings_free(readings, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_histograms),
		cmocka_unit_test(test_what_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
