// SPDX-License-Identifier: Apache-2.0
/* Requests: counters in real maps as metrics, records as JSON, who watches. */
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>
#include "tests/agent/mapset.h"
#include "tests/unit/objects.h"
#include "bpf/http_latency.bpf.h"
#include "policy/workload.h"
#include "user/telemetry/durations.h"
#include "user/telemetry/metric_text.h"
#include "user/telemetry/telemetry.h"

enum { WATCH_US = 2100000 };

static struct {
	struct mapset *set;
	const struct maps *maps;
	struct names *names;
	struct store *store;
	struct metric_options options;
	struct telemetry *telemetry;
	uint32_t web, api, rule;
} f;

static const char pods[] =
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: web-1, namespace: shop, uid: u1}\n"
	"spec: {nodeName: a, serviceAccountName: web}\n"
	"status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: api-1, namespace: shop, uid: u2}\n"
	"spec: {nodeName: a, serviceAccountName: api}\n"
	"status: {phase: Running, podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}]}\n";

static int setup(void **state)
{
	static const uint32_t sizes[MAP_ID_COUNT] = { [MAP_REQUEST] = 4096 };

	(void)state;
	f.set = mapset_new(sizes);
	f.maps = mapset_maps(f.set);
	f.names = names_new();
	f.store = store_from(pods, NULL);
	f.options = (struct metric_options){
		.labels = METRIC_LABELS_ALL & ~(METRIC_LABELS_KIND | METRIC_LABELS_POD),
		.max_series = 10000,
		.max_histograms = 1000,
	};
	f.telemetry = telemetry_new(f.maps, f.names, f.store, &f.options);
	f.web = names_get(f.names, WEFT_NAME_WORKLOAD, "shop", "web", "Deployment/web");
	f.api = names_get(f.names, WEFT_NAME_WORKLOAD, "shop", "api", "Deployment/api");
	f.rule = names_get(f.names, WEFT_NAME_RULE, "shop", "readers", "routes/get");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	telemetry_free(f.telemetry);
	store_free(f.store);
	names_free(f.names);
	mapset_free(f.set);
	return 0;
}

/* Spreads a count over the CPUs. */
static void put_request(uint32_t src, uint32_t rule, uint8_t method, uint8_t status, uint64_t count,
			uint64_t latency_ns)
{
	struct weft_request_key key = { src, f.api, rule, 8080, method, status };
	struct weft_request *values = calloc(f.maps->cpus, sizeof(*values));

	values[0] = (struct weft_request){ count - 1, latency_ns };
	values[f.maps->cpus - 1].count += 1;
	assert_int_equal(maps_set(f.maps, MAP_REQUEST, &key, values), 0);
	free(values);
}

static void put_latency(uint32_t src, uint32_t rule, uint64_t ns, uint64_t count)
{
	struct weft_latency_key key = { src, f.api, rule, 8080, (uint16_t)latency_bucket(ns) };
	struct weft_latency *values = calloc(f.maps->cpus, sizeof(*values));

	values[f.maps->cpus - 1].count = count;
	assert_int_equal(maps_set(f.maps, MAP_LATENCY, &key, values), 0);
	free(values);
}

static char *metrics(void)
{
	static const struct durations none;
	static const struct findings findings;
	const struct telemetry_agent agent = {
		.findings = &findings,
		.passes = &none,
		.propagation = &none,
	};
	struct metric_text text;
	size_t length;

	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	telemetry_write_metrics(f.telemetry, &agent, &text.sink);
	return metric_text_take(&text, &length);
}

static void expect_line(const char *text, const char *format, ...)
{
	char line[1024] = "\n";
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + 1, sizeof(line) - 3, format, arguments);
	va_end(arguments);
	strcat(line, "\n");
	if (!strstr(text, line))
		fail_msg("missing:%sin:\n%s", line, strstr(text, "# HELP weft_http"));
}

#define EDGE                                                                            \
	"source_namespace=\"shop\",source_workload=\"web\",source_service_account="     \
	"\"web\",destination_namespace=\"shop\",destination_workload=\"api\","          \
	"destination_service_account=\"api\",destination_port=\"8080\",traffic_target=" \
	"\"readers\",route_group=\"routes\",match=\"get\""

static void test_requests_are_counted(void **state)
{
	char *text;

	(void)state;
	put_request(f.web, f.rule, WEFT_HTTP_GET, 2, 10, 5000000);
	put_request(f.web, f.rule, WEFT_HTTP_GET, 5, 2, 2000000123);
	put_request(f.web, f.rule, WEFT_HTTP_OTHER, 0, 3, 0);
	put_request(f.web, 0, WEFT_HTTP_PUT, 4, 1, 0);
	put_request(f.web, 999999, WEFT_HTTP_PUT, 4, 7, 0);
	put_latency(f.web, f.rule, 60000, 9);
	put_latency(f.web, f.rule, 3000000, 1);
	put_latency(f.web, f.rule, 999423, 4);
	put_latency(f.web, f.rule, 40000000000, 2);
	text = metrics();
	expect_line(text, "# TYPE weft_http_requests_total counter");
	expect_line(text,
		    "weft_http_requests_total{" EDGE ",method=\"GET\",status_class=\"2xx\"} 10");
	expect_line(text,
		    "weft_http_requests_total{" EDGE ",method=\"GET\",status_class=\"5xx\"} 2");
	expect_line(text,
		    "weft_http_requests_total{" EDGE ",method=\"other\",status_class=\"none\"} 3");
	assert_non_null(strstr(text,
			       "traffic_target=\"\",route_group=\"\",match=\"\",method=\"PUT\","
			       "status_class=\"4xx\"} 1\n"));
	assert_non_null(strstr(text, "traffic_target=\"unknown\",route_group=\"\",match=\"\","));
	expect_line(text, "# TYPE weft_http_request_duration_seconds histogram");
#define BUCKET "weft_http_request_duration_seconds_bucket{" EDGE ",le="
	expect_line(text, BUCKET "\"0.000050176\"} 0");
	expect_line(text, BUCKET "\"0.000100352\"} 9");
	expect_line(text, BUCKET "\"0.000999424\"} 13");
	expect_line(text, BUCKET "\"0.002490368\"} 13");
	expect_line(text, BUCKET "\"0.004980736\"} 14");
	expect_line(text, BUCKET "\"30.064771072\"} 14");
	expect_line(text, BUCKET "\"+Inf\"} 16");
	expect_line(text, "weft_http_request_duration_seconds_sum{" EDGE "} 2.005000123");
	expect_line(text, "weft_http_request_duration_seconds_count{" EDGE "} 16");
	free(text);
}

/* Two pods of a workload are one series, unless pods are told apart. */
static void test_pods_and_kinds_on_request(void **state)
{
	uint32_t pod = workload_number(f.names, "shop", "Deployment", "web", "web", "web-1");
	struct workload workload;
	char *text;

	(void)state;
	put_request(f.web, f.rule, WEFT_HTTP_GET, 2, 10, 1000);
	put_request(pod, f.rule, WEFT_HTTP_GET, 2, 5, 500);
	workload_of(f.names, pod, &workload);
	put_request(workload_past(f.names, &workload), f.rule, WEFT_HTTP_GET, 2, 7, 700);
	text = metrics();
	expect_line(text,
		    "weft_http_requests_total{" EDGE ",method=\"GET\",status_class=\"2xx\"} 22");
	free(text);
	f.options.labels = METRIC_LABELS_ALL;
	text = metrics();
#define SOURCE(pod)                                                                            \
	"weft_http_requests_total{source_namespace=\"shop\",source_kind=\"Deployment\","       \
	"source_workload=\"web\",source_pod=\"" pod "\",source_service_account=\"web\","       \
	"destination_namespace=\"shop\",destination_kind=\"Deployment\",destination_workload=" \
	"\"api\",destination_pod=\"\",destination_service_account=\"api\",destination_port="   \
	"\"8080\",traffic_target=\"readers\",route_group=\"routes\",match=\"get\",method="     \
	"\"GET\",status_class=\"2xx\"} "
	expect_line(text, SOURCE("web-1") "5");
	expect_line(text, SOURCE("(gone)") "7");
	expect_line(text, SOURCE("") "10");
	free(text);
}

static void test_numbers_of_one_name_are_one_series(void **state)
{
	uint32_t other = names_get(f.names, WEFT_NAME_WORKLOAD, "shop", "web", "StatefulSet/web");
	char *text;

	(void)state;
	put_request(f.web, f.rule, WEFT_HTTP_GET, 2, 10, 1000);
	put_request(other, f.rule, WEFT_HTTP_GET, 2, 5, 500);
	put_latency(f.web, f.rule, 60000, 10);
	put_latency(other, f.rule, 60000, 5);
	text = metrics();
	expect_line(text,
		    "weft_http_requests_total{" EDGE ",method=\"GET\",status_class=\"2xx\"} 15");
	expect_line(text, BUCKET "\"0.000100352\"} 15");
	expect_line(text, "weft_http_request_duration_seconds_sum{" EDGE "} 0.000001500");
	free(text);
}

static size_t occurrences(const char *text, const char *what)
{
	size_t count = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		count++;
	return count;
}

/* However many edges there are, a scrape has an end, and nothing is left out of the sums. */
static void test_histograms_are_bounded(void **state)
{
	enum { EDGES = 1500, MOST = 1000 };
	uint64_t sum = 0;
	char *text, *at;
	uint32_t i;

	(void)state;
	for (i = 0; i < EDGES; i++) {
		char name[16];
		uint32_t src;

		snprintf(name, sizeof(name), "w%u", i);
		src = names_get(f.names, WEFT_NAME_WORKLOAD, "shop", name, "Job/x");
		put_request(src, f.rule, WEFT_HTTP_GET, 2, 2, 1000000000);
		put_latency(src, f.rule, 60000, 2);
	}
	text = metrics();
	assert_int_equal(occurrences(text, "\nweft_http_requests_total{"), EDGES);
	assert_int_equal(occurrences(text, "\nweft_http_request_duration_seconds_count{"),
			 MOST + 1);
	for (at = text; (at = strstr(at, "_seconds_count{")); at++)
		sum += strtoull(strstr(at, "} ") + 2, NULL, 10);
	assert_int_equal(sum, 2 * EDGES);
	at = strstr(text, "_seconds_sum{source_namespace=\"\",source_workload=\"overflow\"");
	assert_non_null(at);
	assert_int_equal(strtoull(strstr(at, "} ") + 2, NULL, 10), EDGES - MOST);
	free(text);
}

/* What stands where the overflow entry of the kernel has counted. */
static void test_overflow_entry(void **state)
{
	struct weft_request_key key = { 0 };
	struct weft_request *values = calloc(f.maps->cpus, sizeof(*values));
	char *text;

	(void)state;
	assert_int_equal(maps_set(f.maps, MAP_REQUEST, &key, values), 0);
	text = metrics();
	assert_int_equal(occurrences(text, "\nweft_http_requests_total{"), 0);
	free(text);
	values[0].count = 3;
	assert_int_equal(maps_set(f.maps, MAP_REQUEST, &key, values), 0);
	text = metrics();
	assert_int_equal(occurrences(text, "\nweft_http_requests_total{"), 1);
	assert_non_null(strstr(text, "destination_port=\"0\""));
	free(text);
	free(values);
}

/* A request of web-1 to api-1. */
static struct weft_request_event request(const char *path, uint16_t status,
					 enum weft_verdict_action action)
{
	struct weft_request_event record = {
		.event = {
			.time_ns = 1,
			.type = WEFT_EVENT_REQUEST,
			.reason = action == WEFT_VERDICT_ALLOW ? WEFT_REASON_HTTP :
								 WEFT_REASON_NO_HTTP_RULE,
			.src.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 },
			.dst.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2 },
			.src_port = 40000,
			.dst_port = 8080,
			.proto = 6,
			.hook = WEFT_HOOK_TO_POD,
			.action = (uint8_t)action,
			.direction = WEFT_DIRECTION_INBOUND,
			.src_workload = f.web,
			.dst_workload = f.api,
		},
		.latency_ns = action == WEFT_VERDICT_ALLOW ? 1234567 : 0,
		.rule = action == WEFT_VERDICT_ALLOW ? f.rule : 0,
		.status = status,
		.method = WEFT_HTTP_GET,
		.path_len = (uint8_t)strlen(path),
	};

	memcpy(record.path, path,
	       strlen(path) < sizeof(record.path) ? strlen(path) : sizeof(record.path));
	return record;
}

static void take(const char *path, uint16_t status, enum weft_verdict_action action)
{
	struct weft_request_event record = request(path, status, action);

	telemetry_take_event(f.telemetry, &record.event);
}

static struct json_object *member(struct json_object *json, const char *key)
{
	struct json_object *found = json_object_object_get(json, key);

	if (!found)
		fail_msg("no %s in %s", key, json_object_to_json_string(json));
	return found;
}

static const char *text_of(struct json_object *json, const char *key)
{
	return json_object_get_string(member(json, key));
}

static void test_requests_as_json(void **state)
{
	struct json_object *answer, *items, *item, *side;

	(void)state;
	take("/cart", 200, WEFT_VERDICT_ALLOW);
	take("/admin", 403, WEFT_VERDICT_DENY);
	take("/admin", 200, WEFT_VERDICT_WOULD_DENY);
	answer = telemetry_events(f.telemetry, NULL, 0, 10);
	items = member(answer, "items");
	assert_int_equal(json_object_array_length(items), 3);
	item = json_object_array_get_idx(items, 0);
	assert_string_equal(text_of(item, "type"), "request");
	assert_null(json_object_object_get(item, "reason"));
	side = member(item, "source");
	assert_string_equal(text_of(side, "pod"), "web-1");
	assert_string_equal(text_of(side, "workload"), "web");
	assert_string_equal(text_of(member(item, "destination"), "pod"), "api-1");
	item = member(item, "request");
	assert_string_equal(text_of(item, "method"), "GET");
	assert_string_equal(text_of(item, "path"), "/cart");
	assert_string_equal(text_of(item, "status"), "200");
	assert_string_equal(text_of(item, "latency_us"), "1234");
	assert_string_equal(text_of(item, "traffic_target"), "shop/readers");
	assert_string_equal(text_of(item, "route_group"), "routes");
	assert_string_equal(text_of(item, "match"), "get");
	item = json_object_array_get_idx(items, 1);
	assert_string_equal(text_of(item, "type"), "denied");
	assert_string_equal(text_of(item, "reason"), "no_http_rule");
	assert_string_equal(text_of(item, "hook"), "to_pod");
	item = member(item, "request");
	assert_string_equal(text_of(item, "status"), "403");
	assert_null(json_object_object_get(item, "latency_us"));
	assert_null(json_object_object_get(item, "traffic_target"));
	assert_string_equal(text_of(json_object_array_get_idx(items, 2), "type"), "would_deny");
	json_object_put(answer);
}

/* Whatever a caller sends, what the agent answers is JSON of visible ASCII. */
static void test_paths_of_any_bytes(void **state)
{
	struct weft_request_event record = request("", 0, WEFT_VERDICT_DENY);
	struct json_object *answer, *item;
	const char *path;
	int i;

	(void)state;
	for (i = 0; i < WEFT_HTTP_PATH_LEN; i++)
		record.path[i] = (char)(i * 3);
	record.path_len = 255;
	record.method = 200;
	record.rule = 4711;
	telemetry_take_event(f.telemetry, &record.event);
	answer = telemetry_events(f.telemetry, NULL, 0, 10);
	item = member(json_object_array_get_idx(member(answer, "items"), 0), "request");
	path = text_of(item, "path");
	assert_int_equal(strncmp(path, "\\x00\\x03\\x06", 12), 0);
	for (; *path; path++)
		assert_in_range(*path, '!', '~');
	assert_string_equal(text_of(item, "method"), "other");
	assert_string_equal(text_of(item, "traffic_target"), "/unknown");
	assert_null(json_object_object_get(item, "status"));
	json_object_put(answer);
}

static void test_filters(void **state)
{
	static const struct {
		struct telemetry_filter filter;
		unsigned int count;
	} cases[] = {
		{ { .requests = false }, 6 },
		{ { .requests = true }, 5 },
		{ { .requests = true, .denied = true }, 2 },
		{ { .requests = true, .path = "/" }, 4 },
		{ { .requests = true, .path = "" }, 5 },
		{ { .requests = true, .path = "/cart/" }, 1 },
		{ { .requests = true, .path = "/cart/1/and/much/more" }, 0 },
		{ { .requests = true, .status = 2 }, 3 },
		{ { .requests = true, .status = 403 }, 1 },
		{ { .requests = true, .status = 4 }, 1 },
		{ { .requests = true, .status = 5 }, 0 },
		{ { .requests = true, .has_method = true, .method = WEFT_HTTP_GET }, 5 },
		{ { .requests = true, .has_method = true, .method = WEFT_HTTP_PUT }, 0 },
		{ { .requests = true, .from = "shop" }, 5 },
		{ { .requests = true, .from = "sho" }, 0 },
		{ { .requests = true, .from = "shop/web" }, 5 },
		{ { .requests = true, .from = "shop/web-1" }, 5 },
		{ { .requests = true, .from = "shop/api-1" }, 0 },
		{ { .requests = true, .to = "shop/api-1", .from = "shop" }, 5 },
		{ { .requests = true, .to = "shop/nobody" }, 0 },
		{ { .requests = true, .to = "other/api-1" }, 0 },
		{ { .requests = true, .path = "/cart", .status = 2, .to = "shop/api" }, 2 },
	};
	struct weft_event close = { .type = WEFT_EVENT_TCP_CLOSE, .time_ns = 1 };
	struct json_object *answer;
	size_t i;

	(void)state;
	take("/cart", 200, WEFT_VERDICT_ALLOW);
	telemetry_take_event(f.telemetry, &close);
	take("/cart/1", 204, WEFT_VERDICT_ALLOW);
	take("/admin", 403, WEFT_VERDICT_DENY);
	take("", 0, WEFT_VERDICT_DENY);
	take("/", 200, WEFT_VERDICT_ALLOW);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer = telemetry_events(f.telemetry, &cases[i].filter, 0, 100);
		if (json_object_array_length(member(answer, "items")) != cases[i].count)
			fail_msg("case %zu: %s", i, json_object_to_json_string(answer));
		assert_string_equal(text_of(answer, "next"), "6");
		json_object_put(answer);
	}
	/* What is beyond the limit is for the next answer. */
	answer = telemetry_events(f.telemetry, &cases[1].filter, 0, 2);
	assert_int_equal(json_object_array_length(member(answer, "items")), 2);
	assert_string_equal(text_of(answer, "next"), "3");
	json_object_put(answer);
}

static void test_status_filters(void **state)
{
	static const char *const wrong[] = { "",    "2",   "20",  "2000", "6xx",
					     "0xx", "2Xx", "2x0", "-20" };
	uint16_t status = 0;
	size_t i;

	(void)state;
	assert_int_equal(telemetry_parse_status("5xx", &status), 0);
	assert_int_equal(status, 5);
	assert_int_equal(telemetry_parse_status("404", &status), 0);
	assert_int_equal(status, 404);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(telemetry_parse_status(wrong[i], &status) < 0);
}

static uint32_t sample(void)
{
	struct weft_config config;
	__u32 index = 0;

	assert_int_equal(maps_get(f.maps, MAP_CONFIG, &index, &config), 0);
	assert_int_equal(config.agent_pid, 77);
	assert_string_equal(config.node, "node-a");
	return config.request_sample;
}

static void test_watching(void **state)
{
	struct weft_config config = { .agent_pid = 77, .request_sample = 1000, .node = "node-a" };
	__u32 index = 0;

	(void)state;
	assert_int_equal(maps_set(f.maps, MAP_CONFIG, &index, &config), 0);
	telemetry_tick(f.telemetry);
	assert_int_equal(sample(), 1000);
	telemetry_watch(f.telemetry);
	assert_int_equal(sample(), UINT32_MAX);
	usleep(WATCH_US / 2);
	telemetry_watch(f.telemetry); /* goes on, or a second one */
	usleep(WATCH_US / 2 + WATCH_US / 4);
	telemetry_tick(f.telemetry);
	assert_int_equal(sample(), UINT32_MAX);
	usleep(WATCH_US / 2);
	telemetry_tick(f.telemetry);
	assert_int_equal(sample(), 1000);
	/* an agent that ends restores it as well */
	telemetry_watch(f.telemetry);
	assert_int_equal(sample(), UINT32_MAX);
	telemetry_free(f.telemetry);
	f.telemetry = NULL;
	assert_int_equal(sample(), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests_are_counted),
		TEST(test_pods_and_kinds_on_request),
		TEST(test_numbers_of_one_name_are_one_series),
		TEST(test_histograms_are_bounded),
		TEST(test_overflow_entry),
		TEST(test_requests_as_json),
		TEST(test_paths_of_any_bytes),
		TEST(test_filters),
		TEST(test_status_filters),
		TEST(test_watching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
