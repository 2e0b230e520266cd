// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "policy/memory.h"
#include "user/node/cgroup_tree.h"
/* memory.h's rule holds here too: no half-built index */
#define uthash_fatal(message) abort()
#include <uthash.h>

enum cgroup_limit {
	CGROUP_DEPTH_MAX = 12,	     /* levels below the root */
	CGROUP_PROCESSES_MAX = 4096, /* visited per walk */
	CGROUP_UID_MIN = 8,	     /* shorter ones are no uid that Kubernetes makes */
	CGROUP_EVENTS_SIZE = 16384,
};

/*
 * IN_MODIFY reports cgroup.events of the directory, which changes when the subtree gets its
 * first process or loses its last: containers are made first and entered later.
 */
#define CGROUP_WATCH (IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct cgroup_node {
	struct cgroup_node *parent, *children, *next;
	char *name;
	char *uid; /* with dashes; NULL = no pod's directory */
	int wd;	   /* -1 = not watched */
	unsigned int depth;
	bool in_pod; /* a pod's directory or a container's: no pods are looked for below */
	UT_hash_handle by_wd, by_uid;
};

struct cgroup_tree {
	char *path;
	int fd; /* inotify; -1 = none */
	struct cgroup_node *root;
	struct cgroup_node *by_wd, *by_uid;
	unsigned int unwatched; /* directories without a watch */
	bool ambiguous;		/* some uid has several directories; the first found counts */
	bool stale;		/* what is known may be wrong: read everything again */
};

static void cgroup_node_scan(struct cgroup_tree *tree, struct cgroup_node *node);

static int cgroup_node_path(const struct cgroup_tree *tree, const struct cgroup_node *node,
			    char path[PATH_MAX])
{
	const struct cgroup_node *chain[CGROUP_DEPTH_MAX + 1];
	size_t length = 0, levels = 0;
	int written;

	for (; node->parent; node = node->parent)
		chain[levels++] = node;
	written = snprintf(path, PATH_MAX, "%s", tree->path);
	while (written >= 0 && (length += (size_t)written) < PATH_MAX && levels > 0)
		written = snprintf(path + length, PATH_MAX - length, "/%s", chain[--levels]->name);
	return written < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static char *cgroup_uid_normalise(const char *text, size_t length)
{
	char *uid = memory_alloc(length + 1);
	size_t i;

	for (i = 0; i < length; i++)
		uid[i] = text[i] == '_' ? '-' : text[i];
	return uid;
}

/* The uid in a directory's name; NULL when it is not named like a pod's. */
static char *cgroup_uid_from_name(const char *name)
{
	static const char suffix[] = ".slice";
	const char *start = name;
	size_t length;

	/* "kubepods" is no pod: the word starts the name or follows a dash */
	while ((start = strstr(start, "pod")) && start != name && start[-1] != '-')
		start++;
	if (!start)
		return NULL;
	start += strlen("pod");
	length = strlen(start);
	if (length >= strlen(suffix) && !strcmp(start + length - strlen(suffix), suffix))
		length -= strlen(suffix);
	return length ? cgroup_uid_normalise(start, length) : NULL;
}

/*
 * Looks like what Kubernetes makes (a UUID, or the hash of a static pod). A shorter uid, of
 * hand-written manifests, may as well be the name of an outer directory ("pods").
 */
static bool cgroup_uid_is_usual(const char *uid)
{
	return strlen(uid) >= CGROUP_UID_MIN && uid[strspn(uid, "0123456789abcdefABCDEF-")] == '\0';
}

static void cgroup_node_watch(struct cgroup_tree *tree, struct cgroup_node *node)
{
	uint32_t mask = CGROUP_WATCH | (node->in_pod || node->uid ? IN_MODIFY : 0);
	char path[PATH_MAX];

	node->wd = -1;
	if (tree->fd >= 0 && !cgroup_node_path(tree, node, path))
		node->wd = inotify_add_watch(tree->fd, path, mask);
	if (node->wd >= 0)
		HASH_ADD(by_wd, tree->by_wd, wd, sizeof(node->wd), node);
	else
		tree->unwatched++;
}

static void cgroup_node_unwatch(struct cgroup_tree *tree, struct cgroup_node *node)
{
	if (node->wd < 0) {
		tree->unwatched--;
		return;
	}
	inotify_rm_watch(tree->fd, node->wd);
	HASH_DELETE(by_wd, tree->by_wd, node);
}

static struct cgroup_node *cgroup_node_find_uid(const struct cgroup_tree *tree, const char *uid)
{
	struct cgroup_node *node;

	HASH_FIND(by_uid, tree->by_uid, uid, strlen(uid), node);
	return node;
}

/* Frees a node with everything below it; the caller has unlinked it. Depth is bounded. */
static void cgroup_node_free(struct cgroup_tree *tree, struct cgroup_node *node)
{
	struct cgroup_node *child, *next;

	if (!node)
		return;
	for (child = node->children; child; child = next) {
		next = child->next;
		cgroup_node_free(tree, child);
	}
	cgroup_node_unwatch(tree, node);
	if (node->uid && cgroup_node_find_uid(tree, node->uid) == node) {
		HASH_DELETE(by_uid, tree->by_uid, node);
		/* another directory of that pod may remain and is to be found */
		tree->stale |= tree->ambiguous;
	}
	free(node->uid);
	free(node->name);
	free(node);
}

static void cgroup_node_add(struct cgroup_tree *tree, struct cgroup_node *parent, const char *name)
{
	struct cgroup_node *node, *child;

	if (parent->depth >= CGROUP_DEPTH_MAX)
		return;
	for (child = parent->children; child; child = child->next)
		if (!strcmp(child->name, name))
			return;
	node = memory_alloc(sizeof(*node));
	node->name = memory_strdup(name);
	node->parent = parent;
	node->depth = parent->depth + 1;
	node->next = parent->children;
	parent->children = node;
	/* What a pod with a delegated cgroup names its own directories must not count. */
	if (parent->in_pod)
		node->in_pod = true;
	else
		node->uid = cgroup_uid_from_name(name);
	if (node->uid) {
		node->in_pod = cgroup_uid_is_usual(node->uid);
		if (cgroup_node_find_uid(tree, node->uid))
			tree->ambiguous = true;
		else
			HASH_ADD_KEYPTR(by_uid, tree->by_uid, node->uid, strlen(node->uid), node);
	}
	cgroup_node_watch(tree, node);
	/* Containers are watched, what they make inside is not. */
	if (!node->in_pod || node->uid)
		cgroup_node_scan(tree, node);
}

/* Adds what is there and not known yet. After the watch, so that nothing falls in between. */
static void cgroup_node_scan(struct cgroup_tree *tree, struct cgroup_node *node)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (cgroup_node_path(tree, node, path))
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			cgroup_node_add(tree, node, entry->d_name);
	if (dir)
		closedir(dir);
}

static void cgroup_node_remove(struct cgroup_tree *tree, struct cgroup_node *parent,
			       const char *name)
{
	struct cgroup_node **link, *node;

	for (link = &parent->children; (node = *link); link = &node->next) {
		if (!strcmp(node->name, name)) {
			*link = node->next;
			cgroup_node_free(tree, node);
			return;
		}
	}
}

static void cgroup_tree_read(struct cgroup_tree *tree)
{
	cgroup_node_free(tree, tree->root);
	tree->ambiguous = false;
	tree->root = memory_alloc(sizeof(*tree->root));
	cgroup_node_watch(tree, tree->root);
	cgroup_node_scan(tree, tree->root);
	tree->stale = false;
}

static void cgroup_tree_take_event(struct cgroup_tree *tree, const struct inotify_event *event)
{
	struct cgroup_node *node;

	if (event->mask & IN_Q_OVERFLOW) {
		tree->stale = true;
		return;
	}
	HASH_FIND(by_wd, tree->by_wd, &event->wd, sizeof(event->wd), node);
	if (!node)
		return;
	/* The root itself went; others are reported by their parents as well. */
	if (event->mask & IN_IGNORED && node == tree->root)
		tree->stale = true;
	if (!(event->mask & IN_ISDIR))
		return;
	if (event->mask & IN_DELETE)
		cgroup_node_remove(tree, node, event->name);
	else if (event->mask & IN_CREATE && (!node->in_pod || node->uid))
		cgroup_node_add(tree, node, event->name);
}

int cgroup_tree_new(const char *root, struct cgroup_tree **out)
{
	struct cgroup_tree *tree;
	struct stat status;

	if (stat(root, &status))
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	tree = memory_alloc(sizeof(*tree));
	tree->path = memory_strdup(root);
	tree->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	cgroup_tree_read(tree);
	*out = tree;
	return 0;
}

void cgroup_tree_free(struct cgroup_tree *tree)
{
	if (!tree)
		return;
	cgroup_node_free(tree, tree->root);
	if (tree->fd >= 0)
		close(tree->fd);
	free(tree->path);
	free(tree);
}

int cgroup_tree_fd(const struct cgroup_tree *tree)
{
	return tree->fd;
}

bool cgroup_tree_is_watched(const struct cgroup_tree *tree)
{
	return tree->unwatched == 0;
}

void cgroup_tree_refresh(struct cgroup_tree *tree)
{
	char buffer[CGROUP_EVENTS_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t length, offset;

	while (tree->fd >= 0 && (length = read(tree->fd, buffer, sizeof(buffer))) > 0) {
		for (offset = 0; offset < length;
		     offset += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(buffer + offset);
			cgroup_tree_take_event(tree, event);
		}
	}
	if (tree->stale || tree->unwatched)
		cgroup_tree_read(tree);
}

const struct cgroup_node *cgroup_tree_find_pod(const struct cgroup_tree *tree, const char *uid)
{
	char *normal = cgroup_uid_normalise(uid, strlen(uid));
	const struct cgroup_node *node = cgroup_node_find_uid(tree, normal);

	free(normal);
	return node;
}

const char *cgroup_node_name(const struct cgroup_node *node)
{
	return node->name;
}

struct cgroup_walk {
	bool (*callback)(pid_t pid, void *context);
	void *context;
	unsigned int left; /* processes that may still be visited */
};

/* True: the walk is over. */
static bool cgroup_walk_processes(struct cgroup_walk *walk, char path[PATH_MAX], size_t length)
{
	bool over = false;
	FILE *file;
	int pid;

	if ((size_t)snprintf(path + length, PATH_MAX - length, "/cgroup.procs") >=
	    PATH_MAX - length)
		return false;
	file = fopen(path, "re");
	path[length] = '\0';
	/* 0: a process of another pid namespace, of which nothing can be known */
	while (!over && file && fscanf(file, "%d", &pid) == 1)
		over = walk->left-- <= 1 || (pid > 0 && walk->callback(pid, walk->context));
	if (file)
		fclose(file);
	return over;
}

static bool cgroup_walk(struct cgroup_walk *walk, char path[PATH_MAX], unsigned int depth)
{
	size_t length = strlen(path);
	struct dirent *entry;
	bool over;
	DIR *dir;

	over = cgroup_walk_processes(walk, path, length);
	if (over || depth >= CGROUP_DEPTH_MAX)
		return over;
	dir = opendir(path);
	while (!over && dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    length + strlen(entry->d_name) + 2 > PATH_MAX)
			continue;
		sprintf(path + length, "/%s", entry->d_name);
		over = cgroup_walk(walk, path, depth + 1);
		path[length] = '\0';
	}
	if (dir)
		closedir(dir);
	return over;
}

void cgroup_tree_each_pod(const struct cgroup_tree *tree,
			  void (*callback)(const char *uid, void *context), void *context)
{
	const struct cgroup_node *node;

	for (node = tree->by_uid; node; node = node->by_uid.next)
		if (cgroup_uid_is_usual(node->uid))
			callback(node->uid, context);
}

void cgroup_node_each_process(const struct cgroup_tree *tree, const struct cgroup_node *node,
			      bool (*callback)(pid_t pid, void *context), void *context)
{
	struct cgroup_walk walk = { callback, context, CGROUP_PROCESSES_MAX };
	char path[PATH_MAX];

	if (!cgroup_node_path(tree, node, path))
		cgroup_walk(&walk, path, node->depth);
}
