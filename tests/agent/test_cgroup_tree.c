// SPDX-License-Identifier: Apache-2.0
/* What the tree of cgroups does when inotify fails it; plain directories, in memory, stand in for
 * cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "policy/memory.h"
#include "user/node/cgroup_tree.h"

#define UID "33333333-aaaa-4bbb-8ccc-0123456789ab"

enum { QUEUE_DEFAULT = 16384 };

static int setup(void **state)
{
	char *root = memory_strdup("/dev/shm/weft-tree-XXXXXX");

	assert_non_null(mkdtemp(root));
	*state = root;
	return 0;
}

static int teardown(void **state)
{
	char *command = memory_printf("rm -r '%s'", (char *)*state);
	int status = system(command);

	free(command);
	free(*state);
	return status;
}

static void make(const char *root, const char *name)
{
	char *path = memory_printf("%s/%s", root, name);

	assert_true(!mkdir(path, 0755) || errno == EEXIST);
	free(path);
}

/* With what leads to it. */
static void make_all(const char *root, const char *name)
{
	char *path = memory_strdup(name), *slash;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		make(root, path);
		*slash = '/';
	}
	make(root, path);
	free(path);
}

static void unmake(const char *root, const char *name)
{
	char *path = memory_printf("%s/%s", root, name);

	assert_int_equal(rmdir(path), 0);
	free(path);
}

static unsigned int queue_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned int limit = QUEUE_DEFAULT;

	if (file && fscanf(file, "%u", &limit) != 1)
		limit = QUEUE_DEFAULT;
	if (file)
		fclose(file);
	return limit;
}

static void test_lost_events(void **state)
{
	unsigned int i, limit = queue_limit();
	struct cgroup_tree *tree;

	if (limit > 4 * QUEUE_DEFAULT) {
		printf("SKIP: %u events fit the queue; sysctl fs.inotify.max_queued_events=%d\n",
		       limit, QUEUE_DEFAULT);
		fflush(stdout);
		skip();
	}
	make(*state, "gone-pod" UID);
	assert_int_equal(cgroup_tree_new(*state, &tree), 0);
	assert_true(cgroup_tree_is_watched(tree));
	assert_non_null(cgroup_tree_find_pod(tree, UID));
	for (i = 0; i < limit / 2 + 8; i++) {
		make(*state, "noise");
		unmake(*state, "noise");
	}
	unmake(*state, "gone-pod" UID);
	make(*state, "outer");
	make(*state, "outer/pod44444444");
	cgroup_tree_refresh(tree);
	assert_null(cgroup_tree_find_pod(tree, UID));
	assert_non_null(cgroup_tree_find_pod(tree, "44444444"));
	assert_true(cgroup_tree_is_watched(tree));
	/* and watches again */
	make(*state, "outer/pod55555555");
	cgroup_tree_refresh(tree);
	assert_non_null(cgroup_tree_find_pod(tree, "55555555"));
	cgroup_tree_free(tree);
}

static void test_no_inotify(void **state)
{
	struct rlimit files, none;
	struct cgroup_tree *tree;
	int next;

	next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(cgroup_tree_new(*state, &tree), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(cgroup_tree_fd(tree), -1);
	assert_false(cgroup_tree_is_watched(tree));
	make(*state, "pod" UID);
	cgroup_tree_refresh(tree);
	assert_non_null(cgroup_tree_find_pod(tree, UID));
	unmake(*state, "pod" UID);
	cgroup_tree_refresh(tree);
	assert_null(cgroup_tree_find_pod(tree, UID));
	cgroup_tree_free(tree);
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *uid;
	} names[] = {
		{ "pod66666666-1", "66666666-1" },
		{ "kubepods-burstable-podaaaa_bbbb_1.slice", "aaaa-bbbb-1" },
		{ "kubelet-kubepods-besteffort-podcccc_dddd.slice", "cccc-dddd" },
		{ "podshop-pod-1", "shop-pod-1" },
	};
	struct cgroup_tree *tree;
	size_t i;

	make(*state, "kubepods-burstable.slice");
	make(*state, "kubepods");
	make(*state, "pod");
	make(*state, "podman");
	make(*state, "podman/pod77777777");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		make(*state, names[i].name);
	assert_int_equal(cgroup_tree_new(*state, &tree), 0);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_non_null(cgroup_tree_find_pod(tree, names[i].uid));
		assert_string_equal(cgroup_node_name(cgroup_tree_find_pod(tree, names[i].uid)),
				    names[i].name);
	}
	assert_non_null(cgroup_tree_find_pod(tree, "77777777"));
	assert_null(cgroup_tree_find_pod(tree, ""));
	assert_null(cgroup_tree_find_pod(tree, "s"));
	assert_null(cgroup_tree_find_pod(tree, "s-burstable"));
	assert_null(cgroup_tree_find_pod(tree, "66666666"));
	cgroup_tree_free(tree);
}

/* What kubelets, by each of their drivers, and runtimes make; all on one node, for the test. */
static void test_drivers(void **state)
{
	static const struct {
		const char *folder, *uid;
		const char *containers[2];
	} pods[] = {
		{ "kubepods/pod11111111-aaaa-4bbb-8ccc-000000000001",
		  "11111111-aaaa-4bbb-8ccc-000000000001",
		  { "3b1c5c7e", "deadbeef" } },
		{ "kubepods/besteffort/pod11111111-aaaa-4bbb-8ccc-000000000002",
		  "11111111-aaaa-4bbb-8ccc-000000000002",
		  { "3b1c5c7e", "crio-3b1c5c7e" } },
		/* a static pod */
		{ "kubepods/burstable/pod0b26f0a1c9e8d7c6b5a4f3e2d1c0b9a8",
		  "0b26f0a1c9e8d7c6b5a4f3e2d1c0b9a8",
		  { "3b1c5c7e", "4c" } },
		{ "kubepods.slice/kubepods-pod11111111_aaaa_4bbb_8ccc_000000000004.slice",
		  "11111111-aaaa-4bbb-8ccc-000000000004",
		  { "cri-containerd-3b1c5c7e.scope", "cri-containerd-4c.scope" } },
		{ "kubepods.slice/kubepods-burstable.slice/"
		  "kubepods-burstable-pod11111111_aaaa_4bbb_8ccc_000000000005.slice",
		  "11111111-aaaa-4bbb-8ccc-000000000005",
		  { "crio-3b1c5c7e.scope", "crio-conmon-3b1c5c7e.scope" } },
		{ "kubepods.slice/kubepods-besteffort.slice/"
		  "kubepods-besteffort-pod11111111_aaaa_4bbb_8ccc_000000000006.slice",
		  "11111111-aaaa-4bbb-8ccc-000000000006",
		  { "docker-3b1c5c7e.scope", "docker-4c.scope" } },
		{ "kubepods.slice/kubepods-burstable.slice/"
		  "kubepods-burstable-pod1b26f0a1c9e8d7c6b5a4f3e2d1c0b9a8.slice",
		  "1b26f0a1c9e8d7c6b5a4f3e2d1c0b9a8",
		  { "cri-containerd-3b1c5c7e.scope", "crio-4c.scope" } },
		/* a node in a container */
		{ "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		  "kubelet-kubepods-burstable-pod11111111_aaaa_4bbb_8ccc_000000000008.slice",
		  "11111111-aaaa-4bbb-8ccc-000000000008",
		  { "cri-containerd-3b1c5c7e.scope", "cri-containerd-4c.scope" } },
	};
	static const char *const others[] = {
		"machine.slice/libpod-3b1c5c7e.scope",
		"machine.slice/libpod-conmon-3b1c5c7e.scope",
		"user.slice/user-1000.slice/podman-7.scope",
	};
	const struct cgroup_node *node;
	struct cgroup_tree *tree;
	char path[PATH_MAX];
	size_t i, j;

	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		make_all(*state, others[i]);
	assert_int_equal(cgroup_tree_new(*state, &tree), 0);
	for (i = 0; i < sizeof(pods) / sizeof(*pods); i++) {
		for (j = 0; j < 2; j++) {
			snprintf(path, sizeof(path), "%s/%s", pods[i].folder,
				 pods[i].containers[j]);
			make_all(*state, path);
		}
		cgroup_tree_refresh(tree);
		node = cgroup_tree_find_pod(tree, pods[i].uid);
		assert_non_null(node);
		assert_string_equal(cgroup_node_name(node), strrchr(pods[i].folder, '/') + 1);
	}
	assert_null(cgroup_tree_find_pod(tree, "3b1c5c7e"));
	cgroup_tree_free(tree);
}

/* The same pod twice: one goes, the other is found. */
static void test_two_directories(void **state)
{
	struct cgroup_tree *tree;

	make(*state, "a");
	make(*state, "b");
	make(*state, "a/pod" UID);
	assert_int_equal(cgroup_tree_new(*state, &tree), 0);
	make(*state, "b/pod" UID);
	cgroup_tree_refresh(tree);
	unmake(*state, "a/pod" UID);
	cgroup_tree_refresh(tree);
	assert_non_null(cgroup_tree_find_pod(tree, UID));
	unmake(*state, "b/pod" UID);
	cgroup_tree_refresh(tree);
	assert_null(cgroup_tree_find_pod(tree, UID));
	cgroup_tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lost_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_inotify, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drivers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_directories, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
