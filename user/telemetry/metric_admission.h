/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows of a family are told apart when there are too many: who came first. Once decided it
 * stays so as long as a row is there, since series that moved into the rest and back would let
 * counters jump.
 */
#ifndef WEFT_USER_METRIC_ADMISSION_H
#define WEFT_USER_METRIC_ADMISSION_H

#include <stdbool.h>
#include "user/telemetry/metric_rows.h"

struct metric_admission {
	struct admitted *items; /* sorted by hash; as of the last decision */
	size_t count;
};

/*
 * Of merged rows, which are kept: keep[i] of row i, at most `most`. Of those that are new it is the
 * first ones.
 */
void metric_admission_decide(struct metric_admission *admission, const struct metric_rows *rows,
			     size_t most, bool *keep);
void metric_admission_clear(struct metric_admission *admission);

#endif /* WEFT_USER_METRIC_ADMISSION_H */
