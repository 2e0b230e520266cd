// SPDX-License-Identifier: Apache-2.0
#include "loader/latency.h"

#include "bpf/http_latency.bpf.h"

uint64_t latency_quantile(const struct latency_bucket *buckets, size_t count, double share)
{
	double rank, part, below = 0, total = 0;
	uint64_t low, high;
	size_t i;

	for (i = 0; i < count; i++)
		total += (double)buckets[i].count;
	rank = share * total;
	for (i = 0; i < count; i++) {
		if (!buckets[i].count)
			continue;
		low = latency_floor(buckets[i].bucket);
		high = latency_floor(buckets[i].bucket + 1);
		part = (rank - below) / (double)buckets[i].count;
		below += (double)buckets[i].count;
		if (below >= rank || i + 1 == count)
			return low + (uint64_t)(part * (double)(high - low));
	}
	return 0;
}
