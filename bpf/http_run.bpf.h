/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs an HTTP program (weft_abi_http.h) over the bytes of a message, in either direction: the
 * one HTTP engine. Pure: it sees the arena, a run and bytes, no packet and no map, so that user
 * space compiles it as well - the tests run it beside the reference evaluator.
 *
 * Bytes come in a window of a few hundred. http_scan() goes on from `pos` until an action is due,
 * http_act() does it. Whatever the tables say, nothing outside the arena is read: offsets are
 * checked, and what cannot be read denies.
 */
#ifndef WEFT_HTTP_RUN_BPF_H
#define WEFT_HTTP_RUN_BPF_H

#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#define HTTP_GLOBAL __weak __noinline /* in several objects, linked into one */
#else
/* To be included behind <stdbool.h>, <stddef.h> and <linux/types.h>. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define HTTP_GLOBAL	static inline
#endif
#include "weft_abi.h"

enum http_number {
	HTTP_WINDOW = 512,	 /* bytes */
	HTTP_SCAN = 64,		 /* bytes that one scan reads one by one */
	HTTP_LENGTH_DIGITS = 18, /* of Content-Length */
	HTTP_SIZE_DIGITS = 16,	 /* of a chunk's size */
};

/* No body or chunk is longer: stream offsets must not wrap. */
#define HTTP_LENGTH_MAX (1ULL << 60)

/* What a step came to. */
enum http_event {
	HTTP_MORE = 0,	  /* go on with the next bytes */
	HTTP_HEAD = 1,	  /* a head is complete: judge it */
	HTTP_DATA = 2,	  /* run.length bytes of a chunk follow */
	HTTP_MESSAGE = 3, /* a chunked body is complete */
	HTTP_DENIED = 4,  /* see `reason` */
};

/* The section that the run is in, with offsets in the arena. */
struct http_cursor {
	__u32 classes;
	__u32 next;
	__u32 actions;
	__u32 class_count;
	__u32 first_action;
	__u32 skip;
	__u8 section;
	__u8 flags;
	__u8 lane;
	__u8 loaded;
	__u32 program; /* of which it is a section */
};

struct http_work {
	struct weft_http_run run;
	struct weft_http_claim claim;
	struct http_cursor cursor;
	__u32 pos;	/* in the window: next byte to read */
	__u32 filled;	/* bytes in the window */
	__u32 reason;	/* enum weft_reason */
	__u32 sets;	/* offset in the arena of the program's sets */
	__u32 sections; /* of its sections */
	__u32 section_count;
	__u32 max_head;
	__u32 byte;	/* the last one read */
	__u64 name_key; /* secret of the hashes of names; the same for all of a request */
	union {
		__u8 window[HTTP_WINDOW + 8]; /* so that a word may be read anywhere */
		__u64 words[HTTP_WINDOW / 8 + 1];
	};
};

/* Eight bytes of the window, as they lie there. */
static __always_inline __u64 http_word_at(const struct http_work *work, __u32 at)
{
	__u64 offset = at, word;

	asm volatile("" : "+r"(offset)); /* the verifier must see the mask */
	offset &= HTTP_WINDOW - 1;
#ifdef __bpf__
	/* In terms of `words`: else clang loads byte by byte. */
	word = *(const volatile __u64 *)((const __u8 *)work->words + offset);
#else
	__builtin_memcpy(&word, (const __u8 *)work->words + offset, sizeof(word));
#endif
	return word;
}

/* NULL beyond the arena. `size` is a constant. */
static __always_inline const void *http_at(const struct weft_http_arena *arena, __u64 offset,
					   __u32 size)
{
	if (offset > WEFT_HTTP_ARENA - size)
		return NULL;
	/* The compiler shall not add before it has compared: the verifier must see both. */
	asm volatile("" : "+r"(offset));
	return &arena->bytes[offset];
}

/* Is the program that the run began with still to be had? */
static __always_inline const struct weft_http_program *
http_program(const struct weft_http_arena *arena, const struct weft_http_run *run)
{
	const struct weft_http_program *program;

	program = http_at(arena, run->program, sizeof(*program));
	if (!run->program || !program || program->generation != run->generation)
		return NULL;
	return program;
}

static __always_inline const struct weft_http_section *
http_section(const struct weft_http_arena *arena, const struct http_work *work, __u8 section)
{
	const struct weft_http_program *program;

	program = http_at(arena, work->run.program, sizeof(*program));
	if (!program || section >= program->section_count)
		return NULL;
	return http_at(arena,
		       (__u64)work->run.program + program->sections +
			       section * sizeof(struct weft_http_section),
		       sizeof(struct weft_http_section));
}

static __always_inline void http_cursor_set(struct http_cursor *cursor,
					    const struct weft_http_section *section, __u8 number,
					    __u32 program)
{
	cursor->classes = program + section->classes;
	cursor->next = program + section->next;
	cursor->actions = program + section->actions;
	cursor->class_count = section->class_count;
	cursor->first_action = section->first_action;
	cursor->skip = section->skip;
	cursor->flags = section->flags;
	cursor->lane = section->lane;
	cursor->section = number;
	cursor->program = program;
	cursor->loaded = 1;
}

/* Puts the cursor where the run is. */
static __always_inline bool http_cursor_load(const struct weft_http_arena *arena,
					     struct http_work *work)
{
	struct http_cursor *cursor = &work->cursor;
	const struct weft_http_section *section;

	if (cursor->loaded && cursor->section == work->run.section &&
	    cursor->program == work->run.program)
		return true;
	section = http_section(arena, work, work->run.section);
	if (!section)
		return false;
	http_cursor_set(cursor, section, work->run.section, work->run.program);
	return true;
}

/* A program's constants. To be called when the run has a program. */
static __always_inline bool http_work_begin(const struct weft_http_arena *arena,
					    struct http_work *work)
{
	const struct weft_http_program *program = http_program(arena, &work->run);

	if (!program)
		return false;
	work->sets = work->run.program + program->sets;
	work->sections = work->run.program + program->sections;
	work->section_count = program->section_count;
	work->max_head = program->max_head;
	return http_cursor_load(arena, work);
}

/* Is there a byte below 0x20 or 0x7f among the eight? Those from 0x80 on do not count. */
static __always_inline bool http_has_control(__u64 word)
{
	const __u64 ones = 0x0101010101010101ULL, high = 0x8080808080808080ULL;
	__u64 del = word ^ ones * 0x7f;

	return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & high;
}

/* The lane's next state, or 0 when it cannot be read: lanes have no dead end but state 0. */
static __always_inline void http_lane_scan(const struct weft_http_arena *arena,
					   const struct weft_http_section *lane,
					   struct http_work *work, __u16 *state, __u32 from)
{
	__u64 classes = (__u64)work->run.program + lane->classes;
	__u64 next = (__u64)work->run.program + lane->next;
	__u32 now = *state, pos = from;

	for (int i = 0; i < HTTP_SCAN; i++) {
		const __u8 *class;
		const __u16 *cell;

		if (pos >= work->pos)
			break;
		class = http_at(arena, classes + work->window[pos & (HTTP_WINDOW - 1)], 1);
		if (!class)
			break;
		cell = http_at(arena, next + ((__u64)now * lane->class_count + *class) * 2, 2);
		if (!cell)
			break;
		now = *cell;
		pos++;
	}
	*state = now;
}

/* Runs the lanes beside the section over what was just scanned. */
HTTP_GLOBAL int http_lanes(const struct weft_http_arena *arena, struct http_work *work, __u32 from)
{
	const struct weft_http_section *section;
	__u8 lane;

	if (!arena || !work)
		return 0;
	lane = work->cursor.lane;
	for (int i = 0; i < WEFT_HTTP_LANES && lane; i++) {
		section = http_section(arena, work, lane);
		if (!section)
			break;
		http_lane_scan(arena, section, work, &work->claim.lane_state[i], from);
		lane = section->lane;
	}
	return 0;
}

/* The sets that the lanes have come to, after that of the section itself. */
static __always_inline void http_lanes_finish(const struct weft_http_arena *arena,
					      struct http_work *work, __u8 lane,
					      __u16 sets[WEFT_HTTP_LANES + 1])
{
	const struct weft_http_section *section;
	const __u16 *set;

	for (int i = 0; i < WEFT_HTTP_LANES; i++) {
		sets[i + 1] = 0;
		section = lane ? http_section(arena, work, lane) : NULL;
		lane = 0;
		if (!section)
			continue;
		lane = section->lane;
		set = http_at(arena,
			      (__u64)work->run.program + section->actions +
				      work->claim.lane_state[i] * 2,
			      2);
		if (set)
			sets[i + 1] = *set;
	}
}

/* An authority is compared without regard to case; white space around Host does not count. */
HTTP_GLOBAL int http_hash_name(struct http_work *work, __u32 from, __u32 to)
{
	bool host;
	__u64 hash;

	if (!work)
		return 0;
	host = work->cursor.flags & WEFT_HTTP_SECTION_HOST;
	hash = host ? work->claim.host_hash : work->claim.authority_hash;
	for (int i = 0; i < HTTP_SCAN; i++) {
		__u8 byte;

		if (from >= to)
			break;
		byte = work->window[from++ & (HTTP_WINDOW - 1)];
		if (byte <= 0x20)
			continue;
		if (byte >= 'A' && byte <= 'Z')
			byte |= 0x20;
		/* Nobody who does not know the factor can find two names of one hash. */
		hash = (hash ^ byte) * (work->name_key | 1);
		hash ^= hash >> 32;
	}
	if (host)
		work->claim.host_hash = hash;
	else
		work->claim.authority_hash = hash;
	return 0;
}

/*
 * Does what most actions come to while the scan goes on: to read a digit, or to go to another
 * section that has nothing beside it. False: it is http_act()'s.
 */
static __always_inline bool http_scan_acts(const struct weft_http_arena *arena,
					   struct http_work *work,
					   const struct weft_http_action *action, __u32 byte)
{
	const struct weft_http_section *section;

	if (action->op == WEFT_HTTP_OP_STATUS_DIGIT) {
		work->run.status = work->run.status * 10 + byte - '0';
		return true;
	}
	if (action->op == WEFT_HTTP_OP_DIGIT && work->run.digits < HTTP_LENGTH_DIGITS) {
		work->run.digits++;
		work->run.length = work->run.length * 10 + byte - '0';
		return true;
	}
	if (action->op != WEFT_HTTP_OP_NEXT || work->cursor.section == WEFT_HTTP_CHUNK_END ||
	    work->cursor.flags || work->cursor.lane)
		return false;
	section = http_section(arena, work, action->section);
	if (!section || section->lane || section->flags)
		return false;
	work->run.section = action->section;
	http_cursor_set(&work->cursor, section, action->section, work->run.program);
	return true;
}

/*
 * Reads on until an action is due (then returns 1), or some HTTP_SCAN bytes, or many more where
 * bytes may be skipped (0). -1: the tables cannot be read.
 */
HTTP_GLOBAL int http_scan(const struct weft_http_arena *arena, struct http_work *work)
{
	__u32 pos, state, byte = 0;
	int acts = 0;

	if (!arena || !work)
		return -1;
	if (work->cursor.lane || work->cursor.flags)
		work->cursor.skip = WEFT_HTTP_NO_SKIP;
	pos = work->pos;
	state = work->run.state;
	for (int i = 0; i < HTTP_SCAN; i++) {
		const volatile struct http_work *fresh = work;
		const struct weft_http_action *action;
		const __u8 *class;
		const __u16 *cell;

		/*
		 * Says nothing new, but makes the verifier forget how far it has come; as
		 * `fresh` makes it forget what else it has compared. It would follow every
		 * way through the loop otherwise.
		 */
		pos &= 0xffff;
		if (pos >= fresh->filled)
			break;
		if (state == fresh->cursor.skip && pos + 8 <= fresh->filled &&
		    !http_has_control(http_word_at(work, pos))) {
			pos += 8;
			continue;
		}
		byte = work->window[pos & (HTTP_WINDOW - 1)];
		class = http_at(arena, (__u64)fresh->cursor.classes + byte, 1);
		if (!class)
			return -1;
		cell = http_at(arena,
			       fresh->cursor.next +
				       ((__u64)state * fresh->cursor.class_count + *class) * 2,
			       2);
		if (!cell)
			return -1;
		state = *cell;
		pos++;
		if (state < fresh->cursor.first_action)
			continue;
		action = http_at(arena,
				 fresh->cursor.actions +
					 ((__u64)state - fresh->cursor.first_action) *
						 sizeof(*action),
				 sizeof(*action));
		if (!action)
			return -1;
		if (!http_scan_acts(arena, work, action, byte)) {
			acts = 1;
			break;
		}
		state = action->state;
	}
	work->run.head_bytes += pos - work->pos;
	work->pos = pos;
	work->run.state = state;
	work->byte = byte;
	return acts;
}

/* What the bytes of a scan mean beside the states. `acts`: the last one led to an action. */
static __always_inline void http_scan_finish(const struct weft_http_arena *arena,
					     struct http_work *work, __u32 from, bool acts)
{
	if (work->cursor.lane)
		http_lanes(arena, work, from);
	if (work->cursor.flags & WEFT_HTTP_SECTION_AUTHORITY ||
	    (work->cursor.flags & WEFT_HTTP_SECTION_HOST &&
	     work->run.flags & WEFT_HTTP_RUN_ABSOLUTE))
		http_hash_name(work, from, work->pos - acts);
}

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
	switch (action->op) {
	case WEFT_HTTP_OP_NEXT:
		if (from == WEFT_HTTP_CHUNK_END)
			http_run_chunk(run);
		break;
	case WEFT_HTTP_OP_METHOD:
		work->claim.method_set = action->arg;
		run->method = action->extra;
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

/* Scans and acts once. */
static __always_inline enum http_event http_step(const struct weft_http_arena *arena,
						 struct http_work *work)
{
	__u32 from = work->pos;
	int acts = http_scan(arena, work);

	if (acts < 0)
		return http_deny(work, WEFT_REASON_INTERNAL);
	if (work->cursor.lane || work->cursor.flags)
		http_scan_finish(arena, work, from, acts);
	if (work->run.flags & WEFT_HTTP_RUN_HEAD && work->run.head_bytes > work->max_head)
		return http_deny(work, WEFT_REASON_HTTP_HEAD_SIZE);
	return acts ? http_act(arena, work) : HTTP_MORE;
}

static __always_inline __u32 http_lowest_bit(__u64 word)
{
	__u32 bit = 0;

	for (int shift = 32; shift; shift >>= 1) {
		if (!(word & ((1ULL << shift) - 1))) {
			word >>= shift;
			bit += shift;
		}
	}
	return bit;
}

static __always_inline __u64 http_word(const struct weft_http_arena *arena,
				       const struct http_work *work, __u32 set, int word)
{
	const __u64 *at = http_at(arena,
				  (__u64)work->sets + set * sizeof(struct weft_http_set) +
					  word * sizeof(__u64),
				  sizeof(*at));

	return at ? *at : 0;
}

/* The first rule that allows the request whose head is complete: its weft_name id; 0: none. */
HTTP_GLOBAL int http_judge(const struct weft_http_arena *arena, struct http_work *work)
{
	const struct weft_http_program *program;
	const struct weft_http_claim *claim;

	if (!arena || !work)
		return 0;
	claim = &work->claim;
	program = http_at(arena, work->run.program, sizeof(*program));
	if (!program)
		return 0;
	for (int i = 0; i < WEFT_HTTP_WORDS; i++) {
		__u64 sat = http_word(arena, work, claim->mask, i) &
			    http_word(arena, work, claim->method_set, i) &
			    (program->bare.words[i] | claim->seen.words[i]);
		__u64 single = program->single.words[i], path, hit;

		if (!sat)
			continue;
		path = http_word(arena, work, claim->path_set[0], i);
		for (int lane = 1; lane <= WEFT_HTTP_LANES; lane++)
			if (claim->path_set[lane])
				path |= http_word(arena, work, claim->path_set[lane], i);
		sat &= path;
		hit = (sat & single) |
		      (((sat & ~single) + program->starts.words[i]) & program->separators.words[i]);
		if (hit)
			return program
				->rules[(i * 64 + http_lowest_bit(hit)) & (WEFT_HTTP_BITS - 1)];
	}
	return 0;
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
}

#endif /* WEFT_HTTP_RUN_BPF_H */
