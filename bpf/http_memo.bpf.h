/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Heads that come again, byte by byte the same: what they came to is known. Of requests whole
 * heads, by the hash that they are tagged with anyway, for the rules that they were judged by; of
 * answers what they say of their bodies.
 */
#ifndef WEFT_HTTP_MEMO_BPF_H
#define WEFT_HTTP_MEMO_BPF_H

#include "http_read.bpf.h"

_Static_assert(WEFT_HTTP_MEMO_LEN == HTTP_WINDOW, "a memo holds what a window holds");

/* May what is new in the segment, from byte `at`, be a head alone? */
static __always_inline bool http_memo_may(const struct http_read *read, __u32 at)
{
	const struct weft_http_run *run = &read->work.run;

	return run->section == WEFT_HTTP_METHOD && !(run->flags & WEFT_HTTP_RUN_HEAD) &&
	       read->next <= read->offset + at && !read->wire &&
	       read->phase == WEFT_HTTP_PHASE_READ && read->limit - at <= HTTP_WINDOW;
}

/* By its first four bytes: a request that seldom has a body, which would be another each time. */
static __always_inline bool http_memo_is_bare(const struct http_work *work)
{
	__u32 first = http_word_at(work, 0);

	return first == bpf_htonl(0x47455420) /* "GET " */ || first == bpf_htonl(0x48454144);
}

/* A head has begun, and the window has all of the segment. NULL: it has to be read. */
static __always_inline const struct weft_http_memo *http_memo_find(struct http_read *read)
{
	struct http_work *work = &read->work;
	const struct weft_http_memo *memo;
	__u32 index;

	if (!http_memo_is_bare(work))
		return NULL;
	read->whole = http_tag_window(&read->tag, work);
	index = read->whole >> 1 & (WEFT_HTTP_MEMOS - 1); /* the lowest bit is always set */
	memo = bpf_map_lookup_elem(&weft_http_memo, &index);
	if (!memo || memo->tag != read->whole || memo->program != work->run.program ||
	    memo->generation != work->run.generation || memo->mask != work->claim.mask ||
	    memo->length != work->filled)
		return NULL;
	return memo;
}

/* A head is allowed that ends before byte `at`. */
static __noinline int http_memo_keep(const struct http_read *read, __u32 at)
{
	const struct http_work *work = &read->work;
	const struct weft_http_run *run = &work->run;
	struct weft_http_memo *memo;
	__u32 index;

	if (!read->whole || read->head_at != read->base || at != read->limit ||
	    run->method == WEFT_HTTP_CONNECT ||
	    run->flags & (WEFT_HTTP_RUN_UPGRADE | WEFT_HTTP_RUN_CHUNKED | WEFT_HTTP_RUN_LENGTH) ||
	    !read->rule)
		return 0;
	index = read->whole >> 1 & (WEFT_HTTP_MEMOS - 1);
	memo = bpf_map_lookup_elem(&weft_http_memo, &index);
	if (!memo)
		return 0;
	memo->tag = read->whole;
	memo->program = run->program;
	memo->generation = run->generation;
	memo->mask = work->claim.mask;
	memo->rule = read->rule;
	memo->length = work->filled;
	memo->path_at = read->path_at - read->head_at;
	memo->path_end = read->path_end - read->head_at;
	memo->method = run->method;
	return 0;
}

/* Answers to the requests of one rule are alike. */
static __always_inline struct weft_answer_memo *http_memo_answer(const struct weft_http_run *run,
								 __u32 rule)
{
	__u32 index = (run->program / WEFT_HTTP_UNIT + rule) & (WEFT_HTTP_ANSWER_MEMOS - 1);

	return bpf_map_lookup_elem(&weft_answer_memo, &index);
}

/* Does the window begin with the head that is remembered? */
HTTP_GLOBAL int http_memo_equals(const struct http_work *work, const struct weft_answer_memo *memo)
{
	__u32 at = 0, head;
	__u64 differs = 0;

	if (!work || !memo)
		return 0;
	head = memo->head;
	for (int i = 0; i < WEFT_HTTP_MEMO_LEN / 8; i++) {
		if (at + 8 > head)
			break;
		if (memo->words[i] != http_word_at(work, at))
			return 0;
		at += 8;
	}
	if (at < head)
		differs = (memo->words[at / 8 & (WEFT_HTTP_MEMO_LEN / 8 - 1)] ^
			   http_word_at(work, at))
			  << (8 - (head - at)) * 8;
	return !differs;
}

/*
 * An answer begins where the window does. Is its head known? Then it has been read, and the run is
 * what it would be.
 */
static __always_inline bool http_memo_recall(struct http_work *work,
					     const struct weft_answer_memo *memo)
{
	struct weft_http_run *run = &work->run;

	if (!memo->head || memo->program != run->program || memo->generation != run->generation ||
	    memo->head > work->filled || !http_memo_equals(work, memo))
		return false;
	run->status = memo->status;
	run->flags = memo->flags;
	run->length = memo->length;
	work->pos = memo->head;
	return true;
}

/* The head of an answer, which began where the window does, has been read. */
HTTP_GLOBAL int http_memo_keep_answer(const struct http_work *work, struct weft_answer_memo *memo)
{
	const struct weft_http_run *run;
	__u32 at = 0;

	if (!work || !memo)
		return 0;
	run = &work->run;
	memo->head = 0;
	for (int i = 0; i < WEFT_HTTP_MEMO_LEN / 8; i++) {
		if (at >= work->pos)
			break;
		memo->words[i] = http_word_at(work, at);
		at += 8;
	}
	memo->program = run->program;
	memo->generation = run->generation;
	memo->status = run->status;
	memo->flags = run->flags;
	memo->length = run->length;
	memo->head = work->pos;
	return 0;
}

#endif /* WEFT_HTTP_MEMO_BPF_H */
