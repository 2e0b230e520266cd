/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments that weft sends in the name of one end of a judged connection, made in place out of
 * a segment of it: the 403 and acknowledgements towards the client, resets to both ends. Of
 * checksums reject.bpf.h tells.
 */
#ifndef WEFT_HTTP_ANSWER_BPF_H
#define WEFT_HTTP_ANSWER_BPF_H

#include "http_flow.bpf.h"
#include "reject.bpf.h"

/* A multiple of four long, head and body: checksums are made of words. */
#define HTTP_ANSWER_HEAD                              \
	"HTTP/1.1 403 Forbidden\r\n"                  \
	"server: weft\r\n"                            \
	"content-type: text/plain; charset=utf-8\r\n" \
	"content-length: 16\r\n"                      \
	"connection: close\r\n\r\n"
#define HTTP_ANSWER_BODY "Denied by weft.\n"

enum http_answer_number {
	HTTP_ANSWER_HEAD_LEN = sizeof(HTTP_ANSWER_HEAD) - 1,
	HTTP_ANSWER_BODY_LEN = sizeof(HTTP_ANSWER_BODY) - 1,
	HTTP_ANSWER_LEN = HTTP_ANSWER_HEAD_LEN + HTTP_ANSWER_BODY_LEN,
	HTTP_ANSWER_WINDOW = 65535, /* not scaled down: what comes is not kept */
	HTTP_ANSWER_FIN = 1,
	HTTP_ANSWER_RST = 4,
	HTTP_ANSWER_PSH = 8,
	HTTP_ANSWER_ACK = 16,
	HTTP_ANSWER_MEMORY = 2, /* element of weft_scratch */
};

_Static_assert(HTTP_ANSWER_HEAD_LEN % 4 == 0 && HTTP_ANSWER_BODY_LEN % 4 == 0,
	       "the 403 is made of words");
_Static_assert(HTTP_ANSWER_BODY_LEN == 16, "as its content-length says");

struct http_answer {
	__u32 seq;
	__u32 ack_seq;
	__u32 length; /* of the 403 that goes with it; 0 = none */
	__u8 flags;
	bool back; /* to whom the segment at hand came from */
};

/* Without the NUL: clang would put it among the strings, whose debug data the linker spoils. */
static const char http_answer_text[HTTP_ANSWER_LEN] = HTTP_ANSWER_HEAD HTTP_ANSWER_BODY;

/* Headers and text stand behind each other: one sum, one store. */
struct http_answer_segment {
	struct tcphdr tcp;
	char text[HTTP_ANSWER_LEN];
};

static __always_inline void http_answer_fill(struct tcphdr *tcp, const struct packet *pkt,
					     const struct http_answer *answer)
{
	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->source = bpf_htons(answer->back ? pkt->dport : pkt->sport);
	tcp->dest = bpf_htons(answer->back ? pkt->sport : pkt->dport);
	tcp->seq = bpf_htonl(answer->seq);
	tcp->ack_seq = bpf_htonl(answer->ack_seq);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->window = bpf_htons(answer->flags & HTTP_ANSWER_RST ? 0 : HTTP_ANSWER_WINDOW);
	((__u8 *)tcp)[PACKET_TCP_FLAGS_OFFSET] = answer->flags;
}

/* Turns the segment into the answer; once more for the other end. 0 or negative. */
__noinline int http_answer_write(struct __sk_buff *skb, const struct packet *pkt,
				 const struct http_answer *answer)
{
	__u32 length, memory = HTTP_ANSWER_MEMORY;
	struct http_answer_segment *segment;
	__u64 sum;

	if (!pkt || !answer)
		return -1;
	length = answer->length;

	if (length != 0 && length != HTTP_ANSWER_HEAD_LEN && length != HTTP_ANSWER_LEN)
		return -1;
	segment = bpf_map_lookup_elem(&weft_scratch, &memory);
	if (!segment)
		return -1;
	http_answer_fill(&segment->tcp, pkt, answer);
	__builtin_memcpy(segment->text, http_answer_text, sizeof(segment->text));
	sum = reject_pseudo_sum(pkt, IPPROTO_TCP, sizeof(segment->tcp) + length);
	if (bpf_skb_change_tail(skb, pkt->l4 + sizeof(segment->tcp) + length, 0))
		return -1;
	if (reject_is_partial(skb, pkt->l4 + REJECT_TCP_CHECK))
		segment->tcp.check = reject_fold(sum);
	else if (length == HTTP_ANSWER_LEN)
		segment->tcp.check = reject_checksum(segment, sizeof(*segment), sum);
	else if (length)
		segment->tcp.check =
			reject_checksum(segment, sizeof(segment->tcp) + HTTP_ANSWER_HEAD_LEN, sum);
	else
		segment->tcp.check = reject_checksum(segment, sizeof(segment->tcp), sum);
	if (reject_store_ip(skb, pkt, answer->back, IPPROTO_TCP, sizeof(segment->tcp) + length) ||
	    reject_store(skb, pkt->l4, &segment->tcp, sizeof(segment->tcp)))
		return -1;
	if (length &&
	    reject_store(skb, pkt->l4 + sizeof(segment->tcp), segment->text, HTTP_ANSWER_HEAD_LEN))
		return -1;
	if (length == HTTP_ANSWER_LEN &&
	    reject_store(skb, pkt->l4 + sizeof(segment->tcp) + HTTP_ANSWER_HEAD_LEN,
			 segment->text + HTTP_ANSWER_HEAD_LEN, HTTP_ANSWER_BODY_LEN))
		return -1;
	return 0;
}

/* Towards whoever sent the segment at hand; `to_pod`: it is on its way to the pod. */
static __always_inline int http_answer_return(struct __sk_buff *skb, bool to_pod)
{
	if (reject_swap_mac(skb))
		return -1;
	if (!to_pod)
		return bpf_redirect(skb->ifindex, 0);
	skb->mark = REJECT_MARK;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/*
 * Ends a connection whose client sent the segment at hand: with a 403 (`length`) or a reset
 * for the client, with a reset for the server. Returns what is to become of the packet, which
 * then is the reset: 0, or negative when nothing could be made of it.
 */
static __noinline int http_answer_end(struct __sk_buff *skb, const struct packet *pkt, __u32 length)
{
	struct http_answer client = {
		.seq = pkt->ack_seq,
		.ack_seq = pkt->seq + pkt->payload + !!(pkt->tcp_flags & PACKET_TCP_FIN),
		.length = length,
		.flags = HTTP_ANSWER_ACK |
			 (length ? HTTP_ANSWER_PSH | HTTP_ANSWER_FIN : HTTP_ANSWER_RST),
		.back = true,
	};
	struct http_answer server = {
		.seq = pkt->seq,
		.ack_seq = pkt->ack_seq,
		.flags = HTTP_ANSWER_RST | HTTP_ANSWER_ACK,
	};

	if (!pkt->plain)
		return -1;
	if (http_answer_write(skb, pkt, &client) || reject_swap_mac(skb))
		return -1;
	skb->mark = REJECT_MARK;
	if (bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
		stat_add(WEFT_STAT_REJECT_FAILED);
	skb->mark = 0;
	if (http_answer_write(skb, pkt, &server) || reject_swap_mac(skb))
		return -1;
	return 0;
}

#endif /* WEFT_HTTP_ANSWER_BPF_H */
