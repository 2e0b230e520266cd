// SPDX-License-Identifier: Apache-2.0
/* Pods found from their cgroups: real processes, namespaces and veth pairs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "node.h"
#include "policy/memory.h"
#include "user/node/netlink.h"
#include "user/node/pods.h"

#define UID_A	   "11111111-aaaa-4bbb-8ccc-0123456789ab"
#define UID_B	   "22222222-aaaa-4bbb-8ccc-0123456789ab"
#define UID_STATIC "0123456789abcdef0123456789abcdef"
#define DIR_A	   "kubepods/besteffort/pod" UID_A

enum { MANY = 200 };

static struct pods *new_pods(void)
{
	struct pods *pods;

	node_require();
	assert_int_equal(pods_new(node_cgroup, &pods), 0);
	return pods;
}

/* Locates one pod; tells whether something changed. */
static bool locate(struct pods *pods, const char *uid)
{
	const char *const uids[] = { uid };
	bool changed;

	assert_true(pods_locate(pods, uids, 1, &changed) >= 0);
	assert_non_null(pods_find(pods, uid));
	return changed;
}

static uint64_t cookie_of(pid_t pid)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	int fd;

	node_visit(pid);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	node_visit(0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length), 0);
	close(fd);
	return cookie;
}

static uint64_t inode_of(pid_t pid)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

static void take_nsid(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attr) == NETNSA_NSID)
			*(int32_t *)context = (int32_t)mnl_attr_get_u32(attr);
	}
}

/* By which number this namespace knows that of the process; -1 = by none. */
static int32_t nsid_of(pid_t pid)
{
	char buffer[NETLINK_REQUEST_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	int fd = netlink_open(NETLINK_ROUTE);
	int32_t nsid = -2;

	message->nlmsg_type = RTM_GETNSID;
	message->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(message, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(message, NETNSA_PID, (uint32_t)pid);
	assert_int_equal(netlink_talk(fd, message, take_nsid, &nsid), 0);
	close(fd);
	return nsid;
}

static void assert_place(const struct pods *pods, const char *uid, pid_t pid, uint32_t ifindex)
{
	const struct pod_place *place = pods_find(pods, uid);
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	assert_non_null(place);
	assert_string_equal(place->uid, uid);
	assert_int_equal(place->ifindex, ifindex);
	assert_int_equal(place->ifindex_count, ifindex ? 1 : 0);
	assert_int_equal(place->netns_inode, inode_of(pid));
	assert_int_equal(place->netns_cookie, cookie_of(pid));
	assert_int_equal(getsockopt(place->diag_fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length),
			 0);
	assert_int_equal(cookie, place->netns_cookie);
	/* A namespace that no link leads to has no number, or keeps the one it had. */
	assert_int_equal(place->nsid, nsid_of(pid));
	assert_true(place->nsid >= 0 || !ifindex);
}

static void assert_no_place(const struct pods *pods, const char *uid)
{
	const struct pod_place *place = pods_find(pods, uid);

	assert_non_null(place);
	assert_int_equal(place->netns_cookie, 0);
	assert_int_equal(place->netns_inode, 0);
	assert_int_equal(place->ifindex, 0);
	assert_int_equal(place->diag_fd, -1);
	assert_int_equal(place->nsid, -1);
}

static void test_bad_root(void **state)
{
	struct pods *pods = NULL;

	(void)state;
	assert_int_equal(pods_new("/nonexistent/cgroup", &pods), -ENOENT);
	assert_int_equal(pods_new("/proc/self/status", &pods), -ENOTDIR);
	assert_null(pods);
	pods_free(NULL);
}

static void test_life_of_a_pod(void **state)
{
	struct pods *pods = new_pods();
	uint32_t ifindex;
	bool changed;
	pid_t pid;

	(void)state;
	assert_null(pods_find(pods, UID_A));
	assert_false(locate(pods, UID_A));
	assert_no_place(pods, UID_A);
	assert_null(pods_find(pods, UID_B));

	pid = node_start(DIR_A "/pause", NODE_NETWORK_OWN);
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, 0);
	assert_false(locate(pods, UID_A));

	ifindex = node_plumb(pid, "life0", "eth0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, ifindex);
	assert_false(locate(pods, UID_A));

	node_run("ip link del life0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, 0);
	assert_false(locate(pods, UID_A));

	ifindex = node_plumb(pid, "life1", "eth0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, ifindex);

	node_remove_cgroup(DIR_A);
	assert_true(locate(pods, UID_A));
	assert_no_place(pods, UID_A);
	assert_int_equal(pods_locate(pods, NULL, 0, &changed), 0);
	assert_false(changed);
	assert_null(pods_find(pods, UID_A));
	pods_free(pods);
}

static void test_names_of_both_drivers(void **state)
{
	static const char *const uids[] = { UID_STATIC, UID_A, UID_B };
	static const char *const dirs[] = {
		"kubepods.slice/kubepods-burstable.slice/"
		"kubepods-burstable-pod" UID_STATIC ".slice/cri-containerd-1.scope",
		"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-"
		"pod11111111_aaaa_4bbb_8ccc_0123456789ab.slice/cri-containerd-2.scope/deeper",
		"pods/kubepods/pod" UID_B,
	};
	struct pods *pods = new_pods();
	pid_t pids[3];
	bool changed;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		pids[i] = node_start(dirs[i], NODE_NETWORK_OWN);
	assert_int_equal(pods_locate(pods, uids, 3, &changed), 0);
	for (i = 0; i < 3; i++)
		assert_place(pods, uids[i], pids[i], 0);
	/* the same, seen by one that comes later */
	pods_free(pods);
	pods = new_pods();
	assert_int_equal(pods_locate(pods, uids, 3, &changed), 0);
	for (i = 0; i < 3; i++)
		assert_place(pods, uids[i], pids[i], 0);
	pods_free(pods);
	node_remove_cgroup("kubepods.slice");
	node_remove_cgroup("pods");
}

/* A pod that may make cgroups of its own cannot pass for another pod. */
static void test_pod_cannot_pose_as_another(void **state)
{
	struct pods *pods = new_pods();

	(void)state;
	node_start(DIR_A "/container/pod" UID_B, NODE_NETWORK_OWN);
	locate(pods, UID_B);
	assert_no_place(pods, UID_B);
	node_make_cgroup(DIR_A "/pod" UID_B);
	locate(pods, UID_B);
	assert_no_place(pods, UID_B);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

static void test_host_network(void **state)
{
	struct pods *pods = new_pods();
	pid_t pid;

	(void)state;
	pid = node_start(DIR_A "/pause", NODE_NETWORK_HOST);
	assert_false(locate(pods, UID_A));
	assert_no_place(pods, UID_A);
	node_stop(pid);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

/* A container's first process enters its cgroup before its namespace; nothing reports that. */
static void test_namespace_after_cgroup(void **state)
{
	struct pods *pods = new_pods();
	double start;
	pid_t pid;

	(void)state;
	pid = node_start(DIR_A "/pause", NODE_NETWORK_LATE);
	locate(pods, UID_A);
	assert_no_place(pods, UID_A);
	pods_watch_drain(pods);
	node_release(pid);
	start = node_now_ms();
	while (!pods_find(pods, UID_A)->netns_cookie && node_now_ms() - start < 1000) {
		assert_true(node_wait(pods_watch_fd(pods), 1000));
		pods_watch_drain(pods);
		locate(pods, UID_A);
	}
	assert_place(pods, UID_A, pid, 0);
	print_message("namespace found %.0f ms after it was entered\n", node_now_ms() - start);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

static void test_restarted_sandbox(void **state)
{
	struct pods *pods = new_pods();
	uint32_t ifindex;
	pid_t pid, again;

	(void)state;
	pid = node_start(DIR_A "/old", NODE_NETWORK_OWN);
	ifindex = node_plumb(pid, "sand0", "eth0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, ifindex);
	/* without processes the place is kept: it cannot be told from one between two containers */
	node_stop(pid);
	assert_false(locate(pods, UID_A));
	again = node_start(DIR_A "/new", NODE_NETWORK_OWN);
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, again, 0);
	/* nothing holds the old namespace any more, so its interface goes by itself */
	for (int tries = 0; if_nametoindex("sand0") && tries < 100; tries++)
		usleep(20000);
	assert_int_equal(if_nametoindex("sand0"), 0);
	ifindex = node_plumb(again, "sand1", "eth0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, again, ifindex);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

/* The process asked first dies, others of the same namespace live: nothing changes. */
static void test_process_ends(void **state)
{
	struct pods *pods = new_pods();
	pid_t first, second;
	uint32_t ifindex;
	char path[64];

	(void)state;
	first = node_start(DIR_A "/a", NODE_NETWORK_OWN);
	ifindex = node_plumb(first, "ends0", "eth0");
	node_visit(first);
	second = node_start(DIR_A "/b", NODE_NETWORK_HOST);
	node_visit(0);
	assert_int_equal(inode_of(first), inode_of(second));
	assert_true(locate(pods, UID_A));
	node_stop(first);
	snprintf(path, sizeof(path), "/proc/%d", first);
	assert_int_equal(access(path, F_OK), -1);
	assert_false(locate(pods, UID_A));
	assert_place(pods, UID_A, second, ifindex);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

/* A process of the pod that left for a namespace of its own hides nothing. */
static void test_nested_namespace(void **state)
{
	struct pods *pods = new_pods();
	uint32_t ifindex;
	pid_t pid;

	(void)state;
	node_start(DIR_A, NODE_NETWORK_OWN); /* met first, with no interface */
	pid = node_start(DIR_A "/main", NODE_NETWORK_OWN);
	ifindex = node_plumb(pid, "nest0", "eth0");
	assert_true(locate(pods, UID_A));
	assert_place(pods, UID_A, pid, ifindex);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

static void test_several_interfaces(void **state)
{
	struct pods *pods = new_pods();
	const struct pod_place *place;
	uint32_t first, second;
	pid_t pid, other;

	(void)state;
	pid = node_start(DIR_A "/pause", NODE_NETWORK_OWN);
	first = node_plumb(pid, "multi0", "eth0");
	second = node_plumb(pid, "multi1", "net1");
	/* what is no end of ours: a pair inside the pod, one to a third namespace, one in the node
	 */
	node_run("nsenter --net=/proc/%d/ns/net ip link add in0 type veth peer name in1", pid);
	other = node_start("elsewhere", NODE_NETWORK_OWN);
	node_run("nsenter --net=/proc/%d/ns/net ip link add o0 type veth peer name o1 netns %d",
		 pid, other);
	node_run("ip link add local0 type veth peer name local1");
	assert_true(locate(pods, UID_A));
	place = pods_find(pods, UID_A);
	assert_int_equal(place->ifindex_count, 2);
	assert_int_equal(place->ifindex, first);
	assert_int_equal(place->ifindexes[0], first);
	assert_int_equal(place->ifindexes[1], second);
	node_run("ip link del multi0");
	assert_true(locate(pods, UID_A));
	place = pods_find(pods, UID_A);
	assert_int_equal(place->ifindex_count, 1);
	assert_int_equal(place->ifindex, second);
	node_run("ip link del local0");
	pods_free(pods);
	node_remove_cgroup("kubepods");
	node_remove_cgroup("elsewhere");
}

/* Waits for the fd, drains, and repeats until it stays quiet; true when it woke at all. */
static bool woken(struct pods *pods)
{
	bool awake = false;

	while (node_wait(pods_watch_fd(pods), awake ? 30 : 500)) {
		awake = true;
		pods_watch_drain(pods);
	}
	return awake;
}

static void test_watch(void **state)
{
	struct pods *pods = new_pods();
	pid_t pid;

	(void)state;
	assert_true(pods_watch_fd(pods) >= 0);
	/* no pod is listed, so the timer rests: only cgroups can wake */
	assert_false(node_wait(pods_watch_fd(pods), 50));
	node_make_cgroup("kubepods");
	assert_true(woken(pods));
	node_make_cgroup("kubepods/besteffort");
	assert_true(woken(pods));
	node_make_cgroup(DIR_A);
	assert_true(woken(pods));
	node_make_cgroup(DIR_A "/container");
	assert_true(woken(pods));
	pid = node_start(DIR_A "/container", NODE_NETWORK_OWN);
	assert_true(woken(pods));
	locate(pods, UID_A);
	assert_place(pods, UID_A, pid, 0);
	pods_locate(pods, NULL, 0, &(bool){ false });
	woken(pods);
	/* a second container gets its first process while the first one lives */
	node_make_cgroup(DIR_A "/second");
	assert_true(woken(pods));
	node_start(DIR_A "/second", NODE_NETWORK_OWN);
	assert_true(woken(pods));
	node_remove_cgroup(DIR_A);
	assert_true(woken(pods));
	locate(pods, UID_A);
	assert_no_place(pods, UID_A);
	/* a burst: whole trees made at once are read whole */
	pid = node_start("kubepods/burstable/pod" UID_B "/x/y", NODE_NETWORK_OWN);
	assert_true(woken(pods));
	locate(pods, UID_B);
	assert_place(pods, UID_B, pid, 0);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

static void plumb_many(const pid_t *pids)
{
	FILE *batch = popen("ip -batch -", "w");
	size_t i;

	assert_non_null(batch);
	for (i = 0; i < MANY; i++)
		fprintf(batch, "link add many%zu up type veth peer name eth0 netns %d\n", i,
			pids[i]);
	assert_int_equal(pclose(batch), 0);
}

static void test_many(void **state)
{
	struct pods *pods = new_pods();
	const char *uids[MANY];
	char *names[MANY], *dir, name[IF_NAMESIZE];
	pid_t pids[MANY];
	double start, first, again;
	bool changed;
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		names[i] = memory_printf("%08zu-aaaa-4bbb-8ccc-0123456789ab", i);
		uids[i] = names[i];
		dir = memory_printf("kubepods/burstable/pod%s/c0", uids[i]);
		pids[i] = node_start(dir, NODE_NETWORK_OWN);
		free(dir);
	}
	plumb_many(pids);
	start = node_now_ms();
	assert_int_equal(pods_locate(pods, uids, MANY, &changed), MANY);
	first = node_now_ms() - start;
	assert_true(changed);
	start = node_now_ms();
	assert_int_equal(pods_locate(pods, uids, MANY, &changed), MANY);
	again = node_now_ms() - start;
	assert_false(changed);
	print_message("%d pods: found in %.1f ms, looked at again in %.2f ms (%.1f us each)\n",
		      MANY, first, again, again * 1e3 / MANY);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%zu", i);
		assert_place(pods, uids[i], pids[i], if_nametoindex(name));
	}
	/* half of them leave the list */
	assert_int_equal(pods_locate(pods, uids, MANY / 2, &changed), MANY / 2);
	assert_true(changed);
	assert_null(pods_find(pods, uids[MANY - 1]));
	for (i = 0; i < MANY; i++)
		free(names[i]);
	pods_free(pods);
	node_remove_cgroup("kubepods");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_root),
		cmocka_unit_test(test_life_of_a_pod),
		cmocka_unit_test(test_names_of_both_drivers),
		cmocka_unit_test(test_pod_cannot_pose_as_another),
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_namespace_after_cgroup),
		cmocka_unit_test(test_restarted_sandbox),
		cmocka_unit_test(test_process_ends),
		cmocka_unit_test(test_nested_namespace),
		cmocka_unit_test(test_several_interfaces),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return node_main(run);
}
