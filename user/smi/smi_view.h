/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic of a cluster by the resources of SMI's TrafficMetrics API
 * (https://github.com/servicemeshinterface/smi-spec, apis/traffic-metrics/v1alpha1): what each
 * received, and what it exchanged with whom. Pure.
 */
#ifndef WEFT_USER_SMI_VIEW_H
#define WEFT_USER_SMI_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>
#include "user/traffic/traffic.h"

/* In the order of the specification. */
enum smi_kind {
	SMI_NAMESPACE,
	SMI_NODE,
	SMI_POD,
	SMI_REPLICATION_CONTROLLER,
	SMI_SERVICE,
	SMI_DAEMON_SET,
	SMI_DEPLOYMENT,
	SMI_REPLICA_SET,
	SMI_STATEFUL_SET,
	SMI_JOB,
	SMI_TRAFFIC_SPLIT,
	SMI_KIND_COUNT,
};

struct smi_kind_info {
	const char *plural; /* in paths */
	const char *kind;
	const char *group; /* "" = core; of the resource, not of its metrics */
	/* The latest; older ones that may be served instead, ended by NULL, or NULL. */
	const char *version;
	const char *const *older;
	bool is_namespaced;
};

extern const struct smi_kind_info smi_kinds[SMI_KIND_COUNT];

/* One agent's part. */
struct smi_node {
	const struct traffic *window; /* what happened in it */
	const struct traffic *latest; /* the reading at its end */
};

/*
 * Requests that were answered by a status below 500, and those that were not, with what was denied:
 * requests and connections. Connections that carry no HTTP that weft reads count as one each.
 */
struct smi_sum {
	uint64_t success, failure;
	struct traffic_requests latencies; /* its buckets alone */
};

/* An ObjectReference. */
struct smi_object {
	char *kind;	  /* "" = not known what */
	char *name_space; /* "" where the kind has none */
	char *name;
};

/* What a resource received, in all; keyed by "NAMESPACE/NAME". */
struct smi_total {
	char *key;
	struct smi_sum sum;
	UT_hash_handle hh;
};

/* What it exchanged with one peer. */
struct smi_edge {
	char *key;
	bool is_outbound; /* direction "to" */
	struct smi_object peer;
	struct smi_sum sum;
	UT_hash_handle hh;
};

struct smi_view;

/* `nodes` and what they point to outlive the view. */
struct smi_view *smi_view_new(const struct smi_node *nodes, size_t count);
void smi_view_free(struct smi_view *view);

/*
 * Totals of every resource of a kind that received something. Not of services and splits: what
 * pods a service has is not known here (smi_totals_find() of each), and for splits see below.
 */
struct smi_total *smi_view_totals(const struct smi_view *view, enum smi_kind kind);
/* NULL when it received nothing. `name_space` "" for kinds without. */
struct smi_total *smi_totals_find(struct smi_total *totals, const char *name_space,
				  const char *name);
void smi_totals_free(struct smi_total *totals);

/*
 * Peers of one resource, in order of their keys. For services: `pods` (names, sorted by strcmp())
 * are theirs.
 */
struct smi_edge *smi_view_edges(const struct smi_view *view, enum smi_kind kind,
				const char *name_space, const char *name, char *const *pods,
				size_t pod_count);
void smi_edges_free(struct smi_edge *edges);

/* The TrafficSplit as the agents know it, NULL when they do not. */
const struct weighted_split *smi_view_split(const struct smi_view *view, const char *name_space,
					    const char *name);
/*
 * What went to one backend by way of the split: connections are known by service and backend where
 * they are opened; requests, counted where they are answered, are those of the same two workloads
 * on that port, in the share that these connections have in all between them.
 */
void smi_view_backend(const struct smi_view *view, const struct weighted_split *split,
		      const char *backend, struct smi_sum *sum);
/* The same by source. */
struct smi_edge *smi_view_backend_edges(const struct smi_view *view,
					const struct weighted_split *split, const char *backend);

void smi_sum_add(struct smi_sum *sum, const struct smi_sum *other);
void smi_sum_clear(struct smi_sum *sum);

#endif /* WEFT_USER_SMI_VIEW_H */
