/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods come and go; counters that name each of them would fill the maps. What a pod counted that
 * is gone is moved to the past of its workload: sums by workload stay what they were, over
 * restarts, too.
 */
#ifndef WEFT_USER_PAST_H
#define WEFT_USER_PAST_H

#include <stddef.h>
#include <stdint.h>
#include "loader/maps.h"
#include "policy/desired.h"
#include "policy/names.h"

struct past;

struct past *past_new(const struct maps *maps, struct names *names);
void past_free(struct past *past); /* NULL is ignored */

/*
 * Looks, at most every two minutes, for pods that have had no address since it looked last, and
 * gives their workloads' pasts numbers: the names that belong to them are to be written before
 * past_move(). `now_ns` is CLOCK_MONOTONIC.
 */
void past_prepare(struct past *past, const struct desired *desired, uint64_t now_ns);

/*
 * Moves what was prepared; nothing otherwise. How many entries. An entry that finds no room in
 * its map stays where it is.
 */
size_t past_move(struct past *past);

#endif /* WEFT_USER_PAST_H */
