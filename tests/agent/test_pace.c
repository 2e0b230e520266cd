// SPDX-License-Identifier: Apache-2.0
/* What may wait for the next compilation, and what may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/cluster.h"
#include "user/agent/agent_state.h"

struct scene {
	struct cluster *cluster;
	struct config config;
	struct agent agent;
};

static int setup(void **state)
{
	struct scene *scene = memory_alloc(sizeof(*scene));

	scene->cluster = cluster_new();
	scene->config.node = "node-1";
	scene->agent.config = &scene->config;
	scene->agent.store = scene->cluster->store;
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	cluster_free(scene->cluster);
	free(scene);
	return 0;
}

static void put_pod(struct scene *scene, const char *name, const char *node, const char *ip,
		    const char *label)
{
	cluster_put(scene->cluster, "Pod",
		    "'metadata':{'name':'%s','namespace':'a','uid':'%s','labels':{'l':'%s'}},"
		    "'spec':{'nodeName':'%s'},'status':{'phase':'Running','podIP':'%s'}",
		    name, name, label, node, ip);
}

static void compile(struct scene *scene)
{
	cluster_compile(scene->cluster);
	scene->agent.desired = scene->cluster->desired;
}

/* What it would be if it were delivered now, in a store of its own until it is judged. */
static bool pod_can_wait(struct scene *scene, const char *name, const char *node, const char *ip,
			 const char *label)
{
	struct scene next = { .cluster = cluster_new() };
	bool can_wait;

	put_pod(&next, name, node, ip, label);
	can_wait = pace_can_wait(&scene->agent, store_first(next.cluster->store, OBJECT_POD));
	cluster_free(next.cluster);
	return can_wait;
}

static void test_pods(void **state)
{
	struct scene *scene = *state;

	put_pod(scene, "far", "node-2", "10.1.0.1", "x");
	put_pod(scene, "gone", "node-2", "10.1.0.2", "x");
	compile(scene);
	assert_true(pod_can_wait(scene, "new", "node-2", "10.1.0.9", "x"));
	assert_false(pod_can_wait(scene, "far", "node-2", "10.1.0.1", "y")); /* other rules may
										apply */
	assert_true(pod_can_wait(scene, "far", "node-2", "10.1.0.9", "x"));
	assert_false(pod_can_wait(scene, "new", "node-1", "10.1.0.9", "x"));
	/* Somebody else's address, also when that one was told to be gone a moment ago. */
	assert_false(pod_can_wait(scene, "new", "node-2", "10.1.0.1", "x"));
	assert_false(pod_can_wait(scene, "far", "node-2", "10.1.0.2", "x"));
	store_remove(scene->cluster->store, OBJECT_POD, "a/gone");
	assert_false(pod_can_wait(scene, "new", "node-2", "10.1.0.2", "x"));
	compile(scene);
	assert_true(pod_can_wait(scene, "new", "node-2", "10.1.0.2", "x"));
}

static void test_kinds(void **state)
{
	static const bool waits[OBJECT_KIND_COUNT] = {
		[OBJECT_NODE] = true,
		[OBJECT_SERVICE_ACCOUNT] = true,
		[OBJECT_SERVICE] = true,
		[OBJECT_ENDPOINT_SLICE] = true,
	};
	struct scene *scene = *state;
	struct object object = { 0 };

	for (object.kind = 0; object.kind < OBJECT_KIND_COUNT; object.kind++)
		if (object.kind != OBJECT_POD)
			assert_int_equal(pace_can_wait(&scene->agent, &object), waits[object.kind]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
