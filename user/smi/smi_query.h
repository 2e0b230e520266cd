/* SPDX-License-Identifier: Apache-2.0 */
/* What a path of the TrafficMetrics API asks for, and where the objects are that it means. Pure. */
#ifndef WEFT_USER_SMI_QUERY_H
#define WEFT_USER_SMI_QUERY_H

#include "user/smi/smi_view.h"

#define SMI_BASE "/apis/metrics.smi-spec.io/v1alpha1"

enum { SMI_NAME_LEN = 254 };

struct smi_query {
	enum smi_kind kind;
	char name_space[SMI_NAME_LEN]; /* "" = all, or the kind has none */
	char name[SMI_NAME_LEN];       /* "" = a list */
	bool edges;
};

/*
 * Of a decoded path below SMI_BASE: "/pods", "/nodes/NAME", "/namespaces/NS/pods/NAME/edges".
 * -ENOENT when there is no such resource, or what should be a name is none.
 */
int smi_query_parse(const char *path, struct smi_query *query);

/*
 * Path and query at the Kubernetes API server for the objects: of a kind, in a version of its
 * group (NULL = the latest), in a namespace ("" = all),
 * the one of that name, or those that the selector takes ("" = all); from `token` on ("" = from the
 * start). The caller frees it.
 */
char *smi_query_list(enum smi_kind kind, const char *version, const char *name_space,
		     const char *name, const char *selector, const char *token);

#endif /* WEFT_USER_SMI_QUERY_H */
