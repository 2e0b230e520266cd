// SPDX-License-Identifier: Apache-2.0
#include "user/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "policy/memory.h"

enum { SERVER_CONNECTIONS = 64, SERVER_TIMEOUT_S = 10, SERVER_BACKLOG = 64 };

struct server {
	struct MHD_Daemon *daemon;
	uv_poll_t poll;	      /* microhttpd's own epoll descriptor */
	uv_timer_t timer;     /* its next time-out */
	unsigned int handles; /* open libuv handles; freed with the last */
	const struct server_route *routes;
	void *context;
};

struct server_request {
	struct MHD_Connection *connection;
};

const char *server_argument(const struct server_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
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

static enum MHD_Result server_handle(void *context, struct MHD_Connection *connection,
				     const char *url, const char *method, const char *version,
				     const char *upload, size_t *upload_size, void **state)
{
	static int seen;
	const struct server *server = context;
	const struct server_route *route;
	struct server_request request = { connection };
	struct server_response response = { 0 };

	(void)version;
	(void)upload;
	/* The first call comes before any body; answer on the second, and drop what is sent. */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	for (route = server->routes; route->path && strcmp(route->path, url); route++)
		;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		server_plain(&response, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	else if (!route->path)
		server_plain(&response, MHD_HTTP_NOT_FOUND, "no such page\n");
	else
		route->handle(&request, &response, server->context);
	return server_reply(connection, &response);
}

static void server_on_timer(uv_timer_t *timer);

/* Lets microhttpd work, and wakes up again when it next wants to. */
static void server_run(struct server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES)
		uv_timer_stop(&server->timer);
	else
		uv_timer_start(&server->timer, server_on_timer, timeout, 0);
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

int server_new(struct uv_loop_s *loop, const char *listen, const struct server_route *routes,
	       void *context, struct server **out)
{
	const union MHD_DaemonInfo *info;
	struct server *server;
	int fd = server_listen(listen);

	if (fd < 0)
		return fd;
	server = memory_alloc(sizeof(*server));
	server->routes = routes;
	server->context = context;
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, server_handle, server,
					  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned int)SERVER_CONNECTIONS,
					  MHD_OPTION_CONNECTION_TIMEOUT,
					  (unsigned int)SERVER_TIMEOUT_S, MHD_OPTION_END);
	if (!server->daemon) {
		close(fd);
		free(server);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(loop, &server->poll, info->epoll_fd);
	uv_timer_init(loop, &server->timer);
	server->handles = 2;
	server->poll.data = server;
	server->timer.data = server;
	uv_poll_start(&server->poll, UV_READABLE, server_on_poll);
	server_run(server);
	*out = server;
	return 0;
}

static void server_on_close(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (!--server->handles)
		free(server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	uv_poll_stop(&server->poll);
	MHD_stop_daemon(server->daemon);
	uv_close((uv_handle_t *)&server->timer, server_on_close);
	uv_close((uv_handle_t *)&server->poll, server_on_close);
}
