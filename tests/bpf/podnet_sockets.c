// SPDX-License-Identifier: Apache-2.0
/* The sockets of the pods, and addresses in all their forms. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>
#include "podnet.h"

const struct podnet_kind podnet_kinds[PODNET_KINDS + 1] = {
	{ "v4", AF_INET, "10.96.0.10", "10.77.0.1", { "10.77.0.2", "10.77.0.3", "10.77.0.4" } },
	{ "v6", AF_INET6, "fd96::10", "fd77::1", { "fd77::2", "fd77::3", "fd77::4" } },
	{ "v4-mapped",
	  AF_INET6,
	  "10.96.0.10",
	  "10.77.0.1",
	  { "10.77.0.2", "10.77.0.3", "10.77.0.4" } },
};

const char *const podnet_server_addrs[] = {
	"10.77.0.2", "10.77.0.3", "10.77.0.4", "10.77.0.5", "10.77.0.6", "fd77::2",
	"fd77::3",   "fd77::4",	  "fd77::5",   "fd77::6",   NULL,
};

struct weft_addr podnet_addr(const char *text)
{
	struct weft_addr addr = {};

	if (inet_pton(AF_INET6, text, addr.b) == 1)
		return addr;
	addr.b[10] = addr.b[11] = 0xff;
	assert_int_equal(inet_pton(AF_INET, text, addr.b + 12), 1);
	return addr;
}

static socklen_t podnet_sockaddr(struct sockaddr_storage *to, int family, const char *text,
				 __u16 port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct weft_addr addr = podnet_addr(text);

	memset(to, 0, sizeof(*to));
	if (family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, addr.b + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, addr.b, 16);
	return sizeof(*v6);
}

static const char *podnet_sockaddr_text(const struct sockaddr_storage *from)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	static char text[INET6_ADDRSTRLEN + 8];
	char addr[INET6_ADDRSTRLEN];

	if (from->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, addr, sizeof(addr));
	else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, &v6->sin6_addr, addr, sizeof(addr));
	snprintf(text, sizeof(text), "%s:%u", addr, ntohs(v4->sin_port));
	return text;
}

int podnet_socket(struct podnet *pods, enum podnet_member pod, int family, int type, int protocol)
{
	struct timeval two_seconds = { .tv_sec = 2 };
	int home = podnet_namespace_open();
	int fd, error;

	assert_true(home >= 0);
	assert_int_equal(setns(pods->ns[pod], CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	error = errno;
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	if (fd < 0) {
		errno = error;
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof(two_seconds));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &two_seconds, sizeof(two_seconds));
	return fd;
}

int podnet_connect(int fd, int family, const char *addr, __u16 port)
{
	struct sockaddr_storage to;
	socklen_t size = podnet_sockaddr(&to, family, addr, port);

	return connect(fd, (struct sockaddr *)&to, size) ? -errno : 0;
}

int podnet_send(int fd, int family, const char *addr, __u16 port, const char *text)
{
	struct sockaddr_storage to;
	socklen_t size = podnet_sockaddr(&to, family, addr, port);

	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, size) < 0 ? -errno : 0;
}

int podnet_bind(struct podnet *pods, enum podnet_member pod, int type, const char *addr, __u16 port)
{
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	int fd = podnet_socket(pods, pod, family, type, 0);
	struct sockaddr_storage own;
	socklen_t size = podnet_sockaddr(&own, family, addr, port);
	int one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&own, size), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

const char *podnet_peername(int fd)
{
	static char text[16];
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	if (!getpeername(fd, (struct sockaddr *)&peer, &size))
		return podnet_sockaddr_text(&peer);
	snprintf(text, sizeof(text), "errno %d", errno);
	return text;
}

const char *podnet_receive(int fd, char *text, size_t size)
{
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);
	ssize_t length = recvfrom(fd, text, size - 1, 0, (struct sockaddr *)&from, &from_size);

	assert_true(length >= 0);
	text[length] = 0;
	return podnet_sockaddr_text(&from);
}

int podnet_first_waiting(const int *fds, int count, int milliseconds)
{
	struct pollfd poll_fds[8];

	assert_in_range(count, 1, 8);
	for (int i = 0; i < count; i++)
		poll_fds[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (poll(poll_fds, (nfds_t)count, milliseconds) < 1)
		return -1;
	for (int i = 0; i < count; i++)
		if (poll_fds[i].revents)
			return i;
	return -1;
}

bool podnet_waiting(int fd, int milliseconds)
{
	return !podnet_first_waiting(&fd, 1, milliseconds);
}
