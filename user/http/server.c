// SPDX-License-Identifier: Apache-2.0
#include "user/http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "policy/memory.h"
#include "user/http/server_tls.h"

enum { SERVER_CONNECTIONS = 64, SERVER_TIMEOUT_S = 10, SERVER_BACKLOG = 64 };

/* microhttpd's daemon on the loop; another one takes its place when certificates change. */
struct listener {
	struct server *server;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;	      /* microhttpd's own epoll descriptor */
	uv_timer_t timer;     /* its next time-out */
	unsigned int handles; /* open libuv handles; freed with the last */
};

struct server {
	uv_loop_t *loop;
	struct listener *listener;
	struct server_pending *pending; /* requests that are answered later */
	const struct server_route *routes;
	void *context;
};

/* A request that is answered later; its connection is suspended meanwhile. */
struct server_pending {
	struct listener *listener;
	struct MHD_Connection *connection; /* NULL: it is gone */
	struct server_response response;
	bool answered;
	struct server_pending *next;
};

struct server_request {
	struct listener *listener;
	struct MHD_Connection *connection;
	const char *path;
	struct server_pending *pending; /* the handler wants to answer later */
};

const char *server_argument(const struct server_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *server_header(const struct server_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *server_path(const struct server_request *request)
{
	return request->path;
}

bool server_peer_name(const struct server_request *request, char name[SERVER_NAME_LEN])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info && server_tls_peer_name(info->tls_session, name);
}

struct server_pending *server_defer(const struct server_request *request)
{
	struct server_pending *pending = memory_alloc(sizeof(*pending));
	struct server *server = request->listener->server;

	pending->listener = request->listener;
	pending->connection = request->connection;
	pending->next = server->pending;
	server->pending = pending;
	((struct server_request *)request)->pending = pending;
	return pending;
}

static void pending_unlink(struct server_pending *pending)
{
	struct server_pending **at = &pending->listener->server->pending;

	while (*at && *at != pending)
		at = &(*at)->next;
	if (*at)
		*at = pending->next;
}

static void server_run(struct listener *listener);

void server_answer(struct server_pending *pending, struct server_response *response)
{
	struct listener *listener = pending->listener;

	if (!pending->connection) {
		free(response->body);
		free(pending);
		return;
	}
	pending->response = *response;
	pending->answered = true;
	pending_unlink(pending);
	MHD_resume_connection(pending->connection);
	server_run(listener);
}

/* What a browser may do with a page. */
static void server_protect(struct MHD_Response *reply, const char *policy)
{
	MHD_add_response_header(reply, "Content-Security-Policy", policy);
	MHD_add_response_header(reply, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(reply, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

static enum MHD_Result server_reply(struct MHD_Connection *connection,
				    struct server_response *response)
{
	struct MHD_Response *reply;
	enum MHD_Result result;

	reply = MHD_create_response_from_buffer(response->length, response->body,
						MHD_RESPMEM_MUST_FREE);
	if (!reply) {
		free(response->body);
		return MHD_NO;
	}
	MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
	if (response->content_policy)
		server_protect(reply, response->content_policy);
	if (response->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(reply, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, response->status, reply);
	MHD_destroy_response(reply);
	return result;
}

static void server_plain(struct server_response *response, unsigned int status, const char *text)
{
	response->status = status;
	response->content_type = "text/plain; charset=utf-8";
	response->body = memory_strdup(text);
	response->length = strlen(text);
}

static bool route_matches(const struct server_route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (length && route->path[length - 1] == '*')
		return !strncmp(route->path, path, length - 1);
	return !strcmp(route->path, path);
}

/* What microhttpd keeps of a request from call to call. */
static char begun;

static enum MHD_Result server_handle(void *context, struct MHD_Connection *connection,
				     const char *url, const char *method, const char *version,
				     const char *upload, size_t *upload_size, void **state)
{
	struct listener *listener = context;
	struct server *server = listener->server;
	const struct server_route *route;
	struct server_request request = { listener, connection, url, NULL };
	struct server_response response = { 0 };

	(void)version;
	(void)upload;
	/* The first call comes before any body; answer on the second, and drop what is sent. */
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (*state != &begun) {
		struct server_pending *pending = *state;

		response = pending->response;
		*state = &begun;
		free(pending);
		return server_reply(connection, &response);
	}
	for (route = server->routes; route->path && !route_matches(route, url); route++)
		;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		server_plain(&response, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	else if (!route->path)
		server_plain(&response, MHD_HTTP_NOT_FOUND, "no such page\n");
	else
		route->handle(&request, &response, server->context);
	if (request.pending) {
		*state = request.pending;
		MHD_suspend_connection(connection);
		return MHD_YES;
	}
	return server_reply(connection, &response);
}

/* The connection has ended before its answer was sent. */
static void server_completed(void *context, struct MHD_Connection *connection, void **state,
			     enum MHD_RequestTerminationCode how)
{
	struct server_pending *pending = *state;

	(void)context;
	(void)connection;
	(void)how;
	if (!*state || *state == &begun)
		return;
	*state = NULL;
	pending->connection = NULL;
	if (!pending->answered) {
		pending_unlink(pending);
		return;
	}
	free(pending->response.body);
	free(pending);
}

static void server_on_timer(uv_timer_t *timer);

/* Lets microhttpd work, and wakes up again when it next wants to. */
static void server_run(struct listener *listener)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	MHD_run(listener->daemon);
	if (MHD_get_timeout(listener->daemon, &timeout) != MHD_YES)
		uv_timer_stop(&listener->timer);
	else
		uv_timer_start(&listener->timer, server_on_timer, timeout, 0);
}

static void server_on_timer(uv_timer_t *timer)
{
	server_run(timer->data);
}

static void server_on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	server_run(poll->data);
}

/* "ADDR:PORT" or "[ADDR]:PORT" */
static int server_address(const char *listen, struct sockaddr_storage *address)
{
	const char *colon = strrchr(listen, ':');
	char host[64], *end;
	unsigned long port;
	size_t length;

	if (!colon || !colon[1])
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	length = (size_t)(colon - listen);
	if (*end || port > 65535 || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, listen, length);
	host[length] = '\0';
	if (host[0] == '[' && length > 2 && host[length - 1] == ']') {
		host[length - 1] = '\0';
		return uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)address) ? -EINVAL :
											  0;
	}
	return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)address) ? -EINVAL : 0;
}

static int server_listen(const char *listen_text)
{
	struct sockaddr_storage address = { 0 };
	int error, fd, one = 1;

	error = server_address(listen_text, &address);
	if (error)
		return error;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address,
		 address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
						 sizeof(struct sockaddr_in)) ||
	    listen(fd, SERVER_BACKLOG)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static struct MHD_Daemon *start_daemon(struct listener *listener, int fd,
				       const struct server_tls *tls)
{
	struct MHD_OptionItem options[8] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, SERVER_TIMEOUT_S, NULL },
	};
	struct MHD_OptionItem *more = &options[3];
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

	if (tls) {
		flags |= MHD_USE_TLS;
		*more++ = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0,
						   (void *)tls->certificate };
		*more++ = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)tls->key };
		*more++ = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_PRIORITIES, 0,
						   (void *)SERVER_TLS_PRIORITIES };
		*more++ = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_TRUST, 0,
						   (void *)tls->authority };
	}
	*more = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	return MHD_start_daemon(flags, 0, NULL, NULL, server_handle, listener,
				MHD_OPTION_NOTIFY_COMPLETED, server_completed, NULL,
				MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static struct listener *listener_new(struct server *server, int fd, const struct server_tls *tls)
{
	struct listener *listener = memory_alloc(sizeof(*listener));
	const union MHD_DaemonInfo *info;

	listener->server = server;
	listener->daemon = start_daemon(listener, fd, tls);
	if (!listener->daemon) {
		free(listener);
		return NULL;
	}
	info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(server->loop, &listener->poll, info->epoll_fd);
	uv_timer_init(server->loop, &listener->timer);
	listener->handles = 2;
	listener->poll.data = listener;
	listener->timer.data = listener;
	uv_poll_start(&listener->poll, UV_READABLE, server_on_poll);
	server_run(listener);
	return listener;
}

static void on_close(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	if (!--listener->handles)
		free(listener);
}

/* Ends its connections. Who waits for an answer gets none. */
static void listener_free(struct listener *listener)
{
	struct server_pending *pending;

	for (pending = listener->server->pending; pending; pending = pending->next)
		if (pending->listener == listener)
			MHD_resume_connection(pending->connection);
	uv_poll_stop(&listener->poll);
	MHD_stop_daemon(listener->daemon);
	uv_close((uv_handle_t *)&listener->timer, on_close);
	uv_close((uv_handle_t *)&listener->poll, on_close);
}

int server_new_tls(struct uv_loop_s *loop, const char *listen, const struct server_tls *tls,
		   const struct server_route *routes, void *context, struct server **out)
{
	struct server *server;
	int fd = server_listen(listen);

	if (fd < 0)
		return fd;
	server = memory_alloc(sizeof(*server));
	server->loop = loop;
	server->routes = routes;
	server->context = context;
	server->listener = listener_new(server, fd, tls);
	if (!server->listener) {
		close(fd);
		free(server);
		return tls ? -EINVAL : -ENOMEM;
	}
	*out = server;
	return 0;
}

int server_new(struct uv_loop_s *loop, const char *listen, const struct server_route *routes,
	       void *context, struct server **server)
{
	return server_new_tls(loop, listen, NULL, routes, context, server);
}

int server_set_tls(struct server *server, const struct server_tls *tls)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->listener->daemon, MHD_DAEMON_INFO_LISTEN_FD);
	struct listener *former = server->listener, *listener;
	int fd = fcntl(info->listen_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	listener = listener_new(server, fd, tls);
	if (!listener) {
		close(fd);
		return -EINVAL;
	}
	server->listener = listener;
	listener_free(former);
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	listener_free(server->listener);
	free(server);
}
