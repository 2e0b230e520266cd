/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one L4 verdict: both families, both protocols, both sides. Its twin in
 * user space is policy/evaluate.c; the differential tests hold them together.
 */
#ifndef WEFT_POLICY_BPF_H
#define WEFT_POLICY_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"

/*
 * Who an address is: the one identity lookup. Unknown addresses give the zero peer. The key is a
 * copy, as kernel 6.1 takes none that a global function was given.
 */
static __always_inline struct weft_peer peer_from_addr(const struct weft_addr *addr)
{
	struct weft_addr key = *addr;
	struct weft_peer *found = bpf_map_lookup_elem(&weft_ident, &key);
	struct weft_peer unknown = {};

	return found ? *found : unknown;
}

/* The destination's entry for this source and port; exact port before any port. NULL: none. */
static __always_inline const struct weft_policy *policy_find(const struct weft_dest *dest,
							     __u32 dst_identity, __u32 src_identity,
							     __u8 proto, __u16 port)
{
	struct weft_policy_key key = {
		.dst_identity = dst_identity,
		.generation = dest->generation,
		.src_identity = src_identity,
		.proto = proto,
		.port = port,
	};
	const struct weft_policy *policy;

	policy = bpf_map_lookup_elem(&weft_policy, &key);
	if (policy)
		return policy;
	key.port = WEFT_ANY_PORT;
	return bpf_map_lookup_elem(&weft_policy, &key);
}

/* No entry, no destination: 0. */
static __always_inline enum weft_policy_action policy_lookup(__u32 dst_identity, __u32 src_identity,
							     __u8 proto, __u16 port)
{
	const struct weft_policy *policy;
	const struct weft_dest *dest;

	dest = bpf_map_lookup_elem(&weft_dest, &dst_identity);
	if (!dest)
		return 0;
	policy = policy_find(dest, dst_identity, src_identity, proto, port);
	return policy ? policy->action : 0;
}

/*
 * May src reach dst on this port? Precedence: what the destination is, then what
 * weft.dev annotations admit, then TrafficTargets. The reason says which; the
 * caller turns a denial into WOULD_DENY with policy_action().
 */
static __always_inline enum weft_reason
policy_judge(const struct weft_peer *dst, const struct weft_peer *src, __u8 proto, __u16 port)
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
	switch (policy_lookup(dst->identity, src->identity, proto, port)) {
	case WEFT_POLICY_ALLOW:
		return WEFT_REASON_POLICY;
	case WEFT_POLICY_HTTP:
		return WEFT_REASON_HTTP;
	default:
		return WEFT_REASON_NO_RULE;
	}
}

/* What a reason means towards this destination: only `permissive` softens a denial. */
static __always_inline enum weft_verdict_action policy_action(__u32 dst_flags,
							      enum weft_reason reason)
{
	if (reason < WEFT_REASON_FIRST_DENY)
		return WEFT_VERDICT_ALLOW;
	if (dst_flags & WEFT_PEER_PERMISSIVE)
		return WEFT_VERDICT_WOULD_DENY;
	return WEFT_VERDICT_DENY;
}

#endif /* WEFT_POLICY_BPF_H */
