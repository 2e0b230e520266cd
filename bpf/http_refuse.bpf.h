/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a refused client gets, and when: a 403 in its turn, or a reset. What becomes of a segment
 * is decided in http_to_pod.bpf.h.
 */
#ifndef WEFT_HTTP_REFUSE_BPF_H
#define WEFT_HTTP_REFUSE_BPF_H

#include "http_answer.bpf.h"
#include "http_count.bpf.h"
#include "http_order.bpf.h"
#include "http_read.bpf.h"

enum {
	HTTP_TO_POD_PATIENCE_S = 3, /* that a denied request waits for earlier answers */
};

/* What becomes of a segment. */
enum http_outcome {
	HTTP_PASS,
	HTTP_CUT,    /* pass `limit` bytes of it, drop the rest */
	HTTP_DROP,   /* the client will send it again */
	HTTP_REFUSE, /* denied, for `reason`: a 403 if possible */
	HTTP_RESET,  /* denied, for `reason` */
};

struct http_reading {
	struct __sk_buff *skb;
	struct http_read *read;
	struct weft_http_flow *flow;
	const struct weft_http_arena *arena;
	const struct weft_local *local;
	const struct packet *pkt;
	__u32 reason; /* enum weft_reason */
	bool denied;
	bool samples;
	__u32 path_len; /* bytes of a path in an event */
};

/* The event of a denial. */
static __always_inline void http_to_pod_tell(struct http_reading *r,
					     const struct weft_verdict_key *key, bool forbidden)
{
	const struct weft_http_flow *flow = r->flow;
	struct http_read *read = r->read;
	struct weft_request_event *event = &read->event;

	http_count_fill(event, flow, r->pkt, r->local, true);
	event->event.reason = key->reason;
	event->event.action = key->action;
	event->method = read->would_deny ? read->would_method : read->work.run.method;
	event->status = forbidden ? 403 : 0;
	event->path_len = flow->path_len;
	__builtin_memcpy(event->path, flow->path, sizeof(event->path));
	http_count_emit(event);
}

/* The client is told no, or cut off, and the server with it. */
static __noinline int http_to_pod_end(struct http_reading *r, bool forbidden)
{
	struct weft_http_flow *flow = r->flow;
	struct http_read *read = r->read;
	struct weft_verdict_key key = {
		.src_workload = flow->src_workload,
		.dst_workload = r->local->peer.workload,
		.reason = r->reason,
		.proto = IPPROTO_TCP,
		.hook = WEFT_HOOK_TO_POD,
		.action = read->would_deny ? WEFT_VERDICT_WOULD_DENY : WEFT_VERDICT_DENY,
	};
	__u32 length = 0;

	if (read->would_deny)
		key.reason = read->would_deny;
	verdict_count(&key);
	if (weft_telemetry)
		http_to_pod_tell(r, &key, forbidden);
	if (read->would_deny)
		return 0;
	http_count_unanswered(flow, r->pkt->dport);
	if (forbidden)
		length = read->work.run.method == WEFT_HTTP_HEAD ? HTTP_ANSWER_HEAD_LEN :
								   HTTP_ANSWER_LEN;
	flow->denied_reason = r->reason;
	flow->forbidden = forbidden;
	flow->forbidden_seq = r->pkt->ack_seq;
	flow->forbidden_head = length == HTTP_ANSWER_HEAD_LEN;
	flow->phase = WEFT_HTTP_PHASE_DENIED;
	http_flow_turn(r->pkt->sport);
	return http_answer_end(r->skb, r->pkt, length);
}

/*
 * A denied request. Its 403 must not take the place of an earlier answer, nor come before the
 * client has all of those: until then the request is dropped, and comes again.
 */
static __always_inline enum http_outcome http_to_pod_refuse(struct http_reading *r)
{
	struct weft_http_flow *flow = r->flow;
	__u64 now = bpf_ktime_get_ns();

	if (http_order_is_lost(flow, r->pkt->ack_seq))
		return HTTP_RESET;
	if (r->reason == WEFT_REASON_TLS || r->reason == WEFT_REASON_HTTP2)
		return HTTP_RESET;
	if (!http_flow_waiting(flow) &&
	    r->pkt->ack_seq == http_flow_server_seq(flow, READ_ONCE(flow->server_next)))
		return HTTP_REFUSE;
	if (!flow->denied_ns)
		flow->denied_ns = now;
	if (now - flow->denied_ns > HTTP_TO_POD_PATIENCE_S * 1000000000ULL)
		return HTTP_RESET;
	stat_add(WEFT_STAT_HTTP_WAITING);
	return HTTP_DROP;
}

/*
 * A refused client goes on, other than by a reset: it may not have got the 403, and it may still be
 * sending. What it sends is acknowledged and dropped, so that it comes to read the answer. It may
 * also have got something of the server that was on its way at that moment.
 */
static __noinline int http_to_pod_denied(struct __sk_buff *skb, const struct packet *pkt,
					 const struct weft_http_flow *flow)
{
	__u32 length = flow->forbidden_head ? HTTP_ANSWER_HEAD_LEN : HTTP_ANSWER_LEN;
	struct http_answer answer = {
		.seq = pkt->ack_seq,
		.ack_seq = pkt->seq + pkt->payload + !!(pkt->tcp_flags & PACKET_TCP_FIN),
		.flags = HTTP_ANSWER_ACK,
		.back = true,
	};

	if (!pkt->plain || (!pkt->payload && !(pkt->tcp_flags & PACKET_TCP_FIN)))
		return TC_DROP;
	if (flow->forbidden && pkt->ack_seq == flow->forbidden_seq) {
		answer.length = length;
		answer.flags |= HTTP_ANSWER_PSH | HTTP_ANSWER_FIN;
	} else if (!flow->forbidden || pkt->ack_seq != flow->forbidden_seq + length + 1) {
		answer.flags |= HTTP_ANSWER_RST;
	}
	if (http_answer_write(skb, pkt, &answer))
		return TC_DROP;
	return http_answer_return(skb, true);
}

#endif /* WEFT_HTTP_REFUSE_BPF_H */
