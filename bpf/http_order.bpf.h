/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of a server's segments. It sends on several CPUs - a process writes on one, an
 * acknowledgement makes room on another - and each has a queue of its own before weft_from_pod:
 * a segment may come before what was sent earlier. Within a body that does not matter. Else it
 * waits some microseconds: the other CPU is at it. After that, and if it was lost in the pod, it is
 * remembered by its ends only: if they prove to be a body's, nothing was missed.
 */
#ifndef WEFT_HTTP_ORDER_BPF_H
#define WEFT_HTTP_ORDER_BPF_H

#include "http_flow.bpf.h"

enum {
	HTTP_ORDER_TRIES = 4,	    /* to be ahead of other CPUs */
	HTTP_ORDER_LOOKS = 1 << 14, /* for what is missing: some 150 us */
};

/* The server has sent what stands before `end`. Needs no lock. */
static __always_inline void http_order_sent(struct weft_http_flow *flow, __s64 end)
{
	__u64 known = READ_ONCE(flow->server_next), found;

	for (int i = 0; i < HTTP_ORDER_TRIES && end > (__s64)known; i++) {
		found = __sync_val_compare_and_swap(&flow->server_next, known, (__u64)end);
		if (found == known)
			return;
		known = found;
	}
}

struct http_order_waiting {
	const struct weft_http_flow *flow;
	__u64 offset;
};

static long http_order_look(__u32 index __attribute__((unused)), void *context)
{
	struct http_order_waiting *waiting = context;

	return READ_ONCE(waiting->flow->answer_next) >= waiting->offset;
}

/* Until what stands before `offset` has come - once for each thing that is missing. */
static __noinline int http_order_wait(const struct weft_http_flow *flow, __s64 offset)
{
	struct http_order_waiting waiting = { .flow = flow, .offset = offset };

	if (!READ_ONCE(flow->early_end))
		bpf_loop(HTTP_ORDER_LOOKS, http_order_look, &waiting, 0);
	return 0;
}

/* Bytes before which something is missing. */
static __always_inline void http_order_early(struct weft_http_flow *flow, __u64 start, __u64 end)
{
	if (!flow->early_end || start < flow->early_start)
		flow->early_start = start;
	if (end > flow->early_end)
		flow->early_end = end;
}

/*
 * What was missing has come, as far as answer_next. False: what came early would have had to be
 * read.
 */
static __always_inline bool http_order_caught_up(struct weft_http_flow *flow)
{
	__u64 next = flow->answer_next;

	if (!flow->early_end || next < flow->early_start)
		return true;
	if (next < flow->early_end)
		return false;
	/* The body's last byte was in it: when the client has all that was sent, it is complete. */
	if (next == flow->early_end && flow->answer.section == WEFT_HTTP_STATUS)
		flow->answers = flow->answers_begun;
	flow->early_end = 0;
	return true;
}

/* Which request is answered where is not known; the client has what stands before `ack_seq`. */
static __always_inline bool http_order_is_lost(const struct weft_http_flow *flow, __u32 ack_seq)
{
	__u64 next = READ_ONCE(flow->answer_next);

	if (READ_ONCE(flow->answer_flags) & WEFT_HTTP_ANSWER_LOST)
		return true;
	/* It has got what is missing here. */
	return READ_ONCE(flow->early_end) > next &&
	       (__s32)(ack_seq - http_flow_server_seq(flow, next)) > 0;
}

#endif /* WEFT_HTTP_ORDER_BPF_H */
