/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Buckets of weft_latency, for both sides of the border: 32 to each doubling, so that a bucket is
 * at most 1/32 wider than its lower bound. The inverse of what weft_abi_http.h states.
 */
#ifndef WEFT_HTTP_LATENCY_BPF_H
#define WEFT_HTTP_LATENCY_BPF_H

#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#endif
#include "weft_abi.h"

enum {
	LATENCY_UNIT_SHIFT = 5, /* counted in 32 ns */
	LATENCY_STEPS = 32,	/* buckets of a doubling */
};

/*
 * The bucket of a latency in ns, 0 .. WEFT_LATENCY_BUCKETS - 1. Halves by powers of two instead
 * of counting leading zeros, which BPF has no instruction for.
 */
static inline __u32 latency_bucket(__u64 ns)
{
	__u64 units = ns >> LATENCY_UNIT_SHIFT;
	__u32 octave = 0, shift;

	if (units < LATENCY_STEPS)
		return 0;
	if (units >= (__u64)LATENCY_STEPS << WEFT_LATENCY_BUCKETS / LATENCY_STEPS)
		return WEFT_LATENCY_BUCKETS - 1;
	for (shift = 16; shift; shift >>= 1) {
		if (units >= (__u64)LATENCY_STEPS << shift) {
			units >>= shift;
			octave += shift;
		}
	}
	return octave * LATENCY_STEPS + (__u32)units - LATENCY_STEPS;
}

/* The least latency of a bucket in ns; of bucket + 1: the first that is beyond. */
static inline __u64 latency_floor(__u32 bucket)
{
	return (__u64)(LATENCY_STEPS + bucket % LATENCY_STEPS)
	       << (bucket / LATENCY_STEPS + LATENCY_UNIT_SHIFT);
}

#endif /* WEFT_HTTP_LATENCY_BPF_H */
