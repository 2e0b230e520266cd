// SPDX-License-Identifier: Apache-2.0
/*
 * Nothing that is attached ever goes away, and no connection fails, while builds replace each
 * other and agents are killed.
 *
 *	client in the test's cgroup -- pod0 (both TC programs) == pod1 -- server
 *	10.78.0.1 fd78::1                                       10.78.0.2 fd78::2
 */
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
#include "place.h"

enum {
	UPGRADES = 10,
	KILLS = 30,
	KILLS_AT_BIRTH = 15,
	KILL_WITHIN_US = 250000,
	PORT = 7000,
};

/* What the helpers count; shared with them. */
struct shared {
	volatile uint32_t connections, failures, looks, vanished;
	volatile int stop;
};

static struct place place;
static struct shared *shared;
static uint32_t ifindex;
static pid_t server, client, reader;

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
		place_close(&place);
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

static bool exchange(int family)
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

	snprintf(path, sizeof(path), "%s/cgroup.procs", place.cgroup);
	file = fopen(path, "we");
	if (!file || fprintf(file, "%d", getpid()) < 0 || fclose(file))
		_exit(1);
}

static void connect_all_the_time(void)
{
	join_cgroup();
	while (!shared->stop) {
		shared->failures += !exchange(AF_INET) + !exchange(AF_INET6);
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
	int cgroup = open(place.cgroup, O_RDONLY | O_DIRECTORY);
	bool tcx = tc_has_tcx();

	while (!shared->stop) {
		shared->vanished += !is_attached(cgroup, BPF_CGROUP_INET4_CONNECT) +
				    !is_attached(cgroup, BPF_CGROUP_SOCK_OPS) +
				    !is_judged(tcx, true) + !is_judged(tcx, false);
		shared->looks++;
		usleep(100);
	}
}

static void start_helpers(void)
{
	client = start(connect_all_the_time);
	reader = start(look_all_the_time);
}

static void stop_helpers(void)
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

	for (tries = 0; tries < 500 && !exchange(AF_INET6); tries++)
		usleep(10000);
	assert_true(exchange(AF_INET));
	assert_true(exchange(AF_INET6));
}

/* Tells the programs that the interface is of a pod that nobody enforces. */
static void attach(void)
{
	struct weft_local local = {
		.peer = { .identity = 300, .workload = 301 },
		.addr = { { { [10] = 0xff, 0xff, 10, 78, 0, 2 } }, { { 0xfd, 0x78, [15] = 2 } } },
	};

	if (maps_set(loader_maps(place.loader), MAP_IFACE, &ifindex, &local) ||
	    loader_attach_interface(place.loader, ifindex, place.error))
		fail_msg("attach: %s", place.error);
}

static int setup(void **state)
{
	*state = &place;
	shared->connections = shared->failures = shared->looks = shared->vanished = 0;
	shared->stop = 0;
	make_pod();
	place_open(&place);
	attach();
	wait_for_traffic();
	return 0;
}

static int teardown(void **state)
{
	stop_helpers();
	place_reset(*state);
	end(server, SIGKILL);
	place_run("ip link del pod0 2>/dev/null || true");
	return 0;
}

static void check_shared(uint32_t least)
{
	print_message("    %u connections, %u looks at the hooks\n", shared->connections,
		      shared->looks);
	assert_int_equal(shared->failures, 0);
	assert_int_equal(shared->vanished, 0);
	assert_true(shared->connections >= least);
	assert_true(shared->looks >= least);
}

static void upgrades_under_traffic(void **state)
{
	struct loader_link before = place_find_link(&place, "cg_weft_connect4"), after;
	struct place *at = *state;
	int i;

	start_helpers();
	for (i = 0; i < UPGRADES; i++) {
		place_close(at);
		at->options.object = i % 2 ? NULL : at->object;
		place_open(at);
		attach();
		after = place_find_link(at, "cg_weft_connect4");
		assert_int_equal(after.link_id, before.link_id);
		assert_int_not_equal(after.program_id, before.program_id);
		assert_true(after.current && memcmp(after.tag, before.tag, sizeof(after.tag)));
		/* a hook that one of the builds has not */
		assert_int_equal(place_count_links(at), i % 2 ? 11 : 10);
		assert_int_equal(place_find_program(at, "upgrade_event").id != 0, !(i % 2));
		before = after;
		usleep(20000);
	}
	stop_helpers();
	check_shared(100);
}

static void open_and_attach(void)
{
	struct loader *loader;

	if (loader_open(&place.options, &loader, place.error) ||
	    loader_attach_interface(loader, ifindex, place.error)) {
		fprintf(stderr, "%s\n", place.error);
		_exit(1);
	}
	for (;;)
		pause();
}

static void kill_after(unsigned int microseconds)
{
	pid_t agent = start(open_and_attach);
	int status;

	usleep(microseconds);
	kill(agent, SIGKILL);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	assert_true(WIFSIGNALED(status));
}

static int check_link(const struct loader_link *link, void *context)
{
	(void)context;
	if (!link->alive || !link->current)
		fail_msg("%s is not attached, or an old program is", link->name);
	return 0;
}

static void survives_kills(void **state)
{
	struct place *at = *state;
	int i;

	start_helpers();
	place_close(at);
	for (i = 0; i < KILLS; i++) {
		at->options.object = i % 2 ? NULL : at->object;
		kill_after((unsigned int)rand() % KILL_WITHIN_US);
	}
	at->options.object = NULL;
	place_open(at);
	attach();
	stop_helpers();
	assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
	assert_int_equal(place_count_links(at), 11);
	check_shared(300);
}

static void survives_kills_at_birth(void **state)
{
	struct place *at = *state;
	int i;

	for (i = 0; i < KILLS_AT_BIRTH; i++) {
		place_reset(at);
		if (i % 3 == 0)
			at->options.object = at->object;
		kill_after((unsigned int)rand() % KILL_WITHIN_US);
		at->options.object = NULL;
		place_open(at);
		attach();
		assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
		assert_int_equal(place_count_links(at), 11);
		assert_true(exchange(AF_INET));
	}
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(upgrades_under_traffic, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_kills, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_kills_at_birth, setup, teardown),
	};
	unsigned int seed = (unsigned int)time(NULL);
	int failed;

	if (!place_enter(&place)) {
		place_skip_all(tests, sizeof(tests) / sizeof(tests[0]));
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	printf("seed %u\n", seed);
	srand(seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	failed = shared == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	place_leave(&place);
	return failed;
}
