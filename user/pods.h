/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a local pod is: its network namespace (cookie) and its host-side interface,
 * found from the processes in its cgroup - no container runtime is asked.
 */
#ifndef WEFT_USER_PODS_H
#define WEFT_USER_PODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pod_place {
	char *uid;
	uint64_t netns_cookie;		/* SO_NETNS_COOKIE; 0 = not found yet */
	uint32_t ifindex;		/* host side, in this namespace; 0 = not plumbed yet */
	uint64_t netns_inode;
	int diag_fd;			/* NETLINK_SOCK_DIAG socket inside the pod's namespace; -1 = none. Owned */
};

struct pods;

/* `cgroup`: the directory below which pods' cgroups are (names contain pod<uid>). */
int pods_new(const char *cgroup, struct pods **pods);
void pods_free(struct pods *pods);

/*
 * Looks for these pods (uids sorted). Keeps what is known and still true (same namespace,
 * interface still there), forgets pods that are not listed. Cheap when nothing changed.
 * Returns the number of pods whose place is complete; *changed tells whether any place changed.
 */
int pods_locate(struct pods *pods, const char *const *uids, size_t count, bool *changed);

/* NULL when unknown. Valid until the next pods_locate(). */
const struct pod_place *pods_find(const struct pods *pods, const char *uid);

/* An fd that becomes readable when cgroups below the root come or go (inotify), -1 when it cannot. */
int pods_watch_fd(struct pods *pods);
void pods_watch_drain(struct pods *pods);

#endif /* WEFT_USER_PODS_H */
