// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/node/netlink.h"
#include "user/node/netns.h"

enum netns_limit {
	NETNS_STACK_SIZE = 256 * 1024, /* of the thread; sanitizers need some */
};

bool netns_id_equal(const struct netns_id *a, const struct netns_id *b)
{
	return a->inode == b->inode && a->device == b->device;
}

static void netns_id_set(struct netns_id *id, const struct stat *status)
{
	id->device = status->st_dev;
	id->inode = status->st_ino;
}

int netns_identify(pid_t pid, struct netns_id *id)
{
	char path[64] = "/proc/self/ns/net";
	struct stat status;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &status))
		return -errno;
	netns_id_set(id, &status);
	return 0;
}

/* The line of the v2 hierarchy in /proc/PID/cgroup is "0::PATH". */
static bool netns_process_is_in(int process_fd, const char *cgroup)
{
	size_t length = strlen(cgroup), size = 0;
	bool found = false, v2;
	char *line = NULL, *at;
	FILE *file;
	int fd;

	fd = openat(process_fd, "cgroup", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return false;
	}
	while (!found && getline(&line, &size, file) >= 0) {
		v2 = !strncmp(line, "0::", 3);
		line[strcspn(line, "\n")] = '\0';
		for (at = v2 ? strchr(line, '/') : NULL; at && !found; at = strchr(at, '/')) {
			at++;
			found = !strncmp(at, cgroup, length) &&
				(at[length] == '/' || at[length] == '\0');
		}
	}
	free(line);
	fclose(file);
	return found;
}

int netns_open(pid_t pid, const char *cgroup, struct netns_id *id)
{
	int process_fd, fd = -ESRCH;
	struct stat status;
	char path[32];

	/* This descriptor stays with the process: once it is dead, nothing can be opened below. */
	snprintf(path, sizeof(path), "/proc/%d", pid);
	process_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process_fd < 0)
		return -errno;
	if (!netns_process_is_in(process_fd, cgroup))
		goto cleanup;
	fd = openat(process_fd, "ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		goto cleanup;
	}
	if (fstat(fd, &status)) {
		close(fd);
		fd = -EIO;
		goto cleanup;
	}
	netns_id_set(id, &status);
cleanup:
	close(process_fd);
	return fd;
}

struct netns_visit {
	int netns_fd;
	int result; /* descriptor or -errno */
};

static void *netns_visit_run(void *argument)
{
	struct netns_visit *visit = argument;

	if (setns(visit->netns_fd, CLONE_NEWNET)) {
		visit->result = -errno;
		return NULL;
	}
	visit->result = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (visit->result < 0)
		visit->result = -errno;
	return NULL;
}

/* setns() changes the calling thread only. Signals stay with the caller. */
static int netns_visit(int netns_fd)
{
	struct netns_visit visit = { netns_fd, -EIO };
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	sigfillset(&all);
	err = pthread_attr_init(&attr);
	if (err)
		return -err;
	pthread_attr_setstacksize(&attr, NETNS_STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, netns_visit_run, &visit);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		err = pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	return err ? -err : visit.result;
}

int netns_open_diag(int netns_fd, uint64_t *cookie)
{
	socklen_t length = sizeof(*cookie);
	int fd, err;

	fd = netns_visit(netns_fd);
	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &length))
		err = -errno;
	else
		err = netlink_limit_wait(fd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
