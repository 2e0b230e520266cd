/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which parts of an array are in use: ranges of endpoint tables in weft_alias and
 * weft_endpoint. First fit. A range that is given back rests for a while before it
 * can be taken again, because a program may still be reading it. Pure: the clock
 * is passed in.
 */
#ifndef WEFT_USER_RANGES_H
#define WEFT_USER_RANGES_H

#include <stdint.h>

#define RANGES_REST_NS UINT64_C(1000000000)

struct ranges;

/* All of [0, size) is free. */
struct ranges *ranges_new(uint32_t size);
void ranges_free(struct ranges *ranges);

/* Takes `count` (>= 1) neighbours. -ENOSPC when no free stretch is that long now. */
int ranges_take(struct ranges *ranges, uint32_t count, uint64_t now_ns, uint32_t *first);

/* Takes a certain range, which an earlier agent used. -ERANGE beyond the end, -EEXIST when not
 * free. */
int ranges_reserve(struct ranges *ranges, uint32_t first, uint32_t count);

/* Gives back what was taken; free again after RANGES_REST_NS. */
void ranges_give(struct ranges *ranges, uint32_t first, uint32_t count, uint64_t now_ns);

/* Gives back what nobody has read yet: free at once. */
void ranges_give_unused(struct ranges *ranges, uint32_t first, uint32_t count);

/* Elements that are free now, resting ones not counted. */
uint32_t ranges_available(struct ranges *ranges, uint64_t now_ns);

#endif /* WEFT_USER_RANGES_H */
