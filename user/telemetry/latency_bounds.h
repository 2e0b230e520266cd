/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds of the latency histograms. Each is a bound of the kernel's buckets, so that no request is
 * guessed into one; and they are the same for all histograms, used or not, so that sums over
 * edges and nodes, and rates, are exact.
 */
#ifndef WEFT_USER_LATENCY_BOUNDS_H
#define WEFT_USER_LATENCY_BOUNDS_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/weft_abi.h"

#define LATENCY_BOUND_MIN_NS UINT64_C(2000)
#define LATENCY_BOUND_MAX_NS UINT64_C(60000000000)

struct latency_bounds {
	uint16_t buckets[WEFT_LATENCY_BUCKETS]; /* ascending: the first one beyond each bound */
	size_t count;
};

/*
 * 18 bounds from 50 us to 30 s; between `fine_from_ns` and `fine_to_ns` (both 0: nowhere, else
 * within LATENCY_BOUND_MIN_NS and _MAX_NS) as many besides as it takes that none is more than 4 %
 * above the one before.
 */
void latency_bounds_make(struct latency_bounds *bounds, uint64_t fine_from_ns, uint64_t fine_to_ns);

/* All that there are. */
void latency_bounds_make_all(struct latency_bounds *bounds);

#endif /* WEFT_USER_LATENCY_BOUNDS_H */
