/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An HTTP program (weft_abi_http.h) as a run sees it: the tables in the arena, where in them the
 * run is, and the window of bytes before it. Nothing outside the arena is read, whatever the
 * tables say: offsets are checked, and what cannot be read denies.
 */
#ifndef WEFT_HTTP_TABLE_BPF_H
#define WEFT_HTTP_TABLE_BPF_H

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
	HTTP_SCANS = 4,		 /* scans in a row */
	HTTP_LENGTH_DIGITS = 18, /* of Content-Length */
	HTTP_SIZE_DIGITS = 16,	 /* of a chunk's size */
};

enum { HTTP_NOWHERE = 0xffffffff };

/* No body or chunk is longer: stream offsets must not wrap. */
#define HTTP_LENGTH_MAX (1ULL << 60)

/* What a step came to. */
enum http_event {
	HTTP_MORE = 0,	  /* go on with the next bytes */
	HTTP_HEAD = 1,	  /* a head is complete: judge it */
	HTTP_DATA = 2,	  /* run.length bytes of a chunk follow */
	HTTP_MESSAGE = 3, /* a chunked body is complete */
	HTTP_DENIED = 4,  /* see `reason` */
	HTTP_ACT = 5,	  /* of http_scan() only */
};

/* The section that the run is in, with offsets in the arena. */
struct http_cursor {
	__u32 classes;
	__u32 next;
	__u32 actions;
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
	__u32 byte;	  /* the last one that led to an action */
	__u32 since;	  /* where in the window the last scan began to read the section it is in */
	__u32 target_at;  /* where in the window the last request's target begins */
	__u32 target_end; /* and its path ends; HTTP_NOWHERE: it has not yet */
	__u64 name_key;	  /* secret of the hashes of names; the same for all of a request */
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
	if (section >= work->section_count)
		return NULL;
	return http_at(arena, (__u64)work->sections + section * sizeof(struct weft_http_section),
		       sizeof(struct weft_http_section));
}

static __always_inline void http_cursor_set(struct http_cursor *cursor,
					    const struct weft_http_section *section, __u8 number,
					    __u32 program)
{
	cursor->classes = program + section->classes;
	cursor->next = program + section->next;
	cursor->actions = program + section->actions;
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

#endif /* WEFT_HTTP_TABLE_BPF_H */
