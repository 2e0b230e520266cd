// SPDX-License-Identifier: Apache-2.0
/*
 * Hopcroft's algorithm. Blocks are sets of states that are not yet told apart; they are split
 * by who leads into a certain block, until nothing splits any more.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

struct partition {
	uint32_t *items;    /* states, those of a block side by side */
	uint32_t *place;    /* state -> index in items */
	uint32_t *block;    /* state -> block */
	uint32_t *first;    /* block -> index of its first item */
	uint32_t *size;	    /* of a block */
	uint32_t *marked;   /* of a block: its first so many items are marked */
	uint32_t *touched;  /* blocks with marked items */
	uint32_t *waiting;  /* blocks to split by */
	uint32_t *splitter; /* the states of the one at hand */
	uint32_t count, touched_count, waiting_count;
};

/* Who leads to a state: sources of (state, class) are those from offsets[state * classes + class]
 */
struct inverse {
	uint32_t *offsets, *sources;
};

static void inverse_build(struct inverse *inverse, const struct raw_dfa *raw)
{
	size_t edges = (size_t)raw->count * raw->class_count, i, key;

	inverse->offsets = memory_alloc((edges + 1) * sizeof(*inverse->offsets));
	inverse->sources = memory_alloc(edges * sizeof(*inverse->sources));
	for (i = 0; i < edges; i++) {
		key = (size_t)raw->next[i] * raw->class_count + i % raw->class_count;
		inverse->offsets[key]++;
	}
	/* offsets are ends for now, and become firsts as the sources are put */
	for (i = 1; i <= edges; i++)
		inverse->offsets[i] += inverse->offsets[i - 1];
	for (i = edges; i-- > 0;) {
		key = (size_t)raw->next[i] * raw->class_count + i % raw->class_count;
		inverse->sources[--inverse->offsets[key]] = (uint32_t)(i / raw->class_count);
	}
}

static void wait_for(struct partition *partition, uint32_t block)
{
	partition->waiting[partition->waiting_count++] = block;
}

/* One block for every set of accepting patterns; the largest need not be split by. */
static void partition_init(struct partition *partition, const struct raw_dfa *raw)
{
	uint32_t n = raw->count, sets = (uint32_t)raw->sets.count, i, largest = 0;
	uint32_t blocks = n > sets ? n : sets;

	*partition = (struct partition){
		.items = memory_alloc(n * sizeof(uint32_t)),
		.place = memory_alloc(n * sizeof(uint32_t)),
		.block = memory_alloc(n * sizeof(uint32_t)),
		.first = memory_alloc((blocks + 1) * sizeof(uint32_t)),
		.size = memory_alloc(blocks * sizeof(uint32_t)),
		.marked = memory_alloc(blocks * sizeof(uint32_t)),
		.touched = memory_alloc(blocks * sizeof(uint32_t)),
		.waiting = memory_alloc(blocks * sizeof(uint32_t)),
		.splitter = memory_alloc(n * sizeof(uint32_t)),
	};
	for (i = 0; i < n; i++)
		partition->size[raw->accept[i]]++;
	for (i = 0; i < sets; i++)
		partition->first[i + 1] = partition->first[i] + partition->size[i];
	memset(partition->size, 0, blocks * sizeof(uint32_t));
	for (i = 0; i < n; i++) {
		uint32_t block = raw->accept[i];

		partition->block[i] = block;
		partition->place[i] = partition->first[block] + partition->size[block]++;
		partition->items[partition->place[i]] = i;
	}
	partition->count = sets;
	for (i = 0; i < sets; i++)
		if (partition->size[i] > partition->size[largest])
			largest = i;
	for (i = 0; i < sets; i++)
		if (i != largest)
			wait_for(partition, i);
}

static void partition_free(struct partition *partition)
{
	free(partition->items);
	free(partition->place);
	free(partition->block);
	free(partition->first);
	free(partition->size);
	free(partition->marked);
	free(partition->touched);
	free(partition->waiting);
	free(partition->splitter);
}

/* Moves the state to the front of its block, behind those marked before. */
static void mark(struct partition *partition, uint32_t state)
{
	uint32_t block = partition->block[state], place = partition->place[state];
	uint32_t target = partition->first[block] + partition->marked[block], other;

	if (place < target)
		return;
	if (!partition->marked[block]++)
		partition->touched[partition->touched_count++] = block;
	other = partition->items[target];
	partition->items[place] = other;
	partition->place[other] = place;
	partition->items[target] = state;
	partition->place[state] = target;
}

/* The smaller part of a touched block becomes a block of its own. */
static void split(struct partition *partition, uint32_t block)
{
	uint32_t marked = partition->marked[block], rest = partition->size[block] - marked;
	uint32_t added = partition->count, i;

	partition->marked[block] = 0;
	if (!rest)
		return;
	partition->count++;
	if (marked <= rest) {
		partition->first[added] = partition->first[block];
		partition->size[added] = marked;
		partition->first[block] += marked;
		partition->size[block] = rest;
	} else {
		partition->first[added] = partition->first[block] + marked;
		partition->size[added] = rest;
		partition->size[block] = marked;
	}
	for (i = 0; i < partition->size[added]; i++)
		partition->block[partition->items[partition->first[added] + i]] = added;
	/* the old one either waits already, or is the larger part of what was dealt with */
	wait_for(partition, added);
}

static void split_by(struct partition *partition, const struct inverse *inverse,
		     const struct raw_dfa *raw, uint32_t block, struct regex_meter *meter)
{
	uint32_t size = partition->size[block], class, i, j;
	uint64_t steps = 0;

	/* a copy, because the block itself may be split on the way */
	memcpy(partition->splitter, partition->items + partition->first[block],
	       size * sizeof(*partition->splitter));
	for (class = 0; class < raw->class_count; class ++) {
		partition->touched_count = 0;
		for (i = 0; i < size; i++) {
			size_t key = (size_t)partition->splitter[i] * raw->class_count + class;

			for (j = inverse->offsets[key]; j < inverse->offsets[key + 1]; j++)
				mark(partition, inverse->sources[j]);
			steps += 1 + inverse->offsets[key + 1] - inverse->offsets[key];
		}
		for (i = 0; i < partition->touched_count; i++)
			split(partition, partition->touched[i]);
	}
	regex_meter_spend(meter, steps);
}

bool regex_minimise(const struct raw_dfa *raw, uint32_t *block, uint32_t *count,
		    struct regex_meter *meter)
{
	size_t edges = (size_t)raw->count * raw->class_count;
	struct inverse inverse = { 0 };
	struct partition partition;
	uint32_t chosen;

	if (!regex_meter_memory(meter, (3 * edges + 12 * (size_t)raw->count) * sizeof(uint32_t)))
		return false;
	inverse_build(&inverse, raw);
	partition_init(&partition, raw);
	regex_meter_spend(meter, edges * 2);
	while (partition.waiting_count && regex_meter_spend(meter, 1)) {
		chosen = partition.waiting[--partition.waiting_count];
		split_by(&partition, &inverse, raw, chosen, meter);
	}
	memcpy(block, partition.block, raw->count * sizeof(*block));
	*count = partition.count;
	partition_free(&partition);
	free(inverse.offsets);
	free(inverse.sources);
	return regex_meter_spend(meter, 0);
}
