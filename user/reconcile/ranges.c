// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/ranges.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

struct span {
	uint32_t first, count;
};

struct resting_span {
	struct span span;
	uint64_t until_ns;
};

struct ranges {
	struct span *spans; /* free; sorted, neighbours never touch */
	size_t span_count, span_capacity;
	struct resting_span *resting; /* in the order they were given */
	size_t resting_count, resting_capacity;
	uint32_t size;
};

struct ranges *ranges_new(uint32_t size)
{
	struct ranges *ranges = memory_alloc(sizeof(*ranges));

	ranges->size = size;
	if (size)
		ranges_give_unused(ranges, 0, size);
	return ranges;
}

void ranges_free(struct ranges *ranges)
{
	if (!ranges)
		return;
	free(ranges->spans);
	free(ranges->resting);
	free(ranges);
}

/* Index of the first free span that begins after `first`. */
static size_t span_after(const struct ranges *ranges, uint32_t first)
{
	size_t low = 0, high = ranges->span_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->spans[middle].first > first)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void span_insert(struct ranges *ranges, size_t index, struct span span)
{
	memory_grow(&ranges->spans, &ranges->span_count, &ranges->span_capacity,
		    sizeof(*ranges->spans));
	memmove(ranges->spans + index + 1, ranges->spans + index,
		(ranges->span_count - 1 - index) * sizeof(*ranges->spans));
	ranges->spans[index] = span;
}

static void span_remove(struct ranges *ranges, size_t index)
{
	ranges->span_count--;
	memmove(ranges->spans + index, ranges->spans + index + 1,
		(ranges->span_count - index) * sizeof(*ranges->spans));
}

void ranges_give_unused(struct ranges *ranges, uint32_t first, uint32_t count)
{
	size_t index = span_after(ranges, first);
	struct span *before = index ? &ranges->spans[index - 1] : NULL;
	struct span *after = index < ranges->span_count ? &ranges->spans[index] : NULL;

	assert(count && first < ranges->size && count <= ranges->size - first);
	assert(!before || before->first + before->count <= first);
	assert(!after || first + count <= after->first);
	if (before && before->first + before->count == first) {
		before->count += count;
		if (after && before->first + before->count == after->first) {
			before->count += after->count;
			span_remove(ranges, index);
		}
	} else if (after && first + count == after->first) {
		after->first = first;
		after->count += count;
	} else {
		span_insert(ranges, index, (struct span){ .first = first, .count = count });
	}
}

void ranges_give(struct ranges *ranges, uint32_t first, uint32_t count, uint64_t now_ns)
{
	size_t i;

	i = memory_grow(&ranges->resting, &ranges->resting_count, &ranges->resting_capacity,
			sizeof(*ranges->resting));
	ranges->resting[i].span = (struct span){ .first = first, .count = count };
	ranges->resting[i].until_ns = now_ns + RANGES_REST_NS;
}

static void ranges_wake(struct ranges *ranges, uint64_t now_ns)
{
	size_t awake = 0;

	while (awake < ranges->resting_count && ranges->resting[awake].until_ns <= now_ns) {
		struct span span = ranges->resting[awake++].span;

		ranges_give_unused(ranges, span.first, span.count);
	}
	if (!awake)
		return;
	ranges->resting_count -= awake;
	memmove(ranges->resting, ranges->resting + awake,
		ranges->resting_count * sizeof(*ranges->resting));
}

int ranges_take(struct ranges *ranges, uint32_t count, uint64_t now_ns, uint32_t *first)
{
	size_t i;

	assert(count);
	ranges_wake(ranges, now_ns);
	for (i = 0; i < ranges->span_count; i++) {
		struct span *span = &ranges->spans[i];

		if (span->count < count)
			continue;
		*first = span->first;
		span->first += count;
		span->count -= count;
		if (!span->count)
			span_remove(ranges, i);
		return 0;
	}
	return -ENOSPC;
}

int ranges_reserve(struct ranges *ranges, uint32_t first, uint32_t count)
{
	struct span span, tail;
	size_t index;

	if (!count || first >= ranges->size || count > ranges->size - first)
		return -ERANGE;
	index = span_after(ranges, first);
	if (!index)
		return -EEXIST;
	span = ranges->spans[--index];
	if (span.first + span.count < first + count)
		return -EEXIST;
	tail.first = first + count;
	tail.count = span.first + span.count - tail.first;
	ranges->spans[index].count = first - span.first;
	if (tail.count)
		span_insert(ranges, index + 1, tail);
	if (!ranges->spans[index].count)
		span_remove(ranges, index);
	return 0;
}

uint32_t ranges_available(struct ranges *ranges, uint64_t now_ns)
{
	uint32_t available = 0;
	size_t i;

	ranges_wake(ranges, now_ns);
	for (i = 0; i < ranges->span_count; i++)
		available += ranges->spans[i].count;
	return available;
}
