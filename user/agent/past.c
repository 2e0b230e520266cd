// SPDX-License-Identifier: Apache-2.0
#include "user/agent/past.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/workload.h"
#include "user/log.h"

/* Longer than the last packets of a pod are under way. */
#define LOOK_INTERVAL_NS 120000000000ULL

/* A number, and the one of the past that its counters go to. */
struct gone {
	uint32_t pod, past;
};

struct past {
	const struct maps *maps;
	struct names *names;
	uint64_t looked_ns; /* 0 = never */
	uint32_t *present;  /* numbers that had an address then, sorted */
	size_t present_count;
	struct gone *gone; /* sorted by pod; to be moved */
	size_t gone_count, gone_capacity;
};

struct past *past_new(const struct maps *maps, struct names *names)
{
	struct past *past = memory_alloc(sizeof(*past));

	past->maps = maps;
	past->names = names;
	return past;
}

void past_free(struct past *past)
{
	if (!past)
		return;
	free(past->present);
	free(past->gone);
	free(past);
}

static int number_compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool has(const uint32_t *numbers, size_t count, uint32_t number)
{
	return count && bsearch(&number, numbers, count, sizeof(*numbers), number_compare);
}

/* Sorted; the caller frees it. */
static uint32_t *numbers_of(const struct desired *desired, size_t *count)
{
	uint32_t *numbers = memory_realloc_array(NULL, desired->peer_count + desired->local_count,
						 sizeof(*numbers));
	size_t i;

	*count = 0;
	for (i = 0; i < desired->peer_count; i++)
		numbers[(*count)++] = desired->peers[i].peer.workload;
	for (i = 0; i < desired->local_count; i++)
		numbers[(*count)++] = desired->locals[i].local.peer.workload;
	if (*count)
		qsort(numbers, *count, sizeof(*numbers), number_compare);
	return numbers;
}

struct look {
	struct past *past;
	const uint32_t *present;
	size_t present_count;
};

static void look_at_name(const struct weft_name_key *key, const struct weft_name *name,
			 void *context)
{
	struct look *look = context;
	struct past *past = look->past;
	struct workload workload;
	size_t i;

	(void)name;
	if (key->kind != WEFT_NAME_WORKLOAD || has(look->present, look->present_count, key->id) ||
	    has(past->present, past->present_count, key->id))
		return;
	workload_of(past->names, key->id, &workload);
	/* A pod without a controller is a workload, and has no past but its own. */
	if (!*workload.pod || workload.past || !strcmp(workload.kind, "Pod"))
		return;
	i = memory_grow(&past->gone, &past->gone_count, &past->gone_capacity, sizeof(*past->gone));
	past->gone[i].pod = key->id;
}

void past_prepare(struct past *past, const struct desired *desired, uint64_t now_ns)
{
	struct look look = { .past = past };
	struct workload workload;
	uint32_t *present;
	size_t i;

	if (past->looked_ns && now_ns - past->looked_ns < LOOK_INTERVAL_NS)
		return;
	present = numbers_of(desired, &look.present_count);
	look.present = present;
	past->gone_count = 0;
	/* What was present before this agent is not known the first time. */
	if (past->looked_ns)
		names_each(past->names, look_at_name, &look);
	for (i = 0; i < past->gone_count; i++) {
		workload_of(past->names, past->gone[i].pod, &workload);
		past->gone[i].past = workload_past(past->names, &workload);
	}
	free(past->present);
	past->present = present;
	past->present_count = look.present_count;
	past->looked_ns = now_ns;
}

/* True when the number is one of those; it is another one then. */
static bool replace(const struct past *past, __u32 *number)
{
	size_t low = 0, high = past->gone_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (past->gone[middle].pod == *number) {
			*number = past->gone[middle].past;
			return true;
		}
		if (past->gone[middle].pod < *number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* A map of counters: keys begin with the source's and the destination's number, values are
 * 64 bit counters by CPU. */
struct counters {
	enum map_id id;
	size_t key_size, width; /* counters in a value */
};

static const struct counters all_counters[] = {
	{ MAP_EDGE, sizeof(struct weft_edge_key), sizeof(struct weft_edge) / sizeof(__u64) },
	{ MAP_VERDICT, sizeof(struct weft_verdict_key),
	  sizeof(struct weft_verdict) / sizeof(__u64) },
	{ MAP_REQUEST, sizeof(struct weft_request_key),
	  sizeof(struct weft_request) / sizeof(__u64) },
	{ MAP_LATENCY, sizeof(struct weft_latency_key),
	  sizeof(struct weft_latency) / sizeof(__u64) },
};

enum { KEY_SIZE_MAX = sizeof(struct weft_edge_key) };

struct entry {
	unsigned char from[KEY_SIZE_MAX], to[KEY_SIZE_MAX];
};

struct finding_entries {
	const struct past *past;
	const struct counters *counters;
	struct entry *items;
	size_t count, capacity;
};

static int find_entry(const void *key, const void *values, void *context)
{
	struct finding_entries *found = context;
	__u32 ends[2];
	size_t i;
	bool is_gone;

	(void)values;
	memcpy(ends, key, sizeof(ends));
	is_gone = replace(found->past, &ends[0]);
	is_gone |= replace(found->past, &ends[1]);
	if (!is_gone)
		return 0;
	i = memory_grow(&found->items, &found->count, &found->capacity, sizeof(*found->items));
	memcpy(found->items[i].from, key, found->counters->key_size);
	memcpy(found->items[i].to, key, found->counters->key_size);
	memcpy(found->items[i].to, ends, sizeof(ends));
	return 0;
}

/* No program writes to a key of the past, so that nothing is lost between reading and writing. */
static int move_entry(const struct past *past, const struct counters *counters,
		      const struct entry *entry, __u64 *values, __u64 *sums)
{
	size_t i, count = counters->width * past->maps->cpus;
	int err = maps_get(past->maps, counters->id, entry->from, values);

	if (err)
		return err;
	err = maps_get(past->maps, counters->id, entry->to, sums);
	if (err == -ENOENT)
		memset(sums, 0, count * sizeof(*sums));
	else if (err)
		return err;
	for (i = 0; i < count; i++)
		sums[i] += values[i];
	err = maps_set(past->maps, counters->id, entry->to, sums);
	return err ? err : maps_delete(past->maps, counters->id, entry->from);
}

static size_t move_entries(struct past *past, const struct counters *counters)
{
	struct finding_entries found = { .past = past, .counters = counters };
	size_t size = counters->width * past->maps->cpus * sizeof(__u64), i, moved = 0;
	__u64 *values = memory_alloc(size), *sums = memory_alloc(size);
	int err = maps_each(past->maps, counters->id, find_entry, &found);

	for (i = 0; !err && i < found.count; i++) {
		err = move_entry(past, counters, &found.items[i], values, sums);
		moved += !err;
	}
	if (err)
		log_warn("counters of pods that are gone stay", "map", maps_name(counters->id),
			 "error", strerror(-err));
	free(found.items);
	free(values);
	free(sums);
	return moved;
}

/* A crowded weft_name may have had to forget a name that nothing was counted by yet. */
static void drop_nameless(struct past *past)
{
	size_t i, kept = 0;

	for (i = 0; i < past->gone_count; i++)
		if (names_lookup(past->names, WEFT_NAME_WORKLOAD, past->gone[i].past))
			past->gone[kept++] = past->gone[i];
	past->gone_count = kept;
}

size_t past_move(struct past *past)
{
	size_t i, moved = 0;

	drop_nameless(past);
	if (!past->gone_count)
		return 0;
	for (i = 0; i < sizeof(all_counters) / sizeof(*all_counters); i++)
		moved += move_entries(past, &all_counters[i]);
	past->gone_count = 0;
	return moved;
}
