// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's server for load: responder FILE tcp:PORT|udp:PORT ...
 *
 * Listens on both families. Answers every accepted connection, before it reads
 * anything, and every datagram with `POD_NAME:PORT`; a connection is closed after
 * that. FILE holds one 64-bit counter (host order) per listener in the order of the
 * arguments: connections accepted or datagrams received. It is a shared mapping, so
 * that it is right whenever somebody reads it, whatever becomes of this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_LISTENERS = 64,
	BACKLOG = 4096,
	DRAIN_MS = 100, /* quiet time after SIGTERM that ends it */
};

static struct listener {
	int fd;
	bool udp;
	char answer[96];
	uint64_t *counter;
} listeners[MAX_LISTENERS];

static volatile sig_atomic_t ending;

static void on_term(int number)
{
	(void)number;
	ending = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void listener_open(struct listener *listener, const char *text)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	const char *name = getenv("POD_NAME");
	int port = 0, on = 1, off = 0;

	listener->udp = !strncmp(text, "udp:", 4);
	if ((!listener->udp && strncmp(text, "tcp:", 4)) || (port = atoi(text + 4)) <= 0 ||
	    port > UINT16_MAX) {
		fprintf(stderr, "responder: '%s' is not tcp:PORT or udp:PORT\n", text);
		exit(2);
	}
	any.sin6_port = htons((uint16_t)port);
	snprintf(listener->answer, sizeof(listener->answer), "%s:%d\n", name ? name : "?", port);
	listener->fd = socket(
		AF_INET6, (listener->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(listener->fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (!listener->udp && listen(listener->fd, BACKLOG)))
		die(text);
}

static void serve_connections(struct listener *listener)
{
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		++*listener->counter;
		/* a client that has gone already is its own affair */
		if (send(fd, listener->answer, strlen(listener->answer), MSG_NOSIGNAL) < 0 &&
		    errno != EPIPE && errno != ECONNRESET)
			perror("send");
		close(fd);
	}
}

static void serve_datagrams(struct listener *listener)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char data[64];

	while (recvfrom(listener->fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &len) >= 0) {
		++*listener->counter;
		if (sendto(listener->fd, listener->answer, strlen(listener->answer), MSG_NOSIGNAL,
			   (struct sockaddr *)&peer, len) < 0)
			perror("sendto");
		len = sizeof(peer);
	}
}

static uint64_t *counters_map(const char *path, size_t count)
{
	size_t size = count * sizeof(uint64_t);
	uint64_t *counters;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		die(path);
	counters = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counters == MAP_FAILED)
		die(path);
	close(fd);
	return counters;
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll, count = argc - 2, i;
	sigset_t none, blocked = {};
	uint64_t *counters;

	if (count < 1 || count > MAX_LISTENERS) {
		fputs("usage: responder FILE tcp:PORT|udp:PORT ...\n", stderr);
		return 2;
	}
	/* let in only while waiting, so that it cannot come unseen just before */
	sigemptyset(&none);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGTERM, &term, NULL);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	counters = counters_map(argv[1], (size_t)count);
	for (i = 0; i < count; i++) {
		listener_open(&listeners[i], argv[i + 2]);
		listeners[i].counter = &counters[i];
		event.data.ptr = &listeners[i];
		if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i].fd, &event))
			die("epoll");
	}
	for (;;) {
		struct listener *listener;

		i = epoll_pwait(epoll, &event, 1, ending ? DRAIN_MS : -1, &none);
		if (i == 0)
			return 0; /* asked to end, and nobody is waiting */
		if (i < 0)
			continue;
		listener = event.data.ptr;
		if (listener->udp)
			serve_datagrams(listener);
		else
			serve_connections(listener);
	}
}
