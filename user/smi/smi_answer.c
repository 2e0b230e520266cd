// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_answer.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/json_text.h"

struct answering {
	const struct smi_query *query;
	const struct smi_objects *objects;
	const struct smi_view *view;
	const struct smi_moment *moment;
	struct smi_total *totals; /* of the kind; of pods for services */
	struct json_object *items;
};

static const char *space_of(struct json_object *object)
{
	return json_text_of(json_member_of(object, "metadata"), "namespace");
}

static const char *name_of(struct json_object *object)
{
	return json_text_of(json_member_of(object, "metadata"), "name");
}

/* Every label that the selector names; one without any selects nothing. */
static bool selects(struct json_object *selector, struct json_object *labels)
{
	bool any = false;

	if (!json_object_is_type(selector, json_type_object))
		return false;
	json_object_object_foreach(selector, key, value) {
		if (!json_object_is_type(value, json_type_string) ||
		    strcmp(json_text_of(labels, key), json_object_get_string(value)))
			return false;
		any = true;
	}
	return any;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a service's pods, sorted; they are the objects'. The caller frees the array. */
static char **pods_of(const struct answering *answering, struct json_object *service, size_t *count)
{
	struct json_object *selector = json_member_of(json_member_of(service, "spec"), "selector"),
			   *pod;
	char **names = NULL;
	size_t capacity = 0, i, n;

	*count = 0;
	for (i = 0; i < json_length_of(answering->objects->pods); i++) {
		pod = json_object_array_get_idx(answering->objects->pods, i);
		if (strcmp(space_of(pod), space_of(service)) ||
		    !selects(selector, json_member_of(json_member_of(pod, "metadata"), "labels")))
			continue;
		n = memory_grow(&names, count, &capacity, sizeof(*names));
		names[n] = (char *)name_of(pod);
	}
	if (*count)
		qsort(names, *count, sizeof(*names), name_compare);
	return names;
}

static struct json_object *reference_of(const struct answering *answering,
					struct json_object *object)
{
	return smi_json_reference(smi_kinds[answering->query->kind].kind, space_of(object),
				  name_of(object));
}

static void put(struct answering *answering, struct json_object *object,
		const struct smi_edge *edge, const struct smi_sum *sum)
{
	json_object_array_add(answering->items, smi_json_metrics(reference_of(answering, object),
								 edge, sum, answering->moment));
}

/* A weight as TrafficSplit v1alpha4 has it; thousandths where it is no whole number. */
static struct json_object *weight_json(uint64_t milli)
{
	char *text;
	struct json_object *json;

	if (milli % 1000 == 0)
		return json_object_new_uint64(milli / 1000);
	text = memory_printf("%llum", (unsigned long long)milli);
	json = json_object_new_string(text);
	free(text);
	return json;
}

static void put_backend(struct answering *answering, struct json_object *object,
			const struct weighted_split *split, const struct weighted_backend *backend,
			const struct smi_edge *edge, const struct smi_sum *sum)
{
	struct json_object *json = json_object_new_object(), *metrics;

	metrics = smi_json_metrics(reference_of(answering, object), edge, sum, answering->moment);
	json_add_text(json, "apex", split->service);
	json_add_text(json, "name", backend->name);
	json_object_object_add(json, "weight", weight_json(backend->weight));
	json_object_object_add(metrics, "backend", json);
	json_object_array_add(answering->items, metrics);
}

static void put_split(struct answering *answering, struct json_object *object)
{
	const struct weighted_split *split =
		smi_view_split(answering->view, space_of(object), name_of(object));
	struct smi_edge *edges, *edge, *next;
	size_t i;

	for (i = 0; split && i < split->backend_count; i++) {
		const struct weighted_backend *backend = &split->backends[i];
		struct smi_sum sum = { 0 };

		if (!answering->query->edges) {
			smi_view_backend(answering->view, split, backend->name, &sum);
			put_backend(answering, object, split, backend, NULL, &sum);
			smi_sum_clear(&sum);
			continue;
		}
		edges = smi_view_backend_edges(answering->view, split, backend->name);
		HASH_ITER(hh, edges, edge, next)
			put_backend(answering, object, split, backend, edge, &edge->sum);
		smi_edges_free(edges);
	}
}

static void put_edges(struct answering *answering, struct json_object *object)
{
	enum smi_kind kind = answering->query->kind;
	struct smi_edge *edges, *edge, *next;
	size_t count;
	char **pods = pods_of(answering, object, &count);

	edges = smi_view_edges(answering->view, kind, space_of(object), name_of(object), pods,
			       count);
	HASH_ITER(hh, edges, edge, next)
		put(answering, object, edge, &edge->sum);
	smi_edges_free(edges);
	free(pods);
}

static void put_service(struct answering *answering, struct json_object *object)
{
	struct smi_sum sum = { 0 };
	struct smi_total *total;
	size_t count, i;
	char **pods = pods_of(answering, object, &count);

	for (i = 0; i < count; i++) {
		total = smi_totals_find(answering->totals, space_of(object), pods[i]);
		if (total)
			smi_sum_add(&sum, &total->sum);
	}
	put(answering, object, NULL, &sum);
	smi_sum_clear(&sum);
	free(pods);
}

static void put_object(struct answering *answering, struct json_object *object)
{
	struct smi_total *total;

	if (answering->query->kind == SMI_TRAFFIC_SPLIT) {
		put_split(answering, object);
	} else if (answering->query->edges) {
		put_edges(answering, object);
	} else if (answering->query->kind == SMI_SERVICE) {
		put_service(answering, object);
	} else {
		total = smi_totals_find(answering->totals, space_of(object), name_of(object));
		put(answering, object, NULL, total ? &total->sum : NULL);
	}
}

/* A list of what was put, or the one thing. */
static struct json_object *wrap(const struct answering *answering, const char *selector)
{
	const struct smi_query *query = answering->query;
	struct json_object *json;

	/* Of a split there is one for each backend. */
	if (*query->name && !query->edges && query->kind != SMI_TRAFFIC_SPLIT) {
		json = json_object_get(json_object_array_get_idx(answering->items, 0));
		json_object_put(answering->items);
		return json;
	}
	json = smi_json_list(smi_json_reference(smi_kinds[query->kind].kind, query->name_space,
						query->name),
			     selector);
	json_object_object_add(json, "items", answering->items);
	return json;
}

struct json_object *smi_answer(const struct smi_query *query, const char *selector,
			       const struct smi_objects *objects, const struct smi_view *view,
			       const struct smi_moment *moment)
{
	struct answering answering = { query, objects, view, moment, NULL, NULL };
	size_t i, count = json_length_of(objects->items);

	if (*query->name && !count)
		return NULL;
	answering.items = json_object_new_array();
	if (!query->edges && query->kind != SMI_TRAFFIC_SPLIT)
		answering.totals = smi_view_totals(view, query->kind);
	for (i = 0; i < count; i++)
		put_object(&answering, json_object_array_get_idx(objects->items, i));
	smi_totals_free(answering.totals);
	return wrap(&answering, selector);
}
