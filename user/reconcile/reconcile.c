// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/reconcile/reconcile_judged.h"
#include "user/reconcile/reconcile_leaving.h"
#include "user/reconcile/reconcile_names.h"
#include "user/reconcile/reconcile_policy.h"
#include "user/reconcile/reconcile_rows.h"
#include "user/reconcile/reconcile_services.h"

/* Looking for names that nobody uses takes a walk over all counters. */
#define NAMES_PRUNE_INTERVAL_NS UINT64_C(60000000000)
#define NAMES_PRUNE_FULL_NS	UINT64_C(1000000000)

struct reconcile {
	const struct maps *maps;
	struct applied_names names;
	struct applied_policy policy;
	struct rows peers, interfaces, namespaces; /* weft_ident, weft_iface, weft_netns */
	struct judged judged;
	struct applied_services services;
	uint64_t names_pruned_ns;
};

/* What one call wants in the maps that stand alone. */
struct wanted {
	const struct desired *desired;
	struct rows peers, interfaces, namespaces;
	struct leaving leaving;
};

static void rows_init_all(struct rows *peers, struct rows *interfaces, struct rows *namespaces)
{
	rows_init(peers, MAP_IDENT, sizeof(struct weft_addr), sizeof(struct weft_peer));
	rows_init(interfaces, MAP_IFACE, sizeof(uint32_t), sizeof(struct weft_local));
	rows_init(namespaces, MAP_NETNS, sizeof(uint64_t), sizeof(struct weft_local));
}

/* Numbers that entries in force refer to. */
static void uses_add_applied(struct name_uses *uses, const struct reconcile *reconcile)
{
	const struct applied_policy *policy = &reconcile->policy;
	const struct applied_services *services = &reconcile->services;
	struct weft_peer peer;
	struct weft_local local;
	size_t i, j;

	for (i = 0; i < policy->dest_count; i++) {
		name_uses_add(uses, WEFT_NAME_IDENTITY, policy->dests[i].identity);
		name_uses_add_program(uses, arena_get(&policy->arena, &policy->dests[i].program));
		for (j = 0; j < policy->dests[i].count; j++)
			name_uses_add(uses, WEFT_NAME_IDENTITY,
				      policy->dests[i].entries[j].src_identity);
	}
	for (i = 0; i < reconcile->peers.count; i++) {
		memcpy(&peer, rows_value(&reconcile->peers, i), sizeof(peer));
		name_uses_add_peer(uses, &peer);
	}
	for (i = 0; i < reconcile->interfaces.count; i++) {
		memcpy(&local, rows_value(&reconcile->interfaces, i), sizeof(local));
		name_uses_add_peer(uses, &local.peer);
	}
	for (i = 0; i < reconcile->namespaces.count; i++) {
		memcpy(&local, rows_value(&reconcile->namespaces, i), sizeof(local));
		name_uses_add_peer(uses, &local.peer);
	}
	for (i = 0; i < services->count; i++) {
		name_uses_add(uses, WEFT_NAME_SERVICE, services->items[i].value.service);
		for (j = 0; services->items[i].endpoints && j < services->items[i].value.count; j++)
			name_uses_add(uses, WEFT_NAME_SERVICE,
				      services->items[i].endpoints[j].backend);
	}
}

int reconcile_new(const struct maps *maps, struct names *names, struct reconcile **result)
{
	struct reconcile *reconcile = memory_alloc(sizeof(*reconcile));
	struct name_uses uses = {};
	int err;

	reconcile->maps = maps;
	rows_init_all(&reconcile->peers, &reconcile->interfaces, &reconcile->namespaces);
	err = maps_forget(maps);
	if (!err)
		err = applied_names_load(&reconcile->names, names, maps);
	if (!err)
		err = applied_policy_load(&reconcile->policy, maps);
	if (!err)
		err = rows_load(&reconcile->peers, maps);
	if (!err)
		err = rows_load(&reconcile->interfaces, maps);
	if (!err)
		err = rows_load(&reconcile->namespaces, maps);
	if (!err)
		err = applied_services_load(&reconcile->services, maps, writer_clock_ns());
	if (!err)
		err = name_uses_add_counters(&uses, maps);
	if (!err) {
		uses_add_applied(&uses, reconcile);
		name_uses_sort(&uses);
		applied_names_reserve(&reconcile->names, &uses);
	}
	name_uses_clear(&uses);
	if (err) {
		reconcile_free(reconcile);
		return err;
	}
	*result = reconcile;
	return 0;
}

void reconcile_free(struct reconcile *reconcile)
{
	if (!reconcile)
		return;
	applied_names_clear(&reconcile->names);
	applied_policy_clear(&reconcile->policy);
	judged_clear(&reconcile->judged);
	rows_clear(&reconcile->peers);
	rows_clear(&reconcile->interfaces);
	rows_clear(&reconcile->namespaces);
	applied_services_clear(&reconcile->services);
	free(reconcile);
}

bool reconcile_is_untidy(const struct reconcile *reconcile)
{
	return reconcile->policy.retired_count > 0;
}

void reconcile_tidy_begin(struct reconcile *reconcile)
{
	applied_policy_rest(&reconcile->policy);
}

void reconcile_wait_for_readers(void)
{
	writer_wait_for_readers();
}

int reconcile_tidy_end(struct reconcile *reconcile, struct reconcile_result *result)
{
	struct writer writer = { .maps = reconcile->maps, .result = result };

	memset(result, 0, sizeof(*result));
	applied_policy_delete_rested(&reconcile->policy, &writer);
	return writer.err;
}

int reconcile_tidy(struct reconcile *reconcile, struct reconcile_result *result)
{
	reconcile_tidy_begin(reconcile);
	reconcile_wait_for_readers();
	return reconcile_tidy_end(reconcile, result);
}

bool reconcile_is_enforcing(const struct reconcile *reconcile)
{
	struct weft_peer peer;
	size_t i;

	for (i = 0; i < reconcile->peers.count; i++) {
		memcpy(&peer, rows_value(&reconcile->peers, i), sizeof(peer));
		if (peer.flags & WEFT_PEER_MESHED)
			return true;
	}
	return false;
}

bool reconcile_has_interface(const struct reconcile *reconcile, uint32_t ifindex)
{
	return rows_has(&reconcile->interfaces, &ifindex);
}

bool reconcile_get_interface(const struct reconcile *reconcile, uint32_t ifindex,
			     struct weft_local *local)
{
	const unsigned char *value = rows_find(&reconcile->interfaces, &ifindex);

	if (value)
		memcpy(local, value, sizeof(*local));
	return value != NULL;
}

static bool addresses_equal(const struct weft_local *a, const struct weft_local *b)
{
	return !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool has_address(const struct weft_local *local)
{
	static const struct weft_local none;

	return !addresses_equal(local, &none);
}

/* The pod that has the addresses of this entry, when no place in this map is known for it. */
static const struct weft_local *local_without_place(const struct desired *desired,
						    const struct rows *wanted,
						    const struct weft_local *entry)
{
	const struct weft_local *found = NULL;
	struct weft_local placed;
	size_t i;

	if (!has_address(entry))
		return NULL;
	for (i = 0; i < desired->local_count && !found; i++)
		if (addresses_equal(&desired->locals[i].local, entry))
			found = &desired->locals[i].local;
	for (i = 0; i < wanted->count && found; i++) {
		memcpy(&placed, rows_value(wanted, i), sizeof(placed));
		if (addresses_equal(&placed, entry))
			found = NULL;
	}
	return found;
}

/*
 * A pod that is wanted but cannot be located at this moment keeps the entry it has: without
 * one, the program on its interface would let everything pass.
 */
static void keep_unplaced(struct rows *wanted, const struct rows *applied,
			  const struct desired *desired)
{
	const struct weft_local *found;
	struct weft_local entry, local;
	struct rows kept;
	size_t i;

	rows_init(&kept, wanted->id, wanted->key_size, wanted->value_size);
	for (i = 0; i < applied->count; i++) {
		if (rows_has(wanted, rows_key(applied, i)))
			continue;
		memcpy(&entry, rows_value(applied, i), sizeof(entry));
		found = local_without_place(desired, wanted, &entry);
		if (!found)
			continue;
		local = *found;
		local.nsid = entry.nsid;
		rows_add(&kept, rows_key(applied, i), &local);
	}
	for (i = 0; i < kept.count; i++)
		rows_add(wanted, rows_key(&kept, i), rows_value(&kept, i));
	rows_sort(wanted);
	rows_clear(&kept);
}

static void wanted_fill(struct wanted *wanted, const struct reconcile *reconcile,
			const struct desired *desired, const struct reconcile_place *places,
			size_t place_count)
{
	size_t i;

	wanted->desired = desired;
	rows_init_all(&wanted->peers, &wanted->interfaces, &wanted->namespaces);
	for (i = 0; i < desired->peer_count; i++)
		rows_add(&wanted->peers, &desired->peers[i].addr, &desired->peers[i].peer);
	for (i = 0; i < place_count; i++) {
		if (places[i].ifindex)
			rows_add(&wanted->interfaces, &places[i].ifindex, &places[i].local);
		if (places[i].netns_cookie)
			rows_add(&wanted->namespaces, &places[i].netns_cookie, &places[i].local);
	}
	rows_sort(&wanted->peers);
	rows_sort(&wanted->interfaces);
	rows_sort(&wanted->namespaces);
	keep_unplaced(&wanted->interfaces, &reconcile->interfaces, desired);
	keep_unplaced(&wanted->namespaces, &reconcile->namespaces, desired);
	judged_mark(&wanted->interfaces, &reconcile->interfaces, desired);
}

static void wanted_find_leaving(struct wanted *wanted, const struct reconcile *reconcile)
{
	const struct rows *const before[] = { &reconcile->peers, &reconcile->interfaces,
					      &reconcile->namespaces };
	const struct rows *const after[] = { &wanted->peers, &wanted->interfaces,
					     &wanted->namespaces };

	leaving_find(&wanted->leaving, before, after, sizeof(after) / sizeof(after[0]));
}

static void wanted_clear(struct wanted *wanted)
{
	leaving_clear(&wanted->leaving);
	rows_clear(&wanted->peers);
	rows_clear(&wanted->interfaces);
	rows_clear(&wanted->namespaces);
}

/* Additions and changes, what is referred to first. A failure does not hold up the rest. */
static bool put_all(struct reconcile *reconcile, const struct wanted *wanted, bool last_try,
		    struct writer *writer)
{
	bool changed = false;
	int names_err;

	writer_begin(writer);
	names_err = applied_names_put(&reconcile->names, writer);
	if (judged_raise(&reconcile->interfaces, wanted->desired, writer))
		changed = applied_policy_put(&reconcile->policy, wanted->desired, &wanted->leaving,
					     last_try, writer);
	changed |= rows_put(&reconcile->peers, &wanted->peers, writer,
			    "some addresses stay unknown, which enforced pods refuse");
	changed |= rows_put(&reconcile->interfaces, &wanted->interfaces, writer,
			    "some pods of this node are not governed");
	changed |= rows_put(&reconcile->namespaces, &wanted->namespaces, writer,
			    "calls of some pods of this node are not balanced");
	applied_services_put(&reconcile->services, wanted->desired, writer_clock_ns(), writer);
	/* Told last: whatever else failed matters more. */
	if (names_err)
		writer_fail(writer, MAP_NAME, names_err, "some numbers are shown without a name");
	return changed;
}

/* Deletions, what refers to others first. */
static bool prune_all(struct reconcile *reconcile, const struct wanted *wanted,
		      struct writer *writer)
{
	bool changed = false;

	applied_services_prune(&reconcile->services, wanted->desired, writer_clock_ns(), writer);
	changed |= rows_prune(&reconcile->namespaces, &wanted->namespaces, writer);
	changed |= rows_prune(&reconcile->interfaces, &wanted->interfaces, writer);
	changed |= rows_prune(&reconcile->peers, &wanted->peers, writer);
	changed |= applied_policy_prune(&reconcile->policy, wanted->desired, writer);
	return changed;
}

static bool write_all(struct reconcile *reconcile, const struct wanted *wanted, bool remove_stale,
		      bool last_try, struct writer *writer)
{
	bool changed = put_all(reconcile, wanted, last_try, writer);

	return (remove_stale && prune_all(reconcile, wanted, writer)) || changed;
}

static void prune_names(struct reconcile *reconcile, const struct desired *desired,
			struct writer *writer)
{
	struct name_uses uses = {};
	uint64_t now = writer_clock_ns();
	uint64_t interval = reconcile->names.full ? NAMES_PRUNE_FULL_NS : NAMES_PRUNE_INTERVAL_NS;

	if (!applied_names_crowded(&reconcile->names, reconcile->maps) ||
	    (reconcile->names_pruned_ns && now - reconcile->names_pruned_ns < interval))
		return;
	reconcile->names_pruned_ns = now;
	name_uses_add_desired(&uses, desired);
	uses_add_applied(&uses, reconcile);
	if (!name_uses_add_counters(&uses, reconcile->maps)) {
		name_uses_sort(&uses);
		applied_names_prune(&reconcile->names, &uses, writer);
	}
	name_uses_clear(&uses);
}

int reconcile_apply(struct reconcile *reconcile, const struct desired *desired,
		    const struct reconcile_place *places, size_t place_count, bool remove_stale,
		    struct reconcile_result *result)
{
	struct writer writer = { .maps = reconcile->maps, .result = result };
	uint64_t begin = writer_clock_ns();
	struct wanted wanted;

	memset(result, 0, sizeof(*result));
	wanted_fill(&wanted, reconcile, desired, places, place_count);
	wanted_find_leaving(&wanted, reconcile);
	/* What an agent that died left behind, before it is in the way. */
	if (!reconcile->policy.readers)
		applied_policy_purge(&reconcile->policy, &writer);
	result->policy_changed |= write_all(reconcile, &wanted, remove_stale, false, &writer);
	if (writer.err && reconcile_is_untidy(reconcile)) {
		/* What rests takes room: once more without it, before anything is given up. */
		applied_policy_purge(&reconcile->policy, &writer);
		result->policy_changed |=
			write_all(reconcile, &wanted, remove_stale, false, &writer);
	}
	/* In force from here on, unless there was no room. */
	result->duration_us = (writer_clock_ns() - begin) / 1000;
	applied_policy_settle(&reconcile->policy, desired, &wanted.leaving, &writer);
	if (writer.err) {
		applied_policy_purge(&reconcile->policy, &writer);
		result->policy_changed |=
			write_all(reconcile, &wanted, remove_stale, true, &writer);
		applied_policy_purge(&reconcile->policy, &writer);
		result->duration_us = (writer_clock_ns() - begin) / 1000;
	}
	/* What could not be removed before: it is to be told. */
	if (!writer.err && !reconcile->policy.readers)
		applied_policy_purge(&reconcile->policy, &writer);
	prune_names(reconcile, desired, &writer);
	judged_plan(&reconcile->judged, &reconcile->interfaces, &reconcile->policy,
		    writer_clock_ns());
	wanted_clear(&wanted);
	return writer.err;
}

void reconcile_expire(struct reconcile *reconcile)
{
	struct reconcile_result result = {};
	struct writer writer = { .maps = reconcile->maps, .result = &result };
	uint64_t now = writer_clock_ns();

	arena_tidy(&reconcile->policy.arena, now);
	judged_tidy(&reconcile->judged, &reconcile->interfaces, now, &writer);
}

uint64_t reconcile_due_ns(const struct reconcile *reconcile)
{
	uint64_t programs = arena_due_ns(&reconcile->policy.arena);
	uint64_t judged = judged_due_ns(&reconcile->judged);

	if (!programs || !judged)
		return programs ? programs : judged;
	return programs < judged ? programs : judged;
}
