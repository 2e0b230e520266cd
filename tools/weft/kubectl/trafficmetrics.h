/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of metrics.smi-spec.io/v1alpha1 (SMI, apis/traffic-metrics/v1alpha1), as read. */
#ifndef WEFT_TOOLS_TRAFFICMETRICS_H
#define WEFT_TOOLS_TRAFFICMETRICS_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

struct trafficmetrics_resource {
	const char *kind, *name_space, *name; /* "" = not given */
};

/* One TrafficMetrics; texts belong to the JSON. */
struct trafficmetrics {
	struct trafficmetrics_resource resource;
	bool to;	/* the resource calls edge.resource; else it is called by it */
	bool is_client; /* observed where the call begins */
	struct trafficmetrics_resource edge; /* all "": everybody */
	const char *backend;		     /* of a TrafficSplit, or "" */
	double window;			     /* seconds; 0 = not given */
	uint64_t succeeded, failed;
	uint64_t p50_ns, p90_ns, p99_ns;
};

/* False when it is no TrafficMetrics. */
bool trafficmetrics_read(struct json_object *json, struct trafficmetrics *metrics);

/* A quantity of Kubernetes, "10m" or 0.01, in units of 1; negative when it is none. */
double trafficmetrics_quantity(const char *text);
/* A duration of Go, "1m30s", in seconds; negative when it is none. */
double trafficmetrics_duration(const char *text);

#endif /* WEFT_TOOLS_TRAFFICMETRICS_H */
