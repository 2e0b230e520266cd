// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_dest.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

int dest_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct applied_dest *)a)->identity;
	uint32_t y = ((const struct applied_dest *)b)->identity;

	return x < y ? -1 : x > y;
}

struct desired_entry *dest_copy_entries(const struct desired_entry *entries, size_t count)
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

size_t dest_delete_entries(const struct retired_entries *retired, struct writer *writer)
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

void dest_retire_entries(struct applied_policy *policy, uint32_t identity, uint32_t generation,
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

/* Never the one in force, nor one that left entries behind, nor 0: that means withdrawn. */
static bool generation_is_free(const struct applied_policy *policy, const struct applied_dest *dest)
{
	size_t i;

	if (!policy->generation || dest->generation == policy->generation)
		return false;
	for (i = 0; i < policy->retired_count; i++)
		if (policy->retired[i].generation == policy->generation)
			return false;
	return true;
}

static uint32_t generation_next(struct applied_policy *policy, const struct applied_dest *dest)
{
	do
		policy->generation++;
	while (!generation_is_free(policy, dest));
	return policy->generation;
}

bool dest_equal(const struct applied_policy *policy, const struct applied_dest *dest,
		const struct desired_dest *wanted)
{
	return !dest->rewrite && dest->count == wanted->entry_count &&
	       !memcmp(dest->entries, wanted->entries, dest->count * sizeof(*dest->entries)) &&
	       arena_are_same(&policy->arena, &dest->program, wanted);
}

/* Returns how many were written. */
static size_t entries_write(const struct desired_dest *wanted, uint32_t generation,
			    struct writer *writer, int *err)
{
	size_t i;

	for (i = 0; i < wanted->entry_count; i++) {
		const struct desired_entry *entry = &wanted->entries[i];
		struct weft_policy_key key = entry_key(wanted->identity, generation, entry);
		struct weft_policy value = { .action = entry->action, .mask = entry->mask };

		*err = writer_set(writer, MAP_POLICY, &key, &value);
		if (*err)
			break;
	}
	return i;
}

/* At once, so that other destinations find the room; nobody has read them. */
static void entries_unwrite(struct applied_policy *policy, const struct desired_dest *wanted,
			    uint32_t generation, size_t count, struct writer *writer)
{
	struct retired_entries written = {
		.identity = wanted->identity,
		.generation = generation,
		.entries = dest_copy_entries(wanted->entries, count),
		.count = count,
	};

	count = dest_delete_entries(&written, writer);
	dest_retire_entries(policy, wanted->identity, generation, written.entries, count);
}

/* `value` is in force now. */
static void dest_replace(struct applied_policy *policy, struct applied_dest *dest,
			 const struct desired_dest *wanted, const struct weft_dest *value,
			 const struct program_place *program)
{
	if (dest->entries) {
		dest_retire_entries(policy, dest->identity, dest->generation, dest->entries,
				    dest->count);
		policy->readers = true;
	}
	arena_retire(&policy->arena, &dest->program, writer_clock_ns());
	dest->program = *program;
	dest->generation = value->generation;
	dest->entries = dest_copy_entries(wanted->entries, wanted->entry_count);
	dest->count = wanted->entry_count;
	dest->rewrite = false;
}

int dest_switch(struct applied_policy *policy, struct applied_dest *dest,
		const struct desired_dest *wanted, struct writer *writer, enum map_id *full)
{
	struct weft_dest value = { .generation = generation_next(policy, dest),
				   .entries = (uint32_t)wanted->entry_count };
	struct program_place program;
	size_t written;
	int err;

	*full = MAP_HTTP;
	err = arena_put(&policy->arena, wanted, value.generation, writer_clock_ns(), writer,
			&program);
	if (err)
		return err;
	*full = MAP_POLICY;
	written = entries_write(wanted, value.generation, writer, &err);
	if (!err) {
		*full = MAP_DEST;
		value.http = program.offset;
		err = writer_set(writer, MAP_DEST, &wanted->identity, &value);
	}
	if (!err) {
		dest_replace(policy, dest, wanted, &value, &program);
		return 0;
	}
	arena_discard(&policy->arena, &program);
	entries_unwrite(policy, wanted, value.generation, written, writer);
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

bool dest_loses(const struct applied_dest *dest, const struct desired_dest *wanted)
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
 * What may stay of an entry, NULL: nothing. The rules of an HTTP program are within what its
 * entries of L4 allow, so HTTP may stay where all is allowed now.
 */
static const struct desired_entry *entry_rest(const struct desired_entry *entry,
					      const struct desired_entry *next, bool same_program)
{
	if (!next || (next->action != WEFT_POLICY_ALLOW && !same_program))
		return NULL;
	return next->action == WEFT_POLICY_ALLOW ? entry : next;
}

bool dest_narrow(struct applied_dest *dest, const struct desired_dest *wanted, bool same_program,
		 struct writer *writer)
{
	struct weft_dest value = { .generation = dest->generation, .http = dest->program.offset };
	size_t i, from = 0, kept = 0;
	bool narrowed = false;
	int err;

	for (i = 0; i < dest->count; i++) {
		struct desired_entry entry = dest->entries[i];
		const struct desired_entry *rest =
			entry_rest(&entry, entry_successor(wanted, &entry, &from), same_program);
		struct weft_policy_key key = entry_key(dest->identity, dest->generation, &entry);

		if (rest && memcmp(rest, &entry, sizeof(entry))) {
			struct weft_policy weaker = { .action = rest->action, .mask = rest->mask };

			narrowed = true;
			if (!writer_set(writer, MAP_POLICY, &key, &weaker))
				entry = *rest;
			else
				rest = NULL;
		}
		if (!rest) {
			narrowed = true;
			err = writer_delete(writer, MAP_POLICY, &key);
			if (!err)
				continue;
			writer_fail(writer, MAP_POLICY, err, "identity %u keeps an old rule",
				    dest->identity);
		}
		dest->entries[kept++] = entry;
	}
	if (!narrowed && !dest->rewrite)
		return false;
	dest->count = kept;
	value.entries = (uint32_t)kept;
	/* Without it only the number of entries, which readers are shown, is not right. */
	err = writer_set(writer, MAP_DEST, &dest->identity, &value);
	if (err)
		writer_fail(writer, MAP_DEST, err, "identity %u shows too many rules",
			    dest->identity);
	dest->rewrite = err != 0;
	return narrowed;
}
