// SPDX-License-Identifier: Apache-2.0
/*
 * The blocks of the minimised DFA become its states. Classes are numbered by their lowest byte,
 * states in the order in which they are reached from the start class by class, those that lead
 * only to themselves first: the table depends on nothing but what the patterns accept.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

struct numbering {
	const struct raw_dfa *raw;
	const uint32_t *block; /* raw state -> block */
	uint32_t count;	       /* of blocks */
	uint32_t *member;      /* block -> one of its raw states */
	uint8_t old_class[256];
	uint32_t class_count;
	uint32_t *order; /* blocks as they are reached */
	uint32_t reached;
	uint32_t *number; /* block -> state */
};

static uint32_t target(const struct numbering *numbering, uint32_t block, uint32_t old_class)
{
	size_t row = (size_t)numbering->member[block] * numbering->raw->class_count;

	return numbering->block[numbering->raw->next[row + old_class]];
}

/* Classes that lead to the same states everywhere become one. */
static void merge_classes(struct numbering *numbering, struct regex_dfa *dfa)
{
	const struct raw_dfa *raw = numbering->raw;
	uint32_t *column = memory_alloc(numbering->count * sizeof(*column));
	struct regex_intern columns = { 0 };
	uint32_t merged[256], b, i, class;
	bool known[256] = { false };

	for (b = 0; b < 256; b++) {
		class = raw->classes[b];
		if (!known[class]) {
			for (i = 0; i < numbering->count; i++)
				column[i] = target(numbering, i, class);
			merged[class] =
				regex_intern(&columns, column, numbering->count * sizeof(*column));
			known[class] = true;
			/* the first of its kind, as bytes are met in order */
			if (merged[class] == numbering->class_count)
				numbering->old_class[numbering->class_count++] = (uint8_t) class;
		}
		dfa->classes[b] = (uint8_t)merged[class];
	}
	dfa->class_count = numbering->class_count;
	regex_intern_clear(&columns);
	free(column);
}

static void reach(struct numbering *numbering, bool *seen, uint32_t block)
{
	if (seen[block])
		return;
	seen[block] = true;
	numbering->order[numbering->reached++] = block;
}

static void order_states(struct numbering *numbering)
{
	bool *seen = memory_alloc(numbering->count * sizeof(*seen));
	uint32_t i, class;

	/* the dead state is number 0 even if nothing leads to it */
	reach(numbering, seen, numbering->block[0]);
	reach(numbering, seen, numbering->block[numbering->raw->start]);
	for (i = 1; i < numbering->reached; i++)
		for (class = 0; class < numbering->class_count; class ++)
			reach(numbering, seen,
			      target(numbering, numbering->order[i], numbering->old_class[class]));
	free(seen);
}

static bool is_sink(const struct numbering *numbering, uint32_t block)
{
	uint32_t class;

	for (class = 0; class < numbering->class_count; class ++)
		if (target(numbering, block, numbering->old_class[class]) != block)
			return false;
	return true;
}

static void number_states(struct numbering *numbering, struct regex_dfa *dfa)
{
	bool *sinks = memory_alloc(numbering->count * sizeof(*sinks));
	uint32_t i, next = 0;

	for (i = 0; i < numbering->reached; i++) {
		sinks[i] = is_sink(numbering, numbering->order[i]);
		if (sinks[i])
			numbering->number[numbering->order[i]] = next++;
	}
	dfa->sink_count = next;
	for (i = 0; i < numbering->reached; i++)
		if (!sinks[i])
			numbering->number[numbering->order[i]] = next++;
	dfa->state_count = next;
	dfa->start = numbering->number[numbering->block[numbering->raw->start]];
	free(sinks);
}

static void fill_rows(const struct numbering *numbering, struct regex_dfa *dfa)
{
	uint32_t i, class;

	dfa->next = memory_alloc((size_t)dfa->state_count * dfa->class_count * sizeof(*dfa->next));
	for (i = 0; i < numbering->reached; i++) {
		uint32_t block = numbering->order[i];
		size_t row = (size_t)numbering->number[block] * dfa->class_count;

		for (class = 0; class < dfa->class_count; class ++)
			dfa->next[row + class] = (uint16_t)numbering->number[target(
				numbering, block, numbering->old_class[class])];
	}
}

/* Accepting sets are numbered in the order of the states that have them. */
static void fill_accept(const struct numbering *numbering, struct regex_dfa *dfa)
{
	uint32_t *members = memory_alloc(dfa->state_count * sizeof(*members));
	const struct raw_dfa *raw = numbering->raw;
	struct regex_intern sets = { 0 };
	size_t size;
	uint32_t i;

	dfa->accept = memory_alloc(dfa->state_count * sizeof(*dfa->accept));
	for (i = 0; i < numbering->reached; i++)
		members[numbering->number[numbering->order[i]]] =
			numbering->member[numbering->order[i]];
	for (i = 0; i < dfa->state_count; i++) {
		const void *bits = regex_intern_get(&raw->sets, raw->accept[members[i]], &size);

		dfa->accept[i] = (uint16_t)regex_intern(&sets, bits, size);
	}
	dfa->set_count = (uint32_t)sets.count;
	dfa->sets = memory_alloc(sets.count * sizeof(*dfa->sets));
	memcpy(dfa->sets, sets.bytes, sets.byte_count);
	regex_intern_clear(&sets);
	free(members);
}

void regex_number(const struct raw_dfa *raw, const uint32_t *block, uint32_t count,
		  struct regex_dfa *dfa)
{
	struct numbering numbering = {
		.raw = raw,
		.block = block,
		.count = count,
		.member = memory_alloc(count * sizeof(uint32_t)),
		.order = memory_alloc(count * sizeof(uint32_t)),
		.number = memory_alloc(count * sizeof(uint32_t)),
	};
	uint32_t i;

	for (i = 0; i < raw->count; i++)
		numbering.member[block[i]] = i;
	merge_classes(&numbering, dfa);
	order_states(&numbering);
	number_states(&numbering, dfa);
	fill_rows(&numbering, dfa);
	fill_accept(&numbering, dfa);
	free(numbering.member);
	free(numbering.order);
	free(numbering.number);
}
