// SPDX-License-Identifier: Apache-2.0
/*
 * Prometheus text. A family is a name, its help and a function that gives the
 * value of one row; rows are the map's entries with their labels, sorted.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "user/telemetry_internal.h"

struct row {
	char *labels;	       /* without braces */
	struct weft_edge edge; /* sums over CPUs */
	uint64_t count;	       /* of a verdict */
};

struct rows {
	struct row *items;
	size_t count, capacity;
	const struct telemetry *telemetry;
};

/* Backslash, quote and newline are escaped in label values. */
static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", ftell(out) ? "," : "", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_workload(FILE *out, const struct telemetry *telemetry, const char *side,
			 uint32_t id)
{
	struct telemetry_workload workload;
	char name[64];

	telemetry_workload_of(telemetry, id, &workload);
	snprintf(name, sizeof(name), "%s_namespace", side);
	put_label(out, name, workload.name_space);
	snprintf(name, sizeof(name), "%s_workload", side);
	put_label(out, name, workload.name);
	snprintf(name, sizeof(name), "%s_service_account", side);
	put_label(out, name, workload.service_account);
}

static void put_service(FILE *out, const struct telemetry *telemetry, const char *label,
			uint32_t id)
{
	const struct weft_name *name = id ? names_lookup(telemetry->names, WEFT_NAME_SERVICE, id) :
					    NULL;

	put_label(out, label, name ? name->name : "");
}

static struct row *rows_add(struct rows *rows, FILE **labels, size_t *length)
{
	size_t i = memory_grow(&rows->items, &rows->count, &rows->capacity, sizeof(*rows->items));

	*labels = open_memstream(&rows->items[i].labels, length);
	return &rows->items[i];
}

static int edge_row(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_edge_key *key = raw_key;
	const struct weft_edge *values = raw_values;
	struct rows *rows = context;
	const struct telemetry *telemetry = rows->telemetry;
	struct weft_edge sum = { 0 };
	unsigned int cpu;
	char port[8];
	size_t length, i;
	FILE *out;

	for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
		for (i = 0; i < sizeof(sum) / sizeof(__u64); i++)
			((__u64 *)&sum)[i] += ((const __u64 *)&values[cpu])[i];
	rows_add(rows, &out, &length)->edge = sum;
	put_label(out, "reporter", reporter_name(key->direction));
	put_label(out, "protocol", protocol_name(key->proto));
	put_workload(out, telemetry, "source", key->src_workload);
	put_workload(out, telemetry, "destination", key->dst_workload);
	snprintf(port, sizeof(port), "%u", key->port);
	put_label(out, "destination_port", port);
	put_service(out, telemetry, "service", key->service);
	put_service(out, telemetry, "backend", key->backend);
	fclose(out);
	return 0;
}

static int verdict_row(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_verdict_key *key = raw_key;
	const struct weft_verdict *values = raw_values;
	struct rows *rows = context;
	const struct telemetry *telemetry = rows->telemetry;
	uint64_t sum = 0;
	unsigned int cpu;
	size_t length;
	FILE *out;

	for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
		sum += values[cpu].count;
	if (!key->hook && !sum)
		return 0; /* the overflow entry, unused */
	rows_add(rows, &out, &length)->count = sum;
	put_label(out, "verdict", verdict_name(key->action));
	put_label(out, "reason", key->hook ? reason_name(key->reason) : "overflow");
	put_label(out, "hook", hook_name(key->hook));
	put_label(out, "protocol", protocol_name(key->proto));
	put_workload(out, telemetry, "source", key->src_workload);
	put_workload(out, telemetry, "destination", key->dst_workload);
	fclose(out);
	return 0;
}

static int row_compare(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->labels, ((const struct row *)b)->labels);
}

/* Rows with equal labels (two identities of one workload, say) become one: Prometheus refuses
 * duplicates. */
static void rows_merge(struct rows *rows)
{
	size_t from, to = 0, i;

	if (rows->count)
		qsort(rows->items, rows->count, sizeof(*rows->items), row_compare);
	for (from = 0; from < rows->count; from++) {
		struct row *row = &rows->items[from];

		if (!to || strcmp(rows->items[to - 1].labels, row->labels)) {
			rows->items[to++] = *row;
			continue;
		}
		for (i = 0; i < sizeof(row->edge) / sizeof(__u64); i++)
			((__u64 *)&rows->items[to - 1].edge)[i] += ((__u64 *)&row->edge)[i];
		rows->items[to - 1].count += row->count;
		free(row->labels);
	}
	rows->count = to;
}

static void rows_clear(struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		free(rows->items[i].labels);
	free(rows->items);
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const struct edge_family {
	const char *name;
	const char *help;
	size_t offset;	/* of the counter in struct weft_edge */
	double divisor; /* 1 for counts, 1e6 for microseconds as seconds */
} edge_families[] = {
	{ "weft_tcp_connections_opened_total", "TCP connections established.",
	  offsetof(struct weft_edge, opened), 1 },
	{ "weft_tcp_connections_closed_total", "TCP connections closed.",
	  offsetof(struct weft_edge, closed), 1 },
	{ "weft_sent_bytes_total",
	  "Payload from source to destination; TCP is added when a connection closes.",
	  offsetof(struct weft_edge, bytes_to_dst), 1 },
	{ "weft_received_bytes_total",
	  "Payload from destination to source; TCP is added when a connection closes.",
	  offsetof(struct weft_edge, bytes_to_src), 1 },
	{ "weft_udp_sent_datagrams_total", "UDP packets from source to destination.",
	  offsetof(struct weft_edge, datagrams_to_dst), 1 },
	{ "weft_udp_received_datagrams_total", "UDP packets from destination to source.",
	  offsetof(struct weft_edge, datagrams_to_src), 1 },
	{ "weft_tcp_retransmits_total", "TCP segments the reporting side sent again.",
	  offsetof(struct weft_edge, retransmits), 1 },
	{ "weft_tcp_connection_duration_seconds_total",
	  "Sum of the durations of closed TCP connections.",
	  offsetof(struct weft_edge, duration_us), 1e6 },
	{ "weft_tcp_smoothed_rtt_seconds_total",
	  "Sum of the last smoothed round-trip time of closed TCP connections.",
	  offsetof(struct weft_edge, srtt_us), 1e6 },
};

static void write_edges(struct telemetry *telemetry, FILE *out)
{
	struct rows rows = { .telemetry = telemetry };
	size_t f, i;

	maps_each(telemetry->maps, MAP_EDGE, edge_row, &rows);
	rows_merge(&rows);
	for (f = 0; f < sizeof(edge_families) / sizeof(edge_families[0]); f++) {
		const struct edge_family *family = &edge_families[f];

		put_head(out, family->name, "counter", family->help);
		for (i = 0; i < rows.count; i++) {
			uint64_t value = *(__u64 *)((char *)&rows.items[i].edge + family->offset);

			if (!value)
				continue;
			fprintf(out, "%s{%s} ", family->name, rows.items[i].labels);
			if (family->divisor == 1)
				fprintf(out, "%" PRIu64 "\n", value);
			else
				fprintf(out, "%.6f\n", (double)value / family->divisor);
		}
	}
	rows_clear(&rows);
}

static void write_verdicts(struct telemetry *telemetry, FILE *out)
{
	struct rows rows = { .telemetry = telemetry };
	size_t i;

	maps_each(telemetry->maps, MAP_VERDICT, verdict_row, &rows);
	rows_merge(&rows);
	put_head(out, "weft_verdicts_total", "counter",
		 "Verdicts by reason: TCP connections, and UDP packets that were denied.");
	for (i = 0; i < rows.count; i++)
		fprintf(out, "weft_verdicts_total{%s} %" PRIu64 "\n", rows.items[i].labels,
			rows.items[i].count);
	rows_clear(&rows);
}

static void write_stats(struct telemetry *telemetry, FILE *out)
{
	uint64_t *values = memory_alloc(telemetry->maps->cpus * sizeof(*values));
	unsigned int cpu;
	__u32 index;

	put_head(out, "weft_program_incidents_total", "counter",
		 "What BPF programs could not do, by kind: full maps, lost events.");
	for (index = 0; index < WEFT_STAT_COUNT; index++) {
		uint64_t sum = 0;

		if (!maps_get(telemetry->maps, MAP_STAT, &index, values))
			for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
				sum += values[cpu];
		fprintf(out, "weft_program_incidents_total{kind=\"%s\"} %" PRIu64 "\n",
			stat_name(index), sum);
	}
	free(values);
}

static void write_maps(struct telemetry *telemetry, FILE *out)
{
	struct map_fill fills[MAP_ID_COUNT];
	size_t i, count = 0;

	for (i = 0; i < MAP_ID_COUNT; i++)
		if (!maps_fill(telemetry->maps, i, &fills[count]) && fills[count].countable)
			count++;
	put_head(out, "weft_map_entries", "gauge", "Entries in use, by BPF map.");
	for (i = 0; i < count; i++)
		fprintf(out, "weft_map_entries{map=\"%s\"} %u\n", fills[i].name, fills[i].entries);
	put_head(out, "weft_map_max_entries", "gauge", "Capacity, by BPF map.");
	for (i = 0; i < count; i++)
		fprintf(out, "weft_map_max_entries{map=\"%s\"} %u\n", fills[i].name,
			fills[i].max_entries);
}

static void put_value(FILE *out, const char *name, const char *type, const char *help, double value)
{
	put_head(out, name, type, help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void write_agent(const struct telemetry_agent *agent, FILE *out)
{
	put_head(out, "weft_build_info", "gauge", "Version of the agent and of the map layout.");
	fprintf(out, "weft_build_info{version=\"%s\",abi=\"%d\"} 1\n", WEFT_VERSION,
		WEFT_ABI_VERSION);
	put_value(out, "weft_agent_ready", "gauge", "1 when the policy in the maps is complete.",
		  agent->ready);
	put_value(out, "weft_agent_start_time_seconds", "gauge", "When the agent started.",
		  agent->started);
	put_value(out, "weft_agent_reconciles_total", "counter",
		  "Times that objects were compiled and applied.", agent->reconciles);
	put_value(out, "weft_agent_reconcile_errors_total", "counter",
		  "Of these, how many could not be applied completely.", agent->reconcile_errors);
	put_value(out, "weft_agent_last_apply_seconds", "gauge",
		  "Duration of the last compile and apply.", (double)agent->last_apply_us / 1e6);
	put_value(out, "weft_agent_findings", "gauge",
		  "Objects and fields that are wrong (see weft status).", agent->findings);
	put_value(out, "weft_agent_pods", "gauge", "Pods of this node.", agent->pods);
	put_value(out, "weft_agent_pods_attached", "gauge",
		  "Pods of this node whose interface is governed.", agent->pods_attached);
	put_value(out, "weft_connections_cut_total", "counter",
		  "Live TCP sockets that the agent closed because their permission went.",
		  agent->connections_cut);
}

void telemetry_write_metrics(struct telemetry *telemetry, const struct telemetry_agent *agent,
			     FILE *out)
{
	write_agent(agent, out);
	write_verdicts(telemetry, out);
	write_edges(telemetry, out);
	write_stats(telemetry, out);
	write_maps(telemetry, out);
}
