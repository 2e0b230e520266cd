// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP requests as metrics. Bounds of the histogram are bounds of the kernel's buckets, so
 * that no request is guessed into one, and they are the same everywhere, so that sums over nodes
 * are exact.
 */
#include <stdio.h>

#include "bpf/http_latency.bpf.h"
#include "loader/requests.h"
#include "policy/reason.h"
#include "user/metric_rows.h"
#include "user/telemetry_internal.h"

enum {
	/* Each costs as much as 20 counters; edges and rules beyond, by their labels, are one. */
	HISTOGRAMS_MAX = 1000,
	NANOSECOND_DECIMALS = 9,
};

/* Buckets of weft_latency that begin where a bound is: within 0.7 % of the round number. */
static const uint16_t bounds[] = {
	177, /* 50 us */
	209, /* 100 us */
	253, /* 250 us */
	285, /* 500 us */
	317, /* 1 ms */
	358, /* 2.5 ms */
	390, /* 5 ms */
	422, /* 10 ms */
	464, /* 25 ms */
	496, /* 50 ms */
	528, /* 100 ms */
	572, /* 250 ms */
	604, /* 500 ms */
	636, /* 1 s */
	677, /* 2.5 s */
	709, /* 5 s */
	741, /* 10 s */
	792, /* 30 s */
};

/* Values of a histogram's row: latencies below each bound and not below another, then these. */
enum {
	BOUNDS = sizeof(bounds) / sizeof(bounds[0]),
	BEYOND = BOUNDS,
	SUM_NS,
	HISTOGRAM_WIDTH,
};

static void put_rule(const struct telemetry *telemetry, struct metric_rows *rows, uint32_t id)
{
	struct telemetry_rule rule;

	telemetry_rule_of(telemetry, id, &rule);
	metric_rows_label(rows, "traffic_target", rule.target);
	metric_rows_label(rows, "route_group", rule.group);
	metric_rows_label(rows, "match", rule.match);
}

static void put_edge(const struct telemetry *telemetry, struct metric_rows *rows,
		     const struct request_edge *edge)
{
	telemetry_put_workload(telemetry, rows, TELEMETRY_SOURCE, edge->src_workload);
	telemetry_put_workload(telemetry, rows, TELEMETRY_DESTINATION, edge->dst_workload);
	telemetry_put_port(rows, edge->port);
	put_rule(telemetry, rows, edge->rule);
}

static void put_status_class(struct metric_rows *rows, uint8_t status)
{
	char text[8];

	snprintf(text, sizeof(text), "%uxx", status);
	metric_rows_label(rows, "status_class", status ? text : "none");
}

static void write_counts(const struct telemetry *telemetry, const struct requests *requests,
			 const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_http_requests",
		.help = "HTTP requests that reached a pod of this node, by rule and answer.",
	};
	struct metric_rows rows = { .width = 1 };
	struct request_edge edge = { 0 };
	size_t i;

	while (requests_next(requests, &edge)) {
		for (i = 0; i < edge.count_count; i++) {
			const struct request_count *count = &edge.counts[i];

			put_edge(telemetry, &rows, &edge);
			metric_rows_label(&rows, "method", method_name(count->key.method));
			put_status_class(&rows, count->key.status);
			*metric_rows_add(&rows) = count->sum.count;
		}
	}
	metric_rows_merge(&rows);
	sink->family(sink->context, &family);
	for (i = 0; i < rows.count; i++)
		metric_put_number(sink, &rows.items[i].labels, *rows.items[i].values);
	metric_rows_clear(&rows);
}

static void fill_histogram(const struct request_edge *edge, uint64_t *values)
{
	size_t i, bound = 0;
	uint64_t sum_ns;

	request_edge_total(edge, &sum_ns);
	values[SUM_NS] = sum_ns;
	/* both in order */
	for (i = 0; i < edge->bucket_count; i++) {
		while (bound < BOUNDS && edge->buckets[i].key.bucket >= bounds[bound])
			bound++;
		values[bound] += edge->buckets[i].count;
	}
}

/* Edges and rules beyond the most that are told apart. */
static void put_overflow(struct metric_rows *rows)
{
	static const char *const names[] = {
		"source_namespace",	 "source_workload",	 "source_service_account",
		"destination_namespace", "destination_workload", "destination_service_account",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		metric_rows_label(rows, names[i], i % 3 == 1 ? "overflow" : "");
	telemetry_put_port(rows, 0);
	metric_rows_label(rows, "traffic_target", "");
	metric_rows_label(rows, "route_group", "");
	metric_rows_label(rows, "match", "");
}

static void put_histograms(const struct metric_rows *rows, const struct metric_sink *sink)
{
	uint64_t bounds_ns[BOUNDS];
	struct metric_histogram histogram = {
		.bounds = bounds_ns,
		.bound_count = BOUNDS,
		.decimals = NANOSECOND_DECIMALS,
	};
	size_t i;

	for (i = 0; i < BOUNDS; i++)
		bounds_ns[i] = latency_floor(bounds[i]);
	for (i = 0; i < rows->count; i++) {
		histogram.counts = rows->items[i].values;
		histogram.sum = rows->items[i].values[SUM_NS];
		sink->histogram(sink->context, &rows->items[i].labels, &histogram);
	}
}

static void write_histograms(const struct telemetry *telemetry, const struct requests *requests,
			     const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_http_request_duration_seconds",
		.type = METRIC_HISTOGRAM,
		.unit = "seconds",
		.help = "Time from the end of a request's head to the first byte of its answer.",
	};
	struct metric_rows rows = { .width = HISTOGRAM_WIDTH };
	struct request_edge edge = { 0 };

	while (requests_next(requests, &edge)) {
		if (!edge.bucket_count)
			continue;
		put_edge(telemetry, &rows, &edge);
		fill_histogram(&edge, metric_rows_add(&rows));
	}
	metric_rows_merge(&rows);
	put_overflow(&rows);
	metric_rows_fold(&rows, HISTOGRAMS_MAX);
	sink->family(sink->context, &family);
	put_histograms(&rows, sink);
	metric_rows_clear(&rows);
}

void telemetry_write_requests(const struct telemetry *telemetry, const struct metric_sink *sink)
{
	struct requests requests = { 0 };

	requests_read(telemetry->maps, &requests);
	write_counts(telemetry, &requests, sink);
	write_histograms(telemetry, &requests, sink);
	requests_clear(&requests);
}
