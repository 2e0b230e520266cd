// SPDX-License-Identifier: Apache-2.0
/* Everything that is measured, for whoever asks: a scrape, an export. */
#include "user/agent/agent_state.h"
#include "user/telemetry/metric_sink.h"

static void write_all(struct agent *agent, bool dense, const struct metric_sink *sink)
{
	struct telemetry_agent gauges = {
		.reconciles = agent->reconciles,
		.reconcile_errors = agent->reconcile_errors,
		.pods = (unsigned int)agent->desired.local_count,
		.pods_attached = (unsigned int)agent->pods_attached,
		.connections_cut = agent->connections_cut,
		.last_apply_us = agent->last_apply_us,
		.started = agent->started,
		.findings = &agent->findings,
		.passes = &agent->passes,
		.propagation = &agent->propagation,
		.dense = dense,
		.ready = !agent_not_ready_reason(agent),
	};
	struct source_counts counts = { 0 };

	if (agent->source->ops->count)
		agent->source->ops->count(agent->source, &counts);
	gauges.events_sent = counts.events_sent;
	gauges.events_failed = counts.events_failed;
	gauges.is_leader = counts.is_leader;
	telemetry_write_metrics(agent->telemetry, &gauges, sink);
	if (agent->source->ops->write_metrics)
		agent->source->ops->write_metrics(agent->source, sink);
	if (agent->otlp)
		otlp_write_metrics(agent->otlp, sink);
}

void agent_write_metrics(struct agent *agent, const struct metric_sink *sink)
{
	write_all(agent, false, sink);
}

void agent_write_dense_metrics(struct agent *agent, const struct metric_sink *sink)
{
	write_all(agent, true, sink);
}
