/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who talks to whom: what happened in a window (struct traffic) as a graph of workloads, pods or
 * namespaces. The page, `weft top`, `weft edges` and `weft topology` show it. Pure.
 */
#ifndef WEFT_USER_TOPOLOGY_H
#define WEFT_USER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/traffic/traffic.h"

/* What a node of the graph is. */
enum topology_by { TOPOLOGY_WORKLOADS, TOPOLOGY_PODS, TOPOLOGY_NAMESPACES };

struct topology_scope {
	enum topology_by by;
	const char *name_space; /* only edges that begin or end there; NULL: all */
};

struct topology_denial {
	enum weft_reason reason;
	enum weft_verdict_action action; /* deny, would_deny */
	uint64_t count;
};

struct topology_denials {
	struct topology_denial *items; /* by action and reason, each once */
	size_t count, capacity;
};

struct topology_node {
	/* no namespace: "host", "unknown", "service". Of a namespace the name is its own. With
	 * TOPOLOGY_PODS, ends whose pod was not counted apart stay workloads. */
	char *name_space, *kind, *name;
	/* what came in */
	struct traffic_requests requests;
	struct weft_edge count;
	uint64_t denied, would_deny;
};

struct topology_edge {
	size_t source, destination; /* of the nodes */
	/* Denials are counted without port: those between two nodes are an edge with 0 and 0. */
	uint8_t proto;
	uint16_t port; /* the destination's, host order */
	/* of the two ends' reports the one that saw more; retransmits: of both */
	struct weft_edge count;
	struct traffic_requests requests;
	struct topology_denials denials;
};

struct topology_backend {
	char *service;
	double target;	 /* share 0..1 by weights; 0 when all weights are */
	uint64_t opened; /* connections, as the callers' nodes counted them */
};

struct topology_split {
	char *name_space, *name, *service;
	struct topology_backend *backends;
	size_t backend_count;
	uint64_t opened; /* of all backends */
};

struct topology {
	char *node;
	double time, window; /* as of struct traffic; window 0: counts since the counters began */
	struct topology_node *nodes; /* sorted by namespace, name, kind */
	size_t node_count, node_capacity;
	struct topology_edge *edges; /* sorted by source, destination, protocol, port */
	size_t edge_count, edge_capacity;
	struct topology_split *splits;
	size_t split_count;
	struct topology_denials denials; /* of all edges */
	uint64_t findings;
};

struct topology *topology_new(const struct traffic *traffic, const struct topology_scope *scope);
void topology_free(struct topology *topology);

/* Requests that were answered, or not. */
uint64_t topology_requests(const struct traffic_requests *requests);

/* topology_denials.c, for topology.c */
void topology_add_denial(struct topology_denials *denials, const struct topology_denial *denial);
/*
 * Those between two nodes. What was denied was denied once. What only would be, in permissive mode,
 * is counted where it is opened and again where it arrives: then only the latter is added.
 */
void topology_add_denials(struct topology_denials *sum, const struct traffic_denials *const *list,
			  size_t count);
/* topology_splits.c, for topology.c */
void topology_add_splits(struct topology *topology, const struct traffic *traffic,
			 const char *name_space);
void topology_free_splits(struct topology *topology);

/* /v1/topology, as weftd(8) documents it. New reference. */
struct json_object *topology_to_json(const struct topology *topology);

#endif /* WEFT_USER_TOPOLOGY_H */
