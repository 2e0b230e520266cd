/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The requests in a segment towards the pod, read in order: by which rules one is judged, whether
 * it is known already, what it comes to, and what is remembered of it. What becomes of the segment
 * then is decided in http_to_pod.bpf.h.
 */
#ifndef WEFT_HTTP_REQUEST_BPF_H
#define WEFT_HTTP_REQUEST_BPF_H

#include "epoch.bpf.h"
#include "http_memo.bpf.h"
#include "http_read.bpf.h"
#include "http_refuse.bpf.h"

/*
 * A request begins: by which rules? Those of the moment. Returns NONE, or why it cannot be
 * allowed; the phase becomes OPAQUE when it need not be read.
 */
__noinline int http_begin(const struct packet *pkt, const struct weft_local *local,
			  struct weft_http_flow *flow, struct http_read *read)
{
	const struct weft_policy *policy;
	const struct weft_dest *dest;
	enum weft_reason reason;
	struct weft_peer src;
	__u32 identity;

	if (!pkt || !local || !flow || !read)
		return WEFT_REASON_INTERNAL;
	identity = local->peer.identity;
	read->epoch = epoch_begin();
	src = peer_from_addr(&pkt->src);
	dest = bpf_map_lookup_elem(&weft_dest, &identity);
	if (dest && dest->http && dest->generation == read->work.run.generation &&
	    src.identity == flow->src_identity && read->work.claim.mask)
		return WEFT_REASON_NONE;
	reason = policy_judge(&local->peer, &src, IPPROTO_TCP, pkt->dport);
	if (reason != WEFT_REASON_HTTP) {
		if (reason < WEFT_REASON_FIRST_DENY)
			read->phase = WEFT_HTTP_PHASE_OPAQUE;
		return reason < WEFT_REASON_FIRST_DENY ? WEFT_REASON_NONE : reason;
	}
	policy = dest ? policy_find(dest, identity, src.identity, IPPROTO_TCP, pkt->dport) : NULL;
	if (!dest || !policy)
		return WEFT_REASON_NO_RULE; /* changed this very moment */
	read->work.run.program = dest->http;
	read->work.run.generation = dest->generation;
	read->work.claim.mask = policy->mask;
	flow->src_identity = src.identity;
	flow->src_workload = src.workload;
	return WEFT_REASON_NONE;
}

static __always_inline bool http_deny_reading(struct http_reading *r, __u32 reason)
{
	if (r->read->permissive) {
		/* Told once per segment; what cannot be read goes on unread. */
		r->read->would_deny = reason;
		r->read->would_method = r->read->work.run.method;
		if (reason != WEFT_REASON_NO_HTTP_RULE)
			r->read->phase = WEFT_HTTP_PHASE_OPAQUE;
		return false;
	}
	r->reason = reason;
	r->denied = true;
	return true;
}

/* Remembers a request until it is answered. */
static __always_inline void http_request_pending(struct http_reading *r, __u8 method, bool upgrade)
{
	struct http_read *read = r->read;
	struct weft_http_flow *flow = r->flow;
	__u32 waiting = read->requests - READ_ONCE(flow->answers);

	if (waiting < WEFT_HTTP_PENDING) {
		struct weft_http_pending *pending =
			waiting ? &flow->pending[read->requests % WEFT_HTTP_PENDING] : &flow->alone;

		/* What it says is of 2^16 requests ago. */
		if (waiting && flow->alone.number == (__u16)read->requests)
			flow->alone.number ^= 0x8000;
		pending->head_ns = weft_telemetry ? bpf_ktime_get_ns() : 0;
		pending->rule = read->rule;
		pending->number = read->requests;
		pending->method = method;
		pending->upgrade = upgrade;
	}
	read->requests++;
}

/* A head is complete. True: the reading is over. */
static __noinline bool http_request_head(struct http_reading *r)
{
	struct http_read *read = r->read;
	struct http_work *work = &read->work;
	struct weft_http_flow *flow = r->flow;
	struct weft_http_run *run = &work->run;
	__u32 at = http_read_at(read), reason;

	reason = http_check_head(work);
	read->rule = reason ? 0 : http_judge(r->arena, work);
	if (!reason && !read->rule)
		reason = WEFT_REASON_NO_HTTP_RULE;
	if (reason && http_deny_reading(r, reason))
		return true;
	http_request_pending(r, run->method, run->flags & WEFT_HTTP_RUN_UPGRADE);
	http_memo_keep(read, at);
	run->flags &= ~WEFT_HTTP_RUN_HEAD;
	if (read->phase == WEFT_HTTP_PHASE_OPAQUE)
		return false;
	if (run->method == WEFT_HTTP_CONNECT || run->flags & WEFT_HTTP_RUN_UPGRADE) {
		read->phase = WEFT_HTTP_PHASE_HOLD;
		http_run_idle(work);
	} else if (run->flags & WEFT_HTTP_RUN_CHUNKED) {
		http_run_chunk(run);
		work->cursor.loaded = 0;
		if (!http_cursor_load(r->arena, work))
			return http_deny_reading(r, WEFT_REASON_INTERNAL);
	} else {
		__u64 length = run->flags & WEFT_HTTP_RUN_LENGTH ? run->length : 0;

		if (length) {
			http_read_piece(flow, read);
			read->through = 0;
			read->next = read->offset + at + length;
			http_piece_add(flow, read->next, 0);
		}
		http_run_idle(work);
	}
	return false;
}

/* The first byte of a request. True: the reading is over. */
static __always_inline bool http_request_begin(struct http_reading *r)
{
	struct http_read *read = r->read;
	__u32 reason;

	read->head_at = http_read_at(read);
	read->requests_before = read->requests;
	read->path_at = HTTP_NOWHERE;
	read->path_end = HTTP_NOWHERE;
	if (read->work.claim.mask && epoch_stands(read->epoch))
		return false;
	reason = http_begin(r->pkt, r->local, r->flow, read);
	if (reason) {
		read->epoch = 0;
		return http_deny_reading(r, reason);
	}
	return read->phase == WEFT_HTTP_PHASE_OPAQUE;
}

/* It is to be read. True: the reading is over. */
static __noinline bool http_request_start(struct http_reading *r)
{
	struct http_read *read = r->read;

	http_run_request(&read->work);
	if (!http_work_begin(r->arena, &read->work))
		return http_deny_reading(r, WEFT_REASON_HTTP_RULES_CHANGED);
	read->work.run.flags = WEFT_HTTP_RUN_HEAD;
	return false;
}

/* Where the target stands, for events; from the window to the segment. */
static __always_inline void http_request_path(struct http_read *read)
{
	struct http_work *work = &read->work;

	if (work->target_at != HTTP_NOWHERE)
		read->path_at = read->base + work->target_at;
	if (work->target_end != HTTP_NOWHERE && read->path_end == HTTP_NOWHERE)
		read->path_end = read->base + work->target_end;
	work->target_at = HTTP_NOWHERE;
	work->target_end = HTTP_NOWHERE;
}

/* True: the reading is over. */
static __always_inline bool http_request_fill(struct http_reading *r)
{
	struct http_read *read = r->read;

	if (read->work.pos < read->work.filled)
		return false;
	http_read_mark(r->flow, read);
	if (!http_read_refill(r->skb, read))
		return false;
	http_deny_reading(r, WEFT_REASON_INTERNAL);
	return true;
}

/*
 * Reads a short chunk's data as far as the window has it. It is hashed with what is around it:
 * of many chunks in a segment there would be too many pieces.
 */
static __always_inline long http_request_through(struct http_reading *r, __u64 rest)
{
	struct http_work *work = &r->read->work;
	__u32 have;

	if (http_request_fill(r))
		return 1;
	have = work->filled - work->pos;
	work->pos += rest < have ? (__u32)rest : have;
	return 0;
}

/* The size of a chunk is known: its data follows. */
static __always_inline void http_request_chunk(struct http_reading *r)
{
	struct http_read *read = r->read;
	__u32 at = http_read_at(read);
	__u64 length = read->work.run.length;

	read->through = length <= HTTP_READ_CHUNK && length <= read->limit - at;
	if (!read->through)
		http_read_piece(r->flow, read);
	read->next = read->offset + at + length;
	if (!read->through)
		http_piece_add(r->flow, read->next, 0);
}

static long http_request_step(__u32 index __attribute__((unused)), void *context)
{
	struct http_reading *r = context;
	struct http_read *read = r->read;
	struct http_work *work = &read->work;
	__u32 at = http_read_at(read);
	enum http_event event;

	if (at >= read->limit || read->phase == WEFT_HTTP_PHASE_OPAQUE)
		return 1;
	if (read->phase == WEFT_HTTP_PHASE_HOLD) {
		read->limit = at; /* what is behind waits */
		return 1;
	}
	if (read->next > read->offset + at) { /* a body */
		__u64 rest = read->next - (read->offset + at);

		if (read->through)
			return http_request_through(r, rest);
		at = rest < read->limit - at ? at + (__u32)rest : read->limit;
		http_read_jump(read, at);
		return 0;
	}
	if (work->run.section == WEFT_HTTP_METHOD && !(work->run.flags & WEFT_HTTP_RUN_HEAD)) {
		if (http_request_begin(r) || http_request_start(r))
			return 1;
	}
	if (http_request_fill(r))
		return 1;
	event = http_step(r->arena, work);
	http_request_path(read);
	switch (event) {
	case HTTP_MORE:
		return 0;
	case HTTP_HEAD:
		return http_request_head(r);
	case HTTP_DATA:
		http_request_chunk(r);
		return 0;
	case HTTP_MESSAGE:
		http_run_idle(work);
		return 0;
	default:
		return http_deny_reading(r, work->reason), 1;
	}
	return 1;
}

/* The beginning of the last request's path, as far as this segment has it. */
static __noinline int http_request_keep_path(struct http_reading *r)
{
	struct http_read *read = r->read;
	__u32 end = read->path_end, length;

	/* for events */
	if (!weft_telemetry || read->path_at == HTTP_NOWHERE)
		return 0;
	if (end > read->limit)
		end = read->limit;
	length = end - read->path_at;
	if (end <= read->path_at)
		length = 0;
	if (length > r->path_len)
		length = r->path_len;
	if (length > WEFT_HTTP_PATH_LEN)
		length = WEFT_HTTP_PATH_LEN;
	r->flow->path_len = 0;
	if (length && length <= WEFT_HTTP_PATH_LEN &&
	    !bpf_skb_load_bytes(r->skb, read->payload + read->path_at, r->flow->path,
				http_read_bound(length, 128)))
		r->flow->path_len = length;
	return 0;
}

/* Puts what was read into the flow, up to byte `done` of the segment. */
static __always_inline void http_request_commit(struct http_reading *r, __u32 done)
{
	struct http_read *read = r->read;
	struct weft_http_flow *flow = r->flow;

	flow->run = read->work.run;
	flow->epoch = read->epoch;
	flow->requests = read->requests;
	flow->phase = read->phase;
	if (read->work.run.flags & WEFT_HTTP_RUN_HEAD)
		flow->claim = read->work.claim;
	else
		flow->claim.mask = read->work.claim.mask;
	flow->next = read->next;
	flow->body_start = read->offset + done;
}

/*
 * Is what is new in the segment a head that was read before? True: the reading is over. Everything
 * is as if it had been read otherwise, too.
 */
static __noinline bool http_request_recall(struct http_reading *r)
{
	struct http_read *read = r->read;
	const struct weft_http_memo *memo;

	if (http_request_begin(r) || http_request_fill(r))
		return true;
	memo = http_memo_find(read);
	if (!memo)
		return http_request_start(r);
	read->rule = memo->rule;
	read->path_at = read->head_at + memo->path_at;
	read->path_end = read->head_at + memo->path_end;
	http_request_pending(r, memo->method, false);
	read->work.pos = read->work.filled;
	return true;
}

/* Reads what is new in the segment, from byte `at`. */
static __noinline enum http_outcome http_request_read(struct http_reading *r, __u32 at)
{
	struct http_read *read = r->read;
	struct weft_http_flow *flow = r->flow;
	__u32 done;

	read->work.run = flow->run;
	read->epoch = flow->epoch;
	read->tagged = 1;
	if (flow->run.flags & WEFT_HTTP_RUN_HEAD)
		read->work.claim = flow->claim;
	else
		read->work.claim.mask = flow->claim.mask;
	read->work.cursor.loaded = 0;
	read->next = flow->next;
	read->requests = flow->requests;
	read->head_at = HTTP_NOWHERE;
	read->path_at = HTTP_NOWHERE;
	read->path_end = HTTP_NOWHERE;
	read->work.target_at = HTTP_NOWHERE;
	read->work.target_end = HTTP_NOWHERE;
	read->mark = 0;
	read->through = 0;
	http_read_jump(read, at);
	if (flow->run.section != WEFT_HTTP_METHOD || flow->run.flags & WEFT_HTTP_RUN_HEAD) {
		/* In the middle of a message: its program must still be there. */
		if (!(flow->run.flags & WEFT_HTTP_RUN_HEAD) &&
		    http_begin(r->pkt, r->local, flow, read))
			read->epoch = 0; /* the next request is to be told so */
		if (read->phase != WEFT_HTTP_PHASE_OPAQUE &&
		    !http_work_begin(r->arena, &read->work) &&
		    http_deny_reading(r, WEFT_REASON_HTTP_RULES_CHANGED))
			return HTTP_RESET;
	}
	if (!http_memo_may(read, at) || !http_request_recall(r))
		bpf_loop(HTTP_READ_STEPS, http_request_step, r, 0);
	if (r->denied) {
		__u32 cut = read->head_at == HTTP_NOWHERE ? at : read->head_at;

		http_request_keep_path(r);
		http_pieces_cut(flow, read->offset + cut);
		if (!cut || cut > read->limit)
			return HTTP_REFUSE;
		/* What stands before it is delivered. */
		read->limit = cut;
		if (cut > at) {
			__u64 start = http_pieces_end(flow);

			if (start < read->offset + at)
				start = read->offset + at;
			if (start < read->offset + cut)
				http_piece_add(flow, read->offset + cut,
					       http_read_tag(r->skb, read, start - read->offset,
							     cut));
			http_run_idle(&read->work);
			read->requests = read->requests_before;
			read->next = read->offset + cut;
			http_request_commit(r, cut);
		}
		return HTTP_CUT;
	}
	done = read->phase == WEFT_HTTP_PHASE_OPAQUE ? read->limit : http_read_at(read);
	if (read->next < read->offset + done || read->through) {
		http_read_piece(flow, read);
		if (read->next < read->offset + done)
			read->next = read->offset + done;
		else if (read->next > read->offset + done)
			http_piece_add(flow, read->next, 0);
	}
	if (r->samples || read->would_deny || read->work.run.flags & WEFT_HTTP_RUN_HEAD)
		http_request_keep_path(r);
	http_request_commit(r, done);
	if (done < r->pkt->payload) {
		read->limit = done;
		return done ? HTTP_CUT : HTTP_DROP;
	}
	return HTTP_PASS;
}

#endif /* WEFT_HTTP_REQUEST_BPF_H */
