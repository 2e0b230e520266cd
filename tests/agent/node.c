// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "loader/probe.h"
#include "node.h"

#define NODE_CGROUP_PREFIX "weft-agent-test-"

char node_cgroup[NODE_PATH_LEN];
static char node_obstacle[NODE_PATH_LEN];
static int node_home = -1; /* the node's namespace */

static void node_remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	char below[PATH_MAX];
	struct dirent *entry;
	int tries;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		node_remove_tree(below);
	}
	if (dir)
		closedir(dir);
	/* killed processes leave a little later */
	for (tries = 0; rmdir(path) && errno == EBUSY && tries < 200; tries++)
		usleep(5000);
}

static void node_kill_cgroup(const char *path)
{
	char file[PATH_MAX];
	int fd;

	snprintf(file, sizeof(file), "%s/cgroup.kill", path);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		perror(file);
	close(fd);
}

/* Cgroups of tests that were killed; their number is the process. */
static void node_sweep(const char *mount)
{
	static const char prefix[] = NODE_CGROUP_PREFIX;
	DIR *dir = opendir(mount);
	char path[PATH_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) ||
		    !kill(atoi(entry->d_name + strlen(prefix)), 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", mount, entry->d_name);
		node_kill_cgroup(path);
		node_remove_tree(path);
	}
	if (dir)
		closedir(dir);
}

static void node_make(void)
{
	char mount[NODE_PATH_LEN / 2];

	if (probe_cgroup2_mount(mount, sizeof(mount))) {
		snprintf(node_obstacle, sizeof(node_obstacle),
			 "no cgroup2 mount; mount -t cgroup2 none /sys/fs/cgroup/unified");
		return;
	}
	node_sweep(mount);
	snprintf(node_cgroup, sizeof(node_cgroup), "%s/" NODE_CGROUP_PREFIX "%d", mount, getpid());
	if (mkdir(node_cgroup, 0755)) {
		snprintf(node_obstacle, sizeof(node_obstacle),
			 "cannot make a cgroup (%s); run as root", strerror(errno));
		node_cgroup[0] = '\0';
	}
}

static int node_run_suite(int (*suite)(void))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (node_cgroup[0] && unshare(CLONE_NEWNET))
		snprintf(node_obstacle, sizeof(node_obstacle),
			 "cannot make a network namespace (%s); run as root", strerror(errno));
	node_home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return suite();
}

int node_main(int (*suite)(void))
{
	int status = 1;
	pid_t child;

	node_make();
	fflush(NULL);
	child = fork();
	if (child == 0)
		exit(node_run_suite(suite));
	if (child < 0 || waitpid(child, &status, 0) != child)
		perror("test process");
	if (node_cgroup[0]) {
		node_kill_cgroup(node_cgroup);
		node_remove_tree(node_cgroup);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void node_require(void)
{
	if (!node_obstacle[0])
		return;
	printf("SKIP: %s\n", node_obstacle);
	fflush(stdout);
	skip();
}

void node_run(const char *format, ...)
{
	va_list arguments;
	char command[1024];

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command))
		fail_msg("failed: %s", command);
}

void node_make_cgroup(const char *path)
{
	char full[2 * NODE_PATH_LEN], *slash;

	snprintf(full, sizeof(full), "%s/%s/", node_cgroup, path);
	for (slash = strchr(full + strlen(node_cgroup) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(full, 0755) && errno != EEXIST)
			fail_msg("%s: %s", full, strerror(errno));
		*slash = '/';
	}
}

void node_join(const char *path)
{
	char procs[2 * NODE_PATH_LEN];
	FILE *file;

	node_make_cgroup(path);
	snprintf(procs, sizeof(procs), "%s/%s/cgroup.procs", node_cgroup, path);
	file = fopen(procs, "we");
	assert_non_null(file);
	assert_true(fprintf(file, "%d", getpid()) > 0);
	assert_int_equal(fclose(file), 0);
}

void node_remove_cgroup(const char *path)
{
	char full[2 * NODE_PATH_LEN];

	snprintf(full, sizeof(full), "%s/%s", node_cgroup, path);
	node_kill_cgroup(full);
	/* Zombies keep their cgroup; these processes are children of the test. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	node_remove_tree(full);
	assert_int_equal(access(full, F_OK), -1);
}

static void node_on_signal(int number)
{
	(void)number;
}

static void node_live(const char *procs, enum node_network network, int ready)
{
	sigset_t usr1, before;
	char self[16];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The test's sockets would keep namespaces alive. */
	ready = dup2(ready, STDERR_FILENO + 1);
	close_range((unsigned int)ready + 1, ~0U, 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	signal(SIGUSR1, node_on_signal);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	snprintf(self, sizeof(self), "%d", getpid());
	if (fd < 0 || write(fd, self, strlen(self)) < 0 ||
	    (network == NODE_NETWORK_OWN && unshare(CLONE_NEWNET)))
		_exit(1);
	close(fd);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	if (network == NODE_NETWORK_LATE) {
		sigsuspend(&before);
		if (unshare(CLONE_NEWNET))
			_exit(1);
	}
	close(ready);
	for (;;)
		pause();
}

/* A LATE process closes its end of the pipe once it has moved. */
static int node_late = -1;

pid_t node_start(const char *cgroup, enum node_network network)
{
	char procs[2 * NODE_PATH_LEN], byte;
	int ready[2];
	pid_t pid;

	node_make_cgroup(cgroup);
	snprintf(procs, sizeof(procs), "%s/%s/cgroup.procs", node_cgroup, cgroup);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		node_live(procs, network, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	if (network == NODE_NETWORK_LATE)
		node_late = ready[0];
	else
		close(ready[0]);
	return pid;
}

void node_release(pid_t pid)
{
	char byte;

	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(read(node_late, &byte, 1), 0);
	close(node_late);
}

void node_stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void node_visit(pid_t pid)
{
	char path[64];
	int fd = node_home;

	if (pid) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	if (pid)
		close(fd);
}

uint32_t node_plumb(pid_t pid, const char *host, const char *pod)
{
	uint32_t ifindex;

	node_run("ip link add %s up type veth peer name %s netns %d", host, pod, pid);
	node_run("nsenter --net=/proc/%d/ns/net ip link set %s up", pid, pod);
	ifindex = if_nametoindex(host);
	assert_int_not_equal(ifindex, 0);
	return ifindex;
}

double node_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double node_limit_ms(double ms)
{
	const char *slowness = getenv("WEFT_TEST_SLOWNESS");

	return slowness ? ms * atof(slowness) : ms;
}

bool node_wait(int fd, int timeout_ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, timeout_ms) == 1;
}
