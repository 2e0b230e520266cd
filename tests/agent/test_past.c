// SPDX-License-Identifier: Apache-2.0
/* Pods that are gone: what they counted goes to their workload, in real maps; and is read. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/agent/mapset.h"
#include "bpf/http_latency.bpf.h"
#include "policy/workload.h"
#include "user/agent/past.h"
#include "user/traffic/traffic.h"

enum { MINUTE = 60 };
#define SECOND_NS 1000000000ULL

static struct {
	struct mapset *set;
	const struct maps *maps;
	struct names *names;
	struct past *past;
	uint32_t web1, web2, api;
} f;

static int setup(void **state)
{
	static const uint32_t sizes[MAP_ID_COUNT] = { [MAP_REQUEST] = 4096 };

	(void)state;
	f.set = mapset_new(sizes);
	f.maps = mapset_maps(f.set);
	f.names = names_new();
	f.past = past_new(f.maps, f.names);
	f.web1 = workload_number(f.names, "shop", "Deployment", "web", "web", "web-1");
	f.web2 = workload_number(f.names, "shop", "Deployment", "web", "web", "web-2");
	f.api = workload_number(f.names, "shop", "Deployment", "api", "api", "api-1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	past_free(f.past);
	names_free(f.names);
	mapset_free(f.set);
	return 0;
}

/* Looks `minutes` after the start, with pods of these numbers in the cluster; moves. */
static size_t look(unsigned int minutes, uint32_t a, uint32_t b, uint32_t c)
{
	struct desired_peer peers[] = { { .peer.workload = a },
					{ .peer.workload = b },
					{ .peer.workload = c } };
	struct desired desired = { .peers = peers, .peer_count = 3 };

	past_prepare(f.past, &desired, (minutes * MINUTE + 1) * SECOND_NS);
	return past_move(f.past);
}

/* On the last CPU; the other ones have none. */
static void put(enum map_id id, const void *key, const uint64_t *value, size_t width)
{
	uint64_t *values = calloc(f.maps->cpus * width, sizeof(*values));

	memcpy(values + (f.maps->cpus - 1) * width, value, width * sizeof(*value));
	assert_int_equal(maps_set(f.maps, id, key, values), 0);
	free(values);
}

/* Counter `index` of a value, CPUs added up; -1 when there is no such entry. */
static int64_t sum_of(enum map_id id, const void *key, size_t width, size_t index)
{
	uint64_t *values = calloc(f.maps->cpus * width, sizeof(*values));
	int64_t sum = 0;
	unsigned int cpu;

	if (maps_get(f.maps, id, key, values))
		sum = -1;
	for (cpu = 0; sum >= 0 && cpu < f.maps->cpus; cpu++)
		sum += (int64_t)values[cpu * width + index];
	free(values);
	return sum;
}

static void put_edge(uint32_t src, uint32_t dst, uint64_t opened)
{
	struct weft_edge_key key = { src, dst, 0, 0, 80, IPPROTO_TCP, WEFT_DIRECTION_INBOUND };
	uint64_t value[sizeof(struct weft_edge) / sizeof(uint64_t)] = { opened, 1 };

	put(MAP_EDGE, &key, value, sizeof(value) / sizeof(*value));
}

static int64_t opened(uint32_t src, uint32_t dst)
{
	struct weft_edge_key key = { src, dst, 0, 0, 80, IPPROTO_TCP, WEFT_DIRECTION_INBOUND };

	return sum_of(MAP_EDGE, &key, sizeof(struct weft_edge) / sizeof(uint64_t), 0);
}

static uint32_t past_of(uint32_t pod)
{
	struct workload workload;

	workload_of(f.names, pod, &workload);
	return workload_past(f.names, &workload);
}

static void test_what_a_pod_counted_stays_with_its_workload(void **state)
{
	struct weft_request_key request = { f.web1, f.api, 0, 80, WEFT_HTTP_GET, 2 };
	struct weft_latency_key latency = { f.web1, f.api, 0, 80, 320 };
	struct weft_verdict_key verdict = { f.web1,
					    f.api,
					    WEFT_REASON_NO_RULE,
					    IPPROTO_TCP,
					    WEFT_HOOK_TO_POD,
					    WEFT_VERDICT_DENY,
					    0 };
	const uint64_t two[] = { 7, 7000 }, one = 5;
	uint32_t past;

	(void)state;
	put_edge(f.web1, f.api, 10);
	put_edge(f.web2, f.api, 20);
	put(MAP_REQUEST, &request, two, 2);
	put(MAP_LATENCY, &latency, &one, 1);
	put(MAP_VERDICT, &verdict, &one, 1);
	assert_int_equal(look(0, f.web1, f.web2, f.api), 0);
	assert_int_equal(look(1, f.web2, f.web2, f.api), 0);
	/* it was there when we last looked: packets may be under way */
	assert_int_equal(look(3, f.web2, f.web2, f.api), 0);
	assert_int_equal(opened(f.web1, f.api), 10);
	assert_int_equal(look(6, f.web2, f.web2, f.api), 4);
	past = past_of(f.web1);
	assert_int_equal(past, past_of(f.web2));
	assert_int_equal(opened(f.web1, f.api), -1);
	assert_int_equal(opened(past, f.api), 10);
	assert_int_equal(opened(f.web2, f.api), 20);
	assert_int_equal(sum_of(MAP_REQUEST, &request, 2, 0), -1);
	request.src_workload = latency.src_workload = verdict.src_workload = past;
	assert_int_equal(sum_of(MAP_REQUEST, &request, 2, 0), 7);
	assert_int_equal(sum_of(MAP_REQUEST, &request, 2, 1), 7000);
	assert_int_equal(sum_of(MAP_LATENCY, &latency, 1, 0), 5);
	assert_int_equal(sum_of(MAP_VERDICT, &verdict, 1, 0), 5);
}

static void test_pasts_add_up(void **state)
{
	uint32_t past = past_of(f.web1);

	(void)state;
	put_edge(f.web1, f.api, 1);
	put_edge(f.web2, f.web1, 4);
	look(0, f.web1, f.web2, f.api);
	look(3, f.api, f.api, f.api);
	assert_int_equal(look(6, f.api, f.api, f.api), 2);
	put_edge(f.web2, f.api, 2);
	assert_int_equal(look(9, f.api, f.api, f.api), 1);
	assert_int_equal(opened(past, f.api), 3);
	assert_int_equal(opened(past, past), 4);
}

static void test_a_pod_without_controller_has_no_past(void **state)
{
	uint32_t bare = workload_number(f.names, "shop", "Pod", "bare", "x", "bare");
	struct workload workload;

	(void)state;
	workload_of(f.names, bare, &workload);
	assert_string_equal(workload.pod, "bare");
	put_edge(bare, f.api, 3);
	look(0, f.api, f.api, f.api);
	look(3, f.api, f.api, f.api);
	assert_int_equal(look(6, f.api, f.api, f.api), 0);
	assert_int_equal(opened(bare, f.api), 3);
}

static void test_a_reading_has_no_past(void **state)
{
	struct weft_request_key request = { f.web1, f.api, 0, 80, WEFT_HTTP_GET, 2 };
	struct weft_latency_key latency = { f.web1, f.api, 0, 80, 320 };
	const uint64_t two[] = { 7, 7000 }, seven = 7;
	struct traffic *traffic;

	(void)state;
	put_edge(f.web1, f.api, 10);
	put_edge(past_of(f.web2), f.api, 99);
	put(MAP_REQUEST, &request, two, 2);
	request.method = WEFT_HTTP_POST;
	put(MAP_REQUEST, &request, two, 2);
	put(MAP_LATENCY, &latency, &seven, 1);
	traffic = traffic_read(f.maps, f.names, NULL, "n1");
	assert_non_null(traffic);
	assert_string_equal(traffic->node, "n1");
	assert_int_equal(traffic->edge_count, 1);
	assert_string_equal(traffic->edges[0].source->pod, "web-1");
	assert_string_equal(traffic->edges[0].source->kind, "Deployment");
	assert_string_equal(traffic->edges[0].source->service_account, "web");
	assert_int_equal(traffic->edges[0].count.opened, 10);
	assert_int_equal(traffic->request_count, 1);
	assert_int_equal(traffic_succeeded(&traffic->requests[0]), 14);
	assert_in_range(traffic_quantile(&traffic->requests[0], 1), latency_floor(320),
			latency_floor(321));
	assert_int_equal(traffic->denial_count, 0);
	traffic_free(traffic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_a_pod_counted_stays_with_its_workload,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_pasts_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_pod_without_controller_has_no_past, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_reading_has_no_past, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
