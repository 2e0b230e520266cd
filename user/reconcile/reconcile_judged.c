// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_judged.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

#define JUDGED_GRACE_NS UINT64_C(1000000000)

void judged_clear(struct judged *judged)
{
	free(judged->holds);
	memset(judged, 0, sizeof(*judged));
}

static struct weft_local local_at(const struct rows *rows, size_t index)
{
	struct weft_local local;

	memcpy(&local, rows_value(rows, index), sizeof(local));
	return local;
}

static bool will_need(const struct desired *desired, uint32_t identity)
{
	struct desired_dest key = { .identity = identity }, *found = NULL;

	if (desired->dest_count)
		found = bsearch(&key, desired->dests, desired->dest_count, sizeof(key),
				desired_compare_dests);
	return found && found->http;
}

/* The rows again, each as `change` makes it. */
static void rows_change(struct rows *changed, const struct rows *rows,
			uint32_t (*change)(uint32_t flags, size_t index, const void *context),
			const void *context)
{
	struct weft_local local;
	size_t i;

	rows_init(changed, rows->id, rows->key_size, rows->value_size);
	for (i = 0; i < rows->count; i++) {
		local = local_at(rows, i);
		local.peer.flags = change(local.peer.flags, i, context);
		rows_add(changed, rows_key(rows, i), &local);
	}
}

struct raise {
	const struct rows *rows, *applied; /* applied: NULL when `rows` are */
	const struct desired *desired;
};

static uint32_t raise_flag(uint32_t flags, size_t index, const void *context)
{
	const struct raise *raise = context;
	struct weft_local local = local_at(raise->rows, index), before = {};
	const unsigned char *value = NULL;

	if (raise->applied)
		value = rows_find(raise->applied, rows_key(raise->rows, index));
	if (value)
		memcpy(&before, value, sizeof(before));
	return flags | (before.peer.flags & WEFT_PEER_HTTP) |
	       (will_need(raise->desired, local.peer.identity) ? WEFT_PEER_HTTP : 0);
}

void judged_mark(struct rows *wanted, const struct rows *applied, const struct desired *desired)
{
	struct raise raise = { wanted, applied, desired };
	struct rows marked;

	rows_change(&marked, wanted, raise_flag, &raise);
	rows_clear(wanted);
	*wanted = marked;
}

bool judged_raise(struct rows *applied, const struct desired *desired, struct writer *writer)
{
	struct raise raise = { applied, NULL, desired };
	struct rows raised;
	bool complete;

	rows_change(&raised, applied, raise_flag, &raise);
	rows_put(applied, &raised, writer, "HTTP rules stay as they were");
	complete = !applied->count ||
		   !memcmp(applied->items, raised.items,
			   applied->count * (applied->key_size + applied->value_size));
	rows_clear(&raised);
	return complete;
}

static struct judged_hold *hold_find(const struct judged *judged, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < judged->count; i++)
		if (judged->holds[i].ifindex == ifindex)
			return &judged->holds[i];
	return NULL;
}

static void hold_drop(struct judged *judged, struct judged_hold *hold)
{
	*hold = judged->holds[--judged->count];
}

void judged_plan(struct judged *judged, const struct rows *applied,
		 const struct applied_policy *policy, uint64_t now_ns)
{
	const struct applied_dest *dest;
	struct judged_hold *hold;
	struct weft_local local;
	uint32_t ifindex;
	size_t i;

	for (i = 0; i < applied->count; i++) {
		local = local_at(applied, i);
		memcpy(&ifindex, rows_key(applied, i), sizeof(ifindex));
		dest = applied_policy_find(policy, local.peer.identity);
		hold = hold_find(judged, ifindex);
		if (!(local.peer.flags & WEFT_PEER_HTTP) || (dest && dest->program.offset)) {
			if (hold)
				hold_drop(judged, hold);
			continue;
		}
		if (hold)
			continue;
		memory_grow(&judged->holds, &judged->count, &judged->capacity,
			    sizeof(*judged->holds));
		judged->holds[judged->count - 1] =
			(struct judged_hold){ ifindex, now_ns + JUDGED_GRACE_NS };
	}
}

struct lower {
	const struct judged *judged;
	const struct rows *rows;
	uint64_t now_ns;
};

static uint32_t lower_flag(uint32_t flags, size_t index, const void *context)
{
	const struct lower *lower = context;
	const struct judged_hold *hold;
	uint32_t ifindex;

	memcpy(&ifindex, rows_key(lower->rows, index), sizeof(ifindex));
	hold = hold_find(lower->judged, ifindex);
	return hold && hold->until_ns <= lower->now_ns ? flags & ~(uint32_t)WEFT_PEER_HTTP : flags;
}

void judged_tidy(struct judged *judged, struct rows *applied, uint64_t now_ns,
		 struct writer *writer)
{
	struct lower lower = { judged, applied, now_ns };
	struct rows lowered;
	size_t i;

	if (!judged->count || judged_due_ns(judged) > now_ns)
		return;
	rows_change(&lowered, applied, lower_flag, &lower);
	/* One that fails keeps the flag until the rules change again: more is looked at. */
	rows_put(applied, &lowered, writer, "some connections are looked at in vain");
	rows_clear(&lowered);
	for (i = judged->count; i > 0; i--)
		if (judged->holds[i - 1].until_ns <= now_ns)
			hold_drop(judged, &judged->holds[i - 1]);
}

uint64_t judged_due_ns(const struct judged *judged)
{
	uint64_t due_ns = 0;
	size_t i;

	for (i = 0; i < judged->count; i++)
		if (!due_ns || judged->holds[i].until_ns < due_ns)
			due_ns = judged->holds[i].until_ns;
	return due_ns;
}
