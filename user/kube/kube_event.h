/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finding as a Kubernetes Event
 * (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/). Pure.
 */
#ifndef WEFT_USER_KUBE_EVENT_H
#define WEFT_USER_KUBE_EVENT_H

#include <stdbool.h>
#include "policy/finding.h"
#include "policy/store.h"

struct json_object;

enum {
	KUBE_EVENT_NOTE_MAX = 1024, /* bytes; the API server takes no more */
	KUBE_EVENT_NAME_MAX = 253,
	KUBE_EVENT_INSTANCE_MAX = 128,
};

struct kube_event {
	char *name;	   /* the same for the same finding, whichever agent tells it */
	char *name_space;  /* where the Event is: the object's, else "default" */
	char *api_version; /* of the object, like the following */
	char *kind;
	char *object_space; /* "" = cluster-scoped */
	char *object_name;
	char *uid;
	char *reason;
	char *note;
	bool is_local; /* only this node's agent knows of it: a pod of this node, or the node */
};

/*
 * False: it is not about an object that the API server has, or its namespace is being deleted,
 * where nothing can be created; or it is not local, and `only_local`. What is about no object at
 * all is about this node.
 */
bool kube_event_make(struct kube_event *event, const struct finding *finding,
		     const struct store *store, const char *node, bool only_local);
/* Can only this node's agent know of it? */
bool kube_event_is_local(const struct finding *finding, const struct store *store,
			 const char *node);
void kube_event_clear(struct kube_event *event);

/* What is to be created; `time` as MicroTime. */
struct json_object *kube_event_json(const struct kube_event *event, const char *node,
				    const char *time);

#endif /* WEFT_USER_KUBE_EVENT_H */
