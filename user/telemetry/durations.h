/* SPDX-License-Identifier: Apache-2.0 */
/* How long something took, each time that it was done: a histogram of the agent's own work. */
#ifndef WEFT_USER_DURATIONS_H
#define WEFT_USER_DURATIONS_H

#include "user/telemetry/metric_sink.h"

enum { DURATION_BOUNDS = 16 }; /* from 100 us to 10 s */

struct durations {
	uint64_t counts[DURATION_BOUNDS + 1];
	uint64_t sum_us;
};

void durations_add(struct durations *durations, uint64_t us);
/* As a sample of the family that was begun last. */
void durations_put(const struct durations *durations, const struct metric_sink *sink);

#endif /* WEFT_USER_DURATIONS_H */
