// SPDX-License-Identifier: Apache-2.0
/* Readings as JSON. Ends are listed once, and named by their place in that list. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/reason.h"
#include "user/json_text.h"
#include "user/traffic/traffic.h"
#include "user/traffic/traffic_internal.h"

/* Counters of an edge, in the order of struct weft_edge. */
const char *const traffic_counter_names[TRAFFIC_COUNTERS] = {
	"opened",
	"closed",
	"bytes_to_destination",
	"bytes_to_source",
	"datagrams_to_destination",
	"datagrams_to_source",
	"retransmits",
	"duration_us",
	"srtt_us",
};

static void add_number(struct json_object *json, const char *name, uint64_t value)
{
	json_object_object_add(json, name, json_object_new_uint64(value));
}

/* Texts that are "" are left out. */
static void add_text(struct json_object *json, const char *name, const char *text)
{
	if (*text)
		json_add_text(json, name, text);
}

/* Where ends are in the list. */
struct place {
	const struct traffic_end *end;
	size_t index;
	UT_hash_handle hh;
};

struct writing {
	struct place *places;
	struct json_object *ends;
};

static void add_end(struct writing *writing, struct json_object *json, const char *name,
		    const struct traffic_end *end)
{
	struct json_object *item;
	struct place *place;

	HASH_FIND_PTR(writing->places, &end, place);
	if (!place) {
		place = memory_alloc(sizeof(*place));
		place->end = end;
		place->index = json_object_array_length(writing->ends);
		HASH_ADD_PTR(writing->places, end, place);
		item = json_object_new_object();
		add_text(item, "namespace", end->name_space);
		add_text(item, "kind", end->kind);
		add_text(item, "name", end->name);
		add_text(item, "service_account", end->service_account);
		add_text(item, "pod", end->pod);
		json_object_array_add(writing->ends, item);
	}
	add_number(json, name, place->index);
}

static struct json_object *edge_to_json(struct writing *writing, const struct traffic_edge *edge)
{
	struct json_object *json = json_object_new_object();
	uint64_t counters[TRAFFIC_COUNTERS];
	size_t i;

	add_end(writing, json, "source", edge->source);
	add_end(writing, json, "destination", edge->destination);
	json_add_text(json, "reporter", reporter_name(edge->reporter));
	json_add_text(json, "protocol", protocol_name(edge->proto));
	add_number(json, "port", edge->port);
	add_text(json, "service", edge->service);
	add_text(json, "backend", edge->backend);
	memcpy(counters, &edge->count, sizeof(counters));
	for (i = 0; i < TRAFFIC_COUNTERS; i++)
		if (counters[i])
			add_number(json, traffic_counter_names[i], counters[i]);
	return json;
}

static struct json_object *requests_to_json(struct writing *writing,
					    const struct traffic_requests *requests)
{
	struct json_object *json = json_object_new_object();
	struct json_object *counts = json_object_new_array();
	struct json_object *buckets = json_object_new_array(), *pair;
	size_t i;

	add_end(writing, json, "source", requests->source);
	add_end(writing, json, "destination", requests->destination);
	add_number(json, "port", requests->port);
	for (i = 0; i < TRAFFIC_STATUS_CLASSES; i++)
		json_object_array_add(counts, json_object_new_uint64(requests->count[i]));
	json_object_object_add(json, "count", counts);
	add_number(json, "latency_ns", requests->latency_ns);
	for (i = 0; i < requests->bucket_count; i++) {
		pair = json_object_new_array_ext(2);
		json_object_array_add(pair, json_object_new_uint64(requests->buckets[i].bucket));
		json_object_array_add(pair, json_object_new_uint64(requests->buckets[i].count));
		json_object_array_add(buckets, pair);
	}
	json_object_object_add(json, "buckets", buckets);
	return json;
}

static struct json_object *denials_to_json(struct writing *writing,
					   const struct traffic_denials *denials)
{
	struct json_object *json = json_object_new_object();

	add_end(writing, json, "source", denials->source);
	add_end(writing, json, "destination", denials->destination);
	json_add_text(json, "verdict", verdict_name(denials->action));
	json_add_text(json, "reason", reason_name(denials->reason));
	json_add_text(json, "hook", hook_name(denials->hook));
	json_add_text(json, "protocol", protocol_name(denials->proto));
	add_number(json, "count", denials->count);
	return json;
}

static struct json_object *split_to_json(const struct weighted_split *split)
{
	struct json_object *json = json_object_new_object(), *backends = json_object_new_array();
	struct json_object *backend;
	size_t i;

	json_add_text(json, "namespace", split->name_space);
	json_add_text(json, "name", split->name);
	json_add_text(json, "service", split->service);
	for (i = 0; i < split->backend_count; i++) {
		backend = json_object_new_object();
		json_add_text(backend, "name", split->backends[i].name);
		add_number(backend, "weight", split->backends[i].weight);
		json_object_array_add(backends, backend);
	}
	json_object_object_add(json, "backends", backends);
	return json;
}

static void places_free(struct place *places)
{
	struct place *place, *next;

	HASH_ITER(hh, places, place, next) {
		HASH_DEL(places, place);
		free(place);
	}
}

struct json_object *traffic_to_json(const struct traffic *traffic)
{
	struct writing writing = { NULL, json_object_new_array() };
	struct json_object *json = json_object_new_object();
	struct json_object *edges = json_object_new_array(), *requests = json_object_new_array();
	struct json_object *denials = json_object_new_array(), *splits = json_object_new_array();
	size_t i;

	for (i = 0; i < traffic->edge_count; i++)
		json_object_array_add(edges, edge_to_json(&writing, &traffic->edges[i]));
	for (i = 0; i < traffic->request_count; i++)
		json_object_array_add(requests, requests_to_json(&writing, &traffic->requests[i]));
	for (i = 0; i < traffic->denial_count; i++)
		json_object_array_add(denials, denials_to_json(&writing, &traffic->denials[i]));
	for (i = 0; i < traffic->split_count; i++)
		json_object_array_add(splits, split_to_json(&traffic->splits[i]));
	json_add_text(json, "node", traffic->node);
	json_object_object_add(json, "time", json_object_new_double(traffic->time));
	json_object_object_add(json, "window", json_object_new_double(traffic->window));
	add_number(json, "findings", traffic->findings);
	json_object_object_add(json, "ends", writing.ends);
	json_object_object_add(json, "edges", edges);
	json_object_object_add(json, "requests", requests);
	json_object_object_add(json, "denials", denials);
	json_object_object_add(json, "splits", splits);
	places_free(writing.places);
	return json;
}
