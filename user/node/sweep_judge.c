// SPDX-License-Identifier: Apache-2.0
#include "user/node/sweep_judge.h"

#include <netinet/in.h>
#include "policy/address.h"
#include "policy/lookup.h"

/* From the pod to itself: no packet of it passes a hook. */
static bool is_own(const struct weft_local *local, const struct sweep_connection *connection)
{
	return address_is_loopback(&connection->remote) ||
	       !address_compare(&connection->remote, &connection->local) ||
	       !address_compare(&connection->remote, &local->addr[0]) ||
	       !address_compare(&connection->remote, &local->addr[1]);
}

static bool is_inbound(const struct sweep_connection *connection)
{
	return connection->direction == WEFT_DIRECTION_INBOUND ||
	       (connection->direction == WEFT_DIRECTION_UNKNOWN && connection->listener);
}

/*
 * Are the requests of this connection being judged? What is opaque without an upgrade is so
 * because something else than HTTP rules let it pass once, and it is not read any more.
 */
static bool is_read(const struct maps *maps, const struct sweep_connection *connection)
{
	struct weft_http_key key = {
		.pod = connection->local,
		.peer = connection->remote,
		.pod_port = connection->local_port,
		.peer_port = connection->remote_port,
	};
	struct weft_http_flow flow;

	if (maps_get(maps, MAP_HTTP_FLOW, &key, &flow))
		return false;
	return flow.phase != WEFT_HTTP_PHASE_OPAQUE ||
	       flow.answer_flags & WEFT_HTTP_ANSWER_UPGRADED;
}

bool sweep_judge_is_revoked(const struct sweep_connection *connection, void *context)
{
	const struct sweep_judge *judge = context;
	const struct weft_peer *local = &judge->local->peer;
	struct weft_peer remote;
	enum weft_reason reason;
	uint32_t flags;

	if (is_own(judge->local, connection))
		return false;
	remote = lookup_peer(judge->desired, &connection->remote);
	if (is_inbound(connection)) {
		flags = local->flags;
		reason = lookup_judge(judge->desired, local, &remote, IPPROTO_TCP,
				      connection->local_port);
		if (reason == WEFT_REASON_HTTP && !is_read(judge->maps, connection))
			reason = WEFT_REASON_HTTP_STATE_LOST;
	} else {
		flags = remote.flags;
		reason = lookup_judge(judge->desired, &remote, local, IPPROTO_TCP,
				      connection->remote_port);
	}
	return lookup_action(flags, reason) == WEFT_VERDICT_DENY;
}
