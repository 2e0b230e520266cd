// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/live/rows.h"

#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "tools/weft/output.h"
#include "tools/weft/live/words.h"

bool rows_parse_by(const char *word, enum topology_by *by)
{
	*by = TOPOLOGY_WORKLOADS;
	if (!word || !strcmp(word, "workloads"))
		return true;
	if (!strcmp(word, "pods"))
		*by = TOPOLOGY_PODS;
	else if (!strcmp(word, "namespaces"))
		*by = TOPOLOGY_NAMESPACES;
	else
		return false;
	return true;
}

/* Takes the text. */
static void put(struct json_object *row, const char *key, char *text)
{
	json_put_string(row, key, text);
	free(text);
}

static char *with_unit(char *rate, const char *unit)
{
	char *text = memory_printf("%s%s", rate, unit);

	free(rate);
	return text;
}

static void put_requests(struct json_object *row, const struct traffic_requests *requests,
			 double window)
{
	uint64_t count = topology_requests(requests);

	if (!count)
		return;
	put(row, "success", words_share(traffic_succeeded(requests), count));
	put(row, "rps", with_unit(words_rate(count, window), "rps"));
	put(row, "p50", words_latency(traffic_quantile(requests, 0.5)));
	put(row, "p90", words_latency(traffic_quantile(requests, 0.9)));
	put(row, "p99", words_latency(traffic_quantile(requests, 0.99)));
}

static void print_rows(struct json_object *rows, const struct column *columns)
{
	output_table(rows, columns);
	json_object_put(rows);
}

static char *node_name(const struct topology *topology, size_t node)
{
	const struct topology_node *one = &topology->nodes[node];
	bool is_plain = !*one->name_space || !strcmp(one->kind, "Namespace");

	return memory_printf("%s%s%s", is_plain ? "" : one->name_space, is_plain ? "" : "/",
			     one->name);
}

/* Something came in, or would have; and it is of the kind that was asked for. */
static bool is_row(const struct topology_node *node, enum topology_by by)
{
	if (!*node->name_space || (by == TOPOLOGY_PODS && strcmp(node->kind, "Pod")))
		return false;
	return topology_requests(&node->requests) || node->count.opened ||
	       node->count.datagrams_to_dst || node->denied || node->would_deny;
}

void rows_print_nodes(const struct topology *topology, enum topology_by by, bool is_wide)
{
	static const struct column columns[] = {
		{ "NAMESPACE", "namespace", COLUMN_TEXT }, { "NAME", "name", COLUMN_TEXT },
		{ "SUCCESS", "success", COLUMN_NUMBER },   { "RPS", "rps", COLUMN_NUMBER },
		{ "LATENCY_P50", "p50", COLUMN_NUMBER },   { "LATENCY_P90", "p90", COLUMN_NUMBER },
		{ "LATENCY_P99", "p99", COLUMN_NUMBER },   { "CPS", "cps", COLUMN_NUMBER },
		{ "DENIED", "denied", COLUMN_NUMBER },	   { 0 },
	};
	struct json_object *rows = json_object_new_array(), *row;
	size_t i;

	for (i = 0; i < topology->node_count; i++) {
		const struct topology_node *node = &topology->nodes[i];

		if (!is_row(node, by))
			continue;
		row = json_object_new_object();
		json_put_string(row, "namespace", node->name_space);
		json_put_string(row, "name", node->name);
		put_requests(row, &node->requests, topology->window);
		put(row, "cps", with_unit(words_rate(node->count.opened, topology->window), "cps"));
		json_put_number(row, "denied", node->denied);
		json_object_array_add(rows, row);
	}
	print_rows(rows, is_wide && by != TOPOLOGY_NAMESPACES ? columns : columns + 1);
}

void rows_print_edges(const struct topology *topology)
{
	static const struct column columns[] = {
		{ "SOURCE", "source", COLUMN_TEXT },
		{ "DESTINATION", "destination", COLUMN_TEXT },
		{ "PORT", "port", COLUMN_TEXT },
		{ "SUCCESS", "success", COLUMN_NUMBER },
		{ "RPS", "rps", COLUMN_NUMBER },
		{ "LATENCY_P50", "p50", COLUMN_NUMBER },
		{ "LATENCY_P90", "p90", COLUMN_NUMBER },
		{ "LATENCY_P99", "p99", COLUMN_NUMBER },
		{ "CPS", "cps", COLUMN_NUMBER },
		{ "SENT", "sent", COLUMN_NUMBER },
		{ "RECEIVED", "received", COLUMN_NUMBER },
		{ "RETRANSMITS", "retransmits", COLUMN_NUMBER },
		{ 0 },
	};
	struct json_object *rows = json_object_new_array(), *row;
	size_t i;

	for (i = 0; i < topology->edge_count; i++) {
		const struct topology_edge *edge = &topology->edges[i];

		if (edge->denials.count)
			continue;
		row = json_object_new_object();
		put(row, "source", node_name(topology, edge->source));
		put(row, "destination", node_name(topology, edge->destination));
		put(row, "port", memory_printf("%s/%u", protocol_name(edge->proto), edge->port));
		put_requests(row, &edge->requests, topology->window);
		if (edge->proto == IPPROTO_TCP)
			put(row, "cps",
			    with_unit(words_rate(edge->count.opened, topology->window), "cps"));
		put(row, "sent",
		    with_unit(words_rate(edge->count.bytes_to_dst, topology->window), "B/s"));
		put(row, "received",
		    with_unit(words_rate(edge->count.bytes_to_src, topology->window), "B/s"));
		json_put_number(row, "retransmits", edge->count.retransmits);
		json_object_array_add(rows, row);
	}
	print_rows(rows, columns);
}

void rows_print_splits(const struct topology *topology)
{
	static const struct column columns[] = {
		{ "SPLIT", "split", COLUMN_TEXT },
		{ "SERVICE", "service", COLUMN_TEXT },
		{ "BACKEND", "backend", COLUMN_TEXT },
		{ "TARGET", "target", COLUMN_NUMBER },
		{ "ACTUAL", "actual", COLUMN_NUMBER },
		{ "CPS", "cps", COLUMN_NUMBER },
		{ 0 },
	};
	struct json_object *rows, *row;
	size_t i, k;

	if (!topology->split_count)
		return;
	output_heading("Splits");
	rows = json_object_new_array();
	for (i = 0; i < topology->split_count; i++) {
		const struct topology_split *split = &topology->splits[i];

		for (k = 0; k < split->backend_count; k++) {
			const struct topology_backend *backend = &split->backends[k];

			row = json_object_new_object();
			put(row, "split", memory_printf("%s/%s", split->name_space, split->name));
			json_put_string(row, "service", split->service);
			json_put_string(row, "backend", backend->service);
			put(row, "target", memory_printf("%.2f%%", 100 * backend->target));
			put(row, "actual", words_share(backend->opened, split->opened));
			put(row, "cps",
			    with_unit(words_rate(backend->opened, topology->window), "cps"));
			json_object_array_add(rows, row);
		}
	}
	print_rows(rows, columns);
}

void rows_print_denials(const struct topology *topology)
{
	static const struct column columns[] = {
		{ "SOURCE", "source", COLUMN_TEXT },
		{ "DESTINATION", "destination", COLUMN_TEXT },
		{ "VERDICT", "verdict", COLUMN_TEXT },
		{ "REASON", "reason", COLUMN_TEXT },
		{ "COUNT", "count", COLUMN_NUMBER },
		{ 0 },
	};
	struct json_object *rows, *row;
	size_t i, k;

	if (!topology->denials.count)
		return;
	output_heading("Denials");
	rows = json_object_new_array();
	for (i = 0; i < topology->edge_count; i++) {
		const struct topology_edge *edge = &topology->edges[i];

		for (k = 0; k < edge->denials.count; k++) {
			const struct topology_denial *denial = &edge->denials.items[k];

			row = json_object_new_object();
			put(row, "source", node_name(topology, edge->source));
			put(row, "destination", node_name(topology, edge->destination));
			json_put_string(row, "verdict", verdict_name(denial->action));
			json_put_string(row, "reason", reason_name(denial->reason));
			json_put_number(row, "count", denial->count);
			json_object_array_add(rows, row);
		}
	}
	print_rows(rows, columns);
}
