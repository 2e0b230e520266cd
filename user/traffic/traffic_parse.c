// SPDX-License-Identifier: Apache-2.0
/*
 * Readings out of JSON, as another agent sent it: of this version or another one, or of something
 * that is no agent. Members that are not known are passed over.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/traffic/traffic.h"
#include "user/traffic/traffic_internal.h"
#include "user/traffic/traffic_names.h"

struct parsing {
	struct traffic *traffic;
	const struct traffic_end **ends;
	size_t end_count, end_capacity;
	const char *error; /* NULL: none so far */
};

static uint64_t number_of(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

static uint64_t number(struct json_object *json, const char *name)
{
	return number_of(json_member_of(json, name));
}

static const struct traffic_end *end_at(struct parsing *parsing, struct json_object *json,
					const char *name)
{
	struct json_object *place = json_member_of(json, name);
	int64_t index = json_object_get_int64(place);

	if (json_object_is_type(place, json_type_int) && index >= 0 &&
	    (uint64_t)index < parsing->end_count)
		return parsing->ends[index];
	parsing->error = "an end that is not listed";
	return NULL;
}

static void parse_end(struct parsing *parsing, struct json_object *json)
{
	size_t i = memory_grow(&parsing->ends, &parsing->end_count, &parsing->end_capacity,
			       sizeof(*parsing->ends));

	parsing->ends[i] = traffic_end(parsing->traffic, json_text_of(json, "namespace"),
				       json_text_of(json, "kind"), json_text_of(json, "name"),
				       json_text_of(json, "service_account"),
				       json_text_of(json, "pod"));
}

static void parse_edge(struct parsing *parsing, struct json_object *json)
{
	const struct traffic_end *source = end_at(parsing, json, "source");
	const struct traffic_end *destination = end_at(parsing, json, "destination");
	struct traffic_edge *edge;
	uint64_t counters[TRAFFIC_COUNTERS];
	size_t i;

	if (!source || !destination)
		return;
	edge = traffic_add_edge(parsing->traffic);
	edge->source = source;
	edge->destination = destination;
	edge->reporter = traffic_reporter_of(json_text_of(json, "reporter"));
	edge->proto = traffic_protocol_of(json_text_of(json, "protocol"));
	edge->port = (uint16_t)number(json, "port");
	edge->service = memory_strdup(json_text_of(json, "service"));
	edge->backend = memory_strdup(json_text_of(json, "backend"));
	for (i = 0; i < TRAFFIC_COUNTERS; i++)
		counters[i] = number(json, traffic_counter_names[i]);
	memcpy(&edge->count, counters, sizeof(counters));
}

static void parse_buckets(struct parsing *parsing, struct json_object *list,
			  struct traffic_requests *requests)
{
	size_t i, b, count = json_length_of(list);
	uint64_t bucket, last = 0;

	for (i = 0; i < count; i++) {
		struct json_object *pair = json_object_array_get_idx(list, i);

		if (json_length_of(pair) != 2) {
			parsing->error = "a bucket that is no pair";
			return;
		}
		bucket = number_of(json_object_array_get_idx(pair, 0));
		if (bucket >= WEFT_LATENCY_BUCKETS || (i && bucket <= last)) {
			parsing->error = "buckets that are not in order";
			return;
		}
		last = bucket;
		b = memory_grow(&requests->buckets, &requests->bucket_count,
				&requests->bucket_capacity, sizeof(*requests->buckets));
		requests->buckets[b].bucket = (uint32_t)bucket;
		requests->buckets[b].count = number_of(json_object_array_get_idx(pair, 1));
	}
}

static void parse_requests(struct parsing *parsing, struct json_object *json)
{
	const struct traffic_end *source = end_at(parsing, json, "source");
	const struct traffic_end *destination = end_at(parsing, json, "destination");
	struct json_object *counts = json_member_of(json, "count");
	struct traffic_requests *requests;
	size_t i;

	if (!source || !destination)
		return;
	requests = traffic_add_requests(parsing->traffic);
	requests->source = source;
	requests->destination = destination;
	requests->port = (uint16_t)number(json, "port");
	for (i = 0; i < TRAFFIC_STATUS_CLASSES && i < json_length_of(counts); i++)
		requests->count[i] = number_of(json_object_array_get_idx(counts, i));
	requests->latency_ns = number(json, "latency_ns");
	parse_buckets(parsing, json_member_of(json, "buckets"), requests);
}

static void parse_denials(struct parsing *parsing, struct json_object *json)
{
	const struct traffic_end *source = end_at(parsing, json, "source");
	const struct traffic_end *destination = end_at(parsing, json, "destination");
	struct traffic_denials *denials;

	if (!source || !destination)
		return;
	denials = traffic_add_denials(parsing->traffic);
	denials->source = source;
	denials->destination = destination;
	denials->reason = traffic_reason_of(json_text_of(json, "reason"));
	denials->action = traffic_verdict_of(json_text_of(json, "verdict"));
	denials->hook = traffic_hook_of(json_text_of(json, "hook"));
	denials->proto = traffic_protocol_of(json_text_of(json, "protocol"));
	denials->count = number(json, "count");
}

static void parse_split(struct parsing *parsing, struct json_object *json)
{
	struct weighted_split *split = traffic_add_split(parsing->traffic);
	struct json_object *backends = json_member_of(json, "backends"), *backend;
	size_t i, b;

	split->name_space = memory_strdup(json_text_of(json, "namespace"));
	split->name = memory_strdup(json_text_of(json, "name"));
	split->service = memory_strdup(json_text_of(json, "service"));
	for (i = 0; i < json_length_of(backends); i++) {
		backend = json_object_array_get_idx(backends, i);
		b = memory_grow(&split->backends, &split->backend_count, &split->backend_capacity,
				sizeof(*split->backends));
		split->backends[b].name = memory_strdup(json_text_of(backend, "name"));
		split->backends[b].weight = number(backend, "weight");
	}
}

static void parse_list(struct parsing *parsing, struct json_object *json, const char *name,
		       void (*parse)(struct parsing *parsing, struct json_object *item))
{
	struct json_object *list = json_member_of(json, name), *item;
	size_t i, count = json_length_of(list);

	if (!json_object_is_type(list, json_type_array))
		parsing->error = "a list is missing";
	for (i = 0; i < count && !parsing->error; i++) {
		item = json_object_array_get_idx(list, i);
		if (json_object_is_type(item, json_type_object))
			parse(parsing, item);
		else
			parsing->error = "an item that is no object";
	}
}

struct traffic *traffic_from_json(struct json_object *json, const char **error)
{
	struct parsing parsing = { .traffic = traffic_new(json_text_of(json, "node")) };

	if (!json_object_is_type(json, json_type_object)) {
		parsing.error = "no object";
	} else {
		parse_list(&parsing, json, "ends", parse_end);
		parse_list(&parsing, json, "edges", parse_edge);
		parse_list(&parsing, json, "requests", parse_requests);
		parse_list(&parsing, json, "denials", parse_denials);
		parse_list(&parsing, json, "splits", parse_split);
		parsing.traffic->time = json_object_get_double(json_member_of(json, "time"));
		parsing.traffic->window = json_object_get_double(json_member_of(json, "window"));
		parsing.traffic->findings = number(json, "findings");
	}
	free(parsing.ends);
	*error = parsing.error;
	if (parsing.error) {
		traffic_free(parsing.traffic);
		return NULL;
	}
	traffic_finish(parsing.traffic);
	return parsing.traffic;
}
