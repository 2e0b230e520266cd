/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a copy of one resource of the Kubernetes API: list, then watch from the list's version on,
 * for ever
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 * What goes wrong is tried again, ever less often; what was delivered stays meanwhile.
 */
#ifndef WEFT_USER_KUBE_REFLECTOR_H
#define WEFT_USER_KUBE_REFLECTOR_H

#include <stdbool.h>
#include "user/kube/kube_http.h"

struct uv_loop_s;
struct json_object;
struct kube_reflector;

struct kube_reflector_ops {
	/* Added or changed, as the server tells it; the caller keeps `object`. */
	void (*put)(void *context, struct json_object *object);
	/* `key` = "namespace/name", "/name" without a namespace. */
	void (*remove)(void *context, const char *key);
	/* What was put and removed makes sense together now. The first time: a list is complete. */
	void (*commit)(void *context);
	/* The server does not have this resource (404). Tried again like any other failure. */
	void (*missing)(void *context);
};

struct kube_reflector_state {
	bool is_listed; /* all that there is was delivered once */
	bool is_watching;
	size_t objects;
	unsigned long lists, watches, events;
	unsigned long list_errors, watch_errors;
	double heard;	     /* Unix seconds: when the server last sent anything of it; 0 = never */
	const char *version; /* resourceVersion, "" = none yet */
	const char *problem; /* why it is behind, "" = it is not */
};

/*
 * `path` of the collection: "/api/v1/pods". `metadata_only`: objects come without all else. Starts
 * at once; delivers from the event loop.
 */
struct kube_reflector *kube_reflector_new(struct uv_loop_s *loop, struct kube_http *http,
					  const char *path, bool metadata_only,
					  const struct kube_reflector_ops *ops, void *context);

/* The same objects are to be had elsewhere now (another API version). */
void kube_reflector_move(struct kube_reflector *reflector, const char *path);

/* Lists anew, at once. */
void kube_reflector_relist(struct kube_reflector *reflector);

void kube_reflector_state(const struct kube_reflector *reflector,
			  struct kube_reflector_state *state);

/* Removes what it delivered if `remove`; nothing is called after that. */
void kube_reflector_free(struct kube_reflector *reflector, bool remove);

#endif /* WEFT_USER_KUBE_REFLECTOR_H */
