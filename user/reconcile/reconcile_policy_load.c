// SPDX-License-Identifier: Apache-2.0
/* The rules that an earlier agent left, in force or half written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "policy/memory.h"
#include "user/reconcile/reconcile_dest.h"

/* An entry of weft_policy as it is in the map. */
struct loaded_entry {
	struct weft_policy_key key;
	uint8_t action;
	uint32_t mask;
};

struct load {
	struct applied_policy *policy;
	struct loaded_entry *entries;
	size_t count, capacity;
};

static int load_dest(const void *key, const void *value, void *context)
{
	struct applied_policy *policy = ((struct load *)context)->policy;
	const struct weft_dest *dest = value;
	size_t i;

	i = memory_grow(&policy->dests, &policy->dest_count, &policy->dest_capacity,
			sizeof(*policy->dests));
	memcpy(&policy->dests[i].identity, key, sizeof(policy->dests[i].identity));
	policy->dests[i].generation = dest->generation;
	policy->dests[i].count = dest->entries;	      /* until load_assign() has counted */
	policy->dests[i].program.offset = dest->http; /* until load_programs() has looked */
	if (dest->generation > policy->generation)
		policy->generation = dest->generation;
	return 0;
}

static int load_entry(const void *key, const void *value, void *context)
{
	struct load *load = context;
	size_t i =
		memory_grow(&load->entries, &load->count, &load->capacity, sizeof(*load->entries));
	struct loaded_entry *entry = &load->entries[i];

	memcpy(&entry->key, key, sizeof(entry->key));
	entry->action = (uint8_t)((const struct weft_policy *)value)->action;
	entry->mask = ((const struct weft_policy *)value)->mask;
	if (entry->key.generation > load->policy->generation)
		load->policy->generation = entry->key.generation;
	return 0;
}

static int loaded_compare(const void *a, const void *b)
{
	const struct weft_policy_key *x = &((const struct loaded_entry *)a)->key;
	const struct weft_policy_key *y = &((const struct loaded_entry *)b)->key;
	struct desired_entry left = { x->src_identity, x->port, x->proto, 0, 0 };
	struct desired_entry right = { y->src_identity, y->port, y->proto, 0, 0 };

	if (x->dst_identity != y->dst_identity)
		return x->dst_identity < y->dst_identity ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return desired_compare_entries(&left, &right);
}

/* Gives one destination's entries of one generation to their owner. */
static void load_group(struct applied_policy *policy, const struct loaded_entry *group,
		       size_t count)
{
	struct desired_entry *entries = memory_alloc(count * sizeof(*entries));
	struct applied_dest *dest = applied_policy_find(policy, group->key.dst_identity);
	size_t i;

	for (i = 0; i < count; i++) {
		entries[i].src_identity = group[i].key.src_identity;
		entries[i].port = group[i].key.port;
		entries[i].proto = group[i].key.proto;
		entries[i].action = group[i].action;
		entries[i].mask = group[i].mask;
	}
	if (!dest || dest->generation != group->key.generation) {
		dest_retire_entries(policy, group->key.dst_identity, group->key.generation, entries,
				    count);
		return;
	}
	dest->rewrite = dest->count != count;
	dest->count = count;
	dest->entries = entries;
}

static void load_assign(struct applied_policy *policy, struct load *load)
{
	size_t first, next;

	applied_policy_sort(policy);
	if (load->count > 1)
		qsort(load->entries, load->count, sizeof(*load->entries), loaded_compare);
	for (first = 0; first < load->count; first = next) {
		const struct weft_policy_key *key = &load->entries[first].key;

		for (next = first + 1; next < load->count; next++)
			if (load->entries[next].key.dst_identity != key->dst_identity ||
			    load->entries[next].key.generation != key->generation)
				break;
		load_group(policy, load->entries + first, next - first);
	}
	for (first = 0; first < policy->dest_count; first++) {
		struct applied_dest *dest = &policy->dests[first];

		if (dest->entries)
			continue;
		dest->rewrite = dest->count != 0;
		dest->count = 0;
		dest->entries = dest_copy_entries(NULL, 0);
	}
}

/* A program that is not what weft_dest says is nobody's: then all is written anew. */
static void load_programs(struct applied_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->dest_count; i++) {
		struct applied_dest *dest = &policy->dests[i];
		uint32_t offset = dest->program.offset;

		dest->program = (struct program_place){};
		if (offset &&
		    !arena_adopt(&policy->arena, offset, dest->generation, &dest->program))
			dest->rewrite = true;
	}
	arena_adopt_rest(&policy->arena, writer_clock_ns());
}

/*
 * A connection remembers a program by its place and generation. Places hold something else
 * later, which must not look like that generation: so these begin anywhere.
 */
static int choose_generation(struct applied_policy *policy)
{
	if (policy->generation)
		return 0;
	if (getrandom(&policy->generation, sizeof(policy->generation), 0) < 0)
		return -errno;
	policy->generation >>= 1;
	return 0;
}

int applied_policy_load(struct applied_policy *policy, const struct maps *maps)
{
	struct load load = { .policy = policy };
	int err;

	err = arena_open(&policy->arena, maps);
	if (!err)
		err = maps_each(maps, MAP_DEST, load_dest, &load);
	if (!err)
		err = maps_each(maps, MAP_POLICY, load_entry, &load);
	if (!err)
		err = choose_generation(policy);
	if (!err) {
		load_assign(policy, &load);
		load_programs(policy);
	} else {
		policy->dest_count = 0; /* without entries yet */
	}
	free(load.entries);
	return err;
}
