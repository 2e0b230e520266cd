// SPDX-License-Identifier: Apache-2.0
/* kubectl traffic top, topology: TrafficMetrics as a table, and their edges as a drawing. */
#include <curl/curl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "tools/weft/live/graph.h"
#include "tools/weft/kubectl/kubectl.h"
#include "tools/weft/output.h"
#include "tools/weft/kubectl/trafficmetrics.h"
#include "tools/weft/live/words.h"

static const char api[] = "/apis/metrics.smi-spec.io/v1alpha1";

struct resource_type {
	const char *plural;
	const char *others[3]; /* what kubectl calls it, too */
	bool is_cluster;
};

static const struct resource_type types[] = {
	{ "pods", { "pod", "po" }, false },
	{ "deployments", { "deployment", "deploy" }, false },
	{ "statefulsets", { "statefulset", "sts" }, false },
	{ "daemonsets", { "daemonset", "ds" }, false },
	{ "replicasets", { "replicaset", "rs" }, false },
	{ "replicationcontrollers", { "replicationcontroller", "rc" }, false },
	{ "jobs", { "job" }, false },
	{ "services", { "service", "svc" }, false },
	{ "trafficsplits", { "trafficsplit", "ts" }, false },
	{ "nodes", { "node", "no" }, true },
	{ "namespaces", { "namespace", "ns" }, true },
	{ 0 },
};

static const struct resource_type *find_type(const char *word)
{
	const struct resource_type *type;
	size_t i;

	for (type = types; type->plural; type++) {
		if (!strcmp(word, type->plural))
			return type;
		for (i = 0; i < 3 && type->others[i]; i++)
			if (!strcmp(word, type->others[i]))
				return type;
	}
	cli_fail("'%s' is no resource with traffic metrics (see kubectl traffic --help)", word);
	return NULL;
}

/* A segment of a path, or a value of a query, as a URL has it. The caller frees it. */
static char *escaped(const char *text)
{
	char *curl = curl_easy_escape(NULL, text, 0), *copy = memory_strdup(curl ? curl : "");

	curl_free(curl);
	return copy;
}

/* `name` and `sub` may be NULL. The caller frees it. */
static char *path_of(const struct resource_type *type, const char *name_space, const char *name,
		     const char *sub, const char *selector)
{
	bool in_namespace = !type->is_cluster && *name_space;
	char *space = escaped(name_space), *last = escaped(name ? name : "");
	char *labels = escaped(selector ? selector : "");
	char *path = memory_printf("%s%s%s/%s%s%s%s%s%s%s", api, in_namespace ? "/namespaces/" : "",
				   in_namespace ? space : "", type->plural, name ? "/" : "", last,
				   sub ? "/" : "", sub ? sub : "",
				   selector ? "?labelSelector=" : "", labels);

	free(space);
	free(last);
	free(labels);
	return path;
}

/* What `top` and `topology` ask for first: a list, or one as a list. NULL: that was said. */
static struct json_object *get_list(const struct kubectl *kubectl, const struct resource_type *type,
				    const char *name_space)
{
	const char *name = kubectl->cli.argc > 2 ? kubectl->cli.argv[2] : NULL;
	char *path = path_of(type, name_space, name, NULL, kubectl->selector);
	struct json_object *answer, *list, *items;

	kubectl_get(kubectl, &path, 1, &answer, false);
	if (!answer)
		cli_fail("no answer to %s (is the API of TrafficMetrics served: kubectl get "
			 "apiservice v1alpha1.metrics.smi-spec.io)",
			 path);
	free(path);
	if (!answer || json_list(answer, "items"))
		return answer;
	list = json_object_new_object();
	items = json_object_new_array();
	json_object_array_add(items, answer);
	json_object_object_add(list, "items", items);
	return list;
}

/* Takes the text. */
static void put(struct json_object *row, const char *key, char *text)
{
	json_put_string(row, key, text);
	free(text);
}

static void put_metrics(struct json_object *row, const struct trafficmetrics *metrics)
{
	uint64_t count = metrics->succeeded + metrics->failed;
	char *rate = words_rate(count, metrics->window);

	put(row, "success", words_share(metrics->succeeded, count));
	put(row, "rps", memory_printf("%srps", rate));
	free(rate);
	put(row, "p50", words_latency(metrics->p50_ns));
	put(row, "p90", words_latency(metrics->p90_ns));
	put(row, "p99", words_latency(metrics->p99_ns));
}

#define METRIC_COLUMNS                                                                            \
	{ "SUCCESS", "success", COLUMN_NUMBER }, { "RPS", "rps", COLUMN_NUMBER },                 \
		{ "LATENCY_P50", "p50", COLUMN_NUMBER }, { "LATENCY_P90", "p90", COLUMN_NUMBER }, \
		{ "LATENCY_P99", "p99", COLUMN_NUMBER },                                          \
	{                                                                                         \
		0                                                                                 \
	}

static void print_rows(struct json_object *list, bool with_namespaces)
{
	static const struct column columns[] = {
		{ "NAMESPACE", "namespace", COLUMN_TEXT },
		{ "NAME", "name", COLUMN_TEXT },
		METRIC_COLUMNS,
	};
	struct json_object *rows = json_object_new_array(), *items = json_list(list, "items"), *row;
	struct trafficmetrics metrics;
	size_t i;

	for (i = 0; i < json_list_length(items); i++) {
		/* What it is called for, not what it calls. */
		if (!trafficmetrics_read(json_object_array_get_idx(items, i), &metrics) ||
		    metrics.to)
			continue;
		row = json_object_new_object();
		json_put_string(row, "namespace", metrics.resource.name_space);
		put(row, "name",
		    memory_printf("%s%s%s", metrics.resource.name, *metrics.backend ? "/" : "",
				  metrics.backend));
		put_metrics(row, &metrics);
		json_object_array_add(rows, row);
	}
	if (json_list_length(rows))
		output_table(rows, with_namespaces ? columns : columns + 1);
	else
		fputs("No resources found\n", stderr);
	json_object_put(rows);
}

int kubectl_top(struct kubectl *kubectl)
{
	const struct resource_type *type = find_type(kubectl->cli.argv[1]);
	struct json_object *list;
	char *name_space;

	if (!type)
		return CLI_FAILED;
	name_space = type->is_cluster ? memory_strdup("") : kubectl_namespace(kubectl);
	list = get_list(kubectl, type, name_space);
	if (list && kubectl->cli.json)
		output_json(list);
	else if (list)
		print_rows(list, !type->is_cluster && !*name_space);
	free(name_space);
	if (!list)
		return CLI_FAILED;
	json_object_put(list);
	return CLI_OK;
}

static size_t add_node(struct graph *graph, const struct trafficmetrics_resource *resource)
{
	size_t i;

	for (i = 0; i < graph->node_count; i++)
		if (!strcmp(graph->nodes[i].name, resource->name) &&
		    !strcmp(graph->nodes[i].group, resource->name_space))
			return i;
	i = memory_grow(&graph->nodes, &graph->node_count, &graph->node_capacity,
			sizeof(*graph->nodes));
	graph->nodes[i].group = memory_strdup(resource->name_space);
	graph->nodes[i].name = memory_strdup(resource->name);
	graph->nodes[i].detail = memory_strdup(resource->kind);
	return i;
}

static enum graph_look look_of(const struct trafficmetrics *metrics)
{
	uint64_t count = metrics->succeeded + metrics->failed;
	double success = count ? (double)metrics->succeeded / (double)count : 1;

	if (!count)
		return GRAPH_PLAIN;
	return success >= 0.99 ? GRAPH_GOOD : success >= 0.95 ? GRAPH_FAIR : GRAPH_BAD;
}

/* One edge, as a row of the table and as words at its arrow. Both ends of it may tell of it. */
struct edges {
	struct graph graph;
	struct json_object *rows;
};

static void add_edge(struct edges *edges, const struct trafficmetrics *metrics)
{
	struct graph *graph = &edges->graph;
	size_t resource, other, from, to, i;
	struct json_object *row;

	if (!*metrics->edge.name)
		return;
	resource = add_node(graph, &metrics->resource);
	other = add_node(graph, &metrics->edge);
	from = metrics->to ? resource : other;
	to = metrics->to ? other : resource;
	for (i = 0; i < graph->edge_count; i++)
		if (graph->edges[i].from == from && graph->edges[i].to == to)
			return;
	i = memory_grow(&graph->edges, &graph->edge_count, &graph->edge_capacity,
			sizeof(*graph->edges));
	row = json_object_new_object();
	put(row, "source", graph_label(&graph->nodes[from]));
	put(row, "destination", graph_label(&graph->nodes[to]));
	put_metrics(row, metrics);
	graph->edges[i].from = from;
	graph->edges[i].to = to;
	graph->edges[i].look = look_of(metrics);
	graph->edges[i].words = memory_printf("%s %s p50 %s p99 %s", json_text(row, "success"),
					      json_text(row, "rps"), json_text(row, "p50"),
					      json_text(row, "p99"));
	json_object_array_add(edges->rows, row);
}

/* First what the called end says: it answered. */
static void add_lists(struct edges *edges, struct json_object **lists, size_t count)
{
	struct trafficmetrics metrics;
	size_t i, k;
	int round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < count; i++) {
			struct json_object *items = json_list(lists[i], "items");

			for (k = 0; k < json_list_length(items); k++)
				if (trafficmetrics_read(json_object_array_get_idx(items, k),
							&metrics) &&
				    metrics.is_client == (round == 1))
					add_edge(edges, &metrics);
		}
	}
}

/* The paths of the edges of all in a list; the caller frees them. */
static char **edge_paths(const struct resource_type *type, struct json_object *list, size_t *count)
{
	struct json_object *items = json_list(list, "items");
	char **paths = memory_alloc((json_list_length(items) + 1) * sizeof(*paths)), *path;
	struct trafficmetrics metrics;
	size_t i, k;

	*count = 0;
	for (i = 0; i < json_list_length(items); i++) {
		if (!trafficmetrics_read(json_object_array_get_idx(items, i), &metrics))
			continue;
		path = path_of(type, metrics.resource.name_space, metrics.resource.name, "edges",
			       NULL);
		for (k = 0; k < *count && strcmp(paths[k], path); k++)
			;
		if (k < *count)
			free(path);
		else
			paths[(*count)++] = path;
	}
	return paths;
}

static void print_edges(const struct kubectl *kubectl, struct edges *edges)
{
	static const struct column columns[] = {
		{ "SOURCE", "source", COLUMN_TEXT },
		{ "DESTINATION", "destination", COLUMN_TEXT },
		METRIC_COLUMNS,
	};

	if (kubectl->cli.json) {
		output_json(edges->rows);
		return;
	}
	topology_draw(&edges->graph, kubectl->cli.format);
	if (strcmp(kubectl->cli.format, "table") || !json_list_length(edges->rows))
		return;
	output_heading("Edges");
	output_table(edges->rows, columns);
}

int kubectl_topology(struct kubectl *kubectl)
{
	const struct resource_type *type =
		find_type(kubectl->cli.argc > 1 ? kubectl->cli.argv[1] : "deployments");
	struct edges edges = { .rows = json_object_new_array() };
	struct json_object *list, **lists;
	char *name_space, **paths;
	size_t count = 0, i;

	name_space = type && !type->is_cluster ? kubectl_namespace(kubectl) : memory_strdup("");
	list = type ? get_list(kubectl, type, name_space) : NULL;
	free(name_space);
	if (!list) {
		json_object_put(edges.rows);
		return CLI_FAILED;
	}
	paths = edge_paths(type, list, &count);
	lists = memory_alloc((count + 1) * sizeof(struct json_object *));
	kubectl_get(kubectl, paths, count, lists, false);
	add_lists(&edges, lists, count);
	print_edges(kubectl, &edges);
	for (i = 0; i < count; i++) {
		json_object_put(lists[i]);
		free(paths[i]);
	}
	free(lists);
	free(paths);
	graph_clear(&edges.graph);
	json_object_put(edges.rows);
	json_object_put(list);
	return CLI_OK;
}
