// SPDX-License-Identifier: Apache-2.0
/*
 * How often to compile. In a large cluster pods of other nodes come and go all the time, and a pass
 * takes longer the more there are of them. What they change waits until the passes take no more
 * than a small share of one CPU; what says who may call whom, and this node's own pods, never wait.
 */
#include <string.h>
#include <time.h>
#include "user/agent_state.h"

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

bool pace_can_wait(const struct agent *agent, const struct object *object)
{
	switch (object->kind) {
	case OBJECT_POD:
		return strcmp(((const struct pod *)object)->node_name, agent->config->node) != 0;
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
