// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_leaving.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

static int identity_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct leaving_identity *)a)->identity;
	uint32_t y = ((const struct leaving_identity *)b)->identity;

	return x < y ? -1 : x > y;
}

/* struct weft_peer and struct weft_local begin with the identity. */
static uint32_t row_identity(const unsigned char *value)
{
	uint32_t identity;

	memcpy(&identity, value, sizeof(identity));
	return identity;
}

static struct leaving_identity *leaving_entry(const struct leaving *leaving, uint32_t identity)
{
	struct leaving_identity key = { .identity = identity };

	return leaving->count ? bsearch(&key, leaving->items, leaving->count, sizeof(key),
					identity_compare) :
				NULL;
}

/* The identities of entries that change theirs, or go. */
static void leaving_take(struct leaving *leaving, const struct rows *applied,
			 const struct rows *wanted)
{
	const unsigned char *after;
	size_t i, j = 0, at;
	uint32_t before;
	int order;

	for (i = 0; i < applied->count; i++) {
		const unsigned char *key = rows_key(applied, i);

		order = 1;
		while (j < wanted->count &&
		       (order = memcmp(rows_key(wanted, j), key, applied->key_size)) < 0)
			j++;
		before = row_identity(rows_value(applied, i));
		after = j < wanted->count && !order ? rows_value(wanted, j) : NULL;
		if (after && row_identity(after) == before)
			continue;
		at = memory_grow(&leaving->items, &leaving->count, &leaving->capacity,
				 sizeof(*leaving->items));
		leaving->items[at].identity = before;
		leaving->items[at].heir = after ? row_identity(after) : 0;
	}
}

/* One item per identity. Those who only go have no say in who the heir is. */
static void leaving_unite(struct leaving *leaving)
{
	struct leaving_identity *last = NULL;
	bool split = false;
	size_t i, kept = 0;

	for (i = 0; i < leaving->count; i++) {
		struct leaving_identity item = leaving->items[i];

		if (!last || last->identity != item.identity) {
			last = &leaving->items[kept++];
			*last = item;
			split = false;
			continue;
		}
		if (!item.heir || item.heir == last->heir)
			continue;
		split |= last->heir != 0;
		last->heir = split ? 0 : item.heir;
	}
	leaving->count = kept;
}

/* But not those that somebody will have. */
static void leaving_spare(struct leaving *leaving, const struct rows *wanted)
{
	struct leaving_identity *entry;
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
	size_t i;

	memset(leaving, 0, sizeof(*leaving));
	for (i = 0; i < count; i++)
		leaving_take(leaving, applied[i], wanted[i]);
	if (!leaving->count)
		return;
	qsort(leaving->items, leaving->count, sizeof(*leaving->items), identity_compare);
	leaving_unite(leaving);
	for (i = 0; i < count; i++)
		leaving_spare(leaving, wanted[i]);
}

void leaving_clear(struct leaving *leaving)
{
	free(leaving->items);
	memset(leaving, 0, sizeof(*leaving));
}

static const struct desired_entry *rule_find(const struct desired_entry *entries, size_t count,
					     uint32_t source, uint8_t proto, uint16_t port)
{
	struct desired_entry key = { .src_identity = source, .proto = proto, .port = port };

	return count ? bsearch(&key, entries, count, sizeof(key), desired_compare_entries) : NULL;
}

struct rule_list {
	struct desired_entry *items;
	size_t count, capacity;
};

static void rules_append(struct rule_list *rules, struct desired_entry entry)
{
	size_t i =
		memory_grow(&rules->items, &rules->count, &rules->capacity, sizeof(*rules->items));

	rules->items[i] = entry;
}

/* `like` with these rules instead of its own. */
static struct desired_dest rules_finish(const struct rule_list *rules, struct desired_dest like)
{
	if (rules->count > 1)
		qsort(rules->items, rules->count, sizeof(*rules->items), desired_compare_entries);
	like.entries = rules->items;
	like.entry_count = rules->count;
	return like;
}

/*
 * An HTTP entry of one who is leaving names a set of the program that goes. His heir's entry
 * for the port, exact or any, stands in; without one nothing does.
 */
static void rules_append_heirs(struct rule_list *rules, const struct applied_dest *dest,
			       const struct desired_dest *wanted, uint32_t heir,
			       const struct desired_entry *old)
{
	const struct desired_entry *of_heir;
	struct desired_entry entry = *old;
	size_t i;

	of_heir = rule_find(wanted->entries, wanted->entry_count, heir, old->proto, old->port);
	if (!of_heir)
		of_heir = rule_find(wanted->entries, wanted->entry_count, heir, old->proto,
				    WEFT_ANY_PORT);
	if (of_heir) {
		entry.action = of_heir->action;
		entry.mask = of_heir->mask;
		rules_append(rules, entry);
	}
	/* What held on any port holds on those that the heir has one by one. */
	for (i = 0; old->port == WEFT_ANY_PORT && i < wanted->entry_count; i++) {
		of_heir = &wanted->entries[i];
		if (of_heir->src_identity != heir || of_heir->proto != old->proto ||
		    of_heir->port == WEFT_ANY_PORT ||
		    rule_find(dest->entries, dest->count, old->src_identity, old->proto,
			      of_heir->port) ||
		    rule_find(wanted->entries, wanted->entry_count, old->src_identity, old->proto,
			      of_heir->port))
			continue;
		entry = *of_heir;
		entry.src_identity = old->src_identity;
		rules_append(rules, entry);
	}
}

struct desired_dest leaving_add_rules(const struct leaving *leaving,
				      const struct applied_dest *dest,
				      const struct desired_dest *wanted, bool same_program)
{
	const struct leaving_identity *left;
	struct rule_list rules = {};
	size_t i;

	for (i = 0; i < wanted->entry_count; i++)
		rules_append(&rules, wanted->entries[i]);
	for (i = 0; i < dest->count; i++) {
		const struct desired_entry *entry = &dest->entries[i];

		left = leaving_entry(leaving, entry->src_identity);
		if (!left || rule_find(wanted->entries, wanted->entry_count, entry->src_identity,
				       entry->proto, entry->port))
			continue;
		if (entry->action == WEFT_POLICY_ALLOW || same_program)
			rules_append(&rules, *entry);
		else if (left->heir)
			rules_append_heirs(&rules, dest, wanted, left->heir, entry);
	}
	return rules_finish(&rules, *wanted);
}

struct desired_dest leaving_drop_rules(const struct leaving *leaving,
				       const struct applied_dest *dest,
				       const struct desired_dest *wanted)
{
	struct rule_list rules = {};
	size_t i;

	for (i = 0; i < dest->count; i++) {
		const struct desired_entry *entry = &dest->entries[i];

		if (!leaving_entry(leaving, entry->src_identity) ||
		    rule_find(wanted->entries, wanted->entry_count, entry->src_identity,
			      entry->proto, entry->port))
			rules_append(&rules, *entry);
	}
	return rules_finish(&rules, *wanted);
}
