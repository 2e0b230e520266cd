// SPDX-License-Identifier: Apache-2.0
/* How long news take until they are in force: from the first change of an object that a pass has.
 */
#include "user/agent/agent_state.h"

void news_note(struct agent *agent)
{
	/* What is read at the start was not waited for. */
	if (agent->synced && !agent->news_ns)
		agent->news_ns = agent_clock_ns();
}

void news_compile(struct agent *agent)
{
	if (!agent->compiled_news_ns)
		agent->compiled_news_ns = agent->news_ns;
	agent->news_ns = 0;
}

void news_apply(struct agent *agent)
{
	if (agent->compiled_news_ns)
		durations_add(&agent->propagation,
			      (agent_clock_ns() - agent->compiled_news_ns) / 1000);
	agent->compiled_news_ns = 0;
}
