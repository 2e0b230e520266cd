/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server (libmicrohttpd inside the libuv loop). Read-only: GET and HEAD. */
#ifndef WEFT_USER_SERVER_H
#define WEFT_USER_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct uv_loop_s;
struct server;

struct server_response {
	unsigned int status;	  /* HTTP status */
	const char *content_type; /* static string */
	char *body;		  /* malloc'ed; the server frees it */
	size_t length;
	const char *content_policy; /* of a page: Content-Security-Policy, static; NULL: none */
};

/* Value of a query argument of the request in progress, NULL when absent. */
struct server_request;
const char *server_argument(const struct server_request *request, const char *name);
/* Value of a header of it, NULL when absent. */
const char *server_header(const struct server_request *request, const char *name);
/* Its path, decoded. */
const char *server_path(const struct server_request *request);

enum { SERVER_NAME_LEN = 256 };

/*
 * The common name of the client's certificate. False when it has shown none, or one that the
 * authority has not signed for clients.
 */
bool server_peer_name(const struct server_request *request, char name[SERVER_NAME_LEN]);

/*
 * The handler will answer later, by server_answer(), which is to be called exactly once; what
 * it writes into its response until then is of no matter.
 */
struct server_pending;
struct server_pending *server_defer(const struct server_request *request);
void server_answer(struct server_pending *pending, struct server_response *response);

/* Exact path -> handler; one that ends with a star is for all that begin so. Other paths are 404,
 * other methods 405. */
struct server_route {
	const char *path;
	void (*handle)(const struct server_request *request, struct server_response *response,
		       void *context);
};

/*
 * Listens on "ADDR:PORT" or "[ADDR]:PORT". -EINVAL for a malformed address, -EADDRINUSE, ...
 * `routes` ends with a NULL path and outlives the server. At most 64 connections, 10 s time-out.
 */
int server_new(struct uv_loop_s *loop, const char *listen, const struct server_route *routes,
	       void *context, struct server **server);
void server_free(struct server *server);

/* PEM texts. Clients are asked for a certificate of `authority`; see server_peer_name(). */
struct server_tls {
	const char *certificate, *key, *authority;
};

/* The same with TLS (1.2, 1.3). */
int server_new_tls(struct uv_loop_s *loop, const char *listen, const struct server_tls *tls,
		   const struct server_route *routes, void *context, struct server **server);
/*
 * Other certificates from now on; connections that are open end. -EINVAL when they cannot be used:
 * the former ones stay.
 */
int server_set_tls(struct server *server, const struct server_tls *tls);

#endif /* WEFT_USER_SERVER_H */
