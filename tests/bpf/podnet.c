// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
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
#include <unistd.h>
#include <cmocka.h>
#include "podnet.h"
#include "weft.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Where the suite's child finds the cgroup, or why there is none. */
static char podnet_cgroup[512];
static char podnet_obstacle[512];

/* Removes what killed runs left behind. */
static void podnet_sweep(const char *mount)
{
	DIR *dir = opendir(mount);
	struct dirent *entry;
	char path[1024];
	pid_t owner;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "weft-test-", 10))
			continue;
		owner = (pid_t)strtol(entry->d_name + 10, NULL, 10);
		if (owner <= 0 || !kill(owner, 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", mount, entry->d_name);
		rmdir(path);
	}
	if (dir)
		closedir(dir);
}

static int podnet_cgroup_make(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	int err = -ENOENT;

	while (mounts && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2"))
			continue;
		podnet_sweep(mount->mnt_dir);
		snprintf(podnet_cgroup, sizeof(podnet_cgroup), "%s/weft-test-%d", mount->mnt_dir,
			 getpid());
		err = mkdir(podnet_cgroup, 0755) ? -errno : 0;
		break;
	}
	if (mounts)
		endmntent(mounts);
	return err;
}

static int podnet_cgroup_enter(void)
{
	char path[600];
	int fd, err;

	snprintf(path, sizeof(path), "%s/cgroup.procs", podnet_cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return err;
}

int podnet_main(int (*suite)(void))
{
	int err = podnet_cgroup_make();
	int status = -1;
	pid_t child;

	if (err)
		snprintf(podnet_obstacle, sizeof(podnet_obstacle),
			 "no cgroup2 to work in (%s); run as root with a cgroup2 mount",
			 strerror(-err));
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		err = err ? err : podnet_cgroup_enter();
		if (err && !*podnet_obstacle)
			snprintf(podnet_obstacle, sizeof(podnet_obstacle),
				 "cannot enter a cgroup (%s); run as root", strerror(-err));
		exit(suite());
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (*podnet_cgroup)
		rmdir(podnet_cgroup);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "the tests died (wait status %d)\n", status);
	return 1;
}

static int podnet_shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

int podnet_namespace_open(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int podnet_namespaces_make(struct podnet *pods)
{
	int home = podnet_namespace_open();
	int failed = home < 0;
	socklen_t size;
	int fd;

	for (int i = 0; !failed && i < POD_COUNT; i++) {
		failed = unshare(CLONE_NEWNET);
		pods->ns[i] = podnet_namespace_open();
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		size = sizeof(pods->cookie[i]);
		failed = failed || pods->ns[i] < 0 ||
			 getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &pods->cookie[i], &size) ||
			 podnet_shell("ip link set lo up");
		close(fd);
	}
	failed = failed || podnet_shell("ip addr add 10.96.0.10/32 dev lo && "
					"ip addr add fd96::10/128 dev lo nodad");
	failed = failed || setns(pods->ns[POD_CLIENT], CLONE_NEWNET) ||
		 podnet_shell("ip link add eth0 type veth peer name eth0 netns /proc/%d/fd/%d && "
			      "ip addr add 10.77.0.1/24 dev eth0 && "
			      "ip addr add fd77::1/64 dev eth0 nodad && ip link set eth0 up",
			      getpid(), pods->ns[POD_SERVER]);
	failed = failed || setns(pods->ns[POD_SERVER], CLONE_NEWNET) ||
		 podnet_shell("ip link set eth0 up");
	for (size_t i = 0; !failed && podnet_server_addrs[i]; i++)
		failed = podnet_shell("ip addr add %s dev eth0%s", podnet_server_addrs[i],
				      strchr(podnet_server_addrs[i], ':') ? " nodad" : "") ||
			 (i == 0 && podnet_shell("ip addr add 10.77.0.254/24 dev eth0 && "
						 "ip addr add fd77::254/64 dev eth0 nodad"));
	if (home >= 0) {
		failed = setns(home, CLONE_NEWNET) || failed;
		close(home);
	}
	return failed ? -1 : 0;
}

static int podnet_programs_load(struct podnet *pods)
{
	struct bpf_program *program;
	int cgroup, err, links = 0;

	pods->skel = weft_bpf__open();
	if (!pods->skel)
		return -errno;
	/* Only what this suite attaches: a broken TC program is another suite's failure. */
	bpf_object__for_each_program(program, pods->skel->obj)
		bpf_program__set_autoload(
			program, !strncmp(bpf_program__section_name(program), "cgroup/", 7) ||
					 !strcmp(bpf_program__section_name(program), "sockops"));
	err = weft_bpf__load(pods->skel);
	if (err)
		return err;
	cgroup = open(podnet_cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return -errno;
	bpf_object__for_each_program(program, pods->skel->obj) {
		if (!bpf_program__autoload(program))
			continue;
		assert_true(links < PODNET_LINKS);
		pods->links[links] = bpf_program__attach_cgroup(program, cgroup);
		if (!pods->links[links++]) {
			err = -errno;
			break;
		}
	}
	close(cgroup);
	return err;
}

static int podnet_event_take(void *context, void *data, size_t size)
{
	struct podnet *pods = context;

	assert_true(size == sizeof(struct weft_event));
	if (pods->event_count < PODNET_EVENTS)
		memcpy(&pods->events[pods->event_count++], data, size);
	return 0;
}

int podnet_group_setup(void **state)
{
	struct podnet *pods = calloc(1, sizeof(*pods));
	int err;

	*state = pods;
	if (!pods)
		return -1;
	for (int i = 0; i < POD_COUNT; i++)
		pods->ns[i] = -1;
	if (*podnet_obstacle)
		return 0;
	if (geteuid()) {
		snprintf(podnet_obstacle, sizeof(podnet_obstacle), "not root; run as root");
		return 0;
	}
	if (podnet_namespaces_make(pods)) {
		print_error("the pods' network namespaces could not be made\n");
		return -1;
	}
	err = podnet_programs_load(pods);
	if (err == -EPERM) {
		snprintf(podnet_obstacle, sizeof(podnet_obstacle),
			 "the kernel does not permit BPF; run with CAP_BPF and CAP_NET_ADMIN");
		return 0;
	}
	if (err) {
		print_error("loading the programs: %s\n", strerror(-err));
		return -1;
	}
	pods->ring = ring_buffer__new(bpf_map__fd(pods->skel->maps.weft_events), podnet_event_take,
				      pods, NULL);
	return pods->ring ? 0 : -1;
}

int podnet_group_teardown(void **state)
{
	struct podnet *pods = *state;

	if (!pods)
		return 0;
	ring_buffer__free(pods->ring);
	for (int i = 0; i < POD_COUNT; i++)
		if (pods->ns[i] >= 0)
			close(pods->ns[i]);
	for (int i = 0; i < PODNET_LINKS; i++)
		bpf_link__destroy(pods->links[i]);
	weft_bpf__destroy(pods->skel);
	free(pods);
	return 0;
}

struct podnet *podnet_require(void **state)
{
	if (*podnet_obstacle) {
		print_message("SKIP: %s\n", podnet_obstacle);
		skip();
	}
	return *state;
}

int podnet_test_setup(void **state)
{
	if (*podnet_obstacle)
		return 0;
	podnet_maps_reset(*state);
	podnet_poll_events(*state);
	return 0;
}

void podnet_poll_events(struct podnet *pods)
{
	pods->event_count = 0;
	ring_buffer__consume(pods->ring);
}
