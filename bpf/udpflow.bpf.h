/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who opened a UDP exchange. Answers to a flow that the pod opened, and may open,
 * pass without a rule of their own, so a record must never come about through the
 * pod's answers:
 *   - a datagram that reaches the pod by policy leaves an INBOUND record, which
 *     keeps the pod's answers from counting as a flow that the pod opened - else
 *     a client whose permission was revoked would come back in as a "reply";
 *   - those answers keep the INBOUND record alive, so a server that goes on
 *     sending does not open the door either;
 *   - an OUTBOUND record is kept alive by the pod's datagrams alone;
 *   - a denied datagram changes nothing;
 *   - pods that are not meshed have records as well, else what they answer in the
 *     moment after their enrolment would count as a flow that they opened;
 *   - a record holds for one interface, so that a pod does not inherit the flows
 *     of the pod that had its address before.
 */
#ifndef WEFT_UDPFLOW_BPF_H
#define WEFT_UDPFLOW_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "events.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* Life of a record without traffic, and how stale its time may get before it is written anew. */
#define UDPFLOW_LIFETIME_NS (180 * 1000000000ULL)
#define UDPFLOW_REFRESH_NS  1000000000ULL

/* The flow as the local pod sees it, whichever way the packet goes. */
static __always_inline void udpflow_key(struct weft_udp_flow_key *key, const struct packet *pkt,
					bool to_pod)
{
	key->pod = to_pod ? pkt->dst : pkt->src;
	key->peer = to_pod ? pkt->src : pkt->dst;
	key->pod_port = to_pod ? pkt->dport : pkt->sport;
	key->peer_port = to_pod ? pkt->sport : pkt->dport;
}

/* Direction of a live record, UNKNOWN without one. */
static __always_inline enum weft_direction udpflow_direction(const struct weft_udp_flow *flow,
							     __u32 ifindex, __u64 now)
{
	/* Another CPU may have written a time later than ours: that is fresh. */
	if (!flow || flow->ifindex != ifindex ||
	    (__s64)(now - flow->last_ns) >= (__s64)UDPFLOW_LIFETIME_NS)
		return WEFT_DIRECTION_UNKNOWN;
	return flow->direction;
}

/* Keeps the record in this direction: touched when it exists and is live, else made. */
static __always_inline void udpflow_keep(const struct weft_udp_flow_key *key,
					 struct weft_udp_flow *flow, enum weft_direction direction,
					 __u32 ifindex, __u64 now)
{
	struct weft_udp_flow fresh = {
		.last_ns = now,
		.direction = direction,
		.ifindex = ifindex,
	};

	if (flow && flow->direction == direction && flow->ifindex == ifindex) {
		if ((__s64)(now - flow->last_ns) > (__s64)UDPFLOW_REFRESH_NS)
			flow->last_ns = now;
		return;
	}
	if (bpf_map_update_elem(&weft_udp_flow, key, &fresh, BPF_ANY))
		stat_add(WEFT_STAT_UDP_FLOW_FAILED);
}

/* Counts a datagram (or the datagrams of a GSO packet) on an edge. */
static __always_inline void udpflow_count(struct __sk_buff *skb, const struct packet *pkt,
					  const struct weft_edge_key *key, bool to_dst)
{
	struct weft_edge *edge = edge_get(key);
	__u32 datagrams = skb->gso_segs ? skb->gso_segs : 1;

	if (!edge)
		return;
	if (to_dst) {
		edge->datagrams_to_dst += datagrams;
		edge->bytes_to_dst += pkt->payload;
	} else {
		edge->datagrams_to_src += datagrams;
		edge->bytes_to_src += pkt->payload;
	}
}

#endif /* WEFT_UDPFLOW_BPF_H */
