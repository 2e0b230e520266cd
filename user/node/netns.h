/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of other processes. The calling thread never leaves its own
 * namespace: what must be done inside another is done by a thread that ends there, so there
 * is no way back that could fail.
 */
#ifndef WEFT_USER_NETNS_H
#define WEFT_USER_NETNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Identity of a namespace as long as something keeps it alive: device and inode on nsfs. */
struct netns_id {
	uint64_t device, inode;
};

bool netns_id_equal(const struct netns_id *a, const struct netns_id *b);

/* Of a process, 0 for the caller. -ENOENT or -ESRCH when it is gone, -EACCES, ... */
int netns_identify(pid_t pid, struct netns_id *id);

/*
 * A descriptor of the namespace of `pid`, which must be in a cgroup of which one path component
 * is `cgroup`: a number that was given to another process meanwhile is found out (-ESRCH).
 */
int netns_open(pid_t pid, const char *cgroup, struct netns_id *id);

/*
 * Opens a NETLINK_SOCK_DIAG socket inside the namespace and tells the namespace's cookie
 * (SO_NETNS_COOKIE). Returns the descriptor, which keeps the namespace alive; the caller
 * owns it. Receiving from it times out after 2 s. -EPERM without CAP_SYS_ADMIN.
 */
int netns_open_diag(int netns_fd, uint64_t *cookie);

#endif /* WEFT_USER_NETNS_H */
