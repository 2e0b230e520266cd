// SPDX-License-Identifier: Apache-2.0
/*
 * Prometheus text. A family is a name, its help and a function that gives the
 * value of one row; rows are the map's entries with their labels, sorted.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "policy/workload.h"
#include "user/metric_rows.h"
#include "user/telemetry_internal.h"

enum { EDGE_WIDTH = sizeof(struct weft_edge) / sizeof(__u64) };

/* What a callback of maps_each() needs to make rows. */
struct row_maker {
	const struct telemetry *telemetry;
	struct metric_rows rows;
};

void telemetry_put_workload(const struct telemetry *telemetry, struct metric_rows *rows,
			    const char *side, uint32_t id)
{
	struct workload workload;
	char name[64];

	workload_of(telemetry->names, id, &workload);
	snprintf(name, sizeof(name), "%s_namespace", side);
	metric_rows_label(rows, name, workload.name_space);
	snprintf(name, sizeof(name), "%s_workload", side);
	metric_rows_label(rows, name, workload.name);
	snprintf(name, sizeof(name), "%s_service_account", side);
	metric_rows_label(rows, name, workload.service_account);
}

void telemetry_put_port(struct metric_rows *rows, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	metric_rows_label(rows, "destination_port", text);
}

static void put_service(struct row_maker *maker, const char *label, uint32_t id)
{
	const struct weft_name *name = NULL;

	if (id)
		name = names_lookup(maker->telemetry->names, WEFT_NAME_SERVICE, id);
	metric_rows_label(&maker->rows, label, name ? name->name : "");
}

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

	metric_rows_label(rows, "reporter", reporter_name(key->direction));
	metric_rows_label(rows, "protocol", protocol_name(key->proto));
	telemetry_put_workload(telemetry, rows, "source", key->src_workload);
	telemetry_put_workload(telemetry, rows, "destination", key->dst_workload);
	telemetry_put_port(rows, key->port);
	put_service(maker, "service", key->service);
	put_service(maker, "backend", key->backend);
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

	for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
		sum += values[cpu].count;
	if (!key->hook && !sum)
		return 0; /* the overflow entry, unused */
	metric_rows_label(rows, "verdict", verdict_name(key->action));
	metric_rows_label(rows, "reason", key->hook ? reason_name(key->reason) : "overflow");
	metric_rows_label(rows, "hook", hook_name(key->hook));
	metric_rows_label(rows, "protocol", protocol_name(key->proto));
	telemetry_put_workload(telemetry, rows, "source", key->src_workload);
	telemetry_put_workload(telemetry, rows, "destination", key->dst_workload);
	*metric_rows_add(rows) = sum;
	return 0;
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
	struct row_maker maker = { telemetry, { .width = EDGE_WIDTH } };
	const struct metric_rows *rows = &maker.rows;
	size_t f, i;

	maps_each(telemetry->maps, MAP_EDGE, edge_row, &maker);
	metric_rows_merge(&maker.rows);
	for (f = 0; f < sizeof(edge_families) / sizeof(edge_families[0]); f++) {
		const struct edge_family *family = &edge_families[f];

		metric_put_head(out, family->name, "counter", family->help);
		for (i = 0; i < rows->count; i++) {
			uint64_t value = rows->items[i].values[family->offset / sizeof(__u64)];

			if (!value)
				continue;
			fprintf(out, "%s{%s} ", family->name, rows->items[i].labels);
			if (family->divisor == 1)
				fprintf(out, "%" PRIu64 "\n", value);
			else
				fprintf(out, "%.6f\n", (double)value / family->divisor);
		}
	}
	metric_rows_clear(&maker.rows);
}

static void write_verdicts(struct telemetry *telemetry, FILE *out)
{
	struct row_maker maker = { telemetry, { .width = 1 } };
	const struct metric_rows *rows = &maker.rows;
	size_t i;

	maps_each(telemetry->maps, MAP_VERDICT, verdict_row, &maker);
	metric_rows_merge(&maker.rows);
	metric_put_head(out, "weft_verdicts_total", "counter",
			"Verdicts by reason: TCP connections, and UDP packets and HTTP requests "
			"that were denied.");
	for (i = 0; i < rows->count; i++)
		fprintf(out, "weft_verdicts_total{%s} %" PRIu64 "\n", rows->items[i].labels,
			*rows->items[i].values);
	metric_rows_clear(&maker.rows);
}

static void write_stats(struct telemetry *telemetry, FILE *out)
{
	uint64_t *values = memory_alloc(telemetry->maps->cpus * sizeof(*values));
	unsigned int cpu;
	__u32 index;

	metric_put_head(out, "weft_program_incidents_total", "counter",
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
	metric_put_head(out, "weft_map_entries", "gauge", "Entries in use, by BPF map.");
	for (i = 0; i < count; i++)
		fprintf(out, "weft_map_entries{map=\"%s\"} %u\n", fills[i].name, fills[i].entries);
	metric_put_head(out, "weft_map_max_entries", "gauge", "Capacity, by BPF map.");
	for (i = 0; i < count; i++)
		fprintf(out, "weft_map_max_entries{map=\"%s\"} %u\n", fills[i].name,
			fills[i].max_entries);
}

static void put_value(FILE *out, const char *name, const char *type, const char *help, double value)
{
	metric_put_head(out, name, type, help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void write_agent(const struct telemetry_agent *agent, FILE *out)
{
	metric_put_head(out, "weft_build_info", "gauge",
			"Version of the agent and of the map layout.");
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
	metric_put_head(
		out, "weft_kube_events_total", "counter",
		"Findings written as Kubernetes Events: sent, or refused or without answer.");
	fprintf(out, "weft_kube_events_total{result=\"sent\"} %lu\n", agent->events_sent);
	fprintf(out, "weft_kube_events_total{result=\"failed\"} %lu\n", agent->events_failed);
	put_value(out, "weft_kube_leader", "gauge",
		  "1 when this agent writes the Events that any agent could.", agent->is_leader);
}

void telemetry_write_metrics(struct telemetry *telemetry, const struct telemetry_agent *agent,
			     FILE *out)
{
	write_agent(agent, out);
	write_verdicts(telemetry, out);
	write_edges(telemetry, out);
	telemetry_write_requests(telemetry, out);
	write_stats(telemetry, out);
	write_maps(telemetry, out);
}
