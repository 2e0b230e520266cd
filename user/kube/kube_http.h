/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the Kubernetes API server on the event loop: libcurl's multi interface, TLS with
 * verification, no proxy, HTTP/2 where both ends have it. Answers are handed on as they come.
 */
#ifndef WEFT_USER_KUBE_HTTP_H
#define WEFT_USER_KUBE_HTTP_H

#include <stddef.h>
#include "user/kube/kube_config.h"

struct uv_loop_s;
struct kube_http;
struct kube_request;

enum { KUBE_ERROR_LEN = 256, KUBE_CAUSE_LEN = 64 };

struct kube_outcome {
	unsigned int status;	    /* 0 = no answer, or not all of it: see `error` */
	unsigned int retry_after;   /* seconds that the server asks to wait; 0 = none */
	char error[KUBE_ERROR_LEN]; /* "" when the status is 200 or 201 */
	char cause[KUBE_CAUSE_LEN]; /* that the server names: "NamespaceTerminating"; "" = none */
};

struct kube_call {
	const char *method;	  /* NULL = GET */
	const char *path;	  /* as it shall be sent, begins with a slash */
	const char *accept;	  /* media type of the answer, NULL = JSON */
	const char *body;	  /* NULL = none */
	const char *content_type; /* of the body, NULL = JSON */
	unsigned int idle_ms;	  /* the request ends when nothing has come for so long */
	size_t answer_max;	  /* bytes; 0 = 4 MiB. For kube_ask_send() alone */
};

struct kube_request_ops {
	/* The head of an answer with status 200 or 201 is here. May be NULL. */
	void (*begun)(void *context);
	/* Bytes of an answer with status 200 or 201. Not 0: the request ends, with status 0. */
	int (*data)(void *context, const char *bytes, size_t size);
	/* The last call for a request; it is freed afterwards. */
	void (*done)(void *context, const struct kube_outcome *outcome);
};

/*
 * Takes over the contents of `config`. -ENOMEM. Only a server that is "http://" is asked without
 * TLS: agents are, no kubeconfig may name such.
 */
int kube_http_new(struct uv_loop_s *loop, struct kube_config *config, struct kube_http **http);

/* Ends all requests without telling; the loop must run on to close what is open. */
void kube_http_free(struct kube_http *http);

/* Where the agent's own objects are. */
const char *kube_http_name_space(const struct kube_http *http);

/* "https://HOST:PORT" */
const char *kube_http_server(const struct kube_http *http);

/*
 * `call` and its texts need not outlive this. Never fails: what is wrong, `done` tells, later.
 */
struct kube_request *kube_http_send(struct kube_http *http, const struct kube_call *call,
				    const struct kube_request_ops *ops, void *context);

/* No further call for it. Not from within its own `data`. NULL is ignored. */
void kube_request_cancel(struct kube_request *request);

#endif /* WEFT_USER_KUBE_HTTP_H */
