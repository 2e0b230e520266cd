/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a pod sends, at the ingress of its host-side interface: from its own addresses only. It is
 * the second lock: a connection that the pod accepts is judged once more.
 */
#ifndef WEFT_FROM_POD_BPF_H
#define WEFT_FROM_POD_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "checksum.bpf.h"
#include "http_from_pod.bpf.h"
#include "policy.bpf.h"
#include "reject.bpf.h"
#include "source.bpf.h"
#include "tc_verdict.bpf.h"

/* Anti-spoofing knows no permissive mode: other pods' policies rest on it. */
static __noinline int from_pod_drop(const struct packet *pkt, const struct weft_local *local,
				    enum weft_reason reason)
{
	struct tc_verdict verdict = {
		.src = local->peer,
		.dst = peer_from_addr(&pkt->dst),
		.reason = reason,
		.action = WEFT_VERDICT_DENY,
		.hook = WEFT_HOOK_FROM_POD,
		.direction = WEFT_DIRECTION_OUTBOUND,
	};

	tc_report(pkt, &verdict);
	return TC_DROP;
}

/* Ends a handshake that got past the first hook: RST to both ends. */
static __always_inline int from_pod_reset(struct __sk_buff *skb, const struct packet *pkt)
{
	if (!pkt->plain || pkt->fragment != PACKET_WHOLE || !reject_is_unicast(&pkt->dst))
		return TC_DROP;
	if (reject_write_rst(skb, pkt, REJECT_SYN_ACK_TO_CLIENT))
		goto failed;
	skb->mark = REJECT_MARK;
	if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
		stat_add(WEFT_STAT_REJECT_FAILED);
	skb->mark = 0;
	if (reject_write_rst(skb, pkt, REJECT_SYN_ACK_TO_POD))
		goto failed;
	return bpf_redirect(skb->ifindex, 0);
failed:
	stat_add(WEFT_STAT_REJECT_FAILED);
	return TC_DROP;
}

/* The second lock: a meshed pod accepts a connection, which its SYN should not have survived. */
static __noinline int from_pod_accept(struct __sk_buff *skb, const struct packet *pkt,
				      const struct weft_local *local)
{
	struct tc_verdict verdict = {
		.src = peer_from_addr(&pkt->dst),
		.dst = local->peer,
		.hook = WEFT_HOOK_FROM_POD,
		.direction = WEFT_DIRECTION_INBOUND,
	};

	verdict.reason = policy_judge(&verdict.dst, &verdict.src, IPPROTO_TCP, pkt->sport);
	if (verdict.reason == WEFT_REASON_HTTP) {
		struct weft_http_flow *flow = http_flow_find(pkt, false);

		if (flow && flow->pending_isn == pkt->ack_seq - 1) {
			http_flow_begin(flow, pkt, local);
			return TC_PASS;
		}
		verdict.reason = WEFT_REASON_HTTP_STATE_LOST;
	}
	verdict.action = policy_action(local->peer.flags, verdict.reason);
	if (verdict.action != WEFT_VERDICT_DENY) {
		if (local->peer.flags & WEFT_PEER_HTTP)
			http_flow_forget(pkt);
		return TC_PASS; /* reported when the SYN came in */
	}
	tc_report(pkt, &verdict);
	return from_pod_reset(skb, pkt);
}

/* A datagram of the pod opens a flow, unless it answers one. */
static __always_inline int from_pod_udp(struct __sk_buff *skb, const struct packet *pkt,
					const struct weft_local *local)
{
	enum weft_direction opened = WEFT_DIRECTION_OUTBOUND;
	struct weft_udp_flow_key key = {};
	__u64 now = bpf_ktime_get_ns();
	struct weft_udp_flow *flow;

	if (pkt->fragment == PACKET_LATER)
		return TC_PASS;
	udpflow_key(&key, pkt, false);
	flow = bpf_map_lookup_elem(&weft_udp_flow, &key);
	if (udpflow_direction(flow, skb->ifindex, now) == WEFT_DIRECTION_INBOUND)
		opened = WEFT_DIRECTION_INBOUND;
	udpflow_keep(&key, flow, opened, skb->ifindex, now);
	if (local->peer.flags & WEFT_PEER_MESHED)
		tc_count_udp(skb, pkt, local, opened, false);
	return TC_PASS;
}

/* Everything from a pod but the bulk of TCP. */
static __noinline int from_pod_decide(struct __sk_buff *skb, const struct weft_local *local,
				      int checksum)
{
	struct tc_memory *memory = tc_memory_get(HTTP_FLOW_FROM_POD);
	enum weft_reason reason, foreign;
	struct packet *pkt;

	if (!memory)
		return TC_DROP;
	pkt = &memory->pkt;
	reason = packet_parse_network(skb, pkt);
	if (!reason && pkt->ethertype == PACKET_ETH_ARP && checksum != CHECKSUM_NOT_DUE)
		reason = WEFT_REASON_MALFORMED;
	if (!reason && pkt->ethertype == PACKET_ETH_ARP) {
		reason = source_check_arp(local, pkt);
		return reason ? from_pod_drop(pkt, local, reason) : TC_PASS;
	}
	if (reason)
		return from_pod_drop(pkt, local, reason);
	reason = packet_parse_transport(skb, pkt);
	foreign = source_check_ip(skb, local, pkt, reason);
	if (foreign)
		return from_pod_drop(pkt, local, foreign);
	if ((!reason || reason == WEFT_REASON_IP_PROTOCOL) &&
	    !checksum_is_harmless(checksum, pkt->l4, pkt->proto))
		reason = WEFT_REASON_MALFORMED;
	if (source_is_tunnel(pkt, reason) && peer_from_addr(&pkt->dst).identity < WEFT_ID_FIRST)
		return from_pod_drop(pkt, local, WEFT_REASON_TUNNEL);
	/* Other protocols leave as they like; what cannot be read might hide a forged message. */
	if (reason && reason != WEFT_REASON_IP_PROTOCOL)
		return from_pod_drop(pkt, local, reason);
	if (reason)
		return TC_PASS;
	if (pkt->proto == IPPROTO_UDP)
		return from_pod_udp(skb, pkt, local);
	if (local->peer.flags & WEFT_PEER_MESHED && pkt->proto == IPPROTO_TCP &&
	    packet_is_syn_ack(pkt->tcp_flags))
		return from_pod_accept(skb, pkt, local);
	if (local->peer.flags & WEFT_PEER_HTTP && pkt->proto == IPPROTO_TCP &&
	    pkt->fragment == PACKET_WHOLE) {
		struct weft_http_flow *flow = http_flow_find(pkt, false);

		if (flow)
			return http_from_pod(skb, pkt, local, flow, &memory->read);
	}
	return TC_PASS;
}

#endif /* WEFT_FROM_POD_BPF_H */
