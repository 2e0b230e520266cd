/* SPDX-License-Identifier: Apache-2.0 */
/* What a histogram of latencies says, in the buckets of bpf/http_latency.bpf.h. Pure. */
#ifndef WEFT_LOADER_LATENCY_H
#define WEFT_LOADER_LATENCY_H

#include <stddef.h>
#include <stdint.h>

struct latency_bucket {
	uint32_t bucket; /* below WEFT_LATENCY_BUCKETS, see latency_floor() */
	uint64_t count;
};

/*
 * The latency in ns that this share (0..1) of what was counted did not exceed, as if it were
 * spread evenly over each bucket: at most 1/32 off. Buckets are sorted. 0 when nothing was.
 */
uint64_t latency_quantile(const struct latency_bucket *buckets, size_t count, double share);

#endif /* WEFT_LOADER_LATENCY_H */
