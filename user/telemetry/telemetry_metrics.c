// SPDX-License-Identifier: Apache-2.0
/* What the kernel counted, as families of metrics: rows are a map's entries with their labels. */
#include <stddef.h>
#include <stdlib.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "user/telemetry/metric_rows.h"
#include "user/telemetry/telemetry_internal.h"

enum { EDGE_WIDTH = sizeof(struct weft_edge) / sizeof(__u64) };

/* What a callback of maps_each() needs to make rows. */
struct row_maker {
	const struct telemetry *telemetry;
	struct metric_rows rows;
	uint32_t entries; /* of the map */
};

static int edge_row(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_edge_key *key = raw_key;
	const __u64 *values = raw_values;
	struct row_maker *maker = context;
	const struct telemetry *telemetry = maker->telemetry;
	struct metric_rows *rows = &maker->rows;
	unsigned int cpu;
	uint64_t *sums;
	size_t i;

	maker->entries++;
	metric_rows_label(rows, "reporter", reporter_name(key->direction));
	metric_rows_label(rows, "protocol", protocol_name(key->proto));
	telemetry_put_workload(telemetry, rows, TELEMETRY_SOURCE, key->src_workload);
	telemetry_put_workload(telemetry, rows, TELEMETRY_DESTINATION, key->dst_workload);
	telemetry_put_port(telemetry, rows, key->port);
	telemetry_put_service(telemetry, rows, "service", key->service);
	telemetry_put_service(telemetry, rows, "backend", key->backend);
	sums = metric_rows_add(rows);
	for (cpu = 0; cpu < telemetry->maps->cpus; cpu++, values += EDGE_WIDTH)
		for (i = 0; i < EDGE_WIDTH; i++)
			sums[i] += values[i];
	return 0;
}

static int verdict_row(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_verdict_key *key = raw_key;
	const struct weft_verdict *values = raw_values;
	struct row_maker *maker = context;
	const struct telemetry *telemetry = maker->telemetry;
	struct metric_rows *rows = &maker->rows;
	uint64_t sum = 0;
	unsigned int cpu;

	maker->entries++;
	for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
		sum += values[cpu].count;
	if (!key->hook && !sum)
		return 0; /* the overflow entry, unused */
	metric_rows_label(rows, "verdict", verdict_name(key->action));
	metric_rows_label(rows, "reason", key->hook ? reason_name(key->reason) : "overflow");
	metric_rows_label(rows, "hook", hook_name(key->hook));
	metric_rows_label(rows, "protocol", protocol_name(key->proto));
	telemetry_put_workload(telemetry, rows, TELEMETRY_SOURCE, key->src_workload);
	telemetry_put_workload(telemetry, rows, TELEMETRY_DESTINATION, key->dst_workload);
	*metric_rows_add(rows) = sum;
	return 0;
}

enum { MICROSECOND_DECIMALS = 6 };

static const struct edge_family {
	struct metric_family family;
	size_t offset;	       /* of the counter in struct weft_edge */
	unsigned int decimals; /* of the counter: microseconds are seconds with six */
} edge_families[] = {
	{ { .name = "weft_tcp_connections_opened", .help = "TCP connections established." },
	  offsetof(struct weft_edge, opened),
	  0 },
	{ { .name = "weft_tcp_connections_closed", .help = "TCP connections closed." },
	  offsetof(struct weft_edge, closed),
	  0 },
	{ { .name = "weft_sent_bytes",
	    .unit = "bytes",
	    .help = "Payload from source to destination; TCP is added when a connection closes." },
	  offsetof(struct weft_edge, bytes_to_dst),
	  0 },
	{ { .name = "weft_received_bytes",
	    .unit = "bytes",
	    .help = "Payload from destination to source; TCP is added when a connection closes." },
	  offsetof(struct weft_edge, bytes_to_src),
	  0 },
	{ { .name = "weft_udp_sent_datagrams", .help = "UDP packets from source to destination." },
	  offsetof(struct weft_edge, datagrams_to_dst),
	  0 },
	{ { .name = "weft_udp_received_datagrams",
	    .help = "UDP packets from destination to source." },
	  offsetof(struct weft_edge, datagrams_to_src),
	  0 },
	{ { .name = "weft_tcp_retransmits", .help = "TCP segments the reporting side sent again." },
	  offsetof(struct weft_edge, retransmits),
	  0 },
	{ { .name = "weft_tcp_connection_duration_seconds",
	    .unit = "seconds",
	    .help = "Sum of the durations of closed TCP connections." },
	  offsetof(struct weft_edge, duration_us),
	  MICROSECOND_DECIMALS },
	{ { .name = "weft_tcp_smoothed_rtt_seconds",
	    .unit = "seconds",
	    .help = "Sum of the last smoothed round-trip time of closed TCP connections." },
	  offsetof(struct weft_edge, srtt_us),
	  MICROSECOND_DECIMALS },
};

static void write_edges(struct telemetry *telemetry, const struct metric_sink *sink)
{
	struct row_maker maker = { telemetry, { .width = EDGE_WIDTH }, 0 };
	const struct metric_rows *rows = &maker.rows;
	size_t f, i;

	maps_each(telemetry->maps, MAP_EDGE, edge_row, &maker);
	telemetry->entries[MAP_EDGE] = maker.entries;
	telemetry_bound(&telemetry->edges, &maker.rows, telemetry->options->max_series);
	for (f = 0; f < sizeof(edge_families) / sizeof(edge_families[0]); f++) {
		const struct edge_family *family = &edge_families[f];
		struct metric_family head = family->family;

		head.map = MAP_EDGE;
		sink->family(sink->context, &head);
		for (i = 0; i < rows->count; i++) {
			const struct metric_row *row = &rows->items[i];
			uint64_t value = row->values[family->offset / sizeof(__u64)];

			if (value)
				metric_put_fixed(sink, &row->labels, value, family->decimals);
		}
	}
	metric_rows_clear(&maker.rows);
}

static void write_verdicts(struct telemetry *telemetry, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_verdicts",
		.map = MAP_VERDICT,
		.help = "Verdicts by reason: TCP connections, and UDP packets and HTTP requests "
			"that were denied.",
	};
	struct row_maker maker = { telemetry, { .width = 1 }, 0 };
	const struct metric_rows *rows = &maker.rows;
	size_t i;

	maps_each(telemetry->maps, MAP_VERDICT, verdict_row, &maker);
	telemetry->entries[MAP_VERDICT] = maker.entries;
	telemetry_bound(&telemetry->verdicts, &maker.rows, telemetry->options->max_series);
	sink->family(sink->context, &family);
	for (i = 0; i < rows->count; i++)
		metric_put_number(sink, &rows->items[i].labels, *rows->items[i].values);
	metric_rows_clear(&maker.rows);
}

static void put_labelled(const struct metric_sink *sink, const char *name, const char *value,
			 uint64_t number)
{
	const struct metric_label label = { name, value };

	metric_put_number(sink, &(struct metric_labels){ &label, 1 }, number);
}

static void write_stats(struct telemetry *telemetry, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_program_incidents",
		.map = MAP_STAT,
		.help = "What BPF programs could not do, by kind: full maps, lost events.",
	};
	uint64_t *values = memory_alloc(telemetry->maps->cpus * sizeof(*values));
	unsigned int cpu;
	__u32 index;

	sink->family(sink->context, &family);
	for (index = 0; index < WEFT_STAT_COUNT; index++) {
		uint64_t sum = 0;

		if (!maps_get(telemetry->maps, MAP_STAT, &index, values))
			for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
				sum += values[cpu];
		put_labelled(sink, "kind", stat_name(index), sum);
	}
	free(values);
}

/* What was walked through for this scrape is not walked through again. */
static int measure_map(const struct telemetry *telemetry, enum map_id id, struct map_fill *fill)
{
	int err;

	switch (id) {
	case MAP_EDGE:
	case MAP_VERDICT:
	case MAP_REQUEST:
	case MAP_LATENCY:
		err = maps_describe(telemetry->maps, id, fill);
		fill->entries = telemetry->entries[id];
		return err;
	default:
		return maps_fill(telemetry->maps, id, fill);
	}
}

static void write_maps(struct telemetry *telemetry, const struct metric_sink *sink)
{
	static const struct metric_family used = {
		.name = "weft_map_entries",
		.type = METRIC_GAUGE,
		.help = "Entries in use, by BPF map.",
	};
	static const struct metric_family most = {
		.name = "weft_map_max_entries",
		.type = METRIC_GAUGE,
		.help = "Capacity, by BPF map.",
	};
	struct map_fill fills[MAP_ID_COUNT];
	size_t i, count = 0;

	for (i = 0; i < MAP_ID_COUNT; i++)
		if (!measure_map(telemetry, i, &fills[count]) && fills[count].countable)
			count++;
	sink->family(sink->context, &used);
	for (i = 0; i < count; i++)
		put_labelled(sink, "map", fills[i].name, fills[i].entries);
	sink->family(sink->context, &most);
	for (i = 0; i < count; i++)
		put_labelled(sink, "map", fills[i].name, fills[i].max_entries);
}

void telemetry_write_metrics(struct telemetry *telemetry, const struct telemetry_agent *agent,
			     const struct metric_sink *sink)
{
	telemetry_write_agent(agent, sink);
	telemetry_write_objects(telemetry->store, agent->findings, sink);
	write_verdicts(telemetry, sink);
	write_edges(telemetry, sink);
	telemetry_write_requests(telemetry, agent->dense, sink);
	write_stats(telemetry, sink);
	write_maps(telemetry, sink);
}
