/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The server's bytes. Nothing here holds a segment back, but those of a connection that was
 * refused. It is learnt what the server has (acknowledgements), what it has answered, and
 * whether an answer made the connection a websocket or a tunnel.
 *
 * Answers are read as far as they are HTTP. Where they are not, or a byte is missed, it is lost
 * for good which request is answered: then a later denial resets instead of answering.
 */
#ifndef WEFT_HTTP_FROM_POD_BPF_H
#define WEFT_HTTP_FROM_POD_BPF_H

#include "http_answer.bpf.h"
#include "http_count.bpf.h"
#include "http_memo.bpf.h"
#include "http_order.bpf.h"
#include "http_read.bpf.h"

enum http_status {
	HTTP_STATUS_SWITCHING = 101,
	HTTP_STATUS_NO_CONTENT = 204,
	HTTP_STATUS_NOT_MODIFIED = 304,
};

struct http_answering {
	struct __sk_buff *skb;
	struct http_read *read;
	struct weft_http_flow *flow;
	const struct weft_http_arena *arena;
	const struct weft_local *local;
	const struct packet *pkt;
	__u32 flags; /* enum weft_http_answer_flag */
};

static __noinline int http_from_pod_count(struct http_answering *a, __u32 number)
{
	struct weft_http_flow *flow = a->flow;
	struct weft_request_event *event = &a->read->event;
	struct weft_http_pending pending = http_count_pending(flow, number);
	__u64 latency = pending.head_ns ? bpf_ktime_get_ns() - pending.head_ns : 0;
	__u32 status = a->read->work.run.status;
	struct weft_request_key key;

	http_count_key(&key, flow, &pending, a->pkt->sport);
	key.status = status / 100;
	http_count_request(&key, 1, latency);
	if (!http_count_samples())
		return 0;
	http_count_fill(event, flow, a->pkt, a->local, false);
	event->event.reason = WEFT_REASON_HTTP;
	event->event.action = WEFT_VERDICT_ALLOW;
	event->latency_ns = latency;
	event->rule = key.rule;
	event->status = status;
	event->method = key.method;
	if (number + 1 == flow->requests) {
		event->path_len = flow->path_len;
		__builtin_memcpy(event->path, flow->path, sizeof(event->path));
	}
	http_count_emit(event);
	return 0;
}

/* The head of an answer is complete. True: the reading is over. */
static __noinline bool http_from_pod_head(struct http_answering *a)
{
	struct http_read *read = a->read;
	struct weft_http_flow *flow = a->flow;
	struct weft_http_run *run = &read->work.run;
	struct weft_http_pending pending;
	__u32 status = run->status, number = flow->answers;
	bool upgraded;
	__u8 method;

	if (number == flow->requests) { /* an answer to nothing, like a 408 */
		a->flags |= WEFT_HTTP_ANSWER_LOST;
		return true;
	}
	pending = http_count_pending(flow, number);
	method = pending.method;
	upgraded = (status == HTTP_STATUS_SWITCHING && pending.upgrade) ||
		   (status / 100 == 2 && method == WEFT_HTTP_CONNECT);
	if (status / 100 == 1 && !upgraded) {
		if (status == HTTP_STATUS_SWITCHING) {
			a->flags |= WEFT_HTTP_ANSWER_LOST;
			return true;
		}
		return false; /* the caller begins the next */
	}
	if (!http_count_claim(flow, number, number + 1)) {
		a->flags |= WEFT_HTTP_ANSWER_UNTIL_CLOSE; /* the client has reset it */
		return true;
	}
	if (weft_telemetry)
		http_from_pod_count(a, number);
	if (upgraded) {
		a->flags |= WEFT_HTTP_ANSWER_UPGRADED;
		return true;
	}
	if (method == WEFT_HTTP_HEAD || status == HTTP_STATUS_NO_CONTENT ||
	    status == HTTP_STATUS_NOT_MODIFIED) {
		flow->answers = number + 1;
	} else if (run->flags & WEFT_HTTP_RUN_CHUNKED) {
		http_run_chunk(run);
	} else if (run->flags & WEFT_HTTP_RUN_OTHER_CODING ||
		   !(run->flags & WEFT_HTTP_RUN_LENGTH)) {
		a->flags |= WEFT_HTTP_ANSWER_UNTIL_CLOSE;
		return true;
	} else {
		read->next = read->offset + http_read_at(read) + run->length;
		if (!run->length)
			flow->answers = number + 1;
	}
	return false;
}

static __always_inline void http_from_pod_next(struct http_work *work)
{
	struct weft_http_run *run = &work->run;

	run->section = WEFT_HTTP_STATUS;
	run->state = 0;
	run->status = 0;
	run->flags = 0;
	run->length = 0;
	run->digits = 0;
	run->version = 1;
	work->cursor.loaded = 0;
}

/* Behind the head of an answer. True: the reading is over. */
static __always_inline bool http_from_pod_go_on(struct http_answering *a)
{
	struct http_work *work = &a->read->work;
	bool over = http_from_pod_head(a);

	if (work->run.section != WEFT_HTTP_CHUNK)
		http_from_pod_next(work);
	work->cursor.loaded = 0;
	if (!http_cursor_load(a->arena, work))
		a->flags |= WEFT_HTTP_ANSWER_LOST;
	return over;
}

/* Bytes of a body, to its end or the segment's. True: the reading is over. */
static __always_inline bool http_from_pod_body(struct http_answering *a)
{
	struct http_read *read = a->read;
	__u32 at = http_read_at(read);
	__u64 rest = read->next - (read->offset + at);

	if (rest > read->limit - at) {
		http_read_jump(read, read->limit);
		return true;
	}
	http_read_jump(read, at + (__u32)rest);
	if (read->work.run.section == WEFT_HTTP_STATUS) /* complete, all of it */
		a->flow->answers = a->flow->answers_begun;
	return false;
}

static long http_from_pod_step(__u32 index __attribute__((unused)), void *context)
{
	struct http_answering *a = context;
	struct http_read *read = a->read;
	struct http_work *work = &read->work;
	__u32 at = http_read_at(read);

	if (read->next > read->offset + at)
		return http_from_pod_body(a);
	if (at >= read->limit)
		return 1;
	if (work->pos >= work->filled && http_read_refill(a->skb, read)) {
		a->flags |= WEFT_HTTP_ANSWER_LOST;
		return 1;
	}
	switch (http_step(a->arena, work)) {
	case HTTP_MORE:
		return 0;
	case HTTP_HEAD:
		if (read->unknown && !read->base)
			http_memo_keep_answer(work, http_memo_answer(&work->run, read->rule));
		read->unknown = 0;
		return http_from_pod_go_on(a);
	case HTTP_DATA:
		read->next = read->offset + http_read_at(read) + work->run.length;
		return 0;
	case HTTP_MESSAGE:
		a->flow->answers = a->flow->answers_begun;
		http_from_pod_next(work);
		if (http_cursor_load(a->arena, work))
			return 0;
		break;
	default:
		break;
	}
	a->flags |= WEFT_HTTP_ANSWER_LOST;
	return 1;
}

/* An answer begins with the segment, and may be known. True: the reading is over. */
static __noinline bool http_from_pod_recall(struct http_answering *a)
{
	struct http_read *read = a->read;
	const struct weft_answer_memo *memo;

	read->rule = http_count_pending(a->flow, a->flow->answers).rule;
	read->unknown = 1;
	memo = http_memo_answer(&read->work.run, read->rule);
	if (!memo || http_read_refill(a->skb, read) || !http_memo_recall(&read->work, memo))
		return false;
	read->unknown = 0;
	if (http_from_pod_go_on(a))
		return true;
	if (read->next > read->offset + http_read_at(read) && http_from_pod_body(a))
		return true;
	return http_read_at(read) >= read->limit;
}

/* A program to read answers with: those parts are the same in all. */
static __always_inline bool http_from_pod_program(struct http_answering *a)
{
	struct weft_http_run *run = &a->read->work.run;
	__u32 identity = a->local->peer.identity;
	const struct weft_dest *dest;

	if (http_program(a->arena, run))
		return true;
	dest = bpf_map_lookup_elem(&weft_dest, &identity);
	if (!dest || !dest->http)
		return false;
	run->program = dest->http;
	run->generation = dest->generation;
	return http_program(a->arena, run);
}

static __always_inline int http_from_pod_read(struct http_answering *a, __s64 offset)
{
	struct http_read *read = a->read;
	struct weft_http_flow *flow = a->flow;
	bool over = false;

	read->offset = offset;
	read->limit = a->pkt->payload;
	read->payload = a->pkt->end - a->pkt->payload;
	read->next = flow->answer_next;
	read->work.run = flow->answer;
	read->work.cursor.loaded = 0;
	if (!flow->answer_next)
		http_from_pod_next(&read->work);
	read->tagged = 0;
	read->unknown = 0;
	if (!http_from_pod_program(a) || !http_work_begin(a->arena, &read->work)) {
		a->flags |= WEFT_HTTP_ANSWER_LOST;
		return 0;
	}
	/* What was read before is not read again; a body's end may lie ahead. */
	http_read_jump(read, 0);
	if (flow->answer_next > (__u64)offset) {
		__u64 known = flow->answer_next - offset;

		http_read_jump(read, known < read->limit ? (__u32)known : read->limit);
		if (known <= read->limit && read->work.run.section == WEFT_HTTP_STATUS)
			flow->answers = flow->answers_begun;
	}
	if (read->work.run.section == WEFT_HTTP_STATUS && !read->work.run.state &&
	    read->next <= read->offset && flow->answer_next <= (__u64)offset)
		over = http_from_pod_recall(a);
	if (!over)
		bpf_loop(HTTP_READ_STEPS, http_from_pod_step, a, 0);
	if (read->next < read->offset + http_read_at(read))
		read->next = read->offset + http_read_at(read);
	flow->answer = read->work.run;
	flow->answer_next = read->next;
	return 0;
}

/*
 * Has it no byte to read: none at all, those of a body but not its last, or those of answers that
 * are not followed? What that rests on does not change back, so it can be asked by anybody.
 */
static __always_inline bool http_from_pod_is_body(const struct weft_http_flow *flow,
						  const struct packet *pkt, __s64 offset)
{
	return !pkt->payload || offset < 0 ||
	       READ_ONCE(flow->answer_flags) &
		       (WEFT_HTTP_ANSWER_LOST | WEFT_HTTP_ANSWER_UNTIL_CLOSE |
			WEFT_HTTP_ANSWER_UPGRADED) ||
	       offset + pkt->payload < (__s64)READ_ONCE(flow->answer_next);
}

/* Each of `flags` ends the reading. */
static __always_inline void http_from_pod_flag(struct weft_http_flow *flow, __u32 flags)
{
	if (flags & WEFT_HTTP_ANSWER_LOST)
		stat_add(WEFT_STAT_HTTP_ANSWERS_LOST);
	if (flags)
		flow->answer_flags |= flags;
}

/* Reads the answer's bytes, if that makes sense still. */
static __always_inline int http_from_pod_data(struct http_answering *a, __s64 offset)
{
	const struct packet *pkt = a->pkt;
	struct weft_http_flow *flow = a->flow;
	__s64 end = offset + pkt->payload;

	if (http_from_pod_is_body(flow, pkt, offset))
		return 0;
	/* The last byte of a chunk's data: nothing is complete by it. */
	if (end == (__s64)flow->answer_next && flow->answer.section != WEFT_HTTP_STATUS)
		return 0;
	if (offset > (__s64)flow->answer_next) {
		http_order_early(flow, offset, end);
		return 0;
	}
	http_from_pod_read(a, offset);
	if (!a->flags && (end > (__s64)flow->answer_next || !http_order_caught_up(flow)))
		a->flags |= WEFT_HTTP_ANSWER_LOST;
	http_from_pod_flag(flow, a->flags);
	return 0;
}

/* Nothing of a refused connection comes out any more; the server is told again to let it go. */
static __noinline int http_from_pod_denied(struct __sk_buff *skb, const struct packet *pkt)
{
	struct http_answer answer = {
		.seq = pkt->ack_seq,
		.ack_seq = pkt->seq + pkt->payload + !!(pkt->tcp_flags & PACKET_TCP_FIN),
		.flags = HTTP_ANSWER_RST | HTTP_ANSWER_ACK,
		.back = true,
	};

	if (!pkt->plain || pkt->tcp_flags & PACKET_TCP_RST || !(pkt->tcp_flags & PACKET_TCP_ACK) ||
	    http_answer_write(skb, pkt, &answer))
		return TC_DROP;
	return http_answer_return(skb, false);
}

/* The server has what stands before `acked`, and says it in a segment with so many bytes. */
static __always_inline void http_from_pod_acked(struct weft_http_flow *flow, __s64 acked,
						__u32 payload)
{
	if (acked > (__s64)flow->acked) {
		WRITE_ONCE(flow->acked, acked);
		WRITE_ONCE(flow->misses, 0);
	} else if (!payload && acked == (__s64)flow->acked && !flow->misses) {
		WRITE_ONCE(flow->misses, 1);
	}
}

/* A TCP segment from the pod that belongs to `flow`. */
__noinline int http_from_pod(struct __sk_buff *skb, const struct packet *pkt,
			     const struct weft_local *local, struct weft_http_flow *flow,
			     struct http_read *read)
{
	struct http_answering a = {
		.skb = skb,
		.read = read,
		.flow = flow,
		.local = local,
		.pkt = pkt,
		.arena = http_arena(),
	};
	__s64 acked = 0, offset;
	bool body, taken;

	if (!pkt || !local || !a.read || !a.arena || !flow)
		return TC_PASS;
	if (flow->phase == WEFT_HTTP_PHASE_DENIED)
		return http_from_pod_denied(skb, pkt);
	if (flow->phase == WEFT_HTTP_PHASE_SYN)
		return TC_PASS;
	/* What came before it was opaque may be answered yet. */
	if (flow->phase == WEFT_HTTP_PHASE_OPAQUE && flow->answers_begun == flow->requests)
		return TC_PASS;
	if (pkt->tcp_flags & PACKET_TCP_ACK) {
		acked = http_flow_client_offset(flow, pkt->ack_seq);
		/* The second lock: the server has what never came by here, judged. */
		if (acked > (__s64)READ_ONCE(flow->next) + 1 &&
		    flow->phase != WEFT_HTTP_PHASE_OPAQUE &&
		    !(local->peer.flags & WEFT_PEER_PERMISSIVE)) {
			flow->denied_reason = WEFT_REASON_HTTP_STATE_LOST;
			flow->phase = WEFT_HTTP_PHASE_DENIED;
			http_flow_turn(pkt->dport);
			return http_from_pod_denied(skb, pkt);
		}
	}
	offset = http_flow_server_offset(flow, pkt->seq);
	body = http_from_pod_is_body(flow, pkt, offset) &&
	       !(pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_RST));
	if (!body && offset > (__s64)READ_ONCE(flow->answer_next) && pkt->payload)
		http_order_wait(flow, offset);
	/* First: what is written to the other program's line before it would have to get there. */
	taken = !body && http_flow_take(&flow->answer_busy);
	http_from_pod_acked(flow, acked, pkt->payload);
	http_order_sent(flow, offset + pkt->payload);
	if (body)
		return TC_PASS;
	if (taken)
		http_from_pod_data(&a, offset);
	else if (pkt->payload)
		http_from_pod_flag(flow, WEFT_HTTP_ANSWER_LOST);
	if (pkt->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_RST))
		http_count_unanswered(flow, pkt->sport);
	if (taken)
		http_flow_release(&flow->answer_busy);
	return TC_PASS;
}

#endif /* WEFT_HTTP_FROM_POD_BPF_H */
