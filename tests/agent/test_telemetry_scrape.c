// SPDX-License-Identifier: Apache-2.0
/*
 * A scrape of a busy node: how long it takes, how much it may become, and what is told apart then.
 * The time is one of a build without sanitizers: make build/tests/agent/test_telemetry_scrape.
 */
#include <time.h>
#include "tests/agent/mapset.h"
#include "tests/unit/objects.h"
#include "bpf/http_latency.bpf.h"
#include "user/telemetry/durations.h"
#include "user/telemetry/metric_text.h"
#include "user/telemetry/telemetry.h"

enum {
	LABELS = METRIC_LABELS_ALL & ~(METRIC_LABELS_KIND | METRIC_LABELS_POD),
	EDGES = 5000,
	HISTOGRAMS = 1000,
	BUCKETS = 40, /* that each histogram has counts in */
	RUNS = 5,
	LONGEST_MS = 2000, /* also with sanitizers, on a busy machine; else a twentieth of it */
};

static struct {
	struct mapset *set;
	const struct maps *maps;
	struct names *names;
	struct store *store;
	struct metric_options options;
} f;

/* The same on each CPU. */
static void put(enum map_id id, const void *key, const void *value, size_t size)
{
	char *values = calloc(f.maps->cpus, size);
	unsigned int cpu;

	for (cpu = 0; cpu < f.maps->cpus; cpu++)
		memcpy(values + cpu * size, value, size);
	assert_int_equal(maps_set(f.maps, id, key, values), 0);
	free(values);
}

static uint32_t workload(const char *prefix, uint32_t i)
{
	char name[64], account[64];

	snprintf(name, sizeof(name), "%s-deployment-%u", prefix, i);
	snprintf(account, sizeof(account), "Deployment/%s-account-%u", prefix, i);
	return names_get(f.names, WEFT_NAME_WORKLOAD, "namespace-of-some-team", name, account);
}

static void put_histogram(const struct weft_request_key *request)
{
	struct weft_latency_key key = { request->src_workload, request->dst_workload, request->rule,
					request->port, 0 };
	const struct weft_latency one = { 1 };
	uint32_t first = latency_bucket(1000000), i;

	for (i = 0; i < BUCKETS; i++) {
		key.bucket = (uint16_t)(first + i * 3);
		put(MAP_LATENCY, &key, &one, sizeof(one));
	}
}

static void fill(void)
{
	const struct weft_edge edge = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	const struct weft_verdict verdict = { 1 };
	const struct weft_request request = { BUCKETS, 1000000000 };
	uint32_t service = names_get(f.names, WEFT_NAME_SERVICE, "team", "service", "");
	uint32_t rule = names_get(f.names, WEFT_NAME_RULE, "team", "readers", "routes/get"), i;

	for (i = 0; i < EDGES; i++) {
		uint32_t src = workload("caller", i), dst = workload("server", i % 100);
		struct weft_edge_key edge_key = { src, dst, service, service, 8080, 6, i % 2 };
		struct weft_verdict_key verdict_key = {
			src, dst, WEFT_REASON_POLICY, 6, WEFT_HOOK_TO_POD, WEFT_VERDICT_ALLOW, 0
		};
		struct weft_request_key request_key = { src, dst, rule, 8080, WEFT_HTTP_GET, 2 };

		put(MAP_EDGE, &edge_key, &edge, sizeof(edge));
		put(MAP_VERDICT, &verdict_key, &verdict, sizeof(verdict));
		put(MAP_REQUEST, &request_key, &request, sizeof(request));
		if (i < HISTOGRAMS)
			put_histogram(&request_key);
	}
}

static int setup(void **state)
{
	(void)state;
	f.set = mapset_new(NULL);
	f.maps = mapset_maps(f.set);
	f.names = names_new();
	f.store = store_new();
	fill();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_free(f.store);
	names_free(f.names);
	mapset_free(f.set);
	return 0;
}

static double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static char *scrape(unsigned int labels, uint32_t max_series, uint32_t max_histograms)
{
	static const struct durations none;
	static const struct findings findings;
	const struct telemetry_agent agent = {
		.findings = &findings,
		.passes = &none,
		.propagation = &none,
	};
	struct telemetry *telemetry;
	struct metric_text text;
	size_t length;

	f.options.labels = labels;
	f.options.max_series = max_series;
	f.options.max_histograms = max_histograms;
	telemetry = telemetry_new(f.maps, f.names, f.store, &f.options);
	metric_text_init(&text, METRIC_FORMAT_OPENMETRICS);
	telemetry_write_metrics(telemetry, &agent, &text.sink);
	telemetry_free(telemetry);
	return metric_text_take(&text, &length);
}

/* Samples of this name, and their sum. Line by line: sanitizers measure all of a text for strstr.
 */
static unsigned int samples(const char *text, const char *name, uint64_t *sum)
{
	const char *line = text, *end = text + strlen(text), *next;
	size_t length = strlen(name);
	unsigned int count = 0;

	for (*sum = 0; line < end; line = next) {
		next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		if (strncmp(line, name, length) != 0 || line[length] != '{')
			continue;
		*sum += strtoull((const char *)memrchr(line, ' ', (size_t)(next - line)) + 1, NULL,
				 10);
		count++;
	}
	return count;
}

static void expect(const char *text, const char *name, unsigned int count, uint64_t sum)
{
	uint64_t found_sum;
	unsigned int found = samples(text, name, &found_sum);

	if (found != count || found_sum != sum)
		fail_msg("%s: %u samples, sum %llu; expected %u, %llu", name, found,
			 (unsigned long long)found_sum, count, (unsigned long long)sum);
}

static void test_time(void **state)
{
	double best = 1e9, begin, took;
	char *text;
	int i;

	(void)state;
	for (i = 0; i < RUNS; i++) {
		begin = milliseconds();
		text = scrape(LABELS, 10000, 1000);
		took = milliseconds() - begin;
		best = took < best ? took : best;
		if (i < RUNS - 1)
			free(text);
	}
	expect(text, "weft_tcp_retransmits_total", EDGES, UINT64_C(7) * EDGES * f.maps->cpus);
	expect(text, "weft_http_request_duration_seconds_count", HISTOGRAMS,
	       (uint64_t)HISTOGRAMS * BUCKETS * f.maps->cpus);
	print_message("%d edges, %d histograms: %.1f ms, %zu bytes\n", EDGES, HISTOGRAMS, best,
		      strlen(text));
	free(text);
	assert_true(best < LONGEST_MS);
}

/* What is left out does not tell series apart any more. */
static void test_fewer_labels(void **state)
{
	char *text = scrape(METRIC_LABELS_WORKLOAD, 10000, 1000);

	(void)state;
	expect(text, "weft_tcp_connections_opened_total", EDGES, (uint64_t)EDGES * f.maps->cpus);
	assert_null(strstr(text, "service_account="));
	assert_null(strstr(text, "destination_port="));
	assert_null(strstr(text, "backend="));
	assert_null(strstr(text, "traffic_target="));
	assert_null(strstr(text, "method="));
	free(text);
	text = scrape(0, 10000, 1000);
	/* as source and as destination */
	expect(text, "weft_tcp_connections_opened_total", 2, (uint64_t)EDGES * f.maps->cpus);
	expect(text, "weft_verdicts_total", 1, (uint64_t)EDGES * f.maps->cpus);
	expect(text, "weft_http_requests_total", 1, (uint64_t)EDGES * BUCKETS * f.maps->cpus);
	expect(text, "weft_http_request_duration_seconds_count", 1,
	       (uint64_t)HISTOGRAMS * BUCKETS * f.maps->cpus);
	free(text);
}

/* However many there are, it has an end, and sums are those of all. */
static void test_bounds(void **state)
{
	char *text = scrape(LABELS, 100, 10);

	(void)state;
	expect(text, "weft_tcp_connections_opened_total", 102, (uint64_t)EDGES * f.maps->cpus);
	expect(text, "weft_verdicts_total", 101, (uint64_t)EDGES * f.maps->cpus);
	expect(text, "weft_http_requests_total", 101, (uint64_t)EDGES * BUCKETS * f.maps->cpus);
	expect(text, "weft_http_request_duration_seconds_count", 11,
	       (uint64_t)HISTOGRAMS * BUCKETS * f.maps->cpus);
	assert_non_null(strstr(text, "weft_verdicts_total{verdict=\"allow\",reason=\"policy\",hook="
				     "\"to_pod\",protocol=\"tcp\",source_namespace=\"\","
				     "source_workload=\"overflow\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_fewer_labels),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
