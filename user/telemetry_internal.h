/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of telemetry share: metrics (counters) and events. */
#ifndef WEFT_USER_TELEMETRY_INTERNAL_H
#define WEFT_USER_TELEMETRY_INTERNAL_H

#include "user/telemetry.h"

enum { TELEMETRY_EVENTS = 8192 }; /* kept for /v1/events; a power of two */

struct telemetry_event {
	struct weft_event event;
	double time; /* Unix seconds */
};

struct telemetry {
	const struct maps *maps;
	const struct names *names;
	const struct store *store;
	struct telemetry_event *events; /* ring; the event with sequence s is at s %
					   TELEMETRY_EVENTS */
	uint64_t next;			/* sequence of the next event */
};

/* Namespace, name, owner kind and ServiceAccount of a workload; "" where there is none. */
struct telemetry_workload {
	const char *name_space;
	const char *name;
	char kind[64];
	char service_account[WEFT_NAME_LEN];
};

void telemetry_workload_of(const struct telemetry *telemetry, uint32_t id,
			   struct telemetry_workload *workload);

#endif /* WEFT_USER_TELEMETRY_INTERNAL_H */
