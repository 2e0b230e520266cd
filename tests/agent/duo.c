// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "bpf/weft_abi.h"
#include "duo.h"
#include "node.h"
#include "user/node/netns.h"
#include "weft.skel.h"
#include "loader/maps.h"

struct duo duo;

const struct maps *duo_maps(void)
{
	static struct maps maps;
	unsigned int i;

	for (i = 0; i < MAP_ID_COUNT; i++)
		maps.fds[i] = -1;
	maps.fds[MAP_CONN] = bpf_map__fd(duo.skel->maps.weft_conn);
	maps.fds[MAP_SOCK] = bpf_map__fd(duo.skel->maps.weft_sock);
	return &maps;
}

bool duo_attach_sockops(void)
{
	int fd = open(node_cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	duo.link = bpf_program__attach_cgroup(duo.skel->progs.weft_sockops, fd);
	close(fd);
	return duo.link != NULL;
}

static bool duo_load(void)
{
	struct bpf_program *program;

	libbpf_set_print(NULL);
	duo.skel = weft_bpf__open();
	if (!duo.skel)
		return false;
	bpf_object__for_each_program(program, duo.skel->obj)
		bpf_program__set_autoload(program, program == duo.skel->progs.weft_sockops);
	return !weft_bpf__load(duo.skel) && duo_attach_sockops();
}

static void duo_enter(enum end end)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", duo.pid[end]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	duo.diag[end] = netns_open_diag(fd, &duo.cookie[end]);
	close(fd);
	assert_true(duo.diag[end] >= 0);
}

static void duo_know(enum end end)
{
	struct weft_local local = { .peer.workload = 1000U + end };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(duo.skel->maps.weft_netns),
					     &duo.cookie[end], &local, BPF_ANY),
			 0);
}

static void duo_plumb(void)
{
	node_run("ip link add c0 netns %d type veth peer name s0 netns %d", duo.pid[CLIENT],
		 duo.pid[SERVER]);
	node_run("nsenter --net=/proc/%d/ns/net sh -ec '"
		 "ip link set lo up; ip link set c0 up; ip address add 10.88.0.1/24 dev c0;"
		 "ip address add 10.88.0.9/24 dev c0; ip address add fd88::1/64 dev c0 nodad;"
		 "ip neigh add 10.88.0.77 lladdr 02:00:00:00:00:77 dev c0'",
		 duo.pid[CLIENT]);
	node_run("nsenter --net=/proc/%d/ns/net sh -ec '"
		 "ip link set lo up; ip link set s0 up; ip address add 10.88.0.2/24 dev s0;"
		 "ip address add fd88::2/64 dev s0 nodad;"
		 "ip neigh add 10.88.0.9 lladdr 02:00:00:00:00:09 dev s0'",
		 duo.pid[SERVER]);
}

int duo_setup(void **state)
{
	static const char *const dirs[ENDS] = { "podc", "pods" };
	struct rlimit files = { 8192, 8192 };
	int end;

	(void)state;
	if (!node_cgroup[0])
		return 0; /* each test says why */
	if (!duo_load()) {
		duo.obstacle =
			"the sockops program cannot be loaded; grant CAP_BPF, see `weft check`";
		return 0;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	for (end = 0; end < ENDS; end++) {
		duo.pid[end] = node_start(dirs[end], NODE_NETWORK_OWN);
		duo_enter((enum end)end);
		duo_know((enum end)end);
	}
	duo_plumb();
	node_join("self");
	return 0;
}

int duo_teardown(void **state)
{
	(void)state;
	bpf_link__destroy(duo.link);
	weft_bpf__destroy(duo.skel);
	return 0;
}

void duo_require(void)
{
	node_require();
	if (!duo.obstacle)
		return;
	printf("SKIP: %s\n", duo.obstacle);
	fflush(stdout);
	skip();
}

void duo_require_mptcp(void)
{
	int fd;

	duo_require();
	fd = duo_socket(CLIENT, AF_INET, IPPROTO_MPTCP);
	if (fd >= 0) {
		close(fd);
		return;
	}
	printf("SKIP: the kernel has no MPTCP; boot one with CONFIG_MPTCP=y\n");
	fflush(stdout);
	skip();
}

const struct duo_kind duo_kinds[DUO_KINDS] = {
	{ AF_INET, "10.88.0.2", "10.88.0.1", "10.88.0.2" },
	{ AF_INET6, "fd88::2", "fd88::1", "fd88::2" },
	{ AF_INET6, "::ffff:10.88.0.2", "10.88.0.1", "10.88.0.2" },
};

static socklen_t duo_fill_address(struct sockaddr_storage *storage, int family, const char *text,
				  uint16_t port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;

	memset(storage, 0, sizeof(*storage));
	storage->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	return sizeof(*v6);
}

int duo_socket(enum end end, int family, int protocol)
{
	struct timeval patience = { .tv_sec = 2 };
	int fd, one = 1;

	node_visit(duo.pid[end]);
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol);
	node_visit(0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

/* Serves both families. */
int duo_listen(uint16_t port, int protocol)
{
	int fd = duo_socket(SERVER, AF_INET6, protocol);
	struct sockaddr_storage address;
	socklen_t length;

	assert_true(fd >= 0);
	length = duo_fill_address(&address, AF_INET6, "::", port);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 1024), 0);
	return fd;
}

int duo_connect(const struct duo_kind *kind, uint16_t port, int protocol)
{
	int fd = duo_socket(CLIENT, kind->family, protocol);
	struct sockaddr_storage address;
	socklen_t length;

	assert_true(fd >= 0);
	length = duo_fill_address(&address, kind->family, kind->server, port);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

/* Starts to connect from an address, without waiting. */
int duo_start_connecting(const char *from, const char *to, uint16_t port)
{
	int fd = duo_socket(CLIENT, AF_INET, 0);
	struct sockaddr_storage address;
	socklen_t length;

	length = duo_fill_address(&address, AF_INET, from, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	length = duo_fill_address(&address, AF_INET, to, port);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

struct duo_pair duo_pair_make(const struct duo_kind *kind, int listener, uint16_t port,
			      int protocol)
{
	struct duo_pair pair = { .client = duo_connect(kind, port, protocol) };
	struct timeval patience = { .tv_sec = 2 };

	pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair.server >= 0);
	setsockopt(pair.server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return pair;
}

void duo_pair_close(const struct duo_pair *pair)
{
	close(pair->client);
	close(pair->server);
}

void duo_pair_assert_alive(const struct duo_pair *pair)
{
	char byte = 0;

	assert_int_equal(send(pair->client, "a", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(pair->server, &byte, 1, 0), 1);
	assert_int_equal(send(pair->server, "b", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(pair->client, &byte, 1, 0), 1);
	assert_int_equal(byte, 'b');
}

void duo_assert_error(int fd, int expected)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, expected);
}
