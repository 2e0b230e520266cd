/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments towards a pod with HTTP rules whose connection is not in weft_http_flow: the pod
 * opened it itself, L4 rules allow it, or it is older than the rules, or was pushed out. Only
 * the last two are refused: where their requests begin is not known. Who opened a connection
 * the pod's own socket tells.
 */
#ifndef WEFT_HTTP_STRAY_BPF_H
#define WEFT_HTTP_STRAY_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "policy.bpf.h"
#include "record.bpf.h"

enum { HTTP_STRAY_LISTEN = 10 /* TCP_LISTEN, an anonymous enum's */ };

static __always_inline void http_stray_tuple(const struct packet *pkt, struct bpf_sock_tuple *tuple)
{
	__builtin_memset(tuple, 0, sizeof(*tuple));
	if (pkt->ethertype == PACKET_ETH_IPV4) {
		__builtin_memcpy(&tuple->ipv4.saddr, &pkt->src.b[12], sizeof(tuple->ipv4.saddr));
		__builtin_memcpy(&tuple->ipv4.daddr, &pkt->dst.b[12], sizeof(tuple->ipv4.daddr));
		tuple->ipv4.sport = bpf_htons(pkt->sport);
		tuple->ipv4.dport = bpf_htons(pkt->dport);
		return;
	}
	__builtin_memcpy(tuple->ipv6.saddr, pkt->src.b, sizeof(tuple->ipv6.saddr));
	__builtin_memcpy(tuple->ipv6.daddr, pkt->dst.b, sizeof(tuple->ipv6.daddr));
	tuple->ipv6.sport = bpf_htons(pkt->sport);
	tuple->ipv6.dport = bpf_htons(pkt->dport);
}

/* The pod's socket for the segment. Released by the caller unless NULL. */
static __always_inline struct bpf_sock *
http_stray_socket(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, bool v4, __u32 nsid)
{
	if (v4)
		return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), nsid, 0);
	return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv6), nsid, 0);
}

/* Could the segment bring a byte to a socket that accepted its connection, or might? */
static __noinline bool http_stray_is_inbound(struct __sk_buff *skb, const struct packet *pkt,
					     const struct weft_local *local)
{
	bool v4 = pkt->ethertype == PACKET_ETH_IPV4, inbound = true;
	enum weft_direction direction = WEFT_DIRECTION_UNKNOWN;
	struct bpf_sock_tuple tuple;
	struct bpf_sock *sk, *full;

	if (local->nsid < 0)
		return true;
	http_stray_tuple(pkt, &tuple);
	sk = http_stray_socket(skb, &tuple, v4, local->nsid);
	if (!sk)
		return true; /* nobody's, or that of a socket bound to a device, which is not found
			      */
	full = bpf_sk_fullsock(sk);
	if (full)
		direction = record_direction(full);
	if (sk->state == HTTP_STRAY_LISTEN)
		direction = WEFT_DIRECTION_INBOUND;
	bpf_sk_release(sk);
	if (direction != WEFT_DIRECTION_UNKNOWN)
		return direction == WEFT_DIRECTION_INBOUND;
	/* Older than weft: accepted if the pod listens on that port. */
	if (v4)
		tuple.ipv4.sport = 0;
	else
		tuple.ipv6.sport = 0;
	sk = http_stray_socket(skb, &tuple, v4, local->nsid);
	if (!sk)
		return false;
	inbound = sk->state == HTTP_STRAY_LISTEN;
	bpf_sk_release(sk);
	return inbound;
}

/* NONE: it passes. */
static __always_inline enum weft_reason http_stray_judge(struct __sk_buff *skb,
							 const struct packet *pkt,
							 const struct weft_local *local,
							 struct weft_peer *src)
{
	enum weft_reason reason;

	reason = policy_judge(&local->peer, src, IPPROTO_TCP, pkt->dport);
	if (reason != WEFT_REASON_HTTP || !http_stray_is_inbound(skb, pkt, local))
		return WEFT_REASON_NONE; /* what L4 denies by now, the agent cuts */
	return WEFT_REASON_HTTP_STATE_LOST;
}

#endif /* WEFT_HTTP_STRAY_BPF_H */
