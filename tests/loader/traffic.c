// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/clsact.h"
#include "loader/tc.h"

enum { PORT = 7000 };

static struct place *place;
static struct traffic *shared;
static uint32_t ifindex;
static pid_t server, client, reader;

bool traffic_init(struct place *at)
{
	place = at;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared != MAP_FAILED;
}

uint32_t traffic_ifindex(void)
{
	return ifindex;
}

/* Returns once the child has let go of the agent's lock, which it inherits. */
static pid_t start(void (*work)(void))
{
	int ready[2];
	char none;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		place_close(place);
		close(ready[0]);
		close(ready[1]);
		work();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &none, 1), 0);
	close(ready[0]);
	return child;
}

static void end(pid_t child, int signal)
{
	int status;

	if (signal)
		kill(child, signal);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!signal)
		assert_int_equal(status, 0);
}

static void serve(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1, connection;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 128))
		_exit(1);
	while ((connection = accept(fd, NULL, NULL)) >= 0) {
		if (read(connection, &byte, 1) == 1 && write(connection, &byte, 1) != 1)
			_exit(1);
		close(connection);
	}
}

bool traffic_exchange(int family)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval limit = { .tv_sec = 2 };
	int fd = socket(family, SOCK_STREAM, 0);
	char byte = 'x';
	bool done;

	inet_pton(AF_INET, "10.78.0.2", &to4.sin_addr);
	inet_pton(AF_INET6, "fd78::2", &to6.sin6_addr);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	done = !(family == AF_INET ? connect(fd, (struct sockaddr *)&to4, sizeof(to4)) :
				     connect(fd, (struct sockaddr *)&to6, sizeof(to6))) &&
	       write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
	close(fd);
	return done;
}

static void join_cgroup(void)
{
	char path[PLACE_PATH_LEN + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", place->cgroup);
	file = fopen(path, "we");
	if (!file || fprintf(file, "%d", getpid()) < 0 || fclose(file))
		_exit(1);
}

static void connect_all_the_time(void)
{
	join_cgroup();
	while (!shared->stop) {
		shared->failures += !traffic_exchange(AF_INET) + !traffic_exchange(AF_INET6);
		shared->connections += 2;
		usleep(200);
	}
}

static bool is_attached(int target, unsigned int type)
{
	uint32_t count = 0;

	return !bpf_prog_query(target, (enum bpf_attach_type)type, 0, NULL, NULL, &count) && count;
}

/* Whether a TC program is there: by link, or below Linux 6.6 as a filter. */
static bool is_judged(bool tcx, bool egress)
{
	uint32_t program_id;

	if (tcx)
		return is_attached((int)ifindex, egress ? TC_TCX_EGRESS : TC_TCX_INGRESS);
	return !clsact_query(ifindex, egress, &program_id);
}

/* Looks at the hooks themselves, not at pins. */
static void look_all_the_time(void)
{
	int cgroup = open(place->cgroup, O_RDONLY | O_DIRECTORY);
	bool tcx = tc_has_tcx();

	while (!shared->stop) {
		shared->vanished += !is_attached(cgroup, BPF_CGROUP_INET4_CONNECT) +
				    !is_attached(cgroup, BPF_CGROUP_SOCK_OPS) +
				    !is_judged(tcx, true) + !is_judged(tcx, false);
		shared->looks++;
		usleep(100);
	}
}

void traffic_start(void)
{
	client = start(connect_all_the_time);
	reader = start(look_all_the_time);
}

void traffic_stop(void)
{
	shared->stop = 1;
	if (client)
		end(client, 0);
	if (reader)
		end(reader, 0);
	client = reader = 0;
}

/* In a network namespace of its own, with its end of the pair. */
static void be_the_pod(void)
{
	if (unshare(CLONE_NEWNET))
		_exit(1);
	raise(SIGSTOP);
	serve();
}

static void make_pod(void)
{
	int status;

	ifindex = place_add_veth("pod0", "pod1");
	server = start(be_the_pod);
	assert_int_equal(waitpid(server, &status, WUNTRACED), server);
	place_run("ip link set pod1 netns %d", server);
	place_run("nsenter -n -t %d sh -c 'ip addr add 10.78.0.2/24 dev pod1; "
		  "ip addr add fd78::2/64 dev pod1 nodad; ip link set pod1 up; ip link set lo up'",
		  server);
	place_run("ip addr add 10.78.0.1/24 dev pod0; ip addr add fd78::1/64 dev pod0 nodad");
	kill(server, SIGCONT);
}

static void wait_for_traffic(void)
{
	int tries;

	for (tries = 0; tries < 500 && !traffic_exchange(AF_INET6); tries++)
		usleep(10000);
	assert_true(traffic_exchange(AF_INET));
	assert_true(traffic_exchange(AF_INET6));
}

struct weft_local traffic_local(void)
{
	return (struct weft_local){
		.peer = { .identity = 300, .workload = 301 },
		.addr = { { { [10] = 0xff, 0xff, 10, 78, 0, 2 } }, { { 0xfd, 0x78, [15] = 2 } } },
	};
}

void traffic_attach(void)
{
	struct weft_local local = traffic_local();

	if (maps_set(loader_maps(place->loader), MAP_IFACE, &ifindex, &local) ||
	    loader_attach_interface(place->loader, ifindex, place->error))
		fail_msg("attach: %s", place->error);
}

int traffic_setup(void **state)
{
	*state = place;
	shared->connections = shared->failures = shared->looks = shared->vanished = 0;
	shared->stop = 0;
	make_pod();
	place_open(place);
	traffic_attach();
	wait_for_traffic();
	return 0;
}

int traffic_teardown(void **state)
{
	traffic_stop();
	place_reset(*state);
	end(server, SIGKILL);
	place_run("ip link del pod0 2>/dev/null || true");
	return 0;
}

void traffic_check(uint32_t least)
{
	print_message("    %u connections, %u looks at the hooks\n", shared->connections,
		      shared->looks);
	assert_int_equal(shared->failures, 0);
	assert_int_equal(shared->vanished, 0);
	assert_true(shared->connections >= least);
	assert_true(shared->looks >= least);
}

void traffic_kill_after(void (*work)(void), unsigned int microseconds)
{
	pid_t agent = start(work);
	int status;

	usleep(microseconds);
	kill(agent, SIGKILL);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	assert_true(WIFSIGNALED(status));
}
