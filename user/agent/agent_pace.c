// SPDX-License-Identifier: Apache-2.0
/*
 * How often to compile. In a large cluster pods of other nodes come and go all the time, and a pass
 * takes longer the more there are of them. What they change waits until the passes take no more
 * than a small share of one CPU; what says who may call whom, this node's own pods, and a pod that
 * gets another one's address or other labels never wait.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "policy/address.h"
#include "user/agent/agent_state.h"

enum {
	SHARE = 50, /* a pass for every so many times what the last one took */
	LONGEST_MS = 1000,
};

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool pod_has(const struct pod *pod, const struct weft_addr *address)
{
	return pod && (!address_compare(&pod->addresses[0], address) ||
		       !address_compare(&pod->addresses[1], address));
}

/* Does a pod get an address that is still somebody else's in the maps? It must not be taken for it.
 */
static bool pod_inherits(const struct agent *agent, const struct pod *pod, const struct pod *before)
{
	const struct desired *desired = &agent->desired;
	struct desired_peer key;
	size_t i;

	for (i = 0; i < 2; i++) {
		key.addr = pod->addresses[i];
		if (!address_is_zero(&key.addr) && !pod_has(before, &key.addr) &&
		    desired->peer_count &&
		    bsearch(&key, desired->peers, desired->peer_count, sizeof(key),
			    desired_compare_peers))
			return true;
	}
	return false;
}

static bool labels_equal(const struct labels *a, const struct labels *b)
{
	size_t i;

	for (i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
		    strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	return a->count == b->count;
}

/* A pod that is known may lose or gain permissions by its labels and annotations. */
static bool pod_can_wait(const struct agent *agent, const struct pod *pod)
{
	const struct object *before = store_find_key(agent->store, OBJECT_POD, pod->meta.key);

	return strcmp(pod->node_name, agent->config->node) != 0 &&
	       !pod_inherits(agent, pod, (const struct pod *)before) &&
	       (!before || (labels_equal(&before->labels, &pod->meta.labels) &&
			    labels_equal(&before->annotations, &pod->meta.annotations)));
}

bool pace_can_wait(const struct agent *agent, const struct object *object)
{
	switch (object->kind) {
	case OBJECT_POD:
		return pod_can_wait(agent, (const struct pod *)object);
	case OBJECT_NODE:
	case OBJECT_SERVICE:
	case OBJECT_SERVICE_ACCOUNT:
	case OBJECT_ENDPOINT_SLICE:
		return true;
	default:
		return false;
	}
}

static void on_pace(uv_timer_t *timer)
{
	(void)timer; /* the loop has woken up: agent_work() is next */
}

bool pace_is_due(struct agent *agent)
{
	uint64_t now = agent_clock_ns();

	if (!agent->want_compile)
		return false;
	if (agent->is_urgent || now >= agent->pace_ns)
		return true;
	if (!uv_is_active((const uv_handle_t *)&agent->pace))
		uv_timer_start(&agent->pace, on_pace, (agent->pace_ns - now) / 1000000 + 1, 0);
	return false;
}

void pace_begin(struct agent *agent)
{
	agent->want_compile = agent->is_urgent = false;
	agent->pass_cpu_ns = cpu_ns();
	uv_timer_stop(&agent->pace);
}

void pace_end(struct agent *agent)
{
	uint64_t wait = (cpu_ns() - agent->pass_cpu_ns) * SHARE;

	if (wait > LONGEST_MS * UINT64_C(1000000))
		wait = LONGEST_MS * UINT64_C(1000000);
	agent->pace_ns = agent_clock_ns() + wait;
}
