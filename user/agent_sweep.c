// SPDX-License-Identifier: Apache-2.0
/* Live connections against the policy in force. */
#include <netinet/in.h>
#include <string.h>
#include "policy/address.h"
#include "policy/lookup.h"
#include "user/agent_state.h"
#include "user/log.h"
#include "user/sweep.h"

struct sweep_pod {
	const struct desired *desired;
	const struct weft_local *local;
};

/* From the pod to itself: no packet of it passes a hook. */
static bool is_own(const struct weft_local *local, const struct sweep_connection *connection)
{
	return address_is_loopback(&connection->remote) ||
	       !address_compare(&connection->remote, &connection->local) ||
	       !address_compare(&connection->remote, &local->addr[0]) ||
	       !address_compare(&connection->remote, &local->addr[1]);
}

static bool is_revoked(const struct sweep_connection *connection, void *context)
{
	const struct sweep_pod *pod = context;
	const struct weft_peer *local = &pod->local->peer;
	struct weft_peer remote;
	enum weft_reason reason;
	uint32_t flags;

	if (is_own(pod->local, connection))
		return false;
	remote = lookup_peer(pod->desired, &connection->remote);
	if (connection->direction == WEFT_DIRECTION_INBOUND ||
	    (connection->direction == WEFT_DIRECTION_UNKNOWN && connection->listener)) {
		flags = local->flags;
		reason = lookup_judge(pod->desired, local, &remote, IPPROTO_TCP,
				      connection->local_port);
	} else {
		flags = remote.flags;
		reason = lookup_judge(pod->desired, &remote, local, IPPROTO_TCP,
				      connection->remote_port);
	}
	return lookup_action(flags, reason) == WEFT_VERDICT_DENY;
}

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
		struct sweep_pod pod = { &agent->desired, &local->local };

		if (!place || place->diag_fd < 0)
			continue;
		memset(&one, 0, sizeof(one));
		err = sweep_run(place->diag_fd, maps_fd(maps, MAP_SOCK), is_revoked, &pod, &one);
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
