// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile_policy.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/reconcile_leaving.h"

/* An entry of weft_policy as it is in the map. */
struct loaded_entry {
	struct weft_policy_key key;
	uint8_t action;
};

struct load {
	struct applied_policy *policy;
	struct loaded_entry *entries;
	size_t count, capacity;
};

static int dest_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct applied_dest *)a)->identity;
	uint32_t y = ((const struct applied_dest *)b)->identity;

	return x < y ? -1 : x > y;
}

static void dests_sort(struct applied_policy *policy)
{
	if (policy->dest_count > 1)
		qsort(policy->dests, policy->dest_count, sizeof(*policy->dests), dest_compare);
}

static struct desired_entry *entries_copy(const struct desired_entry *entries, size_t count)
{
	struct desired_entry *copy = memory_alloc(count * sizeof(*copy));

	if (count)
		memcpy(copy, entries, count * sizeof(*copy));
	return copy;
}

static struct weft_policy_key entry_key(uint32_t identity, uint32_t generation,
					const struct desired_entry *entry)
{
	return (struct weft_policy_key){
		.dst_identity = identity,
		.generation = generation,
		.src_identity = entry->src_identity,
		.port = entry->port,
		.proto = entry->proto,
	};
}

/* Returns how many could not be deleted; those are moved to the front. */
static size_t entries_delete(const struct retired_entries *retired, struct writer *writer)
{
	size_t i, left = 0;
	int err;

	for (i = 0; i < retired->count; i++) {
		struct weft_policy_key key =
			entry_key(retired->identity, retired->generation, &retired->entries[i]);

		err = writer_delete(writer, MAP_POLICY, &key);
		if (!err)
			continue;
		writer_fail(writer, MAP_POLICY, err, "entries that are not in force take up room");
		retired->entries[left++] = retired->entries[i];
	}
	return left;
}

/* Takes ownership of `entries`. */
static void entries_retire(struct applied_policy *policy, uint32_t identity, uint32_t generation,
			   struct desired_entry *entries, size_t count)
{
	size_t i;

	if (!count) {
		free(entries);
		return;
	}
	i = memory_grow(&policy->retired, &policy->retired_count, &policy->retired_capacity,
			sizeof(*policy->retired));
	policy->retired[i] = (struct retired_entries){
		.identity = identity, .generation = generation, .entries = entries, .count = count
	};
}

static int load_dest(const void *key, const void *value, void *context)
{
	struct applied_policy *policy = ((struct load *)context)->policy;
	const struct weft_dest *dest = value;
	size_t i;

	i = memory_grow(&policy->dests, &policy->dest_count, &policy->dest_capacity,
			sizeof(*policy->dests));
	memcpy(&policy->dests[i].identity, key, sizeof(policy->dests[i].identity));
	policy->dests[i].generation = dest->generation;
	policy->dests[i].count = dest->entries; /* until load_assign() has counted */
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

static struct applied_dest *dest_find(const struct applied_policy *policy, uint32_t identity)
{
	struct applied_dest key = { .identity = identity };

	return policy->dest_count ?
		       bsearch(&key, policy->dests, policy->dest_count, sizeof(key), dest_compare) :
		       NULL;
}

/* Gives one destination's entries of one generation to their owner. */
static void load_group(struct applied_policy *policy, const struct loaded_entry *group,
		       size_t count)
{
	struct desired_entry *entries = memory_alloc(count * sizeof(*entries));
	struct applied_dest *dest = dest_find(policy, group->key.dst_identity);
	size_t i;

	for (i = 0; i < count; i++) {
		entries[i].src_identity = group[i].key.src_identity;
		entries[i].port = group[i].key.port;
		entries[i].proto = group[i].key.proto;
		entries[i].action = group[i].action;
	}
	if (!dest || dest->generation != group->key.generation) {
		entries_retire(policy, group->key.dst_identity, group->key.generation, entries,
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

	dests_sort(policy);
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
		dest->entries = entries_copy(NULL, 0);
	}
}

int applied_policy_load(struct applied_policy *policy, const struct maps *maps)
{
	struct load load = { .policy = policy };
	int err;

	err = maps_each(maps, MAP_DEST, load_dest, &load);
	if (!err)
		err = maps_each(maps, MAP_POLICY, load_entry, &load);
	if (!err)
		load_assign(policy, &load);
	else
		policy->dest_count = 0; /* without entries yet */
	free(load.entries);
	return err;
}

void applied_policy_clear(struct applied_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->dest_count; i++)
		free(policy->dests[i].entries);
	for (i = 0; i < policy->retired_count; i++)
		free(policy->retired[i].entries);
	free(policy->dests);
	free(policy->retired);
	memset(policy, 0, sizeof(*policy));
}

/* Never the one in force, nor one that left entries behind. */
static uint32_t generation_next(struct applied_policy *policy, const struct applied_dest *dest)
{
	size_t i = 0;

	policy->generation++;
	while (i < policy->retired_count || (dest && dest->generation == policy->generation)) {
		if ((dest && dest->generation == policy->generation) ||
		    policy->retired[i].generation == policy->generation) {
			policy->generation++;
			i = 0;
			continue;
		}
		i++;
	}
	return policy->generation;
}

/*
 * Writes all entries under a new generation and switches to it, or leaves no trace; then
 * *full is the map that could not be written.
 */
static int dest_switch(struct applied_policy *policy, const struct applied_dest *old,
		       const struct desired_dest *wanted, struct writer *writer,
		       uint32_t *generation, enum map_id *full)
{
	struct weft_dest dest = { .entries = (uint32_t)wanted->entry_count };
	struct retired_entries written;
	size_t i;
	int err = 0;

	*full = MAP_POLICY;
	dest.generation = generation_next(policy, old);
	for (i = 0; i < wanted->entry_count; i++) {
		struct weft_policy_key key =
			entry_key(wanted->identity, dest.generation, &wanted->entries[i]);
		struct weft_policy value = { .action = wanted->entries[i].action };

		err = writer_set(writer, MAP_POLICY, &key, &value);
		if (err)
			break;
	}
	if (!err) {
		*full = MAP_DEST;
		err = writer_set(writer, MAP_DEST, &wanted->identity, &dest);
	}
	if (!err) {
		*generation = dest.generation;
		return 0;
	}
	/* At once, so that other destinations find the room; nobody has read them. */
	written = (struct retired_entries){ .identity = wanted->identity,
					    .generation = dest.generation,
					    .entries = entries_copy(wanted->entries, i),
					    .count = i };
	i = entries_delete(&written, writer);
	entries_retire(policy, wanted->identity, dest.generation, written.entries, i);
	return err;
}

/* The entry that takes the place of `old`: NULL when it was taken back. */
static const struct desired_entry *entry_successor(const struct desired_dest *wanted,
						   const struct desired_entry *old, size_t *from)
{
	int order = 1;

	while (*from < wanted->entry_count &&
	       (order = desired_compare_entries(&wanted->entries[*from], old)) < 0)
		(*from)++;
	return *from < wanted->entry_count && !order ? &wanted->entries[*from] : NULL;
}

/* Does the change take something back? */
static bool dest_loses(const struct applied_dest *dest, const struct desired_dest *wanted)
{
	size_t i, from = 0;

	for (i = 0; i < dest->count; i++) {
		const struct desired_entry *next =
			entry_successor(wanted, &dest->entries[i], &from);

		if (!next || (dest->entries[i].action == WEFT_POLICY_ALLOW &&
			      next->action != WEFT_POLICY_ALLOW))
			return true;
	}
	return false;
}

/*
 * The new rules do not fit beside the old ones: takes away, in place, what is no longer
 * allowed. Needs no room in any map, and at every moment less is allowed than before. An
 * error means that only the number of entries, which readers are shown, is not right.
 */
static int dest_narrow(struct applied_dest *dest, const struct desired_dest *wanted,
		       struct writer *writer)
{
	size_t i, from = 0, kept = 0;
	struct weft_dest value = { .generation = dest->generation };
	int err;

	for (i = 0; i < dest->count; i++) {
		struct desired_entry entry = dest->entries[i];
		const struct desired_entry *next = entry_successor(wanted, &entry, &from);
		struct weft_policy_key key = entry_key(dest->identity, dest->generation, &entry);
		struct weft_policy weaker = { .action = WEFT_POLICY_HTTP };
		bool keep = next != NULL;

		if (keep && entry.action == WEFT_POLICY_ALLOW &&
		    next->action != WEFT_POLICY_ALLOW) {
			keep = !writer_set(writer, MAP_POLICY, &key, &weaker);
			entry.action = keep ? WEFT_POLICY_HTTP : entry.action;
		}
		if (!keep) {
			err = writer_delete(writer, MAP_POLICY, &key);
			if (!err)
				continue;
			writer_fail(writer, MAP_POLICY, err, "identity %u keeps an old rule",
				    dest->identity);
		}
		dest->entries[kept++] = entry;
	}
	dest->count = kept;
	value.entries = (uint32_t)kept;
	err = writer_set(writer, MAP_DEST, &dest->identity, &value);
	dest->rewrite = err != 0;
	return err;
}

static bool dest_equal(const struct applied_dest *dest, const struct desired_dest *wanted)
{
	return !dest->rewrite && dest->count == wanted->entry_count &&
	       !memcmp(dest->entries, wanted->entries, dest->count * sizeof(*dest->entries));
}

/* Returns whether a rule was taken back. */
static bool dest_update(struct applied_policy *policy, struct applied_dest *dest,
			const struct desired_dest *wanted, bool narrow, struct writer *writer)
{
	bool loses = dest_loses(dest, wanted);
	uint32_t generation;
	enum map_id full;
	int err;

	err = dest_switch(policy, dest, wanted, writer, &generation, &full);
	if (err) {
		if (loses && narrow)
			dest_narrow(dest, wanted, writer);
		if (!dest_equal(dest, wanted))
			writer_fail(writer, full, err, "identity %u keeps only old rules",
				    dest->identity);
		return loses && narrow;
	}
	entries_retire(policy, dest->identity, dest->generation, dest->entries, dest->count);
	policy->readers = true;
	dest->generation = generation;
	dest->entries = entries_copy(wanted->entries, wanted->entry_count);
	dest->count = wanted->entry_count;
	dest->rewrite = false;
	return loses;
}

/* A destination that is there already. Returns whether a rule was taken back. */
static bool dest_put(struct applied_policy *policy, struct applied_dest *dest,
		     const struct desired_dest *wanted, const struct leaving *leaving, bool narrow,
		     struct writer *writer)
{
	bool loses = dest_loses(dest, wanted);
	struct desired_dest both;

	if (dest_equal(dest, wanted))
		return false;
	/* At the last try room is short. */
	if (narrow || !leaving->count)
		return dest_update(policy, dest, wanted, narrow, writer);
	both = leaving_add_rules(leaving, dest, wanted);
	if (!dest_equal(dest, &both))
		dest_update(policy, dest, &both, false, writer);
	free(both.entries);
	return loses;
}

bool applied_policy_put(struct applied_policy *policy, const struct desired *desired,
			const struct leaving *leaving, bool narrow, struct writer *writer)
{
	size_t i = 0, j, added, known = policy->dest_count;
	bool lost = false;
	uint32_t generation;
	enum map_id full;
	int err;

	for (j = 0; j < desired->dest_count; j++) {
		const struct desired_dest *wanted = &desired->dests[j];

		while (i < known && policy->dests[i].identity < wanted->identity)
			i++;
		if (i < known && policy->dests[i].identity == wanted->identity) {
			lost |= dest_put(policy, &policy->dests[i], wanted, leaving, narrow,
					 writer);
			continue;
		}
		err = dest_switch(policy, NULL, wanted, writer, &generation, &full);
		if (err) {
			writer_fail(writer, full, err, "identity %u gets no rules",
				    wanted->identity);
			continue;
		}
		added = memory_grow(&policy->dests, &policy->dest_count, &policy->dest_capacity,
				    sizeof(*policy->dests));
		policy->dests[added].identity = wanted->identity;
		policy->dests[added].generation = generation;
		policy->dests[added].entries = entries_copy(wanted->entries, wanted->entry_count);
		policy->dests[added].count = wanted->entry_count;
	}
	if (policy->dest_count > known)
		dests_sort(policy);
	return lost;
}

void applied_policy_settle(struct applied_policy *policy, const struct desired *desired,
			   const struct leaving *leaving, struct writer *writer)
{
	struct desired_dest rest;
	bool waited = false;
	size_t i = 0, j;
	int err;

	for (j = 0; leaving->count && j < desired->dest_count; j++) {
		const struct desired_dest *wanted = &desired->dests[j];

		while (i < policy->dest_count && policy->dests[i].identity < wanted->identity)
			i++;
		if (i == policy->dest_count || policy->dests[i].identity != wanted->identity ||
		    dest_equal(&policy->dests[i], wanted))
			continue;
		rest = leaving_drop_rules(leaving, &policy->dests[i], wanted);
		err = 0;
		if (rest.entry_count < policy->dests[i].count) {
			/* A program may have looked up the pod before it changed. */
			if (!waited)
				writer_wait_for_readers();
			waited = true;
			err = dest_narrow(&policy->dests[i], &rest, writer);
		}
		if (err)
			writer_fail(writer, MAP_DEST, err, "identity %u shows too many rules",
				    wanted->identity);
		free(rest.entries);
	}
}

bool applied_policy_prune(struct applied_policy *policy, const struct desired *desired,
			  struct writer *writer)
{
	size_t i, j = 0, kept = 0;
	bool lost = false;
	int err;

	for (i = 0; i < policy->dest_count; i++) {
		struct applied_dest *dest = &policy->dests[i];

		while (j < desired->dest_count && desired->dests[j].identity < dest->identity)
			j++;
		if (j >= desired->dest_count || desired->dests[j].identity != dest->identity) {
			err = writer_delete(writer, MAP_DEST, &dest->identity);
			if (!err) {
				entries_retire(policy, dest->identity, dest->generation,
					       dest->entries, dest->count);
				policy->readers = true;
				lost = true;
				continue;
			}
			writer_fail(writer, MAP_DEST, err, "identity %u keeps its old rules",
				    dest->identity);
		}
		policy->dests[kept++] = *dest;
	}
	policy->dest_count = kept;
	return lost;
}

void applied_policy_purge(struct applied_policy *policy, struct writer *writer)
{
	size_t i, kept = 0;

	if (policy->readers && policy->retired_count)
		writer_wait_for_readers();
	policy->readers = false;
	for (i = 0; i < policy->retired_count; i++) {
		struct retired_entries *retired = &policy->retired[i];

		retired->count = entries_delete(retired, writer);
		if (retired->count)
			policy->retired[kept++] = *retired;
		else
			free(retired->entries);
	}
	policy->retired_count = kept;
}
