/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HTTP server (libmicrohttpd inside the libuv loop). Read-only: GET and HEAD. */
#ifndef WEFT_USER_SERVER_H
#define WEFT_USER_SERVER_H

#include <stddef.h>

struct uv_loop_s;
struct server;

struct server_response {
	unsigned int status;	  /* HTTP status */
	const char *content_type; /* static string */
	char *body;		  /* malloc'ed; the server frees it */
	size_t length;
};

/* Value of a query argument of the request in progress, NULL when absent. */
struct server_request;
const char *server_argument(const struct server_request *request, const char *name);

/* Exact path -> handler. Other paths are 404, other methods 405. */
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

#endif /* WEFT_USER_SERVER_H */
