/* SPDX-License-Identifier: Apache-2.0 */
/* A question to the API server whose answer is one JSON value, and not a large one. */
#ifndef WEFT_USER_KUBE_ASK_H
#define WEFT_USER_KUBE_ASK_H

#include "user/kube/kube_http.h"

struct json_object;
struct kube_ask;

/*
 * `answer` is the caller's only if it takes a reference. When the status says success but what came
 * is no JSON object, the status is 0, with an `error`.
 */
typedef void (*kube_ask_done)(void *context, const struct kube_outcome *outcome,
			      struct json_object *answer);

/* Tells once, later, and is freed then; arguments as for kube_http_send(). */
struct kube_ask *kube_ask_send(struct kube_http *http, const struct kube_call *call,
			       kube_ask_done done, void *context);

/* Before it has told. NULL is ignored. */
void kube_ask_cancel(struct kube_ask *ask);

#endif /* WEFT_USER_KUBE_ASK_H */
