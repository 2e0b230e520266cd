// SPDX-License-Identifier: Apache-2.0
/* Topologies: what is added up, what is counted once, and how they look as JSON. */
#include <netinet/in.h>
#include "tests/unit/objects.h"
#include "bpf/http_latency.bpf.h"
#include "policy/memory.h"
#include "user/traffic/readings.h"
#include "user/traffic/topology.h"

/* "namespace/Kind/name/pod"; a plain word is an end without namespace. */
static const struct traffic_end *end_of(struct traffic *traffic, const char *text)
{
	char parts[4][32] = { "" };

	if (sscanf(text, "%31[^/]/%31[^/]/%31[^/]/%31s", parts[0], parts[1], parts[2], parts[3]) <
	    3)
		return traffic_end(traffic, "", "", text, "", "");
	return traffic_end(traffic, parts[0], parts[1], parts[2], "account", parts[3]);
}

static struct traffic_edge *add_edge(struct traffic *traffic, const char *source,
				     const char *destination, enum weft_direction reporter,
				     uint16_t port, uint64_t opened)
{
	struct traffic_edge *edge = traffic_add_edge(traffic);

	edge->source = end_of(traffic, source);
	edge->destination = end_of(traffic, destination);
	edge->reporter = reporter;
	edge->proto = IPPROTO_TCP;
	edge->port = port;
	edge->service = memory_strdup("");
	edge->backend = memory_strdup("");
	edge->count.opened = opened;
	edge->count.retransmits = 1;
	return edge;
}

static void add_split_edge(struct traffic *traffic, const char *backend, uint64_t opened)
{
	struct traffic_edge *edge = add_edge(traffic, "shop/Deployment/front/",
					     "shop/Deployment/api/", WEFT_DIRECTION_OUTBOUND, 80,
					     opened);

	free(edge->service);
	free(edge->backend);
	edge->service = memory_strdup("shop/api");
	edge->backend = memory_printf("shop/%s", backend);
}

static void add_requests(struct traffic *traffic, const char *source, const char *destination,
			 uint16_t port, uint64_t good, uint64_t bad, uint64_t ns)
{
	struct traffic_requests *requests = traffic_add_requests(traffic);
	size_t i = memory_grow(&requests->buckets, &requests->bucket_count,
			       &requests->bucket_capacity, sizeof(*requests->buckets));

	requests->source = end_of(traffic, source);
	requests->destination = end_of(traffic, destination);
	requests->port = port;
	requests->count[2] = good;
	requests->count[5] = bad;
	requests->buckets[i].bucket = latency_bucket(ns);
	requests->buckets[i].count = good + bad;
}

static void add_denials(struct traffic *traffic, const char *source,
			enum weft_verdict_action action, enum weft_hook hook, uint8_t proto,
			uint64_t count)
{
	struct traffic_denials *denials = traffic_add_denials(traffic);

	denials->source = end_of(traffic, source);
	denials->destination = end_of(traffic, "shop/Deployment/api/api-1");
	denials->reason = WEFT_REASON_NO_RULE;
	denials->action = action;
	denials->hook = hook;
	denials->proto = proto;
	denials->count = count;
}

static struct topology *make(struct traffic *traffic, enum topology_by by, const char *name_space)
{
	struct topology_scope scope = { by, name_space };
	struct topology *topology;

	traffic_finish(traffic);
	topology = topology_new(traffic, &scope);
	traffic_free(traffic);
	return topology;
}

/* NULL when there is none. Port 0: denials. */
static const struct topology_edge *edge_between(const struct topology *topology, const char *source,
						const char *destination, uint16_t port)
{
	size_t i;

	for (i = 0; i < topology->edge_count; i++) {
		const struct topology_edge *edge = &topology->edges[i];

		if (edge->port == port && !strcmp(topology->nodes[edge->source].name, source) &&
		    !strcmp(topology->nodes[edge->destination].name, destination))
			return edge;
	}
	return NULL;
}

static void both_ends_of_a_connection_are_one(void **state)
{
	struct traffic *traffic = traffic_new("a");
	const struct topology_edge *edge;
	struct topology *topology;

	(void)state;
	/* on one node; on two nodes, of which one was asked; from where nobody counts */
	add_edge(traffic, "shop/Deployment/front/front-1", "shop/Deployment/api/api-1",
		 WEFT_DIRECTION_OUTBOUND, 80, 10);
	add_edge(traffic, "shop/Deployment/front/front-1", "shop/Deployment/api/api-1",
		 WEFT_DIRECTION_INBOUND, 80, 10);
	add_edge(traffic, "shop/Deployment/front/front-1", "shop/Deployment/api/api-2",
		 WEFT_DIRECTION_OUTBOUND, 80, 5);
	add_edge(traffic, "shop/Deployment/front/front-2", "shop/Deployment/api/api-1",
		 WEFT_DIRECTION_INBOUND, 80, 3);
	add_edge(traffic, "unknown", "shop/Deployment/api/api-1", WEFT_DIRECTION_INBOUND, 80, 2);
	/* by way of services the callers' nodes tell more than one line of one edge */
	add_split_edge(traffic, "api-v1", 1);
	topology = make(traffic, TOPOLOGY_WORKLOADS, NULL);
	assert_int_equal(topology->node_count, 3);
	edge = edge_between(topology, "front", "api", 80);
	assert_int_equal(edge->count.opened, 10 + 5 + 3 + 1);
	assert_int_equal(edge->count.retransmits, 5);
	assert_int_equal(edge_between(topology, "unknown", "api", 80)->count.opened, 2);
	topology_free(topology);
}

/* Where each node counts only its own pods one by one, both ends of a connection name it
 * differently. */
static void several_nodes_count_nothing_twice(void **state)
{
	struct traffic *traffic = traffic_new("");
	struct topology *topology;

	(void)state;
	add_edge(traffic, "shop/Deployment/front/front-1", "shop/Deployment/api/",
		 WEFT_DIRECTION_OUTBOUND, 80, 7);
	add_edge(traffic, "shop/Deployment/front/", "shop/Deployment/api/api-2",
		 WEFT_DIRECTION_INBOUND, 80, 7);
	add_edge(traffic, "shop/Deployment/front/front-2", "shop/Deployment/api/api-2",
		 WEFT_DIRECTION_OUTBOUND, 80, 2);
	add_edge(traffic, "shop/Deployment/front/front-2", "shop/Deployment/api/api-2",
		 WEFT_DIRECTION_INBOUND, 80, 2);
	topology = make(traffic, TOPOLOGY_WORKLOADS, NULL);
	assert_int_equal(edge_between(topology, "front", "api", 80)->count.opened, 9);
	topology_free(topology);
}

static void workloads_pods_and_namespaces(void **state)
{
	static const enum topology_by bys[] = { TOPOLOGY_WORKLOADS, TOPOLOGY_PODS,
						TOPOLOGY_NAMESPACES };
	static const char *const names[] = { "api", "api-1", "shop" };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct traffic *traffic = traffic_new("a");
		const struct topology_edge *edge;
		struct topology *topology;

		add_requests(traffic, "web/Pod/front/front", "shop/Deployment/api/api-1", 80, 90, 0,
			     1000000);
		add_requests(traffic, "web/Pod/front/front", "shop/Deployment/api/api-2", 80, 5, 5,
			     100000000);
		topology = make(traffic, bys[i], NULL);
		edge = edge_between(topology, i == 2 ? "web" : "front", names[i], 80);
		assert_int_equal(topology_requests(&edge->requests), i == 1 ? 90 : 100);
		assert_string_equal(topology->nodes[edge->destination].kind, i == 0 ? "Deployment" :
									     i == 1 ? "Pod" :
										      "Namespace");
		/* the slowest tenth is that of the other pod */
		if (i != 1) {
			assert_in_range(traffic_quantile(&edge->requests, 0.5), 900000, 1100000);
			assert_in_range(traffic_quantile(&edge->requests, 0.99), 96000000,
					104000000);
			assert_int_equal(
				traffic_failed(&topology->nodes[edge->destination].requests), 5);
		}
		topology_free(topology);
	}
}

static void only_of_a_namespace(void **state)
{
	struct traffic *traffic = traffic_new("a");
	struct topology *topology;

	(void)state;
	add_edge(traffic, "web/Pod/a/a", "shop/Pod/b/b", WEFT_DIRECTION_OUTBOUND, 80, 1);
	add_edge(traffic, "shop/Pod/b/b", "data/Pod/c/c", WEFT_DIRECTION_OUTBOUND, 80, 1);
	add_edge(traffic, "web/Pod/a/a", "data/Pod/c/c", WEFT_DIRECTION_OUTBOUND, 80, 1);
	topology = make(traffic, TOPOLOGY_WORKLOADS, "shop");
	assert_int_equal(topology->edge_count, 2);
	assert_null(edge_between(topology, "a", "c", 80));
	topology_free(topology);
}

static void denials_are_counted_once(void **state)
{
	struct traffic *traffic = traffic_new("a");
	const struct topology_edge *edge;
	struct topology *topology;
	size_t i;

	(void)state;
	add_edge(traffic, "shop/Pod/front/front", "shop/Deployment/api/api-1",
		 WEFT_DIRECTION_INBOUND, 80, 1);
	add_denials(traffic, "shop/Pod/front/front", WEFT_VERDICT_DENY, WEFT_HOOK_CONNECT, 6, 3);
	add_denials(traffic, "shop/Pod/front/front", WEFT_VERDICT_DENY, WEFT_HOOK_TO_POD, 17, 4);
	/* permissive: both ends counted the same two */
	add_denials(traffic, "shop/Pod/front/front", WEFT_VERDICT_WOULD_DENY, WEFT_HOOK_CONNECT, 6,
		    2);
	add_denials(traffic, "shop/Pod/front/front", WEFT_VERDICT_WOULD_DENY, WEFT_HOOK_TO_POD, 6,
		    2);
	/* only the caller's node was asked */
	add_denials(traffic, "shop/Pod/other/other", WEFT_VERDICT_WOULD_DENY, WEFT_HOOK_CONNECT, 6,
		    5);
	topology = make(traffic, TOPOLOGY_WORKLOADS, NULL);
	edge = edge_between(topology, "front", "api", 0);
	assert_int_equal(edge->denials.count, 2);
	assert_int_equal(edge->denials.items[0].count, 7);
	assert_int_equal(edge->denials.items[1].count, 2);
	assert_int_equal(edge_between(topology, "front", "api", 80)->denials.count, 0);
	assert_int_equal(topology->denials.count, 2);
	assert_int_equal(topology->denials.items[1].count, 7);
	for (i = 0; i < topology->node_count; i++)
		assert_int_equal(topology->nodes[i].denied,
				 strcmp(topology->nodes[i].name, "api") ? 0 : 7);
	topology_free(topology);
}

/* Edges that found no room in the kernel have neither names nor a port. */
static void overflow_is_an_edge_like_others(void **state)
{
	struct traffic *traffic = traffic_new("a");
	struct topology *topology;

	(void)state;
	add_edge(traffic, "unknown", "unknown", WEFT_DIRECTION_UNKNOWN, 0, 3)->proto = 0;
	add_edge(traffic, "host", "unknown", WEFT_DIRECTION_UNKNOWN, 0, 0)->count.retransmits = 0;
	topology = make(traffic, TOPOLOGY_WORKLOADS, NULL);
	assert_int_equal(topology->edge_count, 1);
	assert_int_equal(topology->edges[0].count.opened, 3);
	assert_int_equal(topology->edges[0].denials.count, 0);
	topology_free(topology);
}

static void add_split(struct traffic *traffic)
{
	static const uint64_t weights[] = { 3000, 1000, 0 };
	struct weighted_split *split = traffic_add_split(traffic);
	size_t i, b;

	split->name_space = memory_strdup("shop");
	split->name = memory_strdup("canary");
	split->service = memory_strdup("api");
	for (i = 0; i < 3; i++) {
		b = memory_grow(&split->backends, &split->backend_count, &split->backend_capacity,
				sizeof(*split->backends));
		split->backends[b].name = memory_printf("api-v%zu", i + 1);
		split->backends[b].weight = weights[i];
	}
}

static void as_json(void **state)
{
	struct traffic *traffic = traffic_new("a");
	struct topology *topology;
	struct json_object *json;

	(void)state;
	traffic->time = 1700000000;
	traffic->window = 10;
	traffic->findings = 2;
	add_split(traffic);
	add_split_edge(traffic, "api-v1", 60);
	add_split_edge(traffic, "api-v2", 40);
	/* the service itself, without the split */
	add_split_edge(traffic, "api", 7);
	add_requests(traffic, "shop/Deployment/front/", "shop/Deployment/api/", 80, 3, 1, 1000000);
	add_denials(traffic, "unknown", WEFT_VERDICT_DENY, WEFT_HOOK_TO_POD, 6, 3);
	topology = make(traffic, TOPOLOGY_WORKLOADS, NULL);
	json = topology_to_json(topology);
	assert_string_equal(
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
		"{\"node\":\"a\",\"time\":1700000000.0,\"window\":10,\"nodes\":["
		"{\"name\":\"unknown\",\"connections\":0,\"connections_per_second\":0,"
		"\"bytes_to_destination\":0,\"bytes_to_source\":0,\"datagrams_to_destination\":0,"
		"\"datagrams_to_source\":0,\"retransmits\":0,\"denied\":0,\"would_deny\":0},"
		"{\"namespace\":\"shop\",\"kind\":\"Deployment\",\"name\":\"api\",\"requests\":4,"
		"\"rps\":0.4,\"success\":0.75,\"p50_us\":1007.62,\"p90_us\":1014.17,"
		"\"p99_us\":1015.64,\"connections\":107,\"connections_per_second\":10.7,"
		"\"bytes_to_destination\":0,\"bytes_to_source\":0,\"datagrams_to_destination\":0,"
		"\"datagrams_to_source\":0,\"retransmits\":3,\"denied\":3,\"would_deny\":0},"
		"{\"namespace\":\"shop\",\"kind\":\"Deployment\",\"name\":\"front\","
		"\"connections\":0,\"connections_per_second\":0,\"bytes_to_destination\":0,"
		"\"bytes_to_source\":0,\"datagrams_to_destination\":0,\"datagrams_to_source\":0,"
		"\"retransmits\":0,\"denied\":0,\"would_deny\":0}],"
		"\"edges\":[{\"source\":{\"name\":\"unknown\"},\"destination\":{\"namespace\":"
		"\"shop\",\"kind\":\"Deployment\",\"name\":\"api\"},\"denied\":[{\"verdict\":"
		"\"deny\",\"reason\":\"no_rule\",\"text\":\"No TrafficTarget allows this source on "
		"this port.\",\"count\":3}]},"
		"{\"source\":{\"namespace\":\"shop\",\"kind\":\"Deployment\",\"name\":\"front\"},"
		"\"destination\":{\"namespace\":\"shop\",\"kind\":\"Deployment\",\"name\":\"api\"},"
		"\"protocol\":\"tcp\",\"port\":80,\"requests\":4,\"rps\":0.4,\"success\":0.75,"
		"\"p50_us\":1007.62,\"p90_us\":1014.17,\"p99_us\":1015.64,\"connections\":107,"
		"\"connections_per_second\":10.7,\"bytes_to_destination\":0,\"bytes_to_source\":0,"
		"\"datagrams_to_destination\":0,\"datagrams_to_source\":0,\"retransmits\":3}],"
		"\"splits\":[{\"namespace\":\"shop\",\"name\":\"canary\",\"service\":\"api\","
		"\"connections\":100,\"backends\":["
		"{\"service\":\"api-v1\",\"target\":0.75,\"actual\":0.6,\"connections\":60},"
		"{\"service\":\"api-v2\",\"target\":0.25,\"actual\":0.4,\"connections\":40},"
		"{\"service\":\"api-v3\",\"target\":0,\"actual\":0,\"connections\":0}]}],"
		"\"denials\":[{\"verdict\":\"deny\",\"reason\":\"no_rule\",\"text\":\"No "
		"TrafficTarget allows this source on this port.\",\"count\":3}],\"findings\":2}");
	json_object_put(json);
	topology_free(topology);
}

static void nothing_happened(void **state)
{
	struct topology *topology = make(traffic_new("a"), TOPOLOGY_WORKLOADS, NULL);
	struct json_object *json = topology_to_json(topology);

	(void)state;
	assert_int_equal(topology->node_count + topology->edge_count + topology->split_count, 0);
	json_object_put(json);
	topology_free(topology);
}

/* Takes a reading at a time; one connection a second was opened since 0. */
static void read_at(struct readings *readings, double time, double window)
{
	struct traffic *traffic = traffic_new("a");

	add_edge(traffic, "shop/Pod/a/a", "shop/Pod/b/b", WEFT_DIRECTION_OUTBOUND, 80,
		 (uint64_t)time);
	traffic_finish(traffic);
	traffic->time = time;
	readings_add(readings, traffic, window);
}

static void check_window(const struct readings *readings, double wanted, double least, double most)
{
	struct traffic *traffic = readings_window(readings, wanted);

	assert_true(traffic->window >= least && traffic->window <= most);
	if (traffic->window > 0)
		assert_int_equal(traffic->edges[0].count.opened, (uint64_t)traffic->window);
	traffic_free(traffic);
}

static void windows_are_covered(void **state)
{
	struct readings readings = { 0 };
	unsigned int time;

	(void)state;
	assert_null(readings_window(&readings, 30));
	read_at(&readings, 1000, 30);
	check_window(&readings, 30, 0, 0);
	read_at(&readings, 1001, 30);
	check_window(&readings, 30, 1, 1);
	for (time = 1002; time < 1400; time++) {
		read_at(&readings, time, time < 1200 ? 30 : 300);
		assert_in_range(readings.count, 2, READINGS_MAX);
		if (time > 1030)
			check_window(&readings, 30, 30, time < 1200 ? 34 : 68);
		check_window(&readings, 1, 1, time < 1200 ? 4 : 38);
	}
	/* somebody comes back after a while: that is the window then */
	read_at(&readings, 1700, 300);
	check_window(&readings, 30, 301, 301);
	/* the clock was set back */
	read_at(&readings, 500, 300);
	check_window(&readings, 30, 0, 0);
	readings_clear(&readings);
	assert_null(readings_newest(&readings));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_of_a_connection_are_one),
		cmocka_unit_test(several_nodes_count_nothing_twice),
		cmocka_unit_test(workloads_pods_and_namespaces),
		cmocka_unit_test(only_of_a_namespace),
		cmocka_unit_test(denials_are_counted_once),
		cmocka_unit_test(overflow_is_an_edge_like_others),
		cmocka_unit_test(as_json),
		cmocka_unit_test(nothing_happened),
		cmocka_unit_test(windows_are_covered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
