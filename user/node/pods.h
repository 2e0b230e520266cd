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

enum { POD_INTERFACES_MAX = 8 }; /* of one pod that are told (Multus) */

/*
 * A hostNetwork pod has no place. A pod whose last process ended keeps its place until its
 * cgroup is gone or a process in another namespace shows up in it.
 */
struct pod_place {
	char *uid;
	uint64_t netns_cookie; /* SO_NETNS_COOKIE; 0 = not found yet */
	uint32_t ifindex;      /* host side, in this namespace; 0 = not plumbed yet */
	uint32_t ifindexes[POD_INTERFACES_MAX]; /* all of them, ascending; the first is ifindex */
	unsigned int ifindex_count;
	uint64_t netns_inode;
	int32_t nsid; /* by which this namespace knows the pod's (RTM_GETNSID); -1 = by none */
	int diag_fd;  /* NETLINK_SOCK_DIAG socket inside the pod's namespace; -1 = none. Owned */
};

struct pods;

/* `cgroup`: the directory below which pods' cgroups are (names contain pod<uid>). */
int pods_new(const char *cgroup, struct pods **pods);
void pods_free(struct pods *pods);

/*
 * Looks for these pods (uids sorted, unlike each other). Keeps what is known and still true (same
 * namespace, interface still there), forgets pods that are not listed. Cheap when nothing changed.
 * Returns the number of pods whose place is complete; *changed tells whether any place changed.
 * -errno (-EAGAIN, ...): this namespace's links could not be read; every place stays as it was.
 *
 * Keeps the network namespaces of listed pods alive (diag_fd): a pod that is gone for good must
 * leave the list for its interfaces to go by themselves.
 */
int pods_locate(struct pods *pods, const char *const *uids, size_t count, bool *changed);

/*
 * Calls back for every pod that has a cgroup, known or not, as of the last pods_watch_drain() or
 * pods_locate(). The uid is good until the next one.
 */
void pods_each_cgroup(const struct pods *pods, void (*callback)(const char *uid, void *context),
		      void *context);

/* NULL when unknown. Valid until the next pods_locate(). */
const struct pod_place *pods_find(const struct pods *pods, const char *uid);

/*
 * An fd for an event loop that becomes readable when it is time for pods_locate(): cgroups below
 * the root came or went (inotify), a pod got its first process, or - by a timer that slows down
 * from 20 ms to 5 s - some listed pod's place is incomplete. For processes enter their
 * namespace after their cgroup, which nothing reports. -1 when there is none. Link events are
 * hostnet's.
 */
int pods_watch_fd(struct pods *pods);
void pods_watch_drain(struct pods *pods);

#endif /* WEFT_USER_PODS_H */
