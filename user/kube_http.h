/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET requests to the Kubernetes API server on the event loop: libcurl's multi interface, TLS with
 * verification, no proxy, HTTP/2 where both ends have it. Answers are handed on as they come.
 */
#ifndef WEFT_USER_KUBE_HTTP_H
#define WEFT_USER_KUBE_HTTP_H

#include <stddef.h>
#include "user/kube_config.h"

struct uv_loop_s;
struct kube_http;
struct kube_request;

enum { KUBE_ERROR_LEN = 256 };

struct kube_outcome {
	unsigned int status;	    /* 0 = no answer, or not all of it: see `error` */
	unsigned int retry_after;   /* seconds that the server asks to wait; 0 = none */
	char error[KUBE_ERROR_LEN]; /* "" when the status is 200 */
};

struct kube_request_ops {
	/* The head of an answer with status 200 is here. May be NULL. */
	void (*begun)(void *context);
	/* Bytes of an answer with status 200. Not 0: the request ends, with status 0. */
	int (*data)(void *context, const char *bytes, size_t size);
	/* The last call for a request; it is freed afterwards. */
	void (*done)(void *context, const struct kube_outcome *outcome);
};

/* Takes over the contents of `config`. -ENOMEM */
int kube_http_new(struct uv_loop_s *loop, struct kube_config *config, struct kube_http **http);

/* Ends all requests without telling; the loop must run on to close what is open. */
void kube_http_free(struct kube_http *http);

/* "https://HOST:PORT" */
const char *kube_http_server(const struct kube_http *http);

/*
 * `path` begins with a slash and is as it shall be sent. `accept`: media type, NULL = JSON.
 * `idle_ms`: the request ends when nothing has come for so long. Never fails: what is wrong, `done`
 * tells, later.
 */
struct kube_request *kube_http_get(struct kube_http *http, const char *path, const char *accept,
				   unsigned int idle_ms, const struct kube_request_ops *ops,
				   void *context);

/* No further call for it. Not from within its own `data`. NULL is ignored. */
void kube_request_cancel(struct kube_request *request);

#endif /* WEFT_USER_KUBE_HTTP_H */
