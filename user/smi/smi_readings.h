/* SPDX-License-Identifier: Apache-2.0 */
/* The readings of one agent, as many as a window takes. */
#ifndef WEFT_USER_SMI_READINGS_H
#define WEFT_USER_SMI_READINGS_H

#include <stddef.h>
#include "user/traffic/traffic.h"

struct smi_readings {
	struct traffic **items; /* in order of time */
	size_t count, capacity;
	struct traffic *window; /* from the first to the last; NULL: there are not two */
};

/* Takes `reading` over, and drops what is older than `seconds` before it needs. */
void smi_readings_add(struct smi_readings *readings, struct traffic *reading, double seconds);
void smi_readings_clear(struct smi_readings *readings);
/* NULL when there is none. */
const struct traffic *smi_readings_latest(const struct smi_readings *readings);

#endif /* WEFT_USER_SMI_READINGS_H */
