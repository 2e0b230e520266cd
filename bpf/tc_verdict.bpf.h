/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What both TC programs have in common: a verdict with its ends, how it is counted and told, and
 * the memory for it.
 */
#ifndef WEFT_TC_VERDICT_BPF_H
#define WEFT_TC_VERDICT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "events.bpf.h"
#include "http_flow.bpf.h"
#include "http_read.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "udpflow.bpf.h"

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

#endif /* WEFT_TC_VERDICT_BPF_H */
