/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of the kernel as metrics, and the recent events as JSON. */
#ifndef WEFT_USER_TELEMETRY_H
#define WEFT_USER_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/maps.h"
#include "policy/names.h"
#include "policy/store.h"
#include "user/telemetry/metric_options.h"

struct durations;
struct json_object;
struct metric_sink;
struct telemetry;

/* Gauges that the agent owns; read at every scrape. */
struct telemetry_agent {
	unsigned int reconciles, reconcile_errors, pods, pods_attached;
	unsigned int connections_cut;
	unsigned long events_sent, events_failed; /* Kubernetes Events */
	uint64_t last_apply_us;
	double started; /* Unix seconds */
	int ready, is_leader;
	bool dense; /* latencies with all bounds that there are, whatever the options say */
	const struct findings *findings;
	const struct durations *passes;	     /* compiling and applying */
	const struct durations *propagation; /* from news to their being in force */
};

/* `store` gives pod names for addresses in events; all four outlive the telemetry. */
struct telemetry *telemetry_new(const struct maps *maps, const struct names *names,
				const struct store *store, const struct metric_options *options);
/* Before the maps close: nobody watches any more. */
void telemetry_free(struct telemetry *telemetry);

/* Every family; its samples sorted by labels. */
void telemetry_write_metrics(struct telemetry *telemetry, const struct telemetry_agent *agent,
			     const struct metric_sink *sink);

/* Takes one record of the ring buffer in (see maps_events_open()); the last 8192 are kept. */
void telemetry_take_event(struct telemetry *telemetry, const struct weft_event *event);

/* Which events are wanted; zeroed: all. Strings are the caller's. */
struct telemetry_filter {
	bool requests; /* HTTP requests only; what follows is about them */
	bool denied;   /* denied, or would be */
	/* NAMESPACE, or NAMESPACE/NAME of a pod, its workload or its ServiceAccount; NULL: any */
	const char *from, *to;
	bool has_method;
	enum weft_http_method method;
	const char *path; /* what it begins with; NULL: anything */
	uint16_t status;  /* 1 .. 5: class, above: code; 0 = any */
};

/* "404", "5xx". -EINVAL when it is neither. */
int telemetry_parse_status(const char *text, uint16_t *status);

/*
 * {"items": [...], "oldest": SEQ, "next": SEQ, "lost": n}: events with seq >= since that the
 * filter (NULL: none) lets through, at most `limit`; `next` is where to go on. New reference.
 */
struct json_object *telemetry_events(const struct telemetry *telemetry,
				     const struct telemetry_filter *filter, uint64_t since,
				     unsigned int limit);
uint64_t telemetry_events_lost(const struct telemetry *telemetry);

/*
 * How far an exporter has come: zeroed, it begins with the first event. Events that are events only
 * because somebody watches requests are not for it.
 */
struct telemetry_cursor {
	uint64_t sequence;
	uint64_t exported; /* events for it before that one */
};

/* Events for it that it has not come to. */
uint64_t telemetry_export_waiting(const struct telemetry *telemetry,
				  const struct telemetry_cursor *cursor);
/* Hands at most `limit` of them to `take`, each as JSON that is valid during the call, with its
 * time in nanoseconds since 1970. Returns how many were overwritten before. */
uint64_t telemetry_export(const struct telemetry *telemetry, struct telemetry_cursor *cursor,
			  unsigned int limit,
			  void (*take)(void *context, struct json_object *event, uint64_t time_ns),
			  void *context);
/* Goes to the end. Returns how many were skipped. */
uint64_t telemetry_export_skip(const struct telemetry *telemetry, struct telemetry_cursor *cursor);

/*
 * Somebody watches requests: for the next two seconds every request becomes an event, not
 * only those that the configured sampling takes. telemetry_tick() ends it when it is over; to be
 * called several times a second. Watchers that die need no goodbye.
 */
void telemetry_watch(struct telemetry *telemetry);
void telemetry_tick(struct telemetry *telemetry);

#endif /* WEFT_USER_TELEMETRY_H */
