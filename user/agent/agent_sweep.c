// SPDX-License-Identifier: Apache-2.0
/* Live connections against the policy in force. */
#include <string.h>
#include "user/agent/agent_state.h"
#include "user/log.h"
#include "user/node/sweep_judge.h"

bool agent_sweep(struct agent *agent)
{
	struct sweep_result total = {}, one;
	uint64_t begin = agent_clock_ns();
	const struct maps *maps = loader_maps(agent->loader);
	bool complete = true;
	size_t i;
	int err;

	for (i = 0; i < agent->desired.local_count; i++) {
		const struct desired_local *local = &agent->desired.locals[i];
		const struct pod_place *place = agent_place(agent, local);
		struct sweep_judge judge = { &agent->desired, maps, &local->local };

		if (!place || place->diag_fd < 0)
			continue;
		memset(&one, 0, sizeof(one));
		err = sweep_run(place->diag_fd, maps, sweep_judge_is_revoked, &judge, &one);
		total.seen += one.seen;
		total.destroyed += one.destroyed;
		total.failed += one.failed;
		if (!err && !one.failed)
			continue;
		complete = false;
		log_warn("connections of a pod could not all be judged", "pod",
			 log_format_value("%s/%s", local->name_space, local->name), "failed",
			 log_format_value("%u", one.failed), "error", err ? strerror(-err) : "");
	}
	agent->connections_cut += total.destroyed;
	if (total.destroyed)
		log_info("connections cut", "count", log_format_value("%u", total.destroyed));
	log_debug("swept", "seen", log_format_value("%u", total.seen), "us",
		  log_format_value("%llu", (unsigned long long)(agent_clock_ns() - begin) / 1000));
	return complete;
}
