// SPDX-License-Identifier: Apache-2.0
/* How the agent itself is, as families of metrics. */
#include <stdio.h>

#include "bpf/weft_abi.h"
#include "user/telemetry/durations.h"
#include "user/telemetry/metric_sink.h"
#include "user/telemetry/telemetry_internal.h"

static void put_single(const struct metric_sink *sink, const char *name, enum metric_type type,
		       const char *help, uint64_t number)
{
	const struct metric_family family = { .name = name, .type = type, .help = help };

	sink->family(sink->context, &family);
	metric_put_number(sink, NULL, number);
}

static void put_seconds(const struct metric_sink *sink, const char *name, const char *help,
			double seconds)
{
	const struct metric_family family = {
		.name = name,
		.type = METRIC_GAUGE,
		.unit = "seconds",
		.help = help,
	};

	sink->family(sink->context, &family);
	metric_put_real(sink, NULL, seconds);
}

static void put_durations(const struct metric_sink *sink, const char *name, const char *help,
			  const struct durations *durations)
{
	const struct metric_family family = {
		.name = name,
		.type = METRIC_HISTOGRAM,
		.unit = "seconds",
		.help = help,
	};

	sink->family(sink->context, &family);
	durations_put(durations, sink);
}

static void write_build(const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_build",
		.type = METRIC_INFO,
		.help = "Version of the agent and of the map layout.",
	};
	char abi[12];
	const struct metric_label labels[] = { { "version", WEFT_VERSION }, { "abi", abi } };

	snprintf(abi, sizeof(abi), "%d", WEFT_ABI_VERSION);
	sink->family(sink->context, &family);
	metric_put_number(sink, &(struct metric_labels){ labels, 2 }, 1);
}

static void write_events(const struct telemetry_agent *agent, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_kube_events",
		.help = "Findings written as Kubernetes Events: sent, or refused or without answer.",
	};
	const struct metric_label sent = { "result", "sent" }, failed = { "result", "failed" };

	sink->family(sink->context, &family);
	metric_put_number(sink, &(struct metric_labels){ &sent, 1 }, agent->events_sent);
	metric_put_number(sink, &(struct metric_labels){ &failed, 1 }, agent->events_failed);
}

void telemetry_write_agent(const struct telemetry_agent *agent, const struct metric_sink *sink)
{
	write_build(sink);
	put_single(sink, "weft_agent_ready", METRIC_GAUGE,
		   "1 when the policy in the maps is complete.", agent->ready);
	put_seconds(sink, "weft_agent_start_time_seconds", "When the agent started.",
		    agent->started);
	put_single(sink, "weft_agent_reconciles", METRIC_COUNTER,
		   "Times that objects were compiled and applied.", agent->reconciles);
	put_single(sink, "weft_agent_reconcile_errors", METRIC_COUNTER,
		   "Of these, how many could not be applied completely.", agent->reconcile_errors);
	put_seconds(sink, "weft_agent_last_apply_seconds",
		    "Duration of the last compile and apply.", (double)agent->last_apply_us / 1e6);
	put_durations(sink, "weft_agent_reconcile_duration_seconds",
		      "Time that compiling and applying took.", agent->passes);
	put_durations(sink, "weft_agent_propagation_duration_seconds",
		      "Time from the first change of an object until it was in force.",
		      agent->propagation);
	put_single(sink, "weft_agent_findings", METRIC_GAUGE,
		   "Objects and fields that are wrong (see weft status).", agent->findings->count);
	put_single(sink, "weft_agent_pods", METRIC_GAUGE, "Pods of this node.", agent->pods);
	put_single(sink, "weft_agent_pods_attached", METRIC_GAUGE,
		   "Pods of this node whose interface is governed.", agent->pods_attached);
	put_single(sink, "weft_connections_cut", METRIC_COUNTER,
		   "Live TCP sockets that the agent closed because their permission went.",
		   agent->connections_cut);
	write_events(agent, sink);
	put_single(sink, "weft_kube_leader", METRIC_GAUGE,
		   "1 when this agent writes the Events that any agent could.", agent->is_leader);
}
