/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at an end of what is counted: the names behind WEFT_NAME_WORKLOAD. A workload is the
 * controller of pods. A pod that is counted by itself has a number of its own. When it is gone,
 * what it counted is moved to the workload's past, so that sums stay what they were. Pure.
 */
#ifndef WEFT_POLICY_WORKLOAD_H
#define WEFT_POLICY_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include "policy/names.h"

/* Which pods are counted by themselves; all others with their workload. */
enum pod_edges { POD_EDGES_NONE = 0, POD_EDGES_LOCAL /* of this node */, POD_EDGES_ALL };

const char *pod_edges_name(enum pod_edges edges);	      /* "none", "local", "all" */
int pod_edges_parse(const char *text, enum pod_edges *edges); /* -EINVAL: none of these */

/* What stands for the pods that are gone, where pods are named; no pod is called so. */
#define WORKLOAD_GONE "(gone)"

struct workload {
	const char *name_space; /* owned by `names`, as is `name`; "" = no pod */
	const char *name;	/* "unknown" when nobody knows the number */
	char kind[64];		/* "Deployment"; "Pod" = a pod without a controller */
	char service_account[WEFT_NAME_LEN];
	char pod[WEFT_NAME_LEN]; /* "" = any pod of it */
	bool past;		 /* of pods that are gone */
};

void workload_of(const struct names *names, uint32_t id, struct workload *workload);

/* Numbers, given if need be. `pod` NULL or "": the workload's own. */
uint32_t workload_number(struct names *names, const char *name_space, const char *kind,
			 const char *name, const char *service_account, const char *pod);
/* That of the past of the workload that this number is a pod of. */
uint32_t workload_past(struct names *names, const struct workload *pod);

#endif /* WEFT_POLICY_WORKLOAD_H */
