// SPDX-License-Identifier: Apache-2.0
#include "user/agent/agent_state.h"

/* How long others may be told that the agent ends. */
#define LEAVE_SOURCE_NS UINT64_C(1000000000)
#define LEAVE_OTLP_NS	UINT64_C(2000000000)

void agent_leave(struct agent *agent)
{
	const struct source_ops *ops = agent->source->ops;
	uint64_t begin = agent_clock_ns(), passed = 0;
	bool has_source, has_otlp;

	for (;;) {
		has_source = passed < LEAVE_SOURCE_NS && ops->leave && ops->leave(agent->source);
		has_otlp = passed < LEAVE_OTLP_NS && otlp_leave(agent->otlp);
		if (!has_source && !has_otlp)
			return;
		uv_run(&agent->loop, UV_RUN_ONCE);
		passed = agent_clock_ns() - begin;
	}
}
