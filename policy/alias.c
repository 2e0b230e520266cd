// SPDX-License-Identifier: Apache-2.0
#include "policy/alias.h"

#include <errno.h>
#include <stdlib.h>
#include "policy/memory.h"

/* Thresholds are fractions of 2^32; this one means "always this slot". */
static const uint32_t ALWAYS = UINT32_MAX;

static uint32_t threshold_round(unsigned __int128 part, unsigned __int128 whole)
{
	unsigned __int128 threshold = ((part << 32) + whole / 2) / whole;

	return threshold > ALWAYS ? ALWAYS : (uint32_t)threshold;
}

/*
 * Vose's method on integers: `left[i]` is weight * count, a full slot is the
 * sum of the weights. Each slot below full is topped up by one above full, so
 * that nothing is left over and no rounding accumulates; only the threshold of
 * each slot is rounded, once.
 */
int alias_build(const uint64_t *weights, uint32_t count, struct weft_alias *table)
{
	unsigned __int128 full = 0, *left;
	uint32_t *small, *large, small_count = 0, large_count = 0, i;

	for (i = 0; i < count; i++)
		full += weights[i];
	if (!full)
		return -EINVAL;
	if (full > (((unsigned __int128)1 << 96) - 1) / count)
		return -ERANGE;

	left = memory_alloc(count * sizeof(*left));
	small = memory_alloc(2 * (size_t)count * sizeof(*small));
	large = small + count;
	for (i = 0; i < count; i++) {
		left[i] = (unsigned __int128)weights[i] * count;
		table[i] = (struct weft_alias){ .threshold = ALWAYS, .alias = i };
		if (left[i] < full)
			small[small_count++] = i;
		else if (left[i] > full)
			large[large_count++] = i;
	}
	while (small_count) {
		uint32_t low = small[--small_count];
		uint32_t high = large[large_count - 1];

		table[low].threshold = threshold_round(left[low], full);
		table[low].alias = high;
		left[high] -= full - left[low];
		if (left[high] > full)
			continue;
		large_count--;
		if (left[high] < full)
			small[small_count++] = high;
	}
	free(small);
	free(left);
	return 0;
}

uint32_t alias_pick(const struct weft_alias *table, uint32_t count, uint32_t random)
{
	uint64_t x = (uint64_t)random * count;
	uint32_t slot = (uint32_t)(x >> 32);

	if ((uint32_t)x < table[slot].threshold || table[slot].threshold == ALWAYS)
		return slot;
	return table[slot].alias;
}
