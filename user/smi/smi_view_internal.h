/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the view share. */
#ifndef WEFT_USER_SMI_VIEW_INTERNAL_H
#define WEFT_USER_SMI_VIEW_INTERNAL_H

#include "user/smi/smi_view.h"

/* Where a pod is. */
struct smi_place {
	const char *key; /* of the end */
	const char *node;
	UT_hash_handle hh;
};

/* Two workloads and a port on which weft has read requests. */
struct smi_pair {
	char *key;
	UT_hash_handle hh;
};

struct smi_view {
	const struct smi_node *nodes;
	size_t count;
	struct smi_place *places;
	struct smi_pair *http;
};

/* Of two workloads and a port; the caller frees it. */
char *smi_flow_key(const struct traffic_end *source, const struct traffic_end *destination,
		   uint16_t port);
/* Are requests read between the workloads of these two on this port? */
bool smi_view_is_http(const struct smi_view *view, const struct traffic_edge *edge);
/* The resource of a kind that this end belongs to; NULL when there is none. The caller frees it. */
char *smi_name_of(const struct smi_view *view, enum smi_kind kind, const struct traffic_end *end);
/* Does the caller take it for one that failed? */
bool smi_is_failure(const struct traffic_denials *denials);

/* Every row, each once: requests, denials, connections without HTTP. */
void smi_view_each(const struct smi_view *view,
		   void (*add)(void *context, const struct traffic_end *source,
			       const struct traffic_end *destination, const struct smi_sum *sum),
		   void *context);

/* The peer's edge, made if there is none yet. */
struct smi_edge *smi_edges_get(struct smi_edge **edges, const struct smi_view *view,
			       enum smi_kind kind, bool is_outbound,
			       const struct traffic_end *peer);
/* In order of their keys. */
void smi_edges_sort(struct smi_edge **edges);

#endif /* WEFT_USER_SMI_VIEW_INTERNAL_H */
