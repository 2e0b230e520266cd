// SPDX-License-Identifier: Apache-2.0
/* HTTP requests as metrics. */
#include <stdio.h>

#include "bpf/http_latency.bpf.h"
#include "loader/requests.h"
#include "policy/reason.h"
#include "user/telemetry/metric_rows.h"
#include "user/telemetry/telemetry_internal.h"

enum { NANOSECOND_DECIMALS = 9 };

static void put_edge(const struct telemetry *telemetry, struct metric_rows *rows,
		     const struct request_edge *edge)
{
	telemetry_put_workload(telemetry, rows, TELEMETRY_SOURCE, edge->src_workload);
	telemetry_put_workload(telemetry, rows, TELEMETRY_DESTINATION, edge->dst_workload);
	telemetry_put_port(telemetry, rows, edge->port);
	telemetry_put_rule(telemetry, rows, edge->rule);
}

static void put_status_class(struct metric_rows *rows, uint8_t status)
{
	char text[8];

	snprintf(text, sizeof(text), "%uxx", status);
	metric_rows_label(rows, "status_class", status ? text : "none");
}

static void write_counts(struct telemetry *telemetry, const struct requests *requests,
			 const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_http_requests",
		.map = MAP_REQUEST,
		.help = "HTTP requests that reached a pod of this node, by rule and answer.",
	};
	struct metric_rows rows = { .width = 1 };
	struct request_edge edge = { 0 };
	size_t i;

	while (requests_next(requests, &edge)) {
		for (i = 0; i < edge.count_count; i++) {
			const struct request_count *count = &edge.counts[i];

			put_edge(telemetry, &rows, &edge);
			telemetry_put_method(telemetry, &rows, count->key.method);
			put_status_class(&rows, count->key.status);
			*metric_rows_add(&rows) = count->sum.count;
		}
	}
	telemetry_bound(&telemetry->requests, &rows, telemetry->options->max_series);
	sink->family(sink->context, &family);
	for (i = 0; i < rows.count; i++)
		metric_put_number(sink, &rows.items[i].labels, *rows.items[i].values);
	metric_rows_clear(&rows);
}

/* Values of a histogram's row: latencies below each bound, those beyond, and the sum in ns. */
static void add_latencies(const struct latency_bounds *bounds, const struct request_edge *edge,
			  uint64_t *values)
{
	size_t i, bound = 0;
	uint64_t sum_ns;

	request_edge_total(edge, &sum_ns);
	values[bounds->count + 1] += sum_ns;
	/* both in order */
	for (i = 0; i < edge->bucket_count; i++) {
		while (bound < bounds->count &&
		       edge->buckets[i].key.bucket >= bounds->buckets[bound])
			bound++;
		values[bound] += edge->buckets[i].count;
	}
}

/* First the rows, then, when there are not too many any more, what is in them. */
static void make_histograms(struct telemetry *telemetry, const struct requests *requests,
			    const struct latency_bounds *bounds, struct metric_rows *rows)
{
	struct request_edge edge = { 0 };

	while (requests_next(requests, &edge)) {
		if (!edge.bucket_count)
			continue;
		put_edge(telemetry, rows, &edge);
		metric_rows_add(rows);
	}
	telemetry_bound(&telemetry->histograms, rows, telemetry->options->max_histograms);
	metric_rows_widen(rows, bounds->count + 2);
	edge = (struct request_edge){ 0 };
	while (requests_next(requests, &edge)) {
		if (!edge.bucket_count)
			continue;
		put_edge(telemetry, rows, &edge);
		add_latencies(bounds, &edge, metric_rows_find(rows));
	}
}

static void put_histograms(const struct latency_bounds *bounds, const struct metric_rows *rows,
			   bool dense, const struct metric_sink *sink)
{
	uint64_t bounds_ns[WEFT_LATENCY_BUCKETS];
	struct metric_histogram histogram = {
		.bounds = bounds_ns,
		.bound_count = bounds->count,
		.decimals = NANOSECOND_DECIMALS,
		.is_dense = dense,
	};
	size_t i;

	for (i = 0; i < bounds->count; i++)
		bounds_ns[i] = latency_floor(bounds->buckets[i]);
	for (i = 0; i < rows->count; i++) {
		histogram.counts = rows->items[i].values;
		histogram.sum = rows->items[i].values[bounds->count + 1];
		sink->histogram(sink->context, &rows->items[i].labels, &histogram);
	}
}

static void write_histograms(struct telemetry *telemetry, const struct requests *requests,
			     bool dense, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_http_request_duration_seconds",
		.map = MAP_LATENCY,
		.type = METRIC_HISTOGRAM,
		.unit = "seconds",
		.help = "Time from the end of a request's head to the first byte of its answer.",
	};
	struct latency_bounds bounds = telemetry->bounds;
	struct metric_rows rows = { .width = 0 };

	if (dense)
		latency_bounds_make_all(&bounds);
	make_histograms(telemetry, requests, &bounds, &rows);
	sink->family(sink->context, &family);
	put_histograms(&bounds, &rows, dense, sink);
	metric_rows_clear(&rows);
}

void telemetry_write_requests(struct telemetry *telemetry, bool dense,
			      const struct metric_sink *sink)
{
	struct requests requests = { 0 };

	requests_read(telemetry->maps, &requests);
	telemetry->entries[MAP_REQUEST] = requests.request_entries;
	telemetry->entries[MAP_LATENCY] = requests.latency_entries;
	write_counts(telemetry, &requests, sink);
	write_histograms(telemetry, &requests, dense, sink);
	requests_clear(&requests);
}
