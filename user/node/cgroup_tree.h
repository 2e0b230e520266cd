/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup directories below a root, kept up to date with inotify, and which of
 * them belong to pods. Knows names and processes, nothing about networks.
 */
#ifndef WEFT_USER_CGROUP_TREE_H
#define WEFT_USER_CGROUP_TREE_H

#include <stdbool.h>
#include <sys/types.h>

struct cgroup_tree;
struct cgroup_node;

/* Reads the tree once. -ENOENT, -ENOTDIR, ... when `root` is no readable directory. */
int cgroup_tree_new(const char *root, struct cgroup_tree **tree);
void cgroup_tree_free(struct cgroup_tree *tree);

/*
 * Becomes readable when directories come or go, or when a pod or one of its containers
 * gets its first process or loses its last. -1 when the node offers no inotify.
 */
int cgroup_tree_fd(const struct cgroup_tree *tree);

/*
 * Takes in what happened; never blocks. Where directories could not be watched (limits of
 * inotify, lost events) it reads the whole tree again.
 */
void cgroup_tree_refresh(struct cgroup_tree *tree);

/* Every directory is watched: nothing comes or goes without the fd becoming readable. */
bool cgroup_tree_is_watched(const struct cgroup_tree *tree);

/*
 * The directory of a pod, NULL when there is none. Both cgroup drivers' names are understood:
 * pod<uid> and kubepods-burstable-pod<uid with _ for ->.slice. Valid until the next refresh.
 */
const struct cgroup_node *cgroup_tree_find_pod(const struct cgroup_tree *tree, const char *uid);

/* Every pod's uid, once each, good until the next refresh; only uids that Kubernetes makes. */
void cgroup_tree_each_pod(const struct cgroup_tree *tree,
			  void (*callback)(const char *uid, void *context), void *context);

/* Last component of the path. */
const char *cgroup_node_name(const struct cgroup_node *node);

/*
 * Calls back for every process in the directory and below, as it is now. A callback that
 * returns true ends the walk. At most a few thousand processes are visited.
 */
void cgroup_node_each_process(const struct cgroup_tree *tree, const struct cgroup_node *node,
			      bool (*callback)(pid_t pid, void *context), void *context);

#endif /* WEFT_USER_CGROUP_TREE_H */
