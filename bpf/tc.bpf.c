// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pod's host-side interface: weft_to_pod on its egress judges what reaches
 * the pod, weft_from_pod on its ingress holds the pod to its own addresses and
 * is the second lock. The same two programs sit on every pod's interface.
 *
 * Precedence towards a meshed pod: what cannot be read is refused, ARP and ICMP
 * pass, answers to the pod's own UDP flows pass, the policy decides the rest.
 * Permissive pods get everything; what enforce would deny is counted.
 *
 * Packets are passed with TC_ACT_UNSPEC, so that later programs have their say.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "checksum.bpf.h"
#include "epoch.bpf.h"
#include "events.bpf.h"
#include "fragment.bpf.h"
#include "http_bulk.bpf.h"
#include "http_from_pod.bpf.h"
#include "http_stray.bpf.h"
#include "http_to_pod.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "policy.bpf.h"
#include "reject.bpf.h"
#include "source.bpf.h"
#include "udpflow.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* One verdict and its two ends: src opened the connection or flow. */
struct tc_verdict {
	struct weft_peer src;
	struct weft_peer dst;
	enum weft_reason reason;
	enum weft_verdict_action action;
	enum weft_hook hook;
	enum weft_direction direction;
	bool answer; /* the sender may be told */
};

/*
 * The stack is short, and the way down to the bytes of a request is long: what is known about a
 * packet lies in an element of weft_scratch, one per direction.
 */
struct tc_memory {
	struct packet pkt;
	struct tc_verdict verdict;
	struct http_read read;
};

_Static_assert(sizeof(struct tc_memory) <= sizeof(struct weft_scratch), "weft_scratch is small");

static __always_inline struct tc_memory *tc_memory_get(__u32 direction)
{
	return bpf_map_lookup_elem(&weft_scratch, &direction);
}

/* The event of a denial. */
static __noinline int tc_tell(const struct packet *pkt, const struct tc_verdict *verdict)
{
	/* The second lock reads the connection from its answer. */
	bool reversed = verdict->hook == WEFT_HOOK_FROM_POD &&
			verdict->direction == WEFT_DIRECTION_INBOUND;
	bool ports = pkt->proto == IPPROTO_TCP || pkt->proto == IPPROTO_UDP;
	struct weft_event event = {
		.type = WEFT_EVENT_VERDICT,
		.reason = verdict->reason,
		.src = reversed ? pkt->dst : pkt->src,
		.dst = reversed ? pkt->src : pkt->dst,
		.src_port = reversed ? pkt->dport : pkt->sport,
		.dst_port = reversed ? pkt->sport : pkt->dport,
		.proto = ports ? pkt->proto : 0,
		.hook = verdict->hook,
		.action = verdict->action,
		.direction = verdict->direction,
		.src_identity = verdict->src.identity,
		.dst_identity = verdict->dst.identity,
		.src_workload = verdict->src.workload,
		.dst_workload = verdict->dst.workload,
	};

	event_emit(&event);
	return 0;
}

static __always_inline void tc_report(const struct packet *pkt, const struct tc_verdict *verdict)
{
	struct weft_verdict_key key = {
		.src_workload = verdict->src.workload,
		.dst_workload = verdict->dst.workload,
		.reason = verdict->reason,
		.proto = pkt->proto == IPPROTO_TCP || pkt->proto == IPPROTO_UDP ? pkt->proto : 0,
		.hook = verdict->hook,
		.action = verdict->action,
	};

	verdict_count(&key);
	if (weft_telemetry && verdict->action != WEFT_VERDICT_ALLOW)
		tc_tell(pkt, verdict);
}

static __noinline int tc_count_udp(struct __sk_buff *skb, const struct packet *pkt,
				   const struct weft_local *local, enum weft_direction opened,
				   bool to_pod)
{
	const struct weft_addr *remote = to_pod ? &pkt->src : &pkt->dst;
	struct weft_peer peer = peer_from_addr(remote);
	bool inbound = opened == WEFT_DIRECTION_INBOUND;
	struct weft_edge_key key = {
		.src_workload = inbound ? peer.workload : local->peer.workload,
		.dst_workload = inbound ? local->peer.workload : peer.workload,
		/* The port of the end that did not open the flow, whichever way this goes. */
		.port = inbound == to_pod ? pkt->dport : pkt->sport,
		.proto = IPPROTO_UDP,
		.direction = opened,
	};

	if (weft_telemetry)
		udpflow_count(skb, pkt, &key, inbound == to_pod);
	return 0;
}

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

/* The end of every judgement towards the pod: reports it and does what it says. */
static __noinline int to_pod_conclude(struct __sk_buff *skb, const struct packet *pkt,
				      const struct weft_local *local, struct tc_verdict *verdict)
{
	verdict->dst = local->peer;
	verdict->action = policy_action(local->peer.flags, verdict->reason);
	verdict->hook = WEFT_HOOK_TO_POD;
	verdict->direction = WEFT_DIRECTION_INBOUND;
	tc_report(pkt, verdict);
	if (verdict->action != WEFT_VERDICT_DENY)
		return TC_PASS;
	return verdict->answer ? to_pod_reject(skb, pkt, local) : TC_DROP;
}

/* Ends a connection in the middle: a reset for both ends. */
static __noinline int to_pod_cut(struct __sk_buff *skb, const struct packet *pkt,
				 const struct weft_local *local, struct tc_verdict *verdict)
{
	verdict->dst = local->peer;
	verdict->action = policy_action(local->peer.flags, verdict->reason);
	verdict->hook = WEFT_HOOK_TO_POD;
	verdict->direction = WEFT_DIRECTION_INBOUND;
	tc_report(pkt, verdict);
	if (verdict->action != WEFT_VERDICT_DENY)
		return TC_PASS;
	if (pkt->tcp_flags & PACKET_TCP_RST)
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

SEC("tc")
int weft_to_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct weft_local *local;
	struct weft_addr src;
	int flags, checksum;

	local = epoch_find_iface(ifindex);
	if (!local)
		return TC_PASS;
	/* Segments of open connections are read only where HTTP rules may judge them. */
	if (!(local->peer.flags & WEFT_PEER_HTTP)) {
		flags = packet_peek_tcp(skb, &src);
		if (flags >= 0 && !packet_is_syn(flags))
			return TC_PASS;
	}
	if (!(local->peer.flags & WEFT_PEER_MESHED))
		return to_pod_watch(skb);
	checksum = checksum_place(skb);
	if (local->peer.flags & WEFT_PEER_HTTP && http_bulk_may(skb) &&
	    http_bulk_to_pod(skb, checksum))
		return TC_PASS;
	return to_pod_decide(skb, local, checksum);
}

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

SEC("tc")
int weft_from_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct weft_local *local;
	struct weft_addr src;
	int flags, checksum;

	if (skb->mark == REJECT_MARK) {
		/* An answer made by weft_to_pod. The host's rules shall not see the mark. */
		skb->mark = 0;
		return TC_PASS;
	}
	local = epoch_find_iface(ifindex);
	if (!local)
		return TC_PASS;
	checksum = checksum_place(skb);
	if (!(local->peer.flags & WEFT_PEER_HTTP)) {
		flags = packet_peek_tcp(skb, &src);
		if (flags >= 0 && !(flags & PACKET_TCP_SYN) && addr_is_own(local, &src) &&
		    checksum_is_harmless(checksum, packet_peek_l4(&src), IPPROTO_TCP))
			return TC_PASS;
	} else if (http_bulk_may(skb) && http_bulk_from_pod(skb, local, checksum)) {
		return TC_PASS;
	}
	return from_pod_decide(skb, local, checksum);
}
