/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Long transfers: segments that pass whatever they are - of a body, or nothing but an
 * acknowledgement - with the least that must be looked at, in one place. Copying what they carry
 * drives all else out of the caches, so what counts is how many lines are touched. What is not
 * known to pass is for http_to_pod() and http_from_pod() to judge, from the beginning.
 */
#ifndef WEFT_HTTP_BULK_BPF_H
#define WEFT_HTTP_BULK_BPF_H

#include "http_from_pod.bpf.h"
#include "http_to_pod.bpf.h"

enum {
	HTTP_BULK_ACK = 100, /* shorter frames are acknowledgements, as a rule */
};

/* Longer frames are of a body, as a rule. Tests set it to 0: always worth a look. */
const volatile __u32 weft_http_bulk __weak = 16384;

/* Is it worth a look? Otherwise it would be in vain, and one more. */
static __always_inline bool http_bulk_may(const struct __sk_buff *skb)
{
	return skb->len < HTTP_BULK_ACK || skb->len >= weft_http_bulk;
}

/* The connection of a plain segment without any flag that matters. */
static __always_inline struct weft_http_flow *
http_bulk_find(struct __sk_buff *skb, struct packet *pkt, int checksum, bool to_pod)
{
	struct weft_http_flow *flow;

	if (!packet_parse_plain(skb, pkt) ||
	    (pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_SYN | PACKET_TCP_RST | PACKET_TCP_ACK |
			       PACKET_TCP_URG)) != PACKET_TCP_ACK ||
	    (checksum != CHECKSUM_NOT_DUE && checksum != (int)(pkt->l4 + CHECKSUM_AT_TCP)))
		return NULL;
	flow = http_flow_find(pkt, to_pod);
	return flow && flow->phase == WEFT_HTTP_PHASE_READ ? flow : NULL;
}

static __noinline bool http_bulk_to_pod(struct __sk_buff *skb, int checksum)
{
	struct weft_http_flow *flow;
	struct packet pkt;
	bool body;

	flow = http_bulk_find(skb, &pkt, checksum, true);
	if (!flow)
		return false;
	if (!pkt.payload)
		return true;
	if (__sync_val_compare_and_swap(&flow->busy, 0, 1))
		return false;
	body = http_to_pod_is_body(flow, &pkt);
	http_flow_release(&flow->busy);
	return body;
}

static __noinline bool http_bulk_from_pod(struct __sk_buff *skb, const struct weft_local *local,
					  int checksum)
{
	struct weft_http_flow *flow;
	struct packet pkt;
	__s64 offset, acked;

	flow = http_bulk_find(skb, &pkt, checksum, false);
	if (!flow || !addr_is_own(local, &pkt.src))
		return false;
	acked = http_flow_client_offset(flow, pkt.ack_seq);
	offset = http_flow_server_offset(flow, pkt.seq);
	if (acked > (__s64)READ_ONCE(flow->next) + 1 || !http_from_pod_is_body(flow, &pkt, offset))
		return false;
	http_from_pod_acked(flow, acked, pkt.payload);
	http_order_sent(flow, offset + pkt.payload);
	return true;
}

#endif /* WEFT_HTTP_BULK_BPF_H */
