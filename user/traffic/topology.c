// SPDX-License-Identifier: Apache-2.0
#include "user/traffic/topology.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"

/* An end of the traffic and the node that it is part of. */
struct place {
	const struct traffic_end *end;
	size_t node;
};

struct builder {
	const struct traffic *traffic;
	const struct topology_scope *scope;
	struct topology *topology;
	struct place *places; /* sorted by `end` */
	size_t place_count, place_capacity;
};

/* A count between two nodes; those of one edge come to stand together. */
struct item {
	size_t source, destination;
	uint8_t proto;
	uint16_t port;
	struct weft_edge count;
	const struct traffic_requests *requests; /* or NULL */
	const struct traffic_denials *denials;	 /* or NULL */
};

struct items {
	struct item *items;
	size_t count, capacity;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_places(const void *a, const void *b)
{
	return compare_numbers((uintptr_t)((const struct place *)a)->end,
			       (uintptr_t)((const struct place *)b)->end);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct topology_node *left = a, *right = b;
	int order = strcmp(left->name_space, right->name_space);

	if (!order)
		order = strcmp(left->name, right->name);
	return order ? order : strcmp(left->kind, right->kind);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int order = compare_numbers(left->source, right->source);

	if (!order)
		order = compare_numbers(left->destination, right->destination);
	if (!order)
		order = compare_numbers(!left->denials, !right->denials);
	if (!order)
		order = compare_numbers(left->proto, right->proto);
	return order ? order : compare_numbers(left->port, right->port);
}

/* The node that an end is part of: its key, with the end's own strings. */
static struct topology_node node_of(const struct builder *builder, const struct traffic_end *end)
{
	struct topology_node node = { end->name_space, end->kind, end->name, { 0 }, { 0 }, 0, 0 };

	if (builder->scope->by == TOPOLOGY_NAMESPACES && *end->name_space) {
		node.kind = (char *)"Namespace";
		node.name = end->name_space;
	} else if (builder->scope->by == TOPOLOGY_PODS && *end->pod) {
		node.kind = (char *)"Pod";
		node.name = end->pod;
	}
	return node;
}

static bool is_wanted(const struct builder *builder, const struct traffic_end *source,
		      const struct traffic_end *destination)
{
	const char *name_space = builder->scope->name_space;

	return !name_space || !strcmp(source->name_space, name_space) ||
	       !strcmp(destination->name_space, name_space);
}

static void add_place(struct builder *builder, const struct traffic_end *end)
{
	size_t i = memory_grow(&builder->places, &builder->place_count, &builder->place_capacity,
			       sizeof(*builder->places));

	builder->places[i].end = end;
}

static void add_both(struct builder *builder, const struct traffic_end *source,
		     const struct traffic_end *destination)
{
	if (!is_wanted(builder, source, destination))
		return;
	add_place(builder, source);
	add_place(builder, destination);
}

static struct place *find_place(const struct builder *builder, const struct traffic_end *end)
{
	struct place key = { .end = end };

	return bsearch(&key, builder->places, builder->place_count, sizeof(key), compare_places);
}

/* Every end that something is to be told of, once. */
static void collect_places(struct builder *builder)
{
	const struct traffic *traffic = builder->traffic;
	size_t i, kept = 0;

	for (i = 0; i < traffic->edge_count; i++)
		add_both(builder, traffic->edges[i].source, traffic->edges[i].destination);
	for (i = 0; i < traffic->request_count; i++)
		add_both(builder, traffic->requests[i].source, traffic->requests[i].destination);
	for (i = 0; i < traffic->denial_count; i++)
		add_both(builder, traffic->denials[i].source, traffic->denials[i].destination);
	if (!builder->place_count)
		return;
	qsort(builder->places, builder->place_count, sizeof(*builder->places), compare_places);
	for (i = 1; i < builder->place_count; i++)
		if (builder->places[i].end != builder->places[kept].end)
			builder->places[++kept] = builder->places[i];
	builder->place_count = kept + 1;
}

static void make_nodes(struct builder *builder)
{
	struct topology *topology = builder->topology;
	struct topology_node *node, *found;
	size_t i, kept = 0;

	collect_places(builder);
	if (!builder->place_count)
		return;
	topology->nodes = memory_alloc(builder->place_count * sizeof(*topology->nodes));
	for (i = 0; i < builder->place_count; i++)
		topology->nodes[i] = node_of(builder, builder->places[i].end);
	qsort(topology->nodes, builder->place_count, sizeof(*topology->nodes), compare_nodes);
	for (i = 1; i < builder->place_count; i++)
		if (compare_nodes(&topology->nodes[i], &topology->nodes[kept]))
			topology->nodes[++kept] = topology->nodes[i];
	topology->node_count = kept + 1;
	for (i = 0; i < builder->place_count; i++) {
		struct topology_node key = node_of(builder, builder->places[i].end);

		found = bsearch(&key, topology->nodes, topology->node_count, sizeof(key),
				compare_nodes);
		builder->places[i].node = (size_t)(found - topology->nodes);
	}
	for (i = 0; i < topology->node_count; i++) {
		node = &topology->nodes[i];
		node->name_space = memory_strdup(node->name_space);
		node->kind = memory_strdup(node->kind);
		node->name = memory_strdup(node->name);
	}
}

static void add_counts(struct weft_edge *sum, const struct weft_edge *count)
{
	size_t i;

	for (i = 0; i < sizeof(*sum) / sizeof(__u64); i++)
		((__u64 *)sum)[i] += ((const __u64 *)count)[i];
}

static bool has_counts(const struct weft_edge *count)
{
	static const struct weft_edge none;

	return memcmp(count, &none, sizeof(none));
}

/* NULL when nothing is to be told of it. */
static struct item *add_item(const struct builder *builder, struct items *items,
			     const struct traffic_end *source,
			     const struct traffic_end *destination)
{
	struct item *item;
	size_t i;

	if (!is_wanted(builder, source, destination))
		return NULL;
	i = memory_grow(&items->items, &items->count, &items->capacity, sizeof(*items->items));
	item = &items->items[i];
	item->source = find_place(builder, source)->node;
	item->destination = find_place(builder, destination)->node;
	return item;
}

/* What one of both ends tells of an edge. */
struct report {
	size_t source, destination; /* who they are, see side_of() */
	const struct traffic_edge *edge;
};

/*
 * Reports of both ends are to be found together. One node calls an end always by the same name.
 * Another node may know pods where it knows workloads, so that only the graph's nodes are the same.
 */
static size_t side_of(const struct builder *builder, const struct traffic_end *end)
{
	const struct place *place = find_place(builder, end);

	return *builder->traffic->node ? (size_t)(place - builder->places) : place->node;
}

static int compare_reports(const void *a, const void *b)
{
	const struct report *left = a, *right = b;
	int order = compare_numbers(left->source, right->source);

	if (!order)
		order = compare_numbers(left->destination, right->destination);
	if (!order)
		order = compare_numbers(left->edge->proto, right->edge->proto);
	return order ? order : compare_numbers(left->edge->port, right->edge->port);
}

/*
 * The reports on one edge, `count` of them: by source, with and without services, and by
 * destination. A destination sees all that reaches it; when its node was not asked, or only for
 * some of its pods, the callers know more.
 */
static void add_reports(const struct builder *builder, struct items *items,
			const struct report *reports, size_t count)
{
	const struct traffic_edge *first = reports[0].edge;
	struct weft_edge source = { 0 }, destination = { 0 };
	struct item *item;
	size_t i;

	for (i = 0; i < count; i++)
		add_counts(reports[i].edge->reporter == WEFT_DIRECTION_INBOUND ? &destination :
										 &source,
			   &reports[i].edge->count);
	/* The entry for what overflows is there from the start. */
	if (!has_counts(&source) && !has_counts(&destination))
		return;
	item = add_item(builder, items, first->source, first->destination);
	item->proto = first->proto;
	item->port = first->port;
	item->count = destination.opened + destination.datagrams_to_dst >=
				      source.opened + source.datagrams_to_dst ?
			      destination :
			      source;
	item->count.retransmits = source.retransmits + destination.retransmits;
}

static void add_edges(const struct builder *builder, struct items *items)
{
	const struct traffic *traffic = builder->traffic;
	struct report *reports = memory_alloc((traffic->edge_count + 1) * sizeof(*reports));
	size_t count = 0, i, first;

	for (i = 0; i < traffic->edge_count; i++) {
		const struct traffic_edge *edge = &traffic->edges[i];

		if (!is_wanted(builder, edge->source, edge->destination))
			continue;
		reports[count].source = side_of(builder, edge->source);
		reports[count].destination = side_of(builder, edge->destination);
		reports[count++].edge = edge;
	}
	if (count)
		qsort(reports, count, sizeof(*reports), compare_reports);
	for (first = 0, i = 1; i <= count; i++) {
		if (i < count && !compare_reports(&reports[i], &reports[first]))
			continue;
		add_reports(builder, items, reports + first, i - first);
		first = i;
	}
	free(reports);
}

static void add_others(const struct builder *builder, struct items *items)
{
	const struct traffic *traffic = builder->traffic;
	struct item *item;
	size_t i;

	for (i = 0; i < traffic->request_count; i++) {
		const struct traffic_requests *requests = &traffic->requests[i];

		item = add_item(builder, items, requests->source, requests->destination);
		if (!item)
			continue;
		item->proto = IPPROTO_TCP;
		item->port = requests->port;
		item->requests = requests;
	}
	for (i = 0; i < traffic->denial_count; i++) {
		const struct traffic_denials *denials = &traffic->denials[i];

		item = add_item(builder, items, denials->source, denials->destination);
		if (item)
			item->denials = denials;
	}
}

static void count_node(struct topology_node *node, const struct topology_edge *edge)
{
	size_t i;

	add_counts(&node->count, &edge->count);
	traffic_add_buckets(&node->requests, &edge->requests);
	for (i = 0; i < edge->denials.count; i++)
		*(edge->denials.items[i].action == WEFT_VERDICT_DENY ?
			  &node->denied :
			  &node->would_deny) += edge->denials.items[i].count;
}

static void add_denials(struct topology_edge *edge, const struct item *items, size_t count)
{
	const struct traffic_denials **list = memory_alloc(count * sizeof(*list));
	size_t i;

	for (i = 0; i < count; i++)
		list[i] = items[i].denials;
	topology_add_denials(&edge->denials, list, count);
	free(list);
}

static void add_edge(struct topology *topology, const struct item *items, size_t count)
{
	size_t i = memory_grow(&topology->edges, &topology->edge_count, &topology->edge_capacity,
			       sizeof(*topology->edges));
	struct topology_edge *edge = &topology->edges[i];

	edge->source = items[0].source;
	edge->destination = items[0].destination;
	edge->proto = items[0].proto;
	edge->port = items[0].port;
	for (i = 0; i < count; i++) {
		add_counts(&edge->count, &items[i].count);
		if (items[i].requests)
			traffic_add_buckets(&edge->requests, items[i].requests);
	}
	if (items[0].denials)
		add_denials(edge, items, count);
	count_node(&topology->nodes[edge->destination], edge);
	for (i = 0; i < edge->denials.count; i++)
		topology_add_denial(&topology->denials, &edge->denials.items[i]);
}

static void make_edges(const struct builder *builder)
{
	struct topology *topology = builder->topology;
	struct items items = { 0 };
	size_t i, first;

	add_edges(builder, &items);
	add_others(builder, &items);
	if (items.count)
		qsort(items.items, items.count, sizeof(*items.items), compare_items);
	for (first = 0, i = 1; i <= items.count; i++) {
		if (i < items.count && !compare_items(&items.items[i], &items.items[first]))
			continue;
		add_edge(topology, items.items + first, i - first);
		first = i;
	}
	free(items.items);
}

struct topology *topology_new(const struct traffic *traffic, const struct topology_scope *scope)
{
	struct topology *topology = memory_alloc(sizeof(*topology));
	struct builder builder = { .traffic = traffic, .scope = scope, .topology = topology };

	topology->node = memory_strdup(traffic->node);
	topology->time = traffic->time;
	topology->window = traffic->window;
	topology->findings = traffic->findings;
	make_nodes(&builder);
	make_edges(&builder);
	topology_add_splits(topology, traffic, scope->name_space);
	free(builder.places);
	return topology;
}

static void free_edge(struct topology_edge *edge)
{
	free(edge->requests.buckets);
	free(edge->denials.items);
}

void topology_free(struct topology *topology)
{
	size_t i;

	if (!topology)
		return;
	for (i = 0; i < topology->node_count; i++) {
		free(topology->nodes[i].name_space);
		free(topology->nodes[i].kind);
		free(topology->nodes[i].name);
		free(topology->nodes[i].requests.buckets);
	}
	for (i = 0; i < topology->edge_count; i++)
		free_edge(&topology->edges[i]);
	topology_free_splits(topology);
	free(topology->nodes);
	free(topology->edges);
	free(topology->denials.items);
	free(topology->node);
	free(topology);
}

uint64_t topology_requests(const struct traffic_requests *requests)
{
	return traffic_succeeded(requests) + traffic_failed(requests);
}
