// SPDX-License-Identifier: Apache-2.0
/* A topology as JSON, as weftd(8) documents it. What is not known is absent. */
#include <json-c/json.h>
#include <stdio.h>

#include "policy/reason.h"
#include "user/json_text.h"
#include "user/traffic/topology.h"

enum { NANOSECONDS_OF_US = 1000 };

static void add_number(struct json_object *json, const char *key, uint64_t number)
{
	json_object_object_add(json, key, json_object_new_uint64(number));
}

/* Not more digits than mean something. */
static void add_double(struct json_object *json, const char *key, double number)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6g", number);
	json_object_object_add(json, key, json_object_new_double_s(number, text));
}

static void add_rate(struct json_object *json, const char *key, uint64_t count, double window)
{
	if (window > 0)
		add_double(json, key, (double)count / window);
}

static void add_quantile(struct json_object *json, const char *key,
			 const struct traffic_requests *requests, double share)
{
	uint64_t ns = traffic_quantile(requests, share);

	if (ns)
		add_double(json, key, (double)ns / NANOSECONDS_OF_US);
}

static void add_requests(struct json_object *json, const struct traffic_requests *requests,
			 double window)
{
	uint64_t count = topology_requests(requests);

	if (!count)
		return;
	add_number(json, "requests", count);
	add_rate(json, "rps", count, window);
	add_double(json, "success", (double)traffic_succeeded(requests) / (double)count);
	add_quantile(json, "p50_us", requests, 0.5);
	add_quantile(json, "p90_us", requests, 0.9);
	add_quantile(json, "p99_us", requests, 0.99);
}

static void add_counts(struct json_object *json, const struct weft_edge *count, double window)
{
	add_number(json, "connections", count->opened);
	add_rate(json, "connections_per_second", count->opened, window);
	add_number(json, "bytes_to_destination", count->bytes_to_dst);
	add_number(json, "bytes_to_source", count->bytes_to_src);
	add_number(json, "datagrams_to_destination", count->datagrams_to_dst);
	add_number(json, "datagrams_to_source", count->datagrams_to_src);
	add_number(json, "retransmits", count->retransmits);
}

static struct json_object *denials_json(const struct topology_denials *denials)
{
	struct json_object *list = json_object_new_array(), *json;
	size_t i;

	for (i = 0; i < denials->count; i++) {
		json = json_object_new_object();
		json_add_text(json, "verdict", verdict_name(denials->items[i].action));
		json_add_text(json, "reason", reason_name(denials->items[i].reason));
		json_add_text(json, "text", reason_text(denials->items[i].reason));
		add_number(json, "count", denials->items[i].count);
		json_object_array_add(list, json);
	}
	return list;
}

static struct json_object *key_json(const struct topology_node *node)
{
	struct json_object *json = json_object_new_object();

	if (*node->name_space)
		json_add_text(json, "namespace", node->name_space);
	if (*node->kind)
		json_add_text(json, "kind", node->kind);
	json_add_text(json, "name", node->name);
	return json;
}

static struct json_object *node_json(const struct topology_node *node, double window)
{
	struct json_object *json = key_json(node);

	add_requests(json, &node->requests, window);
	add_counts(json, &node->count, window);
	add_number(json, "denied", node->denied);
	add_number(json, "would_deny", node->would_deny);
	return json;
}

static struct json_object *edge_json(const struct topology *topology,
				     const struct topology_edge *edge)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "source", key_json(&topology->nodes[edge->source]));
	json_object_object_add(json, "destination", key_json(&topology->nodes[edge->destination]));
	if (edge->denials.count) {
		json_object_object_add(json, "denied", denials_json(&edge->denials));
		return json;
	}
	json_add_text(json, "protocol", protocol_name(edge->proto));
	add_number(json, "port", edge->port);
	add_requests(json, &edge->requests, topology->window);
	add_counts(json, &edge->count, topology->window);
	return json;
}

static struct json_object *split_json(const struct topology_split *split)
{
	struct json_object *json = json_object_new_object(), *list = json_object_new_array();
	size_t i;

	json_add_text(json, "namespace", split->name_space);
	json_add_text(json, "name", split->name);
	json_add_text(json, "service", split->service);
	add_number(json, "connections", split->opened);
	for (i = 0; i < split->backend_count; i++) {
		const struct topology_backend *backend = &split->backends[i];
		struct json_object *one = json_object_new_object();

		json_add_text(one, "service", backend->service);
		add_double(one, "target", backend->target);
		if (split->opened)
			add_double(one, "actual", (double)backend->opened / (double)split->opened);
		add_number(one, "connections", backend->opened);
		json_object_array_add(list, one);
	}
	json_object_object_add(json, "backends", list);
	return json;
}

struct json_object *topology_to_json(const struct topology *topology)
{
	struct json_object *json = json_object_new_object(), *list;
	size_t i;

	json_add_text(json, "node", topology->node);
	json_object_object_add(json, "time", json_object_new_double(topology->time));
	add_double(json, "window", topology->window);
	list = json_object_new_array();
	for (i = 0; i < topology->node_count; i++)
		json_object_array_add(list, node_json(&topology->nodes[i], topology->window));
	json_object_object_add(json, "nodes", list);
	list = json_object_new_array();
	for (i = 0; i < topology->edge_count; i++)
		json_object_array_add(list, edge_json(topology, &topology->edges[i]));
	json_object_object_add(json, "edges", list);
	list = json_object_new_array();
	for (i = 0; i < topology->split_count; i++)
		json_object_array_add(list, split_json(&topology->splits[i]));
	json_object_object_add(json, "splits", list);
	json_object_object_add(json, "denials", denials_json(&topology->denials));
	add_number(json, "findings", topology->findings);
	return json;
}
