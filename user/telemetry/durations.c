// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/durations.h"

enum { MICROSECOND_DECIMALS = 6 };

static const uint64_t bounds_us[DURATION_BOUNDS] = {
	100,   250,    500,    1000,   2500,	5000,	 10000,	  25000,
	50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void durations_add(struct durations *durations, uint64_t us)
{
	size_t i = 0;

	while (i < DURATION_BOUNDS && us > bounds_us[i])
		i++;
	durations->counts[i]++;
	durations->sum_us += us;
}

void durations_put(const struct durations *durations, const struct metric_sink *sink)
{
	const struct metric_labels none = { NULL, 0 };
	const struct metric_histogram histogram = {
		.bounds = bounds_us,
		.bound_count = DURATION_BOUNDS,
		.counts = durations->counts,
		.sum = durations->sum_us,
		.decimals = MICROSECOND_DECIMALS,
	};

	sink->histogram(sink->context, &none, &histogram);
}
