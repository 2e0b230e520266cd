// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's server that keeps count: HTTP on one port, plain conversations (tally.h) on another. A
 * line on standard input is answered with a line of JSON: numbers by "PEER PORT WHAT", where WHAT
 * is accepted, received, sent (bytes), ended, or a request's method and path.
 *
 * Paths: /s/NNN is answered with that status; /hold never; /drop and /reset end the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tally.h"

enum { BUFFER = 1 << 16, EVENTS = 256, FDS = 1 << 16, BACKLOG = 4096 };

enum next { GO_ON, CLOSE, RESET };

static struct connection {
	bool open, http, flood;
	char peer[INET6_ADDRSTRLEN + 8]; /* and the port */
	char *in;
	size_t have;	   /* bytes in `in`; of a conversation: all that came */
	size_t want, back; /* of a conversation, once its head is there */
	char talk;
} connections[FDS];

static struct tally tally;
static int poll_fd;
static char zeros[BUFFER];

static void count(const struct connection *one, const char *what, unsigned long number)
{
	char text[TALLY_TEXT];

	snprintf(text, sizeof(text), "%s %s", one->peer, what);
	tally_add(&tally, text, number);
}

/* Answers are small enough for the socket's buffer, but for a flood. */
static bool give(int fd, const char *bytes, size_t length)
{
	struct connection *one = &connections[fd];
	ssize_t sent;

	while (length) {
		sent = send(fd, bytes, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		count(one, "sent", (unsigned long)sent);
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

static enum next answer(int fd, const char *method, const char *path)
{
	char text[256];
	int length;

	if (!strcmp(path, "/hold"))
		return GO_ON;
	if (!strcmp(path, "/drop"))
		return CLOSE;
	if (!strcmp(path, "/reset"))
		return RESET;
	length = snprintf(text, sizeof(text),
			  "HTTP/1.1 %.3s Said\r\ncontent-length: 6\r\nserver: tally\r\n\r\n%s",
			  path + 3, strcmp(method, "HEAD") ? "tally\n" : "");
	give(fd, text, (size_t)length); /* what came before a reset is served all the same */
	return GO_ON;
}

/* Requests, as far as they are complete. */
static enum next serve_http(int fd)
{
	struct connection *one = &connections[fd];
	char method[16], path[64], what[TALLY_TEXT], *end, *field;
	enum next next = GO_ON;
	size_t length;

	while (next == GO_ON && (end = strstr(one->in, "\r\n\r\n"))) {
		length = (size_t)(end + 4 - one->in);
		field = strstr(one->in, "content-length: ");
		if (field && field < end)
			length += strtoul(field + 16, NULL, 10);
		if (one->have < length)
			break;
		if (sscanf(one->in, "%15s %63s", method, path) != 2)
			return CLOSE;
		snprintf(what, sizeof(what), "%s %s", method, path);
		count(one, what, 1);
		next = answer(fd, method, path);
		one->have -= length;
		memmove(one->in, one->in + length, one->have + 1);
	}
	return next;
}

static enum next serve_talk(int fd, bool shut)
{
	struct connection *one = &connections[fd];
	unsigned int up, down;

	if (!one->talk && one->have >= TALLY_HEAD) {
		if (sscanf(one->in, "%c%3u%4u", &one->talk, &up, &down) != 3)
			return CLOSE;
		one->want = TALLY_HEAD + (size_t)up * TALLY_UNIT;
		one->back = (size_t)down * TALLY_UNIT;
	}
	if (!one->talk || one->have < one->want || (one->talk == TALLY_LAST && !shut))
		return GO_ON;
	switch (one->talk) {
	case TALLY_FLOOD:
		one->flood = true;
		while (give(fd, zeros, sizeof(zeros)))
			;
		return GO_ON;
	case TALLY_RESET:
		return RESET;
	case TALLY_SINK:
		return GO_ON;
	}
	if (one->back && !give(fd, zeros, one->back))
		return CLOSE;
	one->back = 0;
	return one->talk == TALLY_ANSWER ? GO_ON : CLOSE;
}

static void end(int fd, enum next how)
{
	const struct linger reset = { .l_onoff = 1 };

	if (how == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	count(&connections[fd], "ended", 1);
	free(connections[fd].in);
	memset(&connections[fd], 0, sizeof(connections[fd]));
	close(fd);
}

static void happened(int fd, unsigned int events)
{
	struct connection *one = &connections[fd];
	enum next next = GO_ON;
	ssize_t got;

	while (next == GO_ON) {
		/* A conversation's bytes are not kept, but for its head. */
		size_t at = one->http || one->have < TALLY_HEAD ? one->have : TALLY_HEAD;

		got = recv(fd, one->in + at, BUFFER - 1 - at, 0);
		if (got < 0 && errno == EAGAIN)
			break;
		if (got > 0) {
			count(one, "received", (unsigned long)got);
			one->have += (size_t)got;
			if (one->http)
				one->in[one->have] = '\0';
		}
		next = one->http ? serve_http(fd) : serve_talk(fd, !got);
		if (got <= 0 && next == GO_ON)
			next = CLOSE;
	}
	if (next == GO_ON && one->flood && events & EPOLLOUT)
		next = serve_talk(fd, false);
	if (next != GO_ON)
		end(fd, next);
}

static void welcome(int listener)
{
	struct sockaddr_in6 peer;
	socklen_t length = sizeof(peer);
	char address[INET6_ADDRSTRLEN];
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	bool http = connections[listener].http;
	struct connection *one;
	int fd, yes = 1;

	while ((fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK)) >= 0) {
		one = &connections[fd];
		inet_ntop(AF_INET6, &peer.sin6_addr, address, sizeof(address));
		snprintf(one->peer, sizeof(one->peer), "%s %s",
			 strncmp(address, "::ffff:", 7) ? address : address + 7,
			 http ? "http" : "tcp");
		one->open = true;
		one->http = http;
		one->in = malloc(BUFFER);
		if (!one->in)
			exit(1);
		count(one, "accepted", 1);
		event.data.fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
		length = sizeof(peer);
	}
}

static void listen_at(const char *port, bool http)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG)) {
		perror("listen");
		exit(1);
	}
	connections[fd].http = http;
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], input = { .events = EPOLLIN, .data.fd = 0 };
	struct rlimit files = { .rlim_cur = FDS, .rlim_max = FDS };
	char line[64];
	int i, count;

	if (argc != 3) {
		fprintf(stderr, "usage: tally_server HTTP-PORT TCP-PORT\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	poll_fd = epoll_create1(0);
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, 0, &input);
	listen_at(argv[1], true);
	listen_at(argv[2], false);
	for (;;) {
		count = epoll_wait(poll_fd, events, EVENTS, -1);
		for (i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (!fd) {
				if (read(0, line, sizeof(line)) <= 0)
					return 0;
				printf("{");
				tally_print(&tally);
			} else if (connections[fd].open) {
				happened(fd, events[i].events);
			} else {
				welcome(fd);
			}
		}
	}
}
