// SPDX-License-Identifier: Apache-2.0
#include "policy/lookup.h"

#include <stdlib.h>

struct weft_peer lookup_peer(const struct desired *desired, const struct weft_addr *addr)
{
	struct desired_peer key = { .addr = *addr };
	const struct desired_peer *found = NULL;

	if (desired->peer_count)
		found = bsearch(&key, desired->peers, desired->peer_count, sizeof(*desired->peers),
				desired_compare_peers);
	return found ? found->peer : (struct weft_peer){};
}

static uint8_t dest_find(const struct desired_dest *dest, uint32_t src_identity, uint8_t proto,
			 uint16_t port)
{
	struct desired_entry key = { .src_identity = src_identity, .proto = proto, .port = port };
	const struct desired_entry *found = NULL;

	if (dest->entry_count)
		found = bsearch(&key, dest->entries, dest->entry_count, sizeof(*dest->entries),
				desired_compare_entries);
	return found ? found->action : 0;
}

enum weft_policy_action lookup_policy(const struct desired *desired, uint32_t dst_identity,
				      uint32_t src_identity, uint8_t proto, uint16_t port)
{
	struct desired_dest key = { .identity = dst_identity };
	const struct desired_dest *dest = NULL;
	uint8_t exact, any;

	if (desired->dest_count)
		dest = bsearch(&key, desired->dests, desired->dest_count, sizeof(*desired->dests),
			       desired_compare_dests);
	if (!dest)
		return 0;
	exact = dest_find(dest, src_identity, proto, port);
	if (exact == WEFT_POLICY_ALLOW)
		return WEFT_POLICY_ALLOW;
	any = dest_find(dest, src_identity, proto, WEFT_ANY_PORT);
	/* An L4 allow on any port outweighs an HTTP rule on this one: targets are additive. */
	return any == WEFT_POLICY_ALLOW || !exact ? any : exact;
}

enum weft_reason lookup_judge(const struct desired *desired, const struct weft_peer *dst,
			      const struct weft_peer *src, uint8_t proto, uint16_t port)
{
	if (!(dst->flags & WEFT_PEER_MESHED))
		return WEFT_REASON_UNMESHED;
	if (src->identity == WEFT_ID_HOST) {
		if (src->flags & WEFT_PEER_LOCAL_HOST)
			return WEFT_REASON_LOCAL_HOST;
		if (dst->flags & WEFT_PEER_HOSTS_CLUSTER)
			return WEFT_REASON_CLUSTER_HOST;
		return WEFT_REASON_REMOTE_HOST;
	}
	if (src->identity == WEFT_ID_UNKNOWN)
		return dst->flags & WEFT_PEER_EXTERNAL_ALLOW ? WEFT_REASON_EXTERNAL_ALLOWED :
							       WEFT_REASON_UNKNOWN_SOURCE;
	switch (lookup_policy(desired, dst->identity, src->identity, proto, port)) {
	case WEFT_POLICY_ALLOW:
		return WEFT_REASON_POLICY;
	case WEFT_POLICY_HTTP:
		return WEFT_REASON_HTTP;
	default:
		return WEFT_REASON_NO_RULE;
	}
}

enum weft_verdict_action lookup_action(uint32_t dst_flags, enum weft_reason reason)
{
	if (reason < WEFT_REASON_FIRST_DENY)
		return WEFT_VERDICT_ALLOW;
	if (dst_flags & WEFT_PEER_PERMISSIVE)
		return WEFT_VERDICT_WOULD_DENY;
	return WEFT_VERDICT_DENY;
}
