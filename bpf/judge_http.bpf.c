// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the maps about a request without a packet: weft_judge's answer first, and when that is
 * "by HTTP rules", the head's, by the same engine and the same tables as at TC. For `weft explain`
 * and for tests, who load it themselves (loader/judge.c): to verify it would be a fifth of the
 * agent's start. Attached to nothing, changes nothing.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "http_run.bpf.h"
#include "maps.bpf.h"
#include "policy.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum {
	JUDGE_MEMORY = 3, /* element of weft_scratch */
	JUDGE_WINDOWS = WEFT_QUESTION_HEAD_LEN / HTTP_WINDOW,
	JUDGE_STEPS = 4096,
};

/* Where in the head the reading is; in the scratch memory, for the verifier's sake. */
struct judge_memory {
	struct http_work work;
	__u32 window; /* the next one to read */
	__u32 left;   /* bytes of the head that are in no window yet */
	__u32 rule;
	__u32 reason;
};

struct judge_walk {
	struct weft_http_question *question;
	struct judge_memory *memory;
	const struct weft_http_arena *arena;
};

/* A context may be read at fixed places only. */
static __always_inline bool judge_refill(struct judge_walk *walk)
{
	struct judge_memory *memory = walk->memory;
	struct http_work *work = &memory->work;

	if (!memory->left)
		return false;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < JUDGE_WINDOWS; i++)
		if (i == memory->window)
			bpf_probe_read_kernel(work->window, HTTP_WINDOW,
					      &walk->question->head[i * HTTP_WINDOW]);
	memory->window++;
	work->filled = memory->left < HTTP_WINDOW ? memory->left : HTTP_WINDOW;
	memory->left -= work->filled;
	work->pos = 0;
	return true;
}

static long judge_step(__u32 index __attribute__((unused)), void *context)
{
	struct judge_walk *walk = context;
	struct judge_memory *memory = walk->memory;
	struct http_work *work = &memory->work;

	if (work->pos >= work->filled && !judge_refill(walk)) {
		memory->reason = WEFT_REASON_HTTP_UNFINISHED;
		return 1;
	}
	switch (http_step(walk->arena, work)) {
	case HTTP_MORE:
		return 0;
	case HTTP_HEAD:
		memory->reason = http_check_head(work);
		if (memory->reason)
			return 1;
		memory->rule = http_judge(walk->arena, work);
		memory->reason = memory->rule ? WEFT_REASON_HTTP : WEFT_REASON_NO_HTTP_RULE;
		return 1;
	default:
		memory->reason = work->reason;
		return 1;
	}
}

/* The program and the mask that are in force for the question. */
static __always_inline bool judge_begin(struct judge_walk *walk, __u32 dst, __u32 src, __u16 port)
{
	struct http_work *work = &walk->memory->work;
	const struct weft_policy *policy;
	const struct weft_dest *dest;

	dest = bpf_map_lookup_elem(&weft_dest, &dst);
	policy = dest ? policy_find(dest, dst, src, IPPROTO_TCP, port) : NULL;
	if (!dest || !policy)
		return false;
	http_run_request(work);
	work->run.program = dest->http;
	work->run.generation = dest->generation;
	work->run.flags = WEFT_HTTP_RUN_HEAD;
	work->claim.mask = policy->mask;
	work->pos = 0;
	work->filled = 0;
	return http_work_begin(walk->arena, work);
}

SEC("?syscall")
int weft_judge_http(struct weft_http_question *question)
{
	struct weft_addr src = question->question.src, dst = question->question.dst;
	struct weft_peer src_peer = peer_from_addr(&src), dst_peer = peer_from_addr(&dst);
	__u32 zero = 0, index = JUDGE_MEMORY, length = question->length;
	struct judge_walk walk = { .question = question };
	enum weft_reason reason;

	if (addr_equal(&src, &dst))
		reason = WEFT_REASON_OWN_POD;
	else
		reason = policy_judge(&dst_peer, &src_peer, question->question.proto,
				      question->question.port);
	question->question.src_peer = src_peer;
	question->question.dst_peer = dst_peer;
	question->question.reason = reason;
	question->question.action = policy_action(dst_peer.flags, reason);
	question->reason = reason;
	question->rule = 0;
	if (reason != WEFT_REASON_HTTP)
		return 0;
	walk.memory = bpf_map_lookup_elem(&weft_scratch, &index);
	walk.arena = bpf_map_lookup_elem(&weft_http, &zero);
	question->reason = WEFT_REASON_INTERNAL;
	if (!walk.memory || !walk.arena || length > WEFT_QUESTION_HEAD_LEN)
		return 0;
	walk.memory->work.name_key = bpf_ktime_get_ns(); /* any will do for one head */
	walk.memory->window = 0;
	walk.memory->left = length;
	walk.memory->rule = 0;
	walk.memory->reason = WEFT_REASON_INTERNAL;
	if (judge_begin(&walk, dst_peer.identity, src_peer.identity, question->question.port))
		bpf_loop(JUDGE_STEPS, judge_step, &walk, 0);
	question->reason = walk.memory->reason;
	question->rule = walk.memory->rule;
	return 0;
}
