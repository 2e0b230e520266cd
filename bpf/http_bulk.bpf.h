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
#include "http_transfer.bpf.h"

enum {
	HTTP_BULK_ACK = 100, /* shorter frames are acknowledgements, as a rule */
};

/* Longer frames are of a body, as a rule. Tests set it to 0: always worth a look. */
const volatile __u32 weft_http_bulk __weak = 16384;

/* Is it worth a look? Otherwise it would be in vain, and one more. */
static __always_inline bool http_bulk_may(const struct __sk_buff *skb,
					  const struct weft_iface_copy *iface)
{
	return skb->len < HTTP_BULK_ACK || skb->len >= weft_http_bulk || iface->bulk;
}

/* What the look has shown is what the next one goes by. */
static __always_inline bool http_bulk_passed(const struct __sk_buff *skb,
					     struct weft_iface_copy *iface, bool passed)
{
	if (!passed)
		iface->bulk = 0;
	else if (skb->len >= weft_http_bulk)
		iface->bulk = 1;
	return passed;
}

/* A plain segment without any flag that matters? */
static __always_inline bool http_bulk_read(struct __sk_buff *skb, struct packet *pkt, int checksum)
{
	return packet_parse_plain(skb, pkt) &&
	       (pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_SYN | PACKET_TCP_RST |
				  PACKET_TCP_ACK | PACKET_TCP_URG)) == PACKET_TCP_ACK &&
	       (checksum == CHECKSUM_NOT_DUE || checksum == (int)(pkt->l4 + CHECKSUM_AT_TCP));
}

/* The connection, if it is being read. */
static __always_inline struct weft_http_flow *http_bulk_find(const struct weft_http_key *key)
{
	struct weft_http_flow *flow = bpf_map_lookup_elem(&weft_http_flow, key);

	return flow && flow->phase == WEFT_HTTP_PHASE_READ ? flow : NULL;
}

/* Bytes of a body from here on, as far as http_to_pod_is_body() would say the same of them. */
static __always_inline __s64 http_bulk_left(const struct weft_http_flow *flow,
					    const struct packet *pkt)
{
	__u64 end = flow->acked_seen + HTTP_FLOW_WINDOW;

	return (__s64)(flow->next < end ? flow->next : end) - http_to_pod_offset(flow, pkt);
}

static __noinline bool http_bulk_to_pod(struct __sk_buff *skb, struct weft_iface_copy *iface,
					int checksum)
{
	struct weft_http_flow *flow;
	struct weft_http_key key;
	struct packet pkt;
	__u32 epoch;
	__s64 left;
	bool body;

	if (!http_bulk_read(skb, &pkt, checksum))
		return false;
	key = http_flow_key(&pkt, true);
	if (http_transfer_has(&iface->transfer, &key, &pkt, true))
		return true;
	epoch = http_transfer_epoch(&iface->transfer, &key);
	flow = http_bulk_find(&key);
	if (!flow)
		return false;
	if (!pkt.payload) {
		left = (__s64)READ_ONCE(flow->answer_next) -
		       http_flow_server_offset(flow, pkt.ack_seq);
		http_transfer_keep(&iface->transfer, &key, epoch, &pkt, true, left);
		return true;
	}
	if (__sync_val_compare_and_swap(&flow->busy, 0, 1))
		return false;
	body = http_to_pod_is_body(flow, &pkt);
	left = http_bulk_left(flow, &pkt);
	http_flow_release(&flow->busy);
	if (body)
		http_transfer_keep(&iface->transfer, &key, epoch, &pkt, true, left);
	return body;
}

static __noinline bool http_bulk_from_pod(struct __sk_buff *skb, struct weft_iface_copy *iface,
					  int checksum)
{
	struct weft_http_flow *flow;
	struct weft_http_key key;
	__s64 offset, acked, next, left;
	struct packet pkt;
	__u32 epoch;

	if (!http_bulk_read(skb, &pkt, checksum) || !addr_is_own(&iface->local, &pkt.src))
		return false;
	key = http_flow_key(&pkt, false);
	if (http_transfer_has(&iface->transfer, &key, &pkt, false))
		return true;
	epoch = http_transfer_epoch(&iface->transfer, &key);
	flow = http_bulk_find(&key);
	if (!flow)
		return false;
	next = READ_ONCE(flow->next);
	acked = http_flow_client_offset(flow, pkt.ack_seq);
	offset = http_flow_server_offset(flow, pkt.seq);
	if (acked > next + 1 || !http_from_pod_is_body(flow, &pkt, offset))
		return false;
	http_from_pod_acked(flow, acked, pkt.payload);
	http_order_sent(flow, offset + pkt.payload);
	left = pkt.payload ? (__s64)READ_ONCE(flow->answer_next) - 1 - offset : next - acked;
	http_transfer_keep(&iface->transfer, &key, epoch, &pkt, false, left);
	return true;
}

#endif /* WEFT_HTTP_BULK_BPF_H */
