/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What reaches a pod, at the egress of its host-side interface. What cannot be read is refused,
 * ARP and ICMP pass, answers to the pod's own UDP flows pass, the policy decides the rest.
 */
#ifndef WEFT_TO_POD_BPF_H
#define WEFT_TO_POD_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "fragment.bpf.h"
#include "http_answer.bpf.h"
#include "http_stray.bpf.h"
#include "http_to_pod.bpf.h"
#include "policy.bpf.h"
#include "reject.bpf.h"
#include "tc_verdict.bpf.h"

/* Tells the sender, if it can be told, and drops the packet. */
static __always_inline int to_pod_reject(struct __sk_buff *skb, const struct packet *pkt,
					 const struct weft_local *local)
{
	int err;

	if (!reject_may_answer(skb, pkt, local))
		return TC_DROP;
	if (pkt->proto == IPPROTO_TCP)
		err = reject_write_rst(skb, pkt, REJECT_SYN);
	else
		err = reject_write_unreachable(skb, pkt);
	if (err) {
		stat_add(WEFT_STAT_REJECT_FAILED);
		return TC_DROP;
	}
	skb->mark = REJECT_MARK;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* Completes and reports a verdict. Does it deny? */
static __always_inline bool to_pod_denies(const struct packet *pkt, const struct weft_local *local,
					  struct tc_verdict *verdict)
{
	verdict->dst = local->peer;
	verdict->action = policy_action(local->peer.flags, verdict->reason);
	verdict->hook = WEFT_HOOK_TO_POD;
	verdict->direction = WEFT_DIRECTION_INBOUND;
	tc_report(pkt, verdict);
	return verdict->action == WEFT_VERDICT_DENY;
}

/* The end of every judgement towards the pod: reports it and does what it says. */
static __noinline int to_pod_conclude(struct __sk_buff *skb, const struct packet *pkt,
				      const struct weft_local *local, struct tc_verdict *verdict)
{
	if (!to_pod_denies(pkt, local, verdict))
		return TC_PASS;
	return verdict->answer ? to_pod_reject(skb, pkt, local) : TC_DROP;
}

/* Ends a connection in the middle: a reset for both ends. */
static __noinline int to_pod_cut(struct __sk_buff *skb, const struct packet *pkt,
				 const struct weft_local *local, struct tc_verdict *verdict)
{
	if (!to_pod_denies(pkt, local, verdict) || pkt->tcp_flags & PACKET_TCP_RST)
		return TC_PASS;
	return http_answer_end(skb, pkt, 0) ? TC_DROP : TC_PASS;
}

/*
 * Who sent a packet. One that was forwarded and has an address of this node was
 * masqueraded (a node port, say): its sender is anybody but the node, which may
 * reach all its pods.
 */
static __always_inline struct weft_peer to_pod_source(struct __sk_buff *skb,
						      const struct packet *pkt)
{
	struct weft_peer src = peer_from_addr(&pkt->src);
	struct weft_peer unknown = {};

	return src.flags & WEFT_PEER_LOCAL_HOST && skb->ingress_ifindex ? unknown : src;
}

/*
 * The policy's word on a packet with ports. A frame for another pod is refused
 * unjudged: a bridge that has not learned an address yet floods it to all pods.
 */
static __always_inline void to_pod_judge(struct __sk_buff *skb, const struct packet *pkt,
					 const struct weft_local *local, struct tc_verdict *verdict)
{
	verdict->src = to_pod_source(skb, pkt);
	verdict->answer = true;
	if (!addr_is_own(local, &pkt->dst) && peer_from_addr(&pkt->dst).identity >= WEFT_ID_FIRST)
		verdict->reason = WEFT_REASON_OTHER_DESTINATION;
	else
		verdict->reason = policy_judge(&local->peer, &verdict->src, pkt->proto, pkt->dport);
}

/* These fill in a verdict and return true, or return false: let it pass and say nothing. */
static __always_inline bool to_pod_tcp(struct __sk_buff *skb, const struct packet *pkt,
				       const struct weft_local *local, struct tc_verdict *verdict)
{
	if (pkt->fragment != PACKET_WHOLE) {
		verdict->src = peer_from_addr(&pkt->src);
		verdict->reason = WEFT_REASON_TCP_FRAGMENT;
		return true;
	}
	if (!packet_is_syn(pkt->tcp_flags))
		return false;
	to_pod_judge(skb, pkt, local, verdict);
	if (verdict->reason != WEFT_REASON_HTTP)
		return true;
	/* Without the flag nobody would look at what follows. */
	if (pkt->payload)
		verdict->reason = WEFT_REASON_SYN_DATA;
	else if (!(local->peer.flags & WEFT_PEER_HTTP) || http_flow_open(pkt, local, &verdict->src))
		verdict->reason = WEFT_REASON_INTERNAL;
	return true;
}

/* A segment of an open connection to a pod that has HTTP rules. */
static __always_inline int to_pod_http(struct __sk_buff *skb, struct tc_memory *memory,
				       const struct weft_local *local, int checksum)
{
	struct tc_verdict *verdict = &memory->verdict;
	const struct packet *pkt = &memory->pkt;
	struct weft_http_flow *flow;

	if (pkt->tcp_flags & PACKET_TCP_SYN)
		return TC_PASS; /* a server accepts the pod's call */
	flow = http_flow_find(pkt, true);
	memory->read.checksum = checksum;
	if (flow)
		return http_to_pod(skb, pkt, local, flow, &memory->read);
	__builtin_memset(verdict, 0, sizeof(*verdict));
	verdict->src = to_pod_source(skb, pkt);
	verdict->reason = http_stray_judge(skb, pkt, local, &verdict->src);
	if (!verdict->reason)
		return TC_PASS;
	return to_pod_cut(skb, pkt, local, verdict);
}

/* Answers come in by the pod's permission to call the peer, and end with it. */
static __always_inline bool to_pod_may_answer(const struct packet *pkt,
					      const struct weft_local *local)
{
	struct weft_peer peer = peer_from_addr(&pkt->src);

	return policy_action(peer.flags, policy_judge(&peer, &local->peer, IPPROTO_UDP,
						      pkt->sport)) != WEFT_VERDICT_DENY;
}

/* A whole datagram or a first fragment, which has the ports. */
static __noinline bool to_pod_datagram(struct __sk_buff *skb, const struct packet *pkt,
				       const struct weft_local *local, struct tc_verdict *verdict)
{
	__u64 now = bpf_ktime_get_ns();
	struct weft_udp_flow_key key = {};
	struct weft_udp_flow *flow;
	enum weft_direction opened;

	udpflow_key(&key, pkt, true);
	flow = bpf_map_lookup_elem(&weft_udp_flow, &key);
	/*
	 * Before the policy: where both ends may call each other, an answer is
	 * still an answer - its port is a client's and no edge of its own.
	 */
	opened = udpflow_direction(flow, skb->ifindex, now);
	if (opened == WEFT_DIRECTION_OUTBOUND && to_pod_may_answer(pkt, local)) {
		tc_count_udp(skb, pkt, local, WEFT_DIRECTION_OUTBOUND, true);
		verdict->action = WEFT_VERDICT_ALLOW;
	} else {
		to_pod_judge(skb, pkt, local, verdict);
		verdict->action = policy_action(local->peer.flags, verdict->reason);
		/* Only a rule turns a flow that the pod opened into one of the peer's. */
		if (verdict->action == WEFT_VERDICT_ALLOW ||
		    (verdict->action != WEFT_VERDICT_DENY && opened != WEFT_DIRECTION_OUTBOUND))
			udpflow_keep(&key, flow, WEFT_DIRECTION_INBOUND, skb->ifindex, now);
		if (verdict->action != WEFT_VERDICT_DENY)
			tc_count_udp(skb, pkt, local, WEFT_DIRECTION_INBOUND, true);
	}
	if (pkt->fragment == PACKET_FIRST)
		fragment_remember(pkt, skb->ifindex, verdict->action, now);
	return verdict->action != WEFT_VERDICT_ALLOW;
}

static __always_inline bool to_pod_udp(struct __sk_buff *skb, const struct packet *pkt,
				       const struct weft_local *local, struct tc_verdict *verdict)
{
	if (pkt->fragment != PACKET_LATER)
		return to_pod_datagram(skb, pkt, local, verdict);
	if (fragment_follows(pkt, skb->ifindex))
		return false;
	verdict->src = peer_from_addr(&pkt->src);
	verdict->reason = WEFT_REASON_UDP_FRAGMENT;
	return true;
}

/* Everything towards a meshed pod but the bulk of TCP that needs no look. */
static __noinline int to_pod_decide(struct __sk_buff *skb, const struct weft_local *local,
				    int checksum)
{
	struct tc_memory *memory = tc_memory_get(HTTP_FLOW_TO_POD);
	struct tc_verdict *verdict;
	enum weft_reason reason;
	struct packet *pkt;
	bool judged = true;

	if (!memory)
		return TC_DROP;
	pkt = &memory->pkt;
	verdict = &memory->verdict;
	reason = packet_parse_network(skb, pkt);
	if (pkt->ethertype == PACKET_ETH_ARP)
		return TC_PASS;
	if (!reason && !pkt->whole)
		reason = packet_parse_transport(skb, pkt);
	if (!reason && pkt->proto == IPPROTO_TCP && pkt->fragment == PACKET_WHOLE &&
	    !packet_is_syn(pkt->tcp_flags) && local->peer.flags & WEFT_PEER_HTTP)
		return to_pod_http(skb, memory, local, checksum);
	__builtin_memset(verdict, 0, sizeof(*verdict));
	verdict->reason = reason;
	if (reason)
		verdict->src = peer_from_addr(&pkt->src);
	else if (pkt->proto == IPPROTO_TCP)
		judged = to_pod_tcp(skb, pkt, local, verdict);
	else if (pkt->proto == IPPROTO_UDP)
		judged = to_pod_udp(skb, pkt, local, verdict);
	else
		judged = false; /* ICMP */
	return judged ? to_pod_conclude(skb, pkt, local, verdict) : TC_PASS;
}

/* Towards a pod that is not meshed: only who opens which UDP exchange is of interest. */
static __noinline int to_pod_watch(struct __sk_buff *skb)
{
	struct weft_udp_flow_key key = {};
	__u64 now = bpf_ktime_get_ns();
	struct weft_udp_flow *flow;
	struct packet pkt = {};

	if (packet_parse_network(skb, &pkt) || pkt.ethertype == PACKET_ETH_ARP ||
	    packet_parse_transport(skb, &pkt) || pkt.proto != IPPROTO_UDP ||
	    pkt.fragment == PACKET_LATER)
		return TC_PASS;
	udpflow_key(&key, &pkt, true);
	flow = bpf_map_lookup_elem(&weft_udp_flow, &key);
	if (udpflow_direction(flow, skb->ifindex, now) != WEFT_DIRECTION_OUTBOUND)
		udpflow_keep(&key, flow, WEFT_DIRECTION_INBOUND, skb->ifindex, now);
	return TC_PASS;
}

#endif /* WEFT_TO_POD_BPF_H */
