// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's namespace comes from a process in its cgroup; its host-side interfaces are those
 * links of ours whose peer the kernel says is in that namespace. Asking on our side is enough,
 * cannot be forged from inside, and needs no visit to the pod per interface.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "policy/memory.h"
#include "user/node/cgroup_tree.h"
#include "user/node/hostlinks.h"
#include "user/node/netns.h"
#include "user/node/pods.h"

enum pods_limit {
	PODS_NAMESPACES_MAX = 16, /* looked into per pod: some pods run containers of their own */
	PODS_RETRY_FIRST_MS = 20,
	PODS_RETRY_LAST_MS = 5000,
	PODS_RETRY_BLIND_MS = 1000, /* at most, where cgroups cannot be watched */
};

struct pod {
	struct pod_place place;
	struct netns_id netns;
	pid_t pid; /* a process that was in that namespace */
};

struct pods {
	struct cgroup_tree *tree;
	struct hostlinks *links;
	struct netns_id own, init; /* the agent's namespace, and that of pid 1 */
	struct pod *items;	   /* sorted by uid */
	size_t count;
	int watch_fd, timer_fd;
	unsigned int retry_ms;
};

/* A namespace that some process of the pod is in. fd -1 = none. */
struct pods_candidate {
	struct netns_id netns;
	pid_t pid;
	int fd;
	int32_t number;
	bool plumbed;
};

struct pods_search {
	const struct pods *pods;
	const struct pod *pod;
	const char *cgroup;
	struct netns_id seen[PODS_NAMESPACES_MAX];
	size_t seen_count;
	struct pods_candidate best;
};

static int pods_watch_add(int watch_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(watch_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void pods_watch_open(struct pods *pods)
{
	int fd = cgroup_tree_fd(pods->tree);

	pods->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	pods->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (pods->watch_fd >= 0 && pods->timer_fd >= 0 &&
	    !pods_watch_add(pods->watch_fd, pods->timer_fd) &&
	    (fd < 0 || !pods_watch_add(pods->watch_fd, fd)))
		return;
	if (pods->watch_fd >= 0)
		close(pods->watch_fd);
	pods->watch_fd = -1;
}

int pods_new(const char *cgroup, struct pods **out)
{
	struct pods *pods = memory_alloc(sizeof(*pods));
	int err;

	pods->watch_fd = -1;
	pods->timer_fd = -1;
	pods->retry_ms = PODS_RETRY_FIRST_MS;
	err = netns_identify(0, &pods->own);
	if (err)
		goto fail;
	/* Where it cannot be seen (another pid namespace), there is no process to mistake. */
	if (netns_identify(1, &pods->init))
		pods->init = pods->own;
	err = cgroup_tree_new(cgroup, &pods->tree);
	if (err)
		goto fail;
	err = hostlinks_new(&pods->links);
	if (err)
		goto fail;
	pods_watch_open(pods);
	*out = pods;
	return 0;
fail:
	pods_free(pods);
	return err;
}

static void pods_forget_place(struct pod *pod)
{
	char *uid = pod->place.uid;

	if (pod->place.diag_fd >= 0)
		close(pod->place.diag_fd);
	memset(pod, 0, sizeof(*pod));
	pod->place.uid = uid;
	pod->place.diag_fd = -1;
	pod->place.nsid = -1;
}

void pods_free(struct pods *pods)
{
	size_t i;

	if (!pods)
		return;
	for (i = 0; i < pods->count; i++) {
		pods_forget_place(&pods->items[i]);
		free(pods->items[i].place.uid);
	}
	free(pods->items);
	hostlinks_free(pods->links);
	cgroup_tree_free(pods->tree);
	if (pods->watch_fd >= 0)
		close(pods->watch_fd);
	if (pods->timer_fd >= 0)
		close(pods->timer_fd);
	free(pods);
}

static bool pods_search_is_new(struct pods_search *search, const struct netns_id *netns)
{
	size_t i;

	/* Also the time between joining the cgroup and entering the namespace looks like this. */
	if (netns_id_equal(netns, &search->pods->own) || netns_id_equal(netns, &search->pods->init))
		return false;
	for (i = 0; i < search->seen_count; i++)
		if (netns_id_equal(netns, &search->seen[i]))
			return false;
	if (search->seen_count == PODS_NAMESPACES_MAX)
		return false;
	search->seen[search->seen_count++] = *netns;
	return true;
}

/* A namespace with an interface of ours beats the one known so far, which beats any other. */
static bool pods_search_is_better(const struct pods_search *search,
				  const struct pods_candidate *candidate)
{
	if (search->best.fd < 0 || candidate->plumbed)
		return true;
	return search->pod->place.diag_fd >= 0 &&
	       netns_id_equal(&candidate->netns, &search->pod->netns);
}

static bool pods_search_visit(pid_t pid, void *context)
{
	struct pods_candidate candidate = { .pid = pid, .fd = -1, .number = -1 };
	struct pods_search *search = context;
	struct netns_id netns;
	uint32_t ifindex;

	if (netns_identify(pid, &netns) || !pods_search_is_new(search, &netns))
		return false;
	candidate.fd = netns_open(pid, search->cgroup, &candidate.netns);
	if (candidate.fd < 0)
		return false;
	/* It may have moved meanwhile; it will be met again. */
	if (!netns_id_equal(&netns, &candidate.netns)) {
		close(candidate.fd);
		return false;
	}
	if (!hostlinks_netns_number(search->pods->links, candidate.fd, &candidate.number))
		candidate.plumbed =
			hostlinks_find(search->pods->links, candidate.number, &ifindex, 1) > 0;
	if (!pods_search_is_better(search, &candidate)) {
		close(candidate.fd);
		return false;
	}
	if (search->best.fd >= 0)
		close(search->best.fd);
	search->best = candidate;
	return candidate.plumbed;
}

/* Moves the pod to the namespace found. What cannot be entered is tried again next time. */
static void pods_enter(struct pod *pod, const struct pods_candidate *found)
{
	uint64_t cookie;
	int fd;

	if (pod->place.diag_fd < 0 || !netns_id_equal(&pod->netns, &found->netns)) {
		fd = netns_open_diag(found->fd, &cookie);
		/* Even then the former place is wrong: nobody is there any more. */
		pods_forget_place(pod);
		if (fd < 0)
			return;
		pod->place.diag_fd = fd;
		pod->place.netns_cookie = cookie;
		pod->place.netns_inode = found->netns.inode;
		pod->netns = found->netns;
	}
	pod->pid = found->pid;
	pod->place.nsid = found->number;
}

static void pods_search(const struct pods *pods, struct pod *pod, const struct cgroup_node *node)
{
	struct pods_search search = {
		.pods = pods,
		.pod = pod,
		.cgroup = cgroup_node_name(node),
		.best = { .fd = -1 },
	};

	cgroup_node_each_process(pods->tree, node, pods_search_visit, &search);
	if (search.best.fd < 0)
		return;
	pods_enter(pod, &search.best);
	close(search.best.fd);
}

static void pods_read_interfaces(const struct pods *pods, struct pod *pod)
{
	struct pod_place *place = &pod->place;

	place->ifindex_count = 0;
	memset(place->ifindexes, 0, sizeof(place->ifindexes));
	if (place->nsid >= 0)
		place->ifindex_count = (unsigned int)hostlinks_find(
			pods->links, place->nsid, place->ifindexes, POD_INTERFACES_MAX);
	place->ifindex = place->ifindexes[0];
}

static bool pods_is_complete(const struct pod *pod)
{
	return pod->place.netns_cookie && pod->place.ifindex;
}

static void pods_locate_one(const struct pods *pods, struct pod *pod)
{
	const struct cgroup_node *node;
	struct netns_id netns;

	pods_read_interfaces(pods, pod);
	/* The namespace is held by diag_fd, so its inode cannot be that of another one. */
	if (pods_is_complete(pod) && !netns_identify(pod->pid, &netns) &&
	    netns_id_equal(&netns, &pod->netns))
		return;
	node = cgroup_tree_find_pod(pods->tree, pod->place.uid);
	if (!node) {
		pods_forget_place(pod);
		return;
	}
	pods_search(pods, pod, node);
	pods_read_interfaces(pods, pod);
}

static bool pods_place_differs(const struct pod_place *a, const struct pod_place *b)
{
	return a->netns_cookie != b->netns_cookie || a->netns_inode != b->netns_inode ||
	       a->nsid != b->nsid || a->ifindex_count != b->ifindex_count ||
	       memcmp(a->ifindexes, b->ifindexes, sizeof(a->ifindexes));
}

/* Makes the list that of `uids`: keeps, adds, forgets. True when a place went with its pod. */
static bool pods_list(struct pods *pods, const char *const *uids, size_t count)
{
	struct pod *items = memory_alloc(count * sizeof(*items)), *old = pods->items;
	size_t old_count = pods->count, i = 0, j = 0;
	bool lost = false;
	int order;

	while (i < count || j < old_count) {
		if (i < count && j < old_count)
			order = strcmp(uids[i], old[j].place.uid);
		else
			order = i < count ? -1 : 1;
		if (order == 0) {
			items[i++] = old[j++];
		} else if (order < 0) {
			items[i].place.diag_fd = -1;
			items[i].place.nsid = -1;
			items[i].place.uid = memory_strdup(uids[i]);
			i++;
		} else {
			lost |= old[j].place.netns_cookie != 0;
			pods_forget_place(&old[j]);
			free(old[j++].place.uid);
		}
	}
	free(old);
	pods->items = items;
	pods->count = count;
	return lost;
}

static void pods_arm(struct pods *pods, bool progress, bool incomplete)
{
	struct itimerspec when = {};
	unsigned int limit = PODS_RETRY_LAST_MS;

	if (pods->timer_fd < 0)
		return;
	if (!cgroup_tree_is_watched(pods->tree))
		limit = PODS_RETRY_BLIND_MS;
	if (progress)
		pods->retry_ms = PODS_RETRY_FIRST_MS;
	if (pods->retry_ms > limit)
		pods->retry_ms = limit;
	if (incomplete || limit != PODS_RETRY_LAST_MS) {
		when.it_value.tv_sec = pods->retry_ms / 1000;
		when.it_value.tv_nsec = pods->retry_ms % 1000 * 1000000L;
		pods->retry_ms *= 2;
	}
	timerfd_settime(pods->timer_fd, 0, &when, NULL);
}

int pods_locate(struct pods *pods, const char *const *uids, size_t count, bool *changed)
{
	struct pod_place before;
	size_t i, complete = 0;
	int err;

	*changed = false;
	/* Links first: a namespace found later may lack its link for now, never the reverse. */
	err = hostlinks_read(pods->links);
	if (err) {
		pods_arm(pods, false, true);
		return err;
	}
	cgroup_tree_refresh(pods->tree);
	*changed = pods_list(pods, uids, count);
	for (i = 0; i < pods->count; i++) {
		before = pods->items[i].place;
		pods_locate_one(pods, &pods->items[i]);
		*changed |= pods_place_differs(&before, &pods->items[i].place);
		complete += pods_is_complete(&pods->items[i]);
	}
	pods_arm(pods, *changed, complete < pods->count);
	return (int)complete;
}

static int pods_compare_uid(const void *uid, const void *pod)
{
	return strcmp(uid, ((const struct pod *)pod)->place.uid);
}

const struct pod_place *pods_find(const struct pods *pods, const char *uid)
{
	const struct pod *pod;

	if (!pods->count)
		return NULL;
	pod = bsearch(uid, pods->items, pods->count, sizeof(*pods->items), pods_compare_uid);
	return pod ? &pod->place : NULL;
}

void pods_each_cgroup(const struct pods *pods, void (*callback)(const char *uid, void *context),
		      void *context)
{
	cgroup_tree_each_pod(pods->tree, callback, context);
}

int pods_watch_fd(struct pods *pods)
{
	return pods->watch_fd;
}

void pods_watch_drain(struct pods *pods)
{
	uint64_t expirations;

	if (pods->timer_fd >= 0 &&
	    read(pods->timer_fd, &expirations, sizeof(expirations)) != sizeof(expirations)) {
		/* Not the timer: something happened to the cgroups, so look again soon. */
		pods->retry_ms = PODS_RETRY_FIRST_MS;
	}
	cgroup_tree_refresh(pods->tree);
}
