/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The client's bytes. Every segment of a judged connection comes through http_to_pod(): it
 * passes, is cut where a request begins that must not be delivered, or is refused.
 *
 * What the server has acknowledged may come again as it likes. What was judged and not
 * acknowledged may come again if it is the same. What follows is read in order; it passes as
 * far as nothing in it is denied. So a server never gets a byte of a head behind which it
 * could find a request that was not judged.
 */
#ifndef WEFT_HTTP_TO_POD_BPF_H
#define WEFT_HTTP_TO_POD_BPF_H

#include "checksum.bpf.h"
#include "http_cut.bpf.h"
#include "http_request.bpf.h"

enum {
	HTTP_TO_POD_UNVERIFIED = 8, /* segments, then the connection is reset */
};

/* The connection cannot be read on: it ends or, permissive, goes on unread. */
static __always_inline enum http_outcome http_to_pod_give_up(struct http_reading *r, __u32 reason)
{
	if (http_deny_reading(r, reason))
		return HTTP_RESET;
	r->flow->phase = r->read->phase;
	return HTTP_PASS;
}

/* Where the segment stands, by what the server was last known to have: with flow->busy. */
static __always_inline __s64 http_to_pod_offset(const struct weft_http_flow *flow,
						const struct packet *pkt)
{
	__u64 seen = flow->acked_seen;

	return (__s64)seen + (__s32)(pkt->seq - (flow->client_isn + 1 + (__u32)seen));
}

/*
 * Nothing but bytes of a body, which was judged with its head: they pass whatever they are, and
 * what the server has acknowledged need not be known, which would have to come from another CPU.
 * Nobody could mean other bytes by the same sequence numbers: whatever passed ends within a window
 * of acked_seen, so the server's own window ends within two.
 */
static __always_inline bool http_to_pod_is_body(const struct weft_http_flow *flow,
						const struct packet *pkt)
{
	__s64 offset = http_to_pod_offset(flow, pkt);
	__u64 end = offset + pkt->payload;

	return offset >= (__s64)flow->body_start && end <= flow->next &&
	       end <= flow->acked_seen + HTTP_FLOW_WINDOW && flow->phase == WEFT_HTTP_PHASE_READ &&
	       !(pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_URG));
}

/* A segment with bytes or a FIN, of a connection that is being read. */
static __always_inline enum http_outcome http_to_pod_segment(struct http_reading *r)
{
	const struct packet *pkt = r->pkt;
	struct weft_http_flow *flow = r->flow;
	struct http_read *read = r->read;
	__s64 offset = http_flow_client_offset(flow, pkt->seq);
	__u64 acked = READ_ONCE(flow->acked), end;
	__u32 fin = !!(pkt->tcp_flags & PACKET_TCP_FIN), old;
	enum http_outcome outcome;
	int same;

	if (offset + pkt->payload + fin <= (__s64)acked)
		return HTTP_PASS; /* the server has it */
	if (offset < 0)		  /* before the first byte */
		return HTTP_DROP;
	end = offset + pkt->payload;
	if (offset > (__s64)flow->next) {
		stat_add(WEFT_STAT_HTTP_REORDERED);
		return HTTP_DROP;
	}
	if (end > acked + HTTP_FLOW_WINDOW)
		return HTTP_DROP;
	if (acked > flow->acked_seen)
		flow->acked_seen = acked;
	read->offset = offset;
	read->limit = pkt->payload;
	read->phase = flow->phase;
	http_pieces_acked(flow, acked);
	old = flow->next - offset < pkt->payload ? flow->next - offset : pkt->payload;
	if (old) {
		same = http_read_verify(r->skb, flow, read, old);
		if (same < 0)
			return http_to_pod_give_up(r, WEFT_REASON_RETRANSMISSION);
		if ((__u32)same < old) {
			stat_add(WEFT_STAT_HTTP_UNVERIFIED);
			if (++flow->unverified > HTTP_TO_POD_UNVERIFIED)
				return http_to_pod_give_up(r, WEFT_REASON_HTTP_UNVERIFIABLE);
			read->limit = same;
			return same ? HTTP_CUT : HTTP_DROP;
		}
	}
	if (old < pkt->payload && http_pieces_are_full(flow)) {
		stat_add(WEFT_STAT_HTTP_REORDERED);
		read->limit = old;
		return old ? HTTP_CUT : HTTP_DROP;
	}
	if (flow->phase == WEFT_HTTP_PHASE_HOLD && old < pkt->payload) {
		if (http_order_is_lost(flow, pkt->ack_seq))
			return http_to_pod_give_up(r, WEFT_REASON_HTTP_STATE_LOST);
		read->limit = old;
		return old ? HTTP_CUT : HTTP_DROP;
	}
	outcome = HTTP_PASS;
	if (old < pkt->payload)
		outcome = http_request_read(r, old);
	if (outcome == HTTP_PASS && fin && flow->run.flags & WEFT_HTTP_RUN_HEAD &&
	    flow->phase == WEFT_HTTP_PHASE_READ) {
		/* Some servers would take it for complete. */
		if (http_deny_reading(r, WEFT_REASON_HTTP_UNFINISHED))
			return HTTP_REFUSE;
		flow->phase = read->phase;
	}
	return outcome;
}

static __always_inline int http_to_pod_conclude(struct http_reading *r, enum http_outcome outcome)
{
	int err = 0;

	if (outcome == HTTP_REFUSE)
		outcome = http_to_pod_refuse(r);
	/* A place of its own for each would be looked at by the verifier for each. */
	if (r->read->would_deny || outcome == HTTP_REFUSE || outcome == HTTP_RESET)
		err = http_to_pod_end(r, outcome == HTTP_REFUSE);
	switch (outcome) {
	case HTTP_PASS:
		return TC_PASS;
	case HTTP_CUT:
		/* It will be one segment. One that is too long for that the device would drop. */
		if (r->read->wire && r->read->limit > r->read->wire)
			r->read->limit = r->read->wire;
		return http_cut(r->skb, r->pkt, r->read) ? TC_DROP : TC_PASS;
	case HTTP_DROP:
		return TC_DROP;
	case HTTP_REFUSE:
	case HTTP_RESET:
		return err ? TC_DROP : TC_PASS;
	}
	return TC_DROP;
}

/* After an upgrade or CONNECT: what has its answer made of the connection? */
static __always_inline void http_to_pod_release(struct weft_http_flow *flow)
{
	if (flow->answer_flags & WEFT_HTTP_ANSWER_UPGRADED)
		flow->phase = WEFT_HTTP_PHASE_OPAQUE;
	else if (!http_flow_waiting(flow))
		flow->phase = WEFT_HTTP_PHASE_READ;
}

/*
 * A TCP segment towards the pod that belongs to `flow` and opens nothing. This, its counterpart
 * and some that they call are global functions: the verifier looks at them once, instead of once
 * per way that leads to them. It asks for the checks of what they are given.
 */
__noinline int http_to_pod(struct __sk_buff *skb, const struct packet *pkt,
			   const struct weft_local *local, struct weft_http_flow *flow,
			   struct http_read *read)
{
	const struct weft_config *config;
	struct http_reading r = {
		.skb = skb,
		.read = read,
		.flow = flow,
		.local = local,
		.pkt = pkt,
	};
	enum http_outcome outcome;
	__u32 zero = 0;
	bool harmless;
	int act;

	if (!pkt || !local || !read || !flow)
		return TC_DROP;
	if (pkt->tcp_flags & PACKET_TCP_RST) {
		if (http_flow_client_offset(flow, pkt->seq) >= (__s64)READ_ONCE(flow->acked))
			http_count_unanswered(flow, pkt->dport); /* the server takes it */
		return TC_PASS;
	}
	if (flow->phase == WEFT_HTTP_PHASE_HOLD)
		http_to_pod_release(flow);
	if (flow->phase == WEFT_HTTP_PHASE_OPAQUE)
		return TC_PASS;
	if (flow->phase == WEFT_HTTP_PHASE_DENIED)
		return http_to_pod_denied(skb, pkt, flow);
	if (flow->phase == WEFT_HTTP_PHASE_SYN)
		return pkt->payload ? TC_DROP : TC_PASS;
	if (!pkt->payload && !(pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_URG)))
		return TC_PASS;
	if (!http_flow_take(&flow->busy)) {
		stat_add(WEFT_STAT_HTTP_BUSY);
		return TC_DROP;
	}
	harmless = read->checksum == CHECKSUM_NOT_DUE ||
		   read->checksum == (int)(pkt->l4 + CHECKSUM_AT_TCP);
	if (harmless && http_to_pod_is_body(flow, pkt)) {
		http_flow_release(&flow->busy);
		return TC_PASS;
	}
	config = bpf_map_lookup_elem(&weft_config, &zero);
	r.arena = http_arena();
	if (!config || !r.arena) {
		http_flow_release(&flow->busy);
		return TC_DROP;
	}
	read->key[0] = config->http_key[0];
	read->key[1] = config->http_key[1];
	read->work.name_key = config->http_key[0];
	read->payload = pkt->end - pkt->payload;
	read->wire = skb->gso_size;
	read->permissive = !!(local->peer.flags & WEFT_PEER_PERMISSIVE);
	read->would_deny = 0;
	read->path_at = HTTP_NOWHERE;
	read->work.run.method = 0;
	r.samples = weft_telemetry && config->request_sample;
	r.path_len = config->request_path;
	if (pkt->tcp_flags & PACKET_TCP_URG && !read->permissive) {
		r.reason = WEFT_REASON_URGENT;
		outcome = HTTP_RESET;
	} else if (!harmless) {
		r.reason = WEFT_REASON_MALFORMED; /* something would be written into what was read
						   */
		outcome = HTTP_DROP;
	} else {
		outcome = http_to_pod_segment(&r);
	}
	/* From memory: the verifier shall follow what comes once, not once per way to get here. */
	WRITE_ONCE(read->outcome, outcome);
	act = http_to_pod_conclude(&r, READ_ONCE(read->outcome));

	http_flow_release(&flow->busy);
	return act;
}

#endif /* WEFT_HTTP_TO_POD_BPF_H */
