// SPDX-License-Identifier: Apache-2.0
/* Sets of code points as lists of ranges. */
#include <stdlib.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

enum { RUNE_SET_FULL = 256 };

void rune_set_add(struct rune_set *set, uint32_t low, uint32_t high)
{
	size_t i;

	/* A list that would grow may only be full of duplicates. */
	if (set->count >= RUNE_SET_FULL && set->count == set->capacity) {
		rune_set_normalise(set);
		if (set->count > set->capacity / 2) {
			set->capacity *= 2;
			set->items = memory_realloc_array(set->items, set->capacity,
							  sizeof(*set->items));
		}
	}
	i = memory_grow(&set->items, &set->count, &set->capacity, sizeof(*set->items));
	set->items[i] = (struct rune_range){ low, high };
}

static size_t add_circle(struct rune_set *set, uint32_t rune)
{
	uint32_t other;
	size_t count = 0;

	for (other = regex_unicode_fold(rune); other != rune; other = regex_unicode_fold(other)) {
		rune_set_add(set, other, other);
		count++;
	}
	return count;
}

size_t rune_set_add_folded(struct rune_set *set, uint32_t low, uint32_t high)
{
	size_t i = regex_unicode_fold_find(low), count = 1;
	uint32_t rune;

	rune_set_add(set, low, high);
	for (; i < regex_unicode_fold_count && regex_unicode_folds[i].low <= high; i++) {
		const struct rune_fold *fold = &regex_unicode_folds[i];

		for (rune = fold->low > low ? fold->low : low; rune <= fold->high && rune <= high;
		     rune++)
			count += add_circle(set, rune);
	}
	return count;
}

static int range_compare(const void *a, const void *b)
{
	const struct rune_range *left = a, *right = b;

	if (left->low != right->low)
		return left->low < right->low ? -1 : 1;
	return left->high < right->high ? -1 : left->high > right->high;
}

void rune_set_normalise(struct rune_set *set)
{
	struct rune_range *items = set->items;
	size_t i, kept = 0;

	if (set->count < 2)
		return;
	qsort(items, set->count, sizeof(*items), range_compare);
	for (i = 1; i < set->count; i++) {
		if (items[i].low > items[kept].high + 1)
			items[++kept] = items[i];
		else if (items[i].high > items[kept].high)
			items[kept].high = items[i].high;
	}
	set->count = kept + 1;
}

void rune_set_negate(struct rune_set *set)
{
	struct rune_set gaps = { 0 };
	uint32_t next = 0;
	size_t i;

	rune_set_normalise(set);
	for (i = 0; i < set->count; i++) {
		if (set->items[i].low > next)
			rune_set_add(&gaps, next, set->items[i].low - 1);
		next = set->items[i].high + 1;
	}
	if (next <= RUNE_MAX)
		rune_set_add(&gaps, next, RUNE_MAX);
	rune_set_clear(set);
	*set = gaps;
}

void rune_set_clear(struct rune_set *set)
{
	free(set->items);
	*set = (struct rune_set){ 0 };
}
