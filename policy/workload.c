// SPDX-License-Identifier: Apache-2.0
/* The detail of such a name is "Kind/ServiceAccount", and of a pod "Kind/ServiceAccount/pod". */
#include "policy/workload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_LEN = 3 * WEFT_NAME_LEN };

static const char *const edges_names[] = {
	[POD_EDGES_NONE] = "none",
	[POD_EDGES_LOCAL] = "local",
	[POD_EDGES_ALL] = "all",
};

const char *pod_edges_name(enum pod_edges edges)
{
	return edges_names[edges];
}

int pod_edges_parse(const char *text, enum pod_edges *edges)
{
	size_t i;

	for (i = 0; i < sizeof(edges_names) / sizeof(*edges_names); i++) {
		if (strcmp(text, edges_names[i]))
			continue;
		*edges = (enum pod_edges)i;
		return 0;
	}
	return -EINVAL;
}

/* What is before the next slash; returns what is behind it, NULL when there is none. */
static const char *part_take(const char *text, char *part, size_t size)
{
	const char *slash = strchr(text, '/');

	snprintf(part, size, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	return slash ? slash + 1 : NULL;
}

void workload_of(const struct names *names, uint32_t id, struct workload *workload)
{
	const struct weft_name *name = names_lookup(names, WEFT_NAME_WORKLOAD, id);
	const char *rest = name ? name->detail : "";

	memset(workload, 0, sizeof(*workload));
	workload->name_space = name ? name->name_space : "";
	workload->name = name ? name->name : "unknown";
	if (!strchr(rest, '/'))
		return;
	rest = part_take(rest, workload->kind, sizeof(workload->kind));
	rest = part_take(rest, workload->service_account, sizeof(workload->service_account));
	if (rest)
		snprintf(workload->pod, sizeof(workload->pod), "%s", rest);
	else if (!strcmp(workload->kind, "Pod"))
		snprintf(workload->pod, sizeof(workload->pod), "%s", workload->name);
	workload->past = rest && !*rest;
}

uint32_t workload_number(struct names *names, const char *name_space, const char *kind,
			 const char *name, const char *service_account, const char *pod)
{
	char detail[DETAIL_LEN];
	int length;

	length = snprintf(detail, sizeof(detail), "%s/%s", kind, service_account);
	/* A pod without a controller is its own workload. */
	if (pod && *pod && strcmp(kind, "Pod"))
		snprintf(detail + length, sizeof(detail) - (size_t)length, "/%s", pod);
	return names_get(names, WEFT_NAME_WORKLOAD, name_space, name, detail);
}

uint32_t workload_past(struct names *names, const struct workload *pod)
{
	char detail[DETAIL_LEN];

	snprintf(detail, sizeof(detail), "%s/%s/", pod->kind, pod->service_account);
	return names_get(names, WEFT_NAME_WORKLOAD, pod->name_space, pod->name, detail);
}
