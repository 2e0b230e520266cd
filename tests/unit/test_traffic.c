// SPDX-License-Identifier: Apache-2.0
/* Readings of traffic: differences, sums, JSON and what is no JSON of ours. */
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include "tests/unit/objects.h"
#include "bpf/http_latency.bpf.h"
#include "policy/memory.h"
#include "user/traffic/traffic.h"

static const struct traffic_end *pod_of(struct traffic *traffic, const char *name)
{
	char pod[64];

	snprintf(pod, sizeof(pod), "%s-1", name);
	return traffic_end(traffic, "shop", "Deployment", name, name, pod);
}

static void add_edge(struct traffic *traffic, const char *source, const char *destination,
		     const char *backend, uint64_t opened, uint64_t bytes)
{
	struct traffic_edge *edge = traffic_add_edge(traffic);

	edge->source = pod_of(traffic, source);
	edge->destination = pod_of(traffic, destination);
	edge->reporter = WEFT_DIRECTION_OUTBOUND;
	edge->proto = IPPROTO_TCP;
	edge->port = 8080;
	edge->service = memory_strdup("shop/api");
	edge->backend = memory_strdup(backend);
	edge->count.opened = opened;
	edge->count.bytes_to_dst = bytes;
}

/* All answers take `ns`. */
static void add_requests(struct traffic *traffic, const char *source, uint64_t fine, uint64_t bad,
			 uint64_t ns)
{
	struct traffic_requests *requests = traffic_add_requests(traffic);
	size_t i = memory_grow(&requests->buckets, &requests->bucket_count,
			       &requests->bucket_capacity, sizeof(*requests->buckets));

	requests->source = pod_of(traffic, source);
	requests->destination = pod_of(traffic, "api");
	requests->port = 8080;
	requests->count[2] = fine;
	requests->count[5] = bad;
	requests->latency_ns = (fine + bad) * ns;
	requests->buckets[i].bucket = latency_bucket(ns);
	requests->buckets[i].count = fine + bad;
}

static void add_denials(struct traffic *traffic, const char *source, uint64_t count)
{
	struct traffic_denials *denials = traffic_add_denials(traffic);

	denials->source = pod_of(traffic, source);
	denials->destination = pod_of(traffic, "api");
	denials->reason = WEFT_REASON_NO_RULE;
	denials->action = WEFT_VERDICT_DENY;
	denials->hook = WEFT_HOOK_TO_POD;
	denials->proto = IPPROTO_TCP;
	denials->count = count;
}

static struct traffic *reading(double time, uint64_t factor)
{
	struct traffic *traffic = traffic_new("n1");
	struct weighted_split *split = traffic_add_split(traffic);
	size_t i = memory_grow(&split->backends, &split->backend_count, &split->backend_capacity,
			       sizeof(*split->backends));

	traffic->time = time;
	split->name_space = memory_strdup("shop");
	split->name = memory_strdup("canary");
	split->service = memory_strdup("api");
	split->backends[i].name = memory_strdup("api-v1");
	split->backends[i].weight = 90000;
	add_edge(traffic, "web", "api", "shop/api-v1", 5 * factor, 100 * factor);
	add_edge(traffic, "idle", "api", "shop/api-v1", 7, 70);
	add_requests(traffic, "web", 10 * factor, factor, 5000000);
	add_requests(traffic, "idle", 3, 0, 5000000);
	add_denials(traffic, "mallory", 2 * factor);
	add_denials(traffic, "idle", 1);
	traffic_finish(traffic);
	return traffic;
}

static void test_between_two_readings(void **state)
{
	struct traffic *earlier = reading(100, 1), *later = reading(130, 3), *window;

	(void)state;
	window = traffic_between(earlier, later);
	assert_true(window->window > 29.99 && window->window < 30.01);
	assert_int_equal(window->edge_count, 1);
	assert_string_equal(window->edges[0].source->pod, "web-1");
	assert_int_equal(window->edges[0].count.opened, 10);
	assert_int_equal(window->edges[0].count.bytes_to_dst, 200);
	assert_int_equal(window->request_count, 1);
	assert_int_equal(traffic_succeeded(&window->requests[0]), 20);
	assert_int_equal(traffic_failed(&window->requests[0]), 2);
	assert_int_equal(window->requests[0].latency_ns, 22 * 5000000ULL);
	assert_int_equal(window->requests[0].bucket_count, 1);
	assert_int_equal(window->requests[0].buckets[0].count, 22);
	assert_in_range(traffic_quantile(&window->requests[0], 0.5), 4840000, 5160000);
	assert_int_equal(window->denial_count, 1);
	assert_int_equal(window->denials[0].count, 4);
	assert_int_equal(window->split_count, 1);
	traffic_free(window);
	traffic_free(earlier);
	traffic_free(later);
}

static void test_counters_that_begin_anew(void **state)
{
	struct traffic *earlier = reading(100, 9), *later = reading(130, 2), *window;

	(void)state;
	window = traffic_between(earlier, later);
	assert_int_equal(window->edge_count, 1);
	assert_int_equal(window->edges[0].count.opened, 10);
	assert_int_equal(window->request_count, 1);
	assert_int_equal(traffic_succeeded(&window->requests[0]), 20);
	assert_int_equal(window->requests[0].buckets[0].count, 22);
	assert_int_equal(window->denials[0].count, 4);
	traffic_free(window);
	window = traffic_between(NULL, later);
	assert_int_equal(window->edge_count, 2);
	traffic_free(window);
	traffic_free(earlier);
	traffic_free(later);
}

static void test_sums_over_nodes(void **state)
{
	struct traffic *a = reading(100, 1), *b = reading(101, 2), *sum = traffic_new("");
	struct traffic *c = traffic_new("n2");

	(void)state;
	add_requests(c, "web", 1, 0, 900);
	add_requests(c, "web", 0, 1, 90000000);
	traffic_finish(c);
	traffic_add(sum, a);
	traffic_add(sum, b);
	traffic_add(sum, c);
	assert_int_equal(sum->edge_count, 2);
	assert_int_equal(sum->edges[1].count.opened, 15);
	assert_int_equal(sum->request_count, 2);
	assert_int_equal(traffic_succeeded(&sum->requests[1]), 31);
	assert_int_equal(traffic_failed(&sum->requests[1]), 4);
	assert_int_equal(sum->requests[1].bucket_count, 3);
	assert_int_equal(sum->requests[1].buckets[0].count, 1);
	assert_int_equal(sum->requests[1].buckets[1].count, 33);
	assert_int_equal(sum->requests[1].buckets[2].count, 1);
	assert_int_equal(sum->split_count, 1);
	traffic_free(sum);
	traffic_free(a);
	traffic_free(b);
	traffic_free(c);
}

static void test_there_and_back(void **state)
{
	struct traffic *before = reading(100.5, 3), *after;
	struct json_object *json = traffic_to_json(before), *again;
	char *text = memory_strdup(json_object_to_json_string(json));
	const char *error;

	(void)state;
	json_object_put(json);
	json = json_tokener_parse(text);
	after = traffic_from_json(json, &error);
	assert_non_null(after);
	again = traffic_to_json(after);
	assert_string_equal(json_object_to_json_string(again), text);
	json_object_put(again);
	json_object_put(json);
	traffic_free(before);
	traffic_free(after);
	free(text);
}

static void test_what_is_no_reading(void **state)
{
	static const char lists[] = "\"edges\":[],\"requests\":[],\"denials\":[],\"splits\":[]";
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"ends\":[{}],\"edges\":[{\"source\":0,\"destination\":1}],\"requests\":[],"
		"\"denials\":[],\"splits\":[]}",
		"{\"ends\":[{}],\"edges\":[{\"source\":-1,\"destination\":0}],\"requests\":[],"
		"\"denials\":[],\"splits\":[]}",
		"{\"ends\":[{}],\"edges\":[],\"requests\":[{\"source\":0,\"destination\":0,"
		"\"buckets\":[[5,1],[5,1]]}],\"denials\":[],\"splits\":[]}",
		"{\"ends\":[{}],\"edges\":[],\"requests\":[{\"source\":0,\"destination\":0,"
		"\"buckets\":[[832,1]]}],\"denials\":[],\"splits\":[]}",
		"{\"ends\":[{}],\"edges\":[7],\"requests\":[],\"denials\":[],\"splits\":[]}",
	};
	struct json_object *json;
	const char *error;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json = json_tokener_parse(bad[i]);
		assert_non_null(json);
		assert_null(traffic_from_json(json, &error));
		assert_non_null(error);
		json_object_put(json);
	}
	snprintf(text, sizeof(text), "{\"ends\":[],%s,\"later\":{}}", lists);
	json = json_tokener_parse(text);
	traffic_free(traffic_from_json(json, &error));
	assert_null(error);
	json_object_put(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_between_two_readings),
		cmocka_unit_test(test_counters_that_begin_anew),
		cmocka_unit_test(test_sums_over_nodes),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_no_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
