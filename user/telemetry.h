/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the kernel as Prometheus text, and the recent events as JSON. */
#ifndef WEFT_USER_TELEMETRY_H
#define WEFT_USER_TELEMETRY_H

#include <stdint.h>
#include <stdio.h>
#include "loader/maps.h"
#include "policy/names.h"
#include "policy/store.h"

struct json_object;
struct telemetry;

/* Gauges that the agent owns; read at every scrape. */
struct telemetry_agent {
	unsigned int reconciles, reconcile_errors, findings, pods, pods_attached;
	unsigned int connections_cut;
	uint64_t last_apply_us;
	double started; /* Unix seconds */
	int ready;
};

/* `store` gives pod names for addresses in events; both outlive the telemetry. */
struct telemetry *telemetry_new(const struct maps *maps, const struct names *names,
				const struct store *store);
void telemetry_free(struct telemetry *telemetry);

/* Prometheus text format 0.0.4 with HELP and TYPE, sorted. */
void telemetry_write_metrics(struct telemetry *telemetry, const struct telemetry_agent *agent,
			     FILE *out);

/* Takes one record of the ring buffer in; the last 8192 are kept. */
void telemetry_take_event(struct telemetry *telemetry, const struct weft_event *event);

/* {"items": [...], "next": SEQ, "lost": n}: events with seq >= since, at most `limit`. New
 * reference. */
struct json_object *telemetry_events(const struct telemetry *telemetry, uint64_t since,
				     unsigned int limit);
uint64_t telemetry_events_lost(const struct telemetry *telemetry);

#endif /* WEFT_USER_TELEMETRY_H */
