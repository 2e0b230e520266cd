/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of telemetry share: counters, events, which events are wanted. */
#ifndef WEFT_USER_TELEMETRY_INTERNAL_H
#define WEFT_USER_TELEMETRY_INTERNAL_H

#include <stdbool.h>
#include "user/telemetry/latency_bounds.h"
#include "user/telemetry/metric_admission.h"
#include "user/telemetry/telemetry.h"

struct metric_rows;
struct metric_sink;

enum { TELEMETRY_EVENTS = 8192 }; /* kept for /v1/events; a power of two */

struct telemetry_event {
	struct weft_request_event record; /* only its first member, but of WEFT_EVENT_REQUEST */
	double time;			  /* Unix seconds */
	bool is_watched;		  /* an event only because somebody watches requests */
	uint64_t exported;		  /* events before it for exporters: all but such */
};

struct telemetry {
	const struct maps *maps;
	const struct names *names;
	const struct store *store;
	const struct metric_options *options;
	struct latency_bounds bounds;	/* of the histograms */
	struct telemetry_event *events; /* ring; the event with sequence s is at s %
					   TELEMETRY_EVENTS */
	uint64_t next;			/* sequence of the next event */
	uint64_t exported;		/* events for exporters so far */
	uint64_t watched_ns; /* monotonic: until then somebody watches requests; 0 = none */
	/* rows that are told apart */
	struct metric_admission edges, verdicts, requests, histograms;
	uint32_t entries[MAP_ID_COUNT]; /* of the maps that a scrape reads, at the last one */
	uint32_t sample;		/* weft_config.request_sample when nobody does */
};

/* A rule of HTTP: "" everywhere for 0, none. */
struct telemetry_rule {
	const char *name_space; /* of the TrafficTarget */
	const char *target;
	char group[WEFT_NAME_LEN];
	const char *match;
};

void telemetry_rule_of(const struct telemetry *telemetry, uint32_t id, struct telemetry_rule *rule);

/*
 * telemetry_labels.c: labels that several families have, as far as they are wanted:
 * {side}_namespace, _kind, _workload, _pod, _service_account; destination_port; service or backend;
 * traffic_target, route_group, match; method.
 */
enum telemetry_side { TELEMETRY_SOURCE, TELEMETRY_DESTINATION };
void telemetry_put_workload(const struct telemetry *telemetry, struct metric_rows *rows,
			    enum telemetry_side side, uint32_t id);
void telemetry_put_port(const struct telemetry *telemetry, struct metric_rows *rows, uint16_t port);
void telemetry_put_service(const struct telemetry *telemetry, struct metric_rows *rows,
			   const char *label, uint32_t id);
void telemetry_put_rule(const struct telemetry *telemetry, struct metric_rows *rows, uint32_t id);
void telemetry_put_method(const struct telemetry *telemetry, struct metric_rows *rows,
			  uint8_t method);
/*
 * Merges rows, and folds those beyond the most that are wanted: the workloads of these are
 * "overflow", and what else their labels say of who, whom and by which rule is lost.
 */
void telemetry_bound(struct metric_admission *admission, struct metric_rows *rows, size_t most);

/* telemetry_agent.c */
void telemetry_write_agent(const struct telemetry_agent *agent, const struct metric_sink *sink);
/* telemetry_objects.c */
void telemetry_write_objects(const struct store *store, const struct findings *findings,
			     const struct metric_sink *sink);
/* telemetry_requests.c */
void telemetry_write_requests(struct telemetry *telemetry, bool dense,
			      const struct metric_sink *sink);

/* telemetry_filter.c: a filter with what it names looked up once. */
struct telemetry_side_match {
	const char *name;		     /* NULL: whoever is in the namespace; see name_space */
	char name_space[WEFT_NAMESPACE_LEN]; /* "": any side */
	struct weft_addr addresses[2];	     /* of the pod of that name; zero = none */
};

struct telemetry_match {
	const struct telemetry_filter *filter;
	struct telemetry_side_match from, to;
};

void telemetry_match_init(const struct telemetry *telemetry, const struct telemetry_filter *filter,
			  struct telemetry_match *match);
bool telemetry_matches(const struct telemetry *telemetry, const struct telemetry_match *match,
		       const struct weft_request_event *record);

#endif /* WEFT_USER_TELEMETRY_INTERNAL_H */
