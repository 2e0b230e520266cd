// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "user/agent/agent_state.h"
#include "user/log.h"

static void write_metrics(void *context, const struct metric_sink *sink)
{
	agent_write_metrics(context, sink);
}

static void drain_events(void *context)
{
	struct agent *agent = context;

	maps_events_drain(agent->events);
}

int agent_open_otlp(struct agent *agent)
{
	const struct otlp_agent about = {
		.node = agent->config->node,
		.pins = agent->config->bpffs,
		.started_ns = (uint64_t)(agent->started * 1e9),
		.write = write_metrics,
		.drain = drain_events,
		.context = agent,
	};

	int err;

	if (!agent->config->otlp.endpoint)
		return 0;
	err = otlp_new(&agent->loop, &agent->config->otlp, &about, agent->telemetry, &agent->otlp);
	if (err)
		log_error("weftd cannot start", "step", "open the export to OpenTelemetry", "error",
			  strerror(-err));
	return err;
}
