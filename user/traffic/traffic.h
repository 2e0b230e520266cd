/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic as data that travels: what the kernel of one node counted, by the pods and workloads at
 * both ends. An agent reads it from its maps and serves it at /v1/traffic; who looks at a mesh
 * parses that, takes what happened between two readings, and adds up what concerns a resource.
 * Everything else is made of it: `weft top`, the topology, the TrafficMetrics API.
 */
#ifndef WEFT_USER_TRAFFIC_H
#define WEFT_USER_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>
#include "bpf/weft_abi.h"
#include "loader/latency.h"

struct json_object;
struct maps;
struct names;
struct store;

/*
 * Who is at one end. All "" but the namespace are known of pods only. `kind` is that of the
 * workload ("Deployment", "Pod" for a pod without a controller). Other ends have the name
 * "host" (a node), "unknown", "service", and no namespace.
 */
struct traffic_end {
	char *name_space;
	char *kind;
	char *name; /* of the workload */
	char *service_account;
	char *pod; /* "": the end is any pod of the workload; see --pod-edges in weftd(8) */
	char *key; /* all of them */
	UT_hash_handle hh;
};

/* Connections and datagrams from one end to a port of another, as one of the two saw them. */
struct traffic_edge {
	const struct traffic_end *source, *destination;
	enum weft_direction reporter; /* which of the two the counting node has */
	uint8_t proto;
	uint16_t port; /* the destination pod's, host order */
	/* "NAMESPACE/NAME" of the Service that was asked for, and of the one whose endpoint was
	 * chosen (another one behind a TrafficSplit); "" = the pod was addressed directly, or the
	 * destination reports. */
	char *service, *backend;
	struct weft_edge count;
};

enum { TRAFFIC_STATUS_CLASSES = 6 };

/* HTTP requests that were let through; counted where the destination is, when answered. */
struct traffic_requests {
	const struct traffic_end *source, *destination;
	uint16_t port; /* the destination pod's, host order */
	/* by class of the status: 2 = 2xx; 0 = the connection ended without an answer */
	uint64_t count[TRAFFIC_STATUS_CLASSES];
	uint64_t latency_ns;		/* sum */
	struct latency_bucket *buckets; /* sorted, without zeros */
	size_t bucket_count, bucket_capacity;
};

/* Connections, packets and requests that were denied, or would be (permissive). */
struct traffic_denials {
	const struct traffic_end *source, *destination;
	enum weft_reason reason;
	enum weft_verdict_action action;
	enum weft_hook hook;
	uint8_t proto;
	uint64_t count;
};

struct weighted_backend {
	char *name;	 /* of a Service in the split's namespace */
	uint64_t weight; /* milli, relative to the others */
};

/* A TrafficSplit as the agent knows it. */
struct weighted_split {
	char *name_space, *name;
	char *service; /* root, in the same namespace */
	struct weighted_backend *backends;
	size_t backend_count, backend_capacity;
};

/* One reading, or what happened between two. Lists are sorted by their keys, each key once. */
struct traffic {
	char *node;    /* "" once several are added up */
	double time;   /* Unix seconds of the (later) reading */
	double window; /* seconds between the two; 0: one reading, counters since the maps are */
	struct traffic_end *ends; /* what the lists point to: a uthash, each once */
	struct traffic_edge *edges;
	size_t edge_count, edge_capacity;
	struct traffic_requests *requests;
	size_t request_count, request_capacity;
	struct traffic_denials *denials;
	size_t denial_count, denial_capacity;
	struct weighted_split *splits;
	size_t split_count, split_capacity;
	uint64_t findings; /* how many */
};

struct traffic *traffic_new(const char *node);
void traffic_free(struct traffic *traffic); /* NULL is ignored */

/* Who is at an end; the same pointer for the same texts. */
const struct traffic_end *traffic_end(struct traffic *traffic, const char *name_space,
				      const char *kind, const char *name,
				      const char *service_account, const char *pod);
/* Room for one more, in any order; traffic_finish() sorts them and adds up what has one key. */
struct traffic_edge *traffic_add_edge(struct traffic *traffic);
struct traffic_requests *traffic_add_requests(struct traffic *traffic);
struct traffic_denials *traffic_add_denials(struct traffic *traffic);
struct weighted_split *traffic_add_split(struct traffic *traffic);
void traffic_finish(struct traffic *traffic);

/* Reads the maps. `store` gives the splits. NULL only when a map cannot be read. */
struct traffic *traffic_read(const struct maps *maps, const struct names *names,
			     const struct store *store, const char *node);

/* The text of /v1/traffic as weftd(8) documents it, and back; NULL and an error when it is not. */
struct json_object *traffic_to_json(const struct traffic *traffic);
struct traffic *traffic_from_json(struct json_object *json, const char **error);

/*
 * What happened between two readings of one node: counters of `later` less those of `earlier`
 * (NULL: since the maps are); what did not change is left out. Counters that went back began anew.
 */
struct traffic *traffic_between(const struct traffic *earlier, const struct traffic *later);

/*
 * Adds what another node counted in the same time. Requests and destination's edges of one pod
 * are counted on its node alone, so nothing is twice.
 */
void traffic_add(struct traffic *sum, const struct traffic *traffic);

/* A histogram that others are added to, exactly: buckets are the same everywhere. */
void traffic_add_buckets(struct traffic_requests *sum, const struct traffic_requests *requests);
/* Requests that were answered by a status below 500, and the others. */
uint64_t traffic_succeeded(const struct traffic_requests *requests);
uint64_t traffic_failed(const struct traffic_requests *requests);
/*
 * The latency in ns that this share (0..1) of the answered requests did not exceed: at most 1/32
 * off. 0 when none was answered.
 */
uint64_t traffic_quantile(const struct traffic_requests *requests, double share);

#endif /* WEFT_USER_TRAFFIC_H */
