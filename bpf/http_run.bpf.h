/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs an HTTP program (weft_abi_http.h) over the bytes of a message, in either direction: the
 * one HTTP engine. Pure: it sees the arena, a run and bytes, no packet and no map, so that user
 * space compiles it as well - the tests run it beside the reference evaluator.
 *
 * Bytes come in a window of a few hundred. http_scan() goes on from `pos`, http_act() does what is
 * due in between.
 */
#ifndef WEFT_HTTP_RUN_BPF_H
#define WEFT_HTTP_RUN_BPF_H

#include "http_scan.bpf.h"

static __always_inline enum http_event http_deny(struct http_work *work, enum weft_reason reason)
{
	work->reason = reason;
	return HTTP_DENIED;
}

/* A field of framing begins, which may stand once. */
static __always_inline enum weft_reason http_check_name(const struct weft_http_run *run, __u8 field)
{
	switch (field) {
	case WEFT_HTTP_FIELD_HOST:
		return run->flags & WEFT_HTTP_RUN_HOST ? WEFT_REASON_HTTP_HOST : 0;
	case WEFT_HTTP_FIELD_LENGTH:
		return run->flags & WEFT_HTTP_RUN_LENGTH ? WEFT_REASON_HTTP_CONTENT_LENGTH : 0;
	case WEFT_HTTP_FIELD_CHUNKED:
		return run->flags & WEFT_HTTP_RUN_CHUNKED || !run->version ?
			       WEFT_REASON_HTTP_TRANSFER_ENCODING :
			       0;
	case WEFT_HTTP_FIELD_WEBSOCKET:
		return run->flags & WEFT_HTTP_RUN_UPGRADE ? WEFT_REASON_HTTP_UPGRADE : 0;
	default:
		return 0;
	}
}

static __always_inline void http_note_field(struct weft_http_run *run, __u8 field)
{
	switch (field) {
	case WEFT_HTTP_FIELD_HOST:
		run->flags |= WEFT_HTTP_RUN_HOST;
		break;
	case WEFT_HTTP_FIELD_LENGTH:
		run->flags |= WEFT_HTTP_RUN_LENGTH;
		break;
	case WEFT_HTTP_FIELD_CHUNKED:
		run->flags |= WEFT_HTTP_RUN_CHUNKED;
		break;
	case WEFT_HTTP_FIELD_OTHER_CODING:
		run->flags |= WEFT_HTTP_RUN_OTHER_CODING;
		break;
	case WEFT_HTTP_FIELD_WEBSOCKET:
		run->flags |= WEFT_HTTP_RUN_UPGRADE;
		break;
	}
}

/* The head of a request is well-formed line by line: does it hold together? */
static __always_inline enum weft_reason http_check_head(const struct http_work *work)
{
	const struct weft_http_run *run = &work->run;
	bool body = run->flags & WEFT_HTTP_RUN_CHUNKED ||
		    (run->flags & WEFT_HTTP_RUN_LENGTH && run->length);

	if (run->version && !(run->flags & WEFT_HTTP_RUN_HOST))
		return WEFT_REASON_HTTP_HOST;
	if (run->flags & WEFT_HTTP_RUN_ABSOLUTE && run->flags & WEFT_HTTP_RUN_HOST &&
	    work->claim.host_hash != work->claim.authority_hash)
		return WEFT_REASON_HTTP_HOST;
	if (run->flags & WEFT_HTTP_RUN_CHUNKED && run->flags & WEFT_HTTP_RUN_LENGTH)
		return WEFT_REASON_HTTP_TRANSFER_ENCODING;
	/* What follows these waits for the answer, which may wait for a body. */
	if (run->flags & WEFT_HTTP_RUN_UPGRADE && body)
		return WEFT_REASON_HTTP_UPGRADE;
	if (run->method == WEFT_HTTP_CONNECT && body)
		return run->flags & WEFT_HTTP_RUN_CHUNKED ? WEFT_REASON_HTTP_TRANSFER_ENCODING :
							    WEFT_REASON_HTTP_CONTENT_LENGTH;
	return 0;
}

static __always_inline void http_seen_add(const struct weft_http_arena *arena,
					  struct http_work *work, __u16 number)
{
	const struct weft_http_set *set;

	set = number ? http_at(arena, (__u64)work->sets + number * sizeof(*set), sizeof(*set)) :
		       NULL;
	if (!set)
		return;
	for (int i = 0; i < WEFT_HTTP_WORDS; i++)
		work->claim.seen.words[i] |= set->words[i];
}

static __always_inline void http_act_value(const struct weft_http_arena *arena,
					   struct http_work *work,
					   const struct weft_http_action *action, __u8 lane)
{
	__u16 sets[WEFT_HTTP_LANES + 1];

	http_note_field(&work->run, action->extra);
	http_seen_add(arena, work, action->arg);
	if (!lane)
		return;
	http_lanes_finish(arena, work, lane, sets);
	for (int i = 1; i <= WEFT_HTTP_LANES; i++)
		http_seen_add(arena, work, sets[i]);
}

/* An authority ends: what follows it is a path that begins with "/", or would. */
static __always_inline void http_start_path(const struct weft_http_arena *arena,
					    struct http_work *work)
{
	const struct weft_http_section *section = http_section(arena, work, WEFT_HTTP_TARGET);
	__u8 lane = section ? section->lane : 0;
	const __u8 *class;
	const __u16 *cell;

	for (int i = 0; i < WEFT_HTTP_LANES && lane; i++) {
		section = http_section(arena, work, lane);
		if (!section)
			return;
		class = http_at(arena, (__u64)work->run.program + section->classes + '/', 1);
		cell = class ? http_at(arena, (__u64)work->run.program + section->next + *class * 2,
				       2) :
			       NULL;
		work->claim.lane_state[i] = cell ? *cell : 0;
		lane = section->lane;
	}
}

/* The next chunk. */
static __always_inline void http_run_chunk(struct weft_http_run *run)
{
	run->section = WEFT_HTTP_CHUNK;
	run->state = 0;
	run->length = 0;
	run->digits = 0;
}

static __always_inline enum http_event http_act_digit(struct http_work *work, __u32 base)
{
	struct weft_http_run *run = &work->run;
	__u32 byte = work->byte, digit;

	digit = byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
	run->digits++;
	if (base == 10 && run->digits > HTTP_LENGTH_DIGITS)
		return http_deny(work, WEFT_REASON_HTTP_CONTENT_LENGTH);
	if (base == 16 && (run->digits > HTTP_SIZE_DIGITS || run->length >= HTTP_LENGTH_MAX / 16))
		return http_deny(work, WEFT_REASON_HTTP_CHUNK);
	run->length = run->length * base + digit;
	return HTTP_MORE;
}

/*
 * The action of the state that http_scan() came to. Leaves the run where it goes on, with the
 * cursor loaded.
 */
HTTP_GLOBAL int http_act(const struct weft_http_arena *arena, struct http_work *work)
{
	const struct weft_http_action *action;
	enum http_event event = HTTP_MORE;
	struct weft_http_run *run;
	__u8 lane, from;

	if (!arena || !work)
		return HTTP_DENIED;
	run = &work->run;
	lane = work->cursor.lane;
	from = run->section;
	action = http_at(arena,
			 (__u64)work->cursor.actions +
				 ((__u64)run->state - work->cursor.first_action) * sizeof(*action),
			 sizeof(*action));
	if (!action)
		return http_deny(work, WEFT_REASON_INTERNAL);
	run->section = action->section;
	run->state = action->state;
	if (from == WEFT_HTTP_AUTHORITY)
		http_start_path(arena, work);
	if (run->section != from && work->target_end == HTTP_NOWHERE &&
	    (run->section == WEFT_HTTP_QUERY || run->section == WEFT_HTTP_VERSION))
		work->target_end = work->pos - 1;
	switch (action->op) {
	case WEFT_HTTP_OP_NEXT:
		if (from == WEFT_HTTP_CHUNK_END)
			http_run_chunk(run);
		break;
	case WEFT_HTTP_OP_METHOD:
		work->claim.method_set = action->arg;
		run->method = action->extra;
		work->target_at = work->pos;
		break;
	case WEFT_HTTP_OP_PATH:
		if (from == WEFT_HTTP_AUTHORITY) {
			const struct weft_http_section *target =
				http_section(arena, work, WEFT_HTTP_TARGET);

			lane = target ? target->lane : 0;
		}
		work->claim.path_set[0] = action->arg;
		http_lanes_finish(arena, work, lane, work->claim.path_set);
		break;
	case WEFT_HTTP_OP_ABSOLUTE:
		run->flags |= WEFT_HTTP_RUN_ABSOLUTE;
		break;
	case WEFT_HTTP_OP_VERSION:
		run->version = action->arg;
		break;
	case WEFT_HTTP_OP_NAME:
		work->reason = http_check_name(run, action->extra);
		if (work->reason)
			return HTTP_DENIED;
		if (action->extra == WEFT_HTTP_FIELD_LENGTH) {
			run->length = 0;
			run->digits = 0;
		}
		break;
	case WEFT_HTTP_OP_VALUE:
		http_act_value(arena, work, action, lane);
		break;
	case WEFT_HTTP_OP_DIGIT:
		event = http_act_digit(work, 10);
		break;
	case WEFT_HTTP_OP_HEX_DIGIT:
		event = http_act_digit(work, 16);
		break;
	case WEFT_HTTP_OP_STATUS_DIGIT:
		run->status = run->status * 10 + work->byte - '0';
		break;
	case WEFT_HTTP_OP_HEAD:
		event = HTTP_HEAD;
		break;
	case WEFT_HTTP_OP_CHUNK:
		event = HTTP_DATA;
		if (!run->length) {
			run->section = WEFT_HTTP_TRAILER;
			run->state = 0;
			event = HTTP_MORE;
		}
		break;
	case WEFT_HTTP_OP_MESSAGE:
		event = HTTP_MESSAGE;
		break;
	default:
		return http_deny(work, action->arg ?: WEFT_REASON_INTERNAL);
	}
	if (event == HTTP_DENIED)
		return event;
	/* Lanes begin with the section; in the target of an absolute form they have begun. */
	if (run->section != from && from != WEFT_HTTP_AUTHORITY)
		__builtin_memset(work->claim.lane_state, 0, sizeof(work->claim.lane_state));
	if (!http_cursor_load(arena, work))
		return http_deny(work, WEFT_REASON_INTERNAL);
	return event;
}

/* Scans, up to something that the caller has to do. */
static __always_inline enum http_event http_step(const struct weft_http_arena *arena,
						 struct http_work *work)
{
	int event = http_scan(arena, work);

	/* The way back to the caller, and here again, takes as long as twenty bytes. */
	for (int i = 0; i < HTTP_SCANS; i++) {
		if (event != HTTP_MORE || work->cursor.lane || work->cursor.flags ||
		    work->pos >= work->filled)
			break;
		event = http_scan(arena, work);
	}
	if (event < 0)
		return http_deny(work, WEFT_REASON_INTERNAL);
	if (work->cursor.lane || work->cursor.flags)
		http_scan_finish(arena, work, event == HTTP_ACT);
	if (work->run.flags & WEFT_HTTP_RUN_HEAD && work->run.head_bytes > work->max_head)
		return http_deny(work, WEFT_REASON_HTTP_HEAD_SIZE);
	return event == HTTP_ACT ? http_act(arena, work) : event;
}

/* By arithmetic: the verifier would follow every way to get it by comparisons. `word` is not 0. */
static __always_inline __u32 http_lowest_bit(__u64 word)
{
	__u64 bit = word & -word;

	return (__u32)((bit & 0xaaaaaaaaaaaaaaaaULL) != 0) |
	       (__u32)((bit & 0xccccccccccccccccULL) != 0) << 1 |
	       (__u32)((bit & 0xf0f0f0f0f0f0f0f0ULL) != 0) << 2 |
	       (__u32)((bit & 0xff00ff00ff00ff00ULL) != 0) << 3 |
	       (__u32)((bit & 0xffff0000ffff0000ULL) != 0) << 4 |
	       (__u32)((bit & 0xffffffff00000000ULL) != 0) << 5;
}

static __always_inline __u64 http_word(const struct weft_http_arena *arena,
				       const struct http_work *work, __u32 set, __u32 word)
{
	const __u64 *at = http_at(arena,
				  (__u64)work->sets + set * sizeof(struct weft_http_set) +
					  word * sizeof(__u64),
				  sizeof(*at));

	return at ? *at : 0;
}

/* The same as http_judge() among the rules of one word. */
HTTP_GLOBAL int http_judge_word(const struct weft_http_arena *arena, struct http_work *work,
				__u32 word)
{
	const struct weft_http_program *program;
	const struct weft_http_claim *claim;
	__u64 sat, single, path, hit, bit;

	if (!arena || !work || word >= WEFT_HTTP_WORDS)
		return 0;
	claim = &work->claim;
	program = http_at(arena, work->run.program, sizeof(*program));
	if (!program)
		return 0;
	sat = http_word(arena, work, claim->mask, word) &
	      http_word(arena, work, claim->method_set, word) &
	      (program->bare.words[word] | claim->seen.words[word]);
	if (!sat)
		return 0;
	single = program->single.words[word];
	path = http_word(arena, work, claim->path_set[0], word);
	for (int lane = 1; lane <= WEFT_HTTP_LANES; lane++)
		if (claim->path_set[lane])
			path |= http_word(arena, work, claim->path_set[lane], word);
	sat &= path;
	hit = (sat & single) |
	      (((sat & ~single) + program->starts.words[word]) & program->separators.words[word]);
	if (!hit)
		return 0;
	bit = word * 64 + http_lowest_bit(hit);
	asm volatile("" : "+r"(bit)); /* the verifier must see the mask */
	return program->rules[bit & (WEFT_HTTP_BITS - 1)];
}

/* The first rule that allows the request whose head is complete: its weft_name id; 0: none. */
static __always_inline int http_judge(const struct weft_http_arena *arena, struct http_work *work)
{
	int rule = 0;

	for (__u32 word = 0; word < WEFT_HTTP_WORDS && !rule; word++)
		rule = http_judge_word(arena, work, word);
	return rule;
}

/* Between requests. */
static __always_inline void http_run_idle(struct http_work *work)
{
	struct weft_http_run *run = &work->run;

	run->length = 0;
	run->head_bytes = 0;
	run->state = 0;
	run->section = WEFT_HTTP_METHOD;
	run->digits = 0;
	run->flags = 0;
	run->version = 0;
	run->method = 0;
	work->cursor.loaded = 0;
}

/* A new request: everything about it is open, but for what its source may use. */
static __always_inline void http_run_request(struct http_work *work)
{
	__u32 mask = work->claim.mask;

	http_run_idle(work);
	__builtin_memset(&work->claim, 0, sizeof(work->claim));
	work->claim.mask = mask;
	work->target_at = HTTP_NOWHERE;
	work->target_end = HTTP_NOWHERE;
}

#endif /* WEFT_HTTP_RUN_BPF_H */
