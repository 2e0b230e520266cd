// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/latency_bounds.h"

#include <stdbool.h>

#include "bpf/http_latency.bpf.h"

/* Buckets of weft_latency that begin within 0.7 % of the round number. */
static const uint16_t coarse[] = {
	177, /* 50 us */
	209, /* 100 us */
	253, /* 250 us */
	285, /* 500 us */
	317, /* 1 ms */
	358, /* 2.5 ms */
	390, /* 5 ms */
	422, /* 10 ms */
	464, /* 25 ms */
	496, /* 50 ms */
	528, /* 100 ms */
	572, /* 250 ms */
	604, /* 500 ms */
	636, /* 1 s */
	677, /* 2.5 s */
	709, /* 5 s */
	741, /* 10 s */
	792, /* 30 s */
};

static bool is_coarse(uint32_t bucket)
{
	size_t i;

	for (i = 0; i < sizeof(coarse) / sizeof(coarse[0]); i++)
		if (coarse[i] == bucket)
			return true;
	return false;
}

/* Would it be more than 4 % from one bound to the next without this bucket's? */
static bool is_needed(uint32_t last, uint32_t bucket)
{
	return latency_floor(bucket + 1) > latency_floor(last) + latency_floor(last) / 25;
}

void latency_bounds_make_all(struct latency_bounds *bounds)
{
	uint16_t bucket;

	bounds->count = 0;
	for (bucket = 1; bucket < WEFT_LATENCY_BUCKETS; bucket++)
		bounds->buckets[bounds->count++] = bucket;
}

void latency_bounds_make(struct latency_bounds *bounds, uint64_t fine_from_ns, uint64_t fine_to_ns)
{
	uint32_t from = latency_bucket(fine_from_ns), to = latency_bucket(fine_to_ns) + 1;
	uint32_t bucket, last = 0;

	bounds->count = 0;
	for (bucket = 1; bucket < WEFT_LATENCY_BUCKETS; bucket++) {
		bool is_fine = fine_to_ns && bucket >= from && bucket <= to;

		/* The coarse ones are there in any case: what was asked of them goes on. */
		if (!is_coarse(bucket) &&
		    !(is_fine && (bucket == from || bucket == to || is_needed(last, bucket))))
			continue;
		bounds->buckets[bounds->count++] = (uint16_t)bucket;
		last = bucket;
	}
}
