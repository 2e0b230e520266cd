// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile_leaving.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

static int identity_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* struct weft_peer and struct weft_local begin with the identity. */
static uint32_t row_identity(const unsigned char *value)
{
	uint32_t identity;

	memcpy(&identity, value, sizeof(identity));
	return identity;
}

static uint32_t *leaving_entry(const struct leaving *leaving, uint32_t identity)
{
	return leaving->count ? bsearch(&identity, leaving->items, leaving->count,
					sizeof(*leaving->items), identity_compare) :
				NULL;
}

/* The identities of entries that change theirs, or go. */
static void leaving_take(struct leaving *leaving, const struct rows *applied,
			 const struct rows *wanted)
{
	const unsigned char *after;
	uint32_t before;
	size_t i, at;

	for (i = 0; i < applied->count; i++) {
		before = row_identity(rows_value(applied, i));
		after = rows_find(wanted, rows_key(applied, i));
		if (after && row_identity(after) == before)
			continue;
		at = memory_grow(&leaving->items, &leaving->count, &leaving->capacity,
				 sizeof(*leaving->items));
		leaving->items[at] = before;
	}
}

/* But not those that somebody will have. */
static void leaving_spare(struct leaving *leaving, const struct rows *wanted)
{
	uint32_t *entry;
	size_t i;

	for (i = 0; leaving->count && i < wanted->count; i++) {
		entry = leaving_entry(leaving, row_identity(rows_value(wanted, i)));
		if (!entry)
			continue;
		leaving->count--;
		memmove(entry, entry + 1,
			(size_t)(leaving->items + leaving->count - entry) * sizeof(*entry));
	}
}

void leaving_find(struct leaving *leaving, const struct rows *const applied[],
		  const struct rows *const wanted[], size_t count)
{
	size_t i, kept = 0;

	memset(leaving, 0, sizeof(*leaving));
	for (i = 0; i < count; i++)
		leaving_take(leaving, applied[i], wanted[i]);
	if (!leaving->count)
		return;
	qsort(leaving->items, leaving->count, sizeof(*leaving->items), identity_compare);
	for (i = 1; i < leaving->count; i++)
		if (leaving->items[i] != leaving->items[kept])
			leaving->items[++kept] = leaving->items[i];
	leaving->count = kept + 1;
	for (i = 0; i < count; i++)
		leaving_spare(leaving, wanted[i]);
}

void leaving_clear(struct leaving *leaving)
{
	free(leaving->items);
	memset(leaving, 0, sizeof(*leaving));
}

/*
 * Walks the rules of `dest` and `wanted` in step. From `dest` come those that only it has and
 * whose source is leaving (or is not, as asked); those of `wanted` come all, or as `dest` has them.
 */
static struct desired_dest rules_merge(const struct leaving *leaving,
				       const struct applied_dest *dest,
				       const struct desired_dest *wanted, bool add)
{
	struct desired_dest result = { .identity = dest->identity };
	size_t i, j = 0;

	result.entries = memory_alloc((dest->count + wanted->entry_count) * sizeof(*dest->entries));
	for (i = 0; i < dest->count; i++) {
		const struct desired_entry *entry = &dest->entries[i];
		int order = 1;

		while (j < wanted->entry_count &&
		       (order = desired_compare_entries(&wanted->entries[j], entry)) < 0) {
			if (add)
				result.entries[result.entry_count++] = wanted->entries[j];
			j++;
		}
		if (j < wanted->entry_count && !order) {
			result.entries[result.entry_count++] = add ? wanted->entries[j] : *entry;
			j++;
		} else if ((leaving_entry(leaving, entry->src_identity) != NULL) == add) {
			result.entries[result.entry_count++] = *entry;
		}
	}
	for (; add && j < wanted->entry_count; j++)
		result.entries[result.entry_count++] = wanted->entries[j];
	return result;
}

struct desired_dest leaving_add_rules(const struct leaving *leaving,
				      const struct applied_dest *dest,
				      const struct desired_dest *wanted)
{
	return rules_merge(leaving, dest, wanted, true);
}

struct desired_dest leaving_drop_rules(const struct leaving *leaving,
				       const struct applied_dest *dest,
				       const struct desired_dest *wanted)
{
	return rules_merge(leaving, dest, wanted, false);
}
