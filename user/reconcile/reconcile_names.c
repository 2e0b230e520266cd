// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

static int key_compare(const void *a, const void *b)
{
	const struct weft_name_key *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static bool keys_have(const struct weft_name_key *keys, size_t count,
		      const struct weft_name_key *key)
{
	return count && bsearch(key, keys, count, sizeof(*keys), key_compare);
}

void name_uses_add(struct name_uses *uses, enum weft_name_kind kind, uint32_t id)
{
	size_t i;

	if (id < WEFT_ID_FIRST)
		return;
	i = memory_grow(&uses->items, &uses->count, &uses->capacity, sizeof(*uses->items));
	uses->items[i] = (struct weft_name_key){ .kind = kind, .id = id };
}

void name_uses_sort(struct name_uses *uses)
{
	size_t i, kept = 0;

	if (!uses->count)
		return;
	qsort(uses->items, uses->count, sizeof(*uses->items), key_compare);
	for (i = 0; i < uses->count; i++)
		if (!kept || key_compare(&uses->items[i], &uses->items[kept - 1]))
			uses->items[kept++] = uses->items[i];
	uses->count = kept;
}

void name_uses_clear(struct name_uses *uses)
{
	free(uses->items);
	memset(uses, 0, sizeof(*uses));
}

void name_uses_add_peer(struct name_uses *uses, const struct weft_peer *peer)
{
	name_uses_add(uses, WEFT_NAME_IDENTITY, peer->identity);
	name_uses_add(uses, WEFT_NAME_WORKLOAD, peer->workload);
}

void name_uses_add_program(struct name_uses *uses, const struct weft_http_program *program)
{
	size_t i;

	for (i = 0; program && i < WEFT_HTTP_BITS; i++)
		name_uses_add(uses, WEFT_NAME_RULE, program->rules[i]);
}

void name_uses_add_desired(struct name_uses *uses, const struct desired *desired)
{
	size_t i, j;

	for (i = 0; i < desired->peer_count; i++)
		name_uses_add_peer(uses, &desired->peers[i].peer);
	for (i = 0; i < desired->local_count; i++)
		name_uses_add_peer(uses, &desired->locals[i].local.peer);
	for (i = 0; i < desired->dest_count; i++) {
		name_uses_add(uses, WEFT_NAME_IDENTITY, desired->dests[i].identity);
		name_uses_add_program(uses, (const void *)desired->dests[i].http);
		for (j = 0; j < desired->dests[i].entry_count; j++)
			name_uses_add(uses, WEFT_NAME_IDENTITY,
				      desired->dests[i].entries[j].src_identity);
	}
	for (i = 0; i < desired->service_count; i++) {
		name_uses_add(uses, WEFT_NAME_SERVICE, desired->services[i].service);
		for (j = 0; j < desired->services[i].endpoint_count; j++)
			name_uses_add(uses, WEFT_NAME_SERVICE,
				      desired->services[i].endpoints[j].backend);
	}
}

static int add_edge(const void *key, const void *value, void *context)
{
	const struct weft_edge_key *edge = key;

	(void)value;
	name_uses_add(context, WEFT_NAME_WORKLOAD, edge->src_workload);
	name_uses_add(context, WEFT_NAME_WORKLOAD, edge->dst_workload);
	name_uses_add(context, WEFT_NAME_SERVICE, edge->service);
	name_uses_add(context, WEFT_NAME_SERVICE, edge->backend);
	return 0;
}

static int add_verdict(const void *key, const void *value, void *context)
{
	const struct weft_verdict_key *verdict = key;

	(void)value;
	name_uses_add(context, WEFT_NAME_WORKLOAD, verdict->src_workload);
	name_uses_add(context, WEFT_NAME_WORKLOAD, verdict->dst_workload);
	return 0;
}

static int add_request(const void *key, const void *value, void *context)
{
	const struct weft_request_key *request = key;

	(void)value;
	name_uses_add(context, WEFT_NAME_WORKLOAD, request->src_workload);
	name_uses_add(context, WEFT_NAME_WORKLOAD, request->dst_workload);
	name_uses_add(context, WEFT_NAME_RULE, request->rule);
	return 0;
}

static int add_latency(const void *key, const void *value, void *context)
{
	const struct weft_latency_key *latency = key;

	(void)value;
	name_uses_add(context, WEFT_NAME_WORKLOAD, latency->src_workload);
	name_uses_add(context, WEFT_NAME_WORKLOAD, latency->dst_workload);
	name_uses_add(context, WEFT_NAME_RULE, latency->rule);
	return 0;
}

/* What is counted when they are answered. */
static int add_flow(const void *key, const void *value, void *context)
{
	const struct weft_http_flow *flow = value;
	size_t i;

	(void)key;
	name_uses_add(context, WEFT_NAME_IDENTITY, flow->src_identity);
	name_uses_add(context, WEFT_NAME_WORKLOAD, flow->src_workload);
	name_uses_add(context, WEFT_NAME_WORKLOAD, flow->dst_workload);
	for (i = 0; i < WEFT_HTTP_PENDING; i++)
		name_uses_add(context, WEFT_NAME_RULE, flow->pending[i].rule);
	return 0;
}

int name_uses_add_counters(struct name_uses *uses, const struct maps *maps)
{
	static const struct {
		enum map_id id;
		int (*add)(const void *key, const void *value, void *context);
	} sources[] = {
		{ MAP_EDGE, add_edge },	      { MAP_VERDICT, add_verdict },
		{ MAP_REQUEST, add_request }, { MAP_LATENCY, add_latency },
		{ MAP_HTTP_FLOW, add_flow },
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(sources) / sizeof(*sources); i++)
		err = maps_each(maps, sources[i].id, sources[i].add, uses);
	return err;
}

static int load_name(const void *key, const void *value, void *context)
{
	struct applied_names *applied = context;
	size_t i;

	/* One that contradicts another stays in the map until it is pruned. */
	names_seed(applied->names, key, value);
	i = memory_grow(&applied->keys, &applied->count, &applied->capacity,
			sizeof(*applied->keys));
	memcpy(&applied->keys[i], key, sizeof(applied->keys[i]));
	return 0;
}

static void keys_sort(struct applied_names *applied)
{
	if (applied->count > 1)
		qsort(applied->keys, applied->count, sizeof(*applied->keys), key_compare);
}

int applied_names_load(struct applied_names *applied, struct names *names, const struct maps *maps)
{
	int err;

	applied->names = names;
	err = maps_each(maps, MAP_NAME, load_name, applied);
	keys_sort(applied);
	return err;
}

void applied_names_reserve(struct applied_names *applied, const struct name_uses *uses)
{
	struct weft_name unknown;
	size_t i;

	for (i = 0; i < uses->count; i++) {
		if (names_lookup(applied->names, uses->items[i].kind, uses->items[i].id))
			continue;
		memset(&unknown, 0, sizeof(unknown));
		snprintf(unknown.name, sizeof(unknown.name), "#%u", uses->items[i].id);
		names_seed(applied->names, &uses->items[i], &unknown);
	}
}

void applied_names_clear(struct applied_names *applied)
{
	free(applied->keys);
	memset(applied, 0, sizeof(*applied));
}

struct put {
	struct applied_names *applied;
	struct writer *writer;
	size_t known; /* keys that are sorted; later ones are being added */
	int err;
};

static void put_name(const struct weft_name_key *key, const struct weft_name *value, void *context)
{
	struct put *put = context;
	struct applied_names *applied = put->applied;
	size_t i;
	int err;

	if (keys_have(applied->keys, put->known, key))
		return;
	err = writer_set(put->writer, MAP_NAME, key, value);
	if (err) {
		put->err = err;
		return;
	}
	i = memory_grow(&applied->keys, &applied->count, &applied->capacity,
			sizeof(*applied->keys));
	applied->keys[i] = *key;
}

int applied_names_put(struct applied_names *applied, struct writer *writer)
{
	struct put put = { applied, writer, applied->count, 0 };
	uint64_t added = names_added(applied->names);

	if (added == applied->added)
		return 0;
	names_each(applied->names, put_name, &put);
	if (applied->count > put.known)
		keys_sort(applied);
	applied->full = put.err != 0;
	if (!put.err)
		applied->added = added;
	return put.err;
}

bool applied_names_crowded(const struct applied_names *applied, const struct maps *maps)
{
	return applied->full || applied->count > maps_max_entries(maps, MAP_NAME) / 4 * 3;
}

struct forget {
	const struct applied_names *applied;
	const struct name_uses *uses;
	struct weft_name_key *items;
	size_t count, capacity;
};

static void forget_name(const struct weft_name_key *key, const struct weft_name *value,
			void *context)
{
	struct forget *forget = context;
	size_t i;

	(void)value;
	if (keys_have(forget->uses->items, forget->uses->count, key) ||
	    keys_have(forget->applied->keys, forget->applied->count, key))
		return;
	i = memory_grow(&forget->items, &forget->count, &forget->capacity, sizeof(*forget->items));
	forget->items[i] = *key;
}

/* Or they would take the room that is made for others. */
static void forget_unwritten(struct applied_names *applied, const struct name_uses *uses)
{
	struct forget forget = { .applied = applied, .uses = uses };
	size_t i;

	names_each(applied->names, forget_name, &forget);
	for (i = 0; i < forget.count; i++)
		names_drop(applied->names, forget.items[i].kind, forget.items[i].id);
	free(forget.items);
}

void applied_names_prune(struct applied_names *applied, const struct name_uses *uses,
			 struct writer *writer)
{
	size_t i, kept = 0;
	int err;

	forget_unwritten(applied, uses);
	for (i = 0; i < applied->count; i++) {
		const struct weft_name_key key = applied->keys[i];

		if (!keys_have(uses->items, uses->count, &key)) {
			err = writer_delete(writer, MAP_NAME, &key);
			if (!err) {
				names_drop(applied->names, key.kind, key.id);
				continue;
			}
			writer_fail(writer, MAP_NAME, err, "a name that nobody uses stays");
		}
		applied->keys[kept++] = key;
	}
	applied->count = kept;
}
