// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_policy.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/reconcile/reconcile_dest.h"
#include "user/reconcile/reconcile_leaving.h"

void applied_policy_sort(struct applied_policy *policy)
{
	if (policy->dest_count > 1)
		qsort(policy->dests, policy->dest_count, sizeof(*policy->dests), dest_compare);
}

struct applied_dest *applied_policy_find(const struct applied_policy *policy, uint32_t identity)
{
	struct applied_dest key = { .identity = identity };

	return policy->dest_count ?
		       bsearch(&key, policy->dests, policy->dest_count, sizeof(key), dest_compare) :
		       NULL;
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
	arena_close(&policy->arena);
	memset(policy, 0, sizeof(*policy));
}

/* Returns whether a rule was taken back. */
static bool dest_update(struct applied_policy *policy, struct applied_dest *dest,
			const struct desired_dest *wanted, bool narrow, struct writer *writer)
{
	bool loses = dest_loses(dest, wanted);
	enum map_id full;
	int err;

	err = dest_switch(policy, dest, wanted, writer, &full);
	if (!err)
		return loses;
	loses = narrow &&
		dest_narrow(dest, wanted, arena_are_same(&policy->arena, &dest->program, wanted),
			    writer);
	if (!dest_equal(policy, dest, wanted))
		writer_fail(writer, full, err, "identity %u keeps only old rules", dest->identity);
	return loses;
}

/* A destination that is there already. Returns whether a rule was taken back. */
static bool dest_put(struct applied_policy *policy, struct applied_dest *dest,
		     const struct desired_dest *wanted, const struct leaving *leaving, bool narrow,
		     struct writer *writer)
{
	bool loses = dest_loses(dest, wanted);
	struct desired_dest both;
	bool same;

	if (dest_equal(policy, dest, wanted))
		return false;
	/* At the last try room is short. */
	if (narrow || !leaving->count)
		return dest_update(policy, dest, wanted, narrow, writer);
	same = arena_are_same(&policy->arena, &dest->program, wanted);
	both = leaving_add_rules(leaving, dest, wanted, same);
	if (!dest_equal(policy, dest, &both))
		dest_update(policy, dest, &both, false, writer);
	free(both.entries);
	return loses;
}

bool applied_policy_put(struct applied_policy *policy, const struct desired *desired,
			const struct leaving *leaving, bool narrow, struct writer *writer)
{
	size_t i = 0, j, added, known = policy->dest_count;
	bool lost = false;
	enum map_id full;
	int err;

	for (j = 0; j < desired->dest_count; j++) {
		const struct desired_dest *wanted = &desired->dests[j];
		struct applied_dest fresh;

		while (i < known && policy->dests[i].identity < wanted->identity)
			i++;
		if (i < known && policy->dests[i].identity == wanted->identity) {
			lost |= dest_put(policy, &policy->dests[i], wanted, leaving, narrow,
					 writer);
			continue;
		}
		fresh = (struct applied_dest){ .identity = wanted->identity };
		err = dest_switch(policy, &fresh, wanted, writer, &full);
		if (err) {
			writer_fail(writer, full, err, "identity %u gets no rules",
				    wanted->identity);
			continue;
		}
		added = memory_grow(&policy->dests, &policy->dest_count, &policy->dest_capacity,
				    sizeof(*policy->dests));
		policy->dests[added] = fresh;
	}
	if (policy->dest_count > known)
		applied_policy_sort(policy);
	return lost;
}

void applied_policy_settle(struct applied_policy *policy, const struct desired *desired,
			   const struct leaving *leaving, struct writer *writer)
{
	struct desired_dest rest;
	bool waited = false;
	size_t i = 0, j;

	for (j = 0; leaving->count && j < desired->dest_count; j++) {
		const struct desired_dest *wanted = &desired->dests[j];

		while (i < policy->dest_count && policy->dests[i].identity < wanted->identity)
			i++;
		if (i == policy->dest_count || policy->dests[i].identity != wanted->identity ||
		    dest_equal(policy, &policy->dests[i], wanted))
			continue;
		rest = leaving_drop_rules(leaving, &policy->dests[i], wanted);
		if (rest.entry_count < policy->dests[i].count) {
			/* A program may have looked up the pod before it changed. */
			if (!waited)
				writer_wait_for_readers();
			waited = true;
			/* What stays is the destination's own, whatever its program. */
			dest_narrow(&policy->dests[i], &rest, true, writer);
		}
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
				dest_retire_entries(policy, dest->identity, dest->generation,
						    dest->entries, dest->count);
				arena_retire(&policy->arena, &dest->program, writer_clock_ns());
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

void applied_policy_rest(struct applied_policy *policy)
{
	size_t i;

	for (i = 0; i < policy->retired_count; i++)
		policy->retired[i].resting = true;
}

void applied_policy_delete_rested(struct applied_policy *policy, struct writer *writer)
{
	bool readers = false;
	size_t i, kept = 0;

	for (i = 0; i < policy->retired_count; i++) {
		struct retired_entries *retired = &policy->retired[i];

		if (retired->resting)
			retired->count = dest_delete_entries(retired, writer);
		else
			readers = policy->readers;
		if (retired->count)
			policy->retired[kept++] = *retired;
		else
			free(retired->entries);
	}
	policy->retired_count = kept;
	policy->readers = readers;
}

void applied_policy_purge(struct applied_policy *policy, struct writer *writer)
{
	if (policy->readers && policy->retired_count)
		writer_wait_for_readers();
	applied_policy_rest(policy);
	applied_policy_delete_rested(policy, writer);
}
