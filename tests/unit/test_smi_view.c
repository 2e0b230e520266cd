// SPDX-License-Identifier: Apache-2.0
/* Traffic of two nodes by the resources of TrafficMetrics, and as SMI writes it. */
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include "tests/unit/objects.h"
#include "bpf/http_latency.bpf.h"
#include "policy/memory.h"
#include "user/smi/smi_json.h"

/*
 * Two nodes, each a reading before and one after:
 *
 *   n1  web (Deployment): web-5f-aaaaa
 *   n2  api-v1 (Deployment): api-v1-7d-bbbbb, api-v2 (Deployment): api-v2-8e-ccccc,
 *       db (StatefulSet): db-0
 *
 * web calls api by a split (90:10 of v1 and v2), and v1 also directly; both call db by TCP.
 */
static struct {
	struct traffic *before[2], *after[2], *window[2];
	struct smi_node nodes[2];
	struct smi_view *view;
} f;

static const struct traffic_end *end_of(struct traffic *traffic, const char *name)
{
	static const struct {
		const char *name, *kind, *pod;
	} pods[] = {
		{ "web", "Deployment", "web-5f-aaaaa" },
		{ "api-v1", "Deployment", "api-v1-7d-bbbbb" },
		{ "api-v2", "Deployment", "api-v2-8e-ccccc" },
		{ "db", "StatefulSet", "db-0" },
	};
	size_t i;

	for (i = 0; i < sizeof(pods) / sizeof(*pods); i++)
		if (!strcmp(pods[i].name, name))
			return traffic_end(traffic, "shop", pods[i].kind, name, name, pods[i].pod);
	return traffic_end(traffic, "", "", name, "", "");
}

static void edge(struct traffic *traffic, const char *source, const char *destination,
		 uint16_t port, enum weft_direction reporter, const char *backend, uint64_t opened,
		 uint64_t closed)
{
	struct traffic_edge *one = traffic_add_edge(traffic);

	one->source = end_of(traffic, source);
	one->destination = end_of(traffic, destination);
	one->reporter = reporter;
	one->proto = IPPROTO_TCP;
	one->port = port;
	one->service = memory_strdup(*backend ? "shop/api" : "");
	one->backend = memory_strdup(backend);
	one->count.opened = opened;
	one->count.closed = closed;
}

static void requests(struct traffic *traffic, const char *destination, uint64_t fine, uint64_t bad,
		     uint64_t ns)
{
	struct traffic_requests *one = traffic_add_requests(traffic);
	size_t i = memory_grow(&one->buckets, &one->bucket_count, &one->bucket_capacity,
			       sizeof(*one->buckets));

	one->source = end_of(traffic, "web");
	one->destination = end_of(traffic, destination);
	one->port = 8080;
	one->count[2] = fine;
	one->count[5] = bad;
	one->latency_ns = ns * (fine + bad);
	one->buckets[i].bucket = latency_bucket(ns);
	one->buckets[i].count = fine + bad;
}

static void denied(struct traffic *traffic, const char *source, const char *destination,
		   uint8_t proto, uint64_t count)
{
	struct traffic_denials *one = traffic_add_denials(traffic);

	one->source = end_of(traffic, source);
	one->destination = end_of(traffic, destination);
	one->reason = WEFT_REASON_NO_RULE;
	one->action = WEFT_VERDICT_DENY;
	one->hook = WEFT_HOOK_TO_POD;
	one->proto = proto;
	one->count = count;
}

/* Everything is `times` what it is in the first reading. */
static struct traffic *reading_n1(uint64_t times)
{
	struct traffic *traffic = traffic_new("n1");
	struct weighted_split *split = traffic_add_split(traffic);
	static const char *const names[] = { "api-v1", "api-v2" };
	size_t i, b;

	traffic->time = 1000 + 30 * (double)times;
	split->name_space = memory_strdup("shop");
	split->name = memory_strdup("canary");
	split->service = memory_strdup("api");
	for (i = 0; i < 2; i++) {
		b = memory_grow(&split->backends, &split->backend_count, &split->backend_capacity,
				sizeof(*split->backends));
		split->backends[b].name = memory_strdup(names[i]);
		split->backends[b].weight = i ? 10000 : 90000;
	}
	edge(traffic, "web", "api-v1", 8080, WEFT_DIRECTION_OUTBOUND, "shop/api-v1", 30 * times,
	     30 * times);
	edge(traffic, "web", "api-v1", 8080, WEFT_DIRECTION_OUTBOUND, "", 10 * times, 10 * times);
	/* one connection, kept alive since before the window */
	edge(traffic, "web", "api-v2", 8080, WEFT_DIRECTION_OUTBOUND, "shop/api-v2", 1, 0);
	edge(traffic, "web", "db", 5432, WEFT_DIRECTION_OUTBOUND, "", 6 * times, 6 * times);
	denied(traffic, "web", "db", IPPROTO_TCP, 2 * times);
	denied(traffic, "web", "db", IPPROTO_UDP, 9 * times);
	traffic_finish(traffic);
	return traffic;
}

static struct traffic *reading_n2(uint64_t times)
{
	struct traffic *traffic = traffic_new("n2");

	traffic->time = 1000.5 + 30 * (double)times;
	edge(traffic, "web", "api-v1", 8080, WEFT_DIRECTION_INBOUND, "", 40 * times, 40 * times);
	edge(traffic, "web", "api-v2", 8080, WEFT_DIRECTION_INBOUND, "", 1, 0);
	edge(traffic, "web", "db", 5432, WEFT_DIRECTION_INBOUND, "", 6 * times, 6 * times);
	edge(traffic, "host", "api-v1", 8080, WEFT_DIRECTION_INBOUND, "", 5 * times, 5 * times);
	requests(traffic, "api-v1", 400 * times, 0, 10000000);
	requests(traffic, "api-v2", 30 * times, 3 * times, 2000000);
	denied(traffic, "unknown", "api-v1", IPPROTO_TCP, times);
	traffic_finish(traffic);
	return traffic;
}

static int setup(void **state)
{
	size_t i;

	(void)state;
	f.before[0] = reading_n1(1);
	f.after[0] = reading_n1(2);
	f.before[1] = reading_n2(1);
	f.after[1] = reading_n2(2);
	for (i = 0; i < 2; i++) {
		f.window[i] = traffic_between(f.before[i], f.after[i]);
		f.nodes[i] = (struct smi_node){ f.window[i], f.after[i] };
	}
	f.view = smi_view_new(f.nodes, 2);
	return 0;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	smi_view_free(f.view);
	for (i = 0; i < 2; i++) {
		traffic_free(f.before[i]);
		traffic_free(f.after[i]);
		traffic_free(f.window[i]);
	}
	return 0;
}

static void expect_total(enum smi_kind kind, const char *name_space, const char *name,
			 uint64_t success, uint64_t failure)
{
	struct smi_total *totals = smi_view_totals(f.view, kind);
	struct smi_total *total = smi_totals_find(totals, name_space, name);

	if (!total)
		fail_msg("nothing of %s %s", smi_kinds[kind].kind, name);
	if (total->sum.success != success || total->sum.failure != failure)
		fail_msg("%s %s: %llu and %llu", smi_kinds[kind].kind, name,
			 (unsigned long long)total->sum.success,
			 (unsigned long long)total->sum.failure);
	smi_totals_free(totals);
}

static void test_totals_of_every_kind(void **state)
{
	struct smi_total *totals;

	(void)state;
	expect_total(SMI_DEPLOYMENT, "shop", "api-v1", 400, 1);
	expect_total(SMI_DEPLOYMENT, "shop", "api-v2", 30, 3);
	expect_total(SMI_STATEFUL_SET, "shop", "db", 6, 2);
	expect_total(SMI_REPLICA_SET, "shop", "api-v1-7d", 400, 1);
	expect_total(SMI_POD, "shop", "api-v1-7d-bbbbb", 400, 1);
	expect_total(SMI_POD, "shop", "db-0", 6, 2);
	expect_total(SMI_NAMESPACE, "", "shop", 436, 6);
	expect_total(SMI_NODE, "", "n2", 436, 6);
	totals = smi_view_totals(f.view, SMI_NODE);
	assert_null(smi_totals_find(totals, "", "n1"));
	smi_totals_free(totals);
	totals = smi_view_totals(f.view, SMI_JOB);
	assert_null(totals);
}

/* "kind namespace/name direction success failure" of every edge. */
static void expect_edges(enum smi_kind kind, const char *name_space, const char *name,
			 const char *expected)
{
	char text[1024] = "", line[256];
	struct smi_edge *edges, *edge, *next;

	edges = smi_view_edges(f.view, kind, name_space, name, NULL, 0);
	HASH_ITER(hh, edges, edge, next) {
		snprintf(line, sizeof(line), "%s %s %s/%s %llu %llu\n",
			 edge->is_outbound ? "to" : "from", edge->peer.kind, edge->peer.name_space,
			 edge->peer.name, (unsigned long long)edge->sum.success,
			 (unsigned long long)edge->sum.failure);
		strcat(text, line);
	}
	smi_edges_free(edges);
	assert_string_equal(text, expected);
}

static void test_edges(void **state)
{
	(void)state;
	expect_edges(SMI_DEPLOYMENT, "shop", "api-v1",
		     "from  /unknown 0 1\n"
		     "from Deployment shop/web 400 0\n");
	expect_edges(SMI_DEPLOYMENT, "shop", "web",
		     "to Deployment shop/api-v1 400 0\n"
		     "to Deployment shop/api-v2 30 3\n"
		     "to StatefulSet shop/db 6 2\n");
	expect_edges(SMI_POD, "shop", "api-v2-8e-ccccc", "from Pod shop/web-5f-aaaaa 30 3\n");
	expect_edges(SMI_NODE, "", "n2",
		     "from Node /n1 436 5\n"
		     "from  /unknown 0 1\n");
	expect_edges(SMI_NAMESPACE, "", "shop",
		     "from Namespace /shop 436 5\n"
		     "from  /unknown 0 1\n"
		     "to Namespace /shop 436 5\n");
	expect_edges(SMI_POD, "shop", "nobody", "");
}

static void test_a_service_is_its_pods(void **state)
{
	char *pods[] = { (char *)"api-v1-7d-bbbbb", (char *)"api-v2-8e-ccccc" };
	struct smi_edge *edges;

	(void)state;
	edges = smi_view_edges(f.view, SMI_SERVICE, "shop", "api", pods, 2);
	assert_int_equal(HASH_COUNT(edges), 2);
	assert_string_equal(edges->peer.name, "unknown");
	edges = edges->hh.next ? edges : NULL;
	assert_non_null(edges);
	assert_int_equal(((struct smi_edge *)edges->hh.next)->sum.success, 430);
	assert_int_equal(((struct smi_edge *)edges->hh.next)->sum.failure, 3);
	smi_edges_free(edges);
}

static void test_backends_of_a_split(void **state)
{
	const struct weighted_split *split = smi_view_split(f.view, "shop", "canary");
	struct smi_edge *edges;
	struct smi_sum sum = { 0 };

	(void)state;
	assert_non_null(split);
	assert_null(smi_view_split(f.view, "shop", "other"));
	/* three of four connections to v1 came by the split */
	smi_view_backend(f.view, split, "api-v1", &sum);
	assert_int_equal(sum.success, 300);
	assert_int_equal(sum.failure, 0);
	assert_int_equal(sum.latencies.buckets[0].count, 300);
	smi_sum_clear(&sum);
	/* all of them, by a connection that is older than the window */
	smi_view_backend(f.view, split, "api-v2", &sum);
	assert_int_equal(sum.success, 30);
	assert_int_equal(sum.failure, 3);
	smi_sum_clear(&sum);
	edges = smi_view_backend_edges(f.view, split, "api-v2");
	assert_int_equal(HASH_COUNT(edges), 1);
	assert_string_equal(edges->peer.kind, "Deployment");
	assert_string_equal(edges->peer.name, "web");
	assert_int_equal(edges->sum.success, 30);
	smi_edges_free(edges);
}

static void test_quantities(void **state)
{
	char text[SMI_QUANTITY_LEN];

	(void)state;
	assert_string_equal(smi_quantity(0, text), "0");
	assert_string_equal(smi_quantity(10000000, text), "10m");
	assert_string_equal(smi_quantity(1500000, text), "1500u");
	assert_string_equal(smi_quantity(1499, text), "1u");
	assert_string_equal(smi_quantity(2000000000, text), "2");
	assert_string_equal(smi_quantity(2500000000, text), "2500m");
}

static void test_as_smi_writes_it(void **state)
{
	struct smi_moment moment = { 1554762355.9, 29.9 };
	struct smi_total *totals = smi_view_totals(f.view, SMI_DEPLOYMENT);
	struct smi_total *total = smi_totals_find(totals, "shop", "api-v2");
	struct json_object *json;

	(void)state;
	json = smi_json_metrics(smi_json_reference("Deployment", "shop", "api-v2"), NULL,
				&total->sum, &moment);
	assert_string_equal(
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE),
		"{\"kind\":\"TrafficMetrics\",\"apiVersion\":\"metrics.smi-spec.io/v1alpha1\","
		"\"resource\":{\"kind\":\"Deployment\",\"namespace\":\"shop\",\"name\":\"api-v2\"},"
		"\"edge\":{\"direction\":\"from\",\"side\":\"server\",\"resource\":{}},"
		"\"timestamp\":\"2019-04-08T22:25:55Z\",\"window\":\"30s\",\"metrics\":["
		"{\"name\":\"p99_response_latency\",\"unit\":\"seconds\",\"value\":\"2031u\"},"
		"{\"name\":\"p90_response_latency\",\"unit\":\"seconds\",\"value\":\"2028u\"},"
		"{\"name\":\"p50_response_latency\",\"unit\":\"seconds\",\"value\":\"2015u\"},"
		"{\"name\":\"success_count\",\"value\":\"30\"},"
		"{\"name\":\"failure_count\",\"value\":\"3\"}]}");
	json_object_put(json);
	json = smi_json_list(smi_json_reference("Pod", "shop", NULL), "app=foo,b==c,d!=e");
	assert_string_equal(
		json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE),
		"{\"kind\":\"TrafficMetricsList\",\"apiVersion\":\"metrics.smi-spec.io/v1alpha1\","
		"\"resource\":{\"kind\":\"Pod\",\"namespace\":\"shop\"},\"selector\":{"
		"\"matchLabels\":{\"app\":\"foo\",\"b\":\"c\"}},\"items\":[]}");
	json_object_put(json);
	smi_totals_free(totals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_totals_of_every_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_service_is_its_pods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends_of_a_split, setup, teardown),
		cmocka_unit_test(test_quantities),
		cmocka_unit_test_setup_teardown(test_as_smi_writes_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
