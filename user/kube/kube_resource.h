/* SPDX-License-Identifier: Apache-2.0 */
/* The resources of the Kubernetes API that weft reads, and what it keeps of their objects. */
#ifndef WEFT_USER_KUBE_RESOURCE_H
#define WEFT_USER_KUBE_RESOURCE_H

#include "policy/store.h"

struct json_object;

struct kube_resource {
	const char *name;    /* plural, as in paths: "endpointslices" */
	const char *group;   /* "" = core */
	const char *version; /* NULL: which one is served is to be discovered */
	enum object_kind kind;
	/* JSON: what is kept of an object. A map names members, "*" all others; true is all of a
	 * member, false nothing. What is said of a list is meant for every element. */
	const char *mask;
};

extern const struct kube_resource kube_resources[];
extern const size_t kube_resource_count;

/* A new object with what the parsed mask says to keep. */
struct json_object *kube_resource_keep(struct json_object *object, struct json_object *mask);

#endif /* WEFT_USER_KUBE_RESOURCE_H */
