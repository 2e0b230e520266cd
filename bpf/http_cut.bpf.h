/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cutting the tail off a segment: what is left is a segment as its sender might have sent it,
 * without the FIN that belonged to its end.
 *
 * Is the checksum left to the device (CHECKSUM_PARTIAL) the helpers change only the length in the
 * sum of the pseudo header, as it must be. Else the removed bytes are subtracted - byte-swapped
 * when they begin at an odd place.
 */
#ifndef WEFT_HTTP_CUT_BPF_H
#define WEFT_HTTP_CUT_BPF_H

#include "http_read.bpf.h"
#include "reject.bpf.h"

struct http_cut_sum {
	struct __sk_buff *skb;
	struct http_read *read;
	__u32 from;
	__u32 to;
	__s64 sum;
};

static long http_cut_sum_step(__u32 index __attribute__((unused)), void *context)
{
	struct http_cut_sum *cut = context;
	__u8 *window = cut->read->work.window;
	__u32 length = cut->to - cut->from;

	if (cut->from >= cut->to)
		return 1;
	if (length >= HTTP_WINDOW) {
		length = HTTP_WINDOW;
	} else {
		for (int i = 0; i < HTTP_WINDOW / 8; i++)
			((__u64 *)window)[i] = 0;
	}
	if (!length ||
	    bpf_skb_load_bytes(cut->skb, cut->from, window, http_read_bound(length, HTTP_WINDOW))) {
		cut->sum = -1;
		return 1;
	}
	cut->sum = bpf_csum_diff(NULL, 0, (__be32 *)window, HTTP_WINDOW, cut->sum);
	cut->from += length;
	return cut->sum < 0;
}

/* The IP header's length, and with it the header's checksum. */
static __always_inline int http_cut_ip(struct __sk_buff *skb, const struct packet *pkt,
				       __u32 removed)
{
	__be16 before, after;
	__u32 at;

	if (pkt->ethertype == PACKET_ETH_IPV4)
		at = pkt->l3 + offsetof(struct iphdr, tot_len);
	else
		at = pkt->l3 + offsetof(struct ipv6hdr, payload_len);
	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)))
		return -1;
	after = bpf_htons(bpf_ntohs(before) - removed);
	if (pkt->ethertype == PACKET_ETH_IPV4 &&
	    bpf_l3_csum_replace(skb, pkt->l3 + offsetof(struct iphdr, check), before, after,
				sizeof(after)))
		return -1;
	return bpf_skb_store_bytes(skb, at, &after, sizeof(after), 0);
}

/* Leaves read->limit bytes of payload. 0 or negative: then the packet is to be dropped. */
static __noinline int http_cut(struct __sk_buff *skb, const struct packet *pkt,
			       struct http_read *read)
{
	__u32 keep = read->limit, check = pkt->l4 + REJECT_TCP_CHECK;
	__u32 length = pkt->end - pkt->l4, removed = pkt->payload - keep;
	struct http_cut_sum cut = {
		.skb = skb,
		.read = read,
		.from = read->payload + keep,
		.to = pkt->end,
	};
	__be16 before, after;
	__u32 sum;

	if (!keep || keep >= pkt->payload)
		return -1;
	bpf_loop(1024, http_cut_sum_step, &cut, 0);
	if (cut.sum < 0)
		return -1;
	sum = reject_fold(cut.sum);
	if ((read->payload + keep - pkt->l4) & 1)
		sum = (sum & 0xff) << 8 | sum >> 8;
	/* flags: data offset and flags are one word */
	if (bpf_skb_load_bytes(skb, pkt->l4 + PACKET_TCP_FLAGS_OFFSET - 1, &before, sizeof(before)))
		return -1;
	after = before & ~bpf_htons(PACKET_TCP_FIN);
	if (http_cut_ip(skb, pkt, removed) ||
	    bpf_l4_csum_replace(skb, check, bpf_htons(length), bpf_htons(length - removed),
				BPF_F_PSEUDO_HDR | 2) ||
	    bpf_l4_csum_replace(skb, check, before, after, 2) ||
	    bpf_l4_csum_replace(skb, check, sum, 0, 2) ||
	    bpf_skb_store_bytes(skb, pkt->l4 + PACKET_TCP_FLAGS_OFFSET - 1, &after, sizeof(after),
				0) ||
	    bpf_skb_change_tail(skb, read->payload + keep, 0))
		return -1;
	return 0;
}

#endif /* WEFT_HTTP_CUT_BPF_H */
