/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From byte to byte: a scan goes on from `pos`, and has http_act() do the actions that are due
 * (http_run.bpf.h). Beside it run lanes, and hashes of names. This is where the time goes.
 */
#ifndef WEFT_HTTP_SCAN_BPF_H
#define WEFT_HTTP_SCAN_BPF_H

#include "http_table.bpf.h"

static const __u64 http_ones = 0x0101010101010101ULL;

/*
 * Marks a byte of the eight that is below 0x20, or 0x7f, by its highest bit; those from 0x80 on
 * are not. Behind the first mark there may be false ones. 0: there is no such byte.
 */
static __always_inline __u64 http_find_control(__u64 word)
{
	__u64 del = word ^ http_ones * 0x7f;

	return (((word - http_ones * 0x20) & ~word) | ((del - http_ones) & ~del)) & http_ones << 7;
}

/* How many bytes stand before the first mark. */
static __always_inline __u32 http_before_mark(__u64 marks)
{
	__u64 before = (marks & -marks) - 1;

	return ((before >> 7) & http_ones) * http_ones >> 56;
}

/*
 * Runs one lane over what was just scanned, and returns the number of the lane beside it; 0: there
 * is none. Lanes have no dead end but state 0. A global function, as others here: the verifier
 * looks at it once, and not once per lane and program that calls it.
 */
HTTP_GLOBAL int http_lane_scan(const struct weft_http_arena *arena, struct http_work *work,
			       __u32 lane, __u32 index, __u32 from)
{
	const struct weft_http_section *section;
	__u64 classes, next;
	__u32 now, pos = from;

	if (!arena || !work || index >= WEFT_HTTP_LANES)
		return 0;
	section = http_section(arena, work, lane);
	if (!section)
		return 0;
	classes = (__u64)work->run.program + section->classes;
	next = (__u64)work->run.program + section->next;
	now = work->claim.lane_state[index];
	for (int i = 0; i < HTTP_SCAN; i++) {
		const __u8 *class;
		const __u16 *cell;

		if (pos >= work->pos)
			break;
		class = http_at(arena, classes + work->window[pos & (HTTP_WINDOW - 1)], 1);
		if (!class)
			break;
		cell = http_at(arena, next + (__u64)now * WEFT_HTTP_ROW + *class * 2UL, 2);
		if (!cell)
			break;
		now = *cell;
		pos++;
	}
	work->claim.lane_state[index] = now;
	return section->lane;
}

/* Runs the lanes beside the section over what was just scanned. */
static __always_inline void http_lanes(const struct weft_http_arena *arena, struct http_work *work,
				       __u32 from)
{
	__u32 lane = work->cursor.lane;

	for (int i = 0; i < WEFT_HTTP_LANES && lane; i++)
		lane = http_lane_scan(arena, work, lane, i, from);
}

/* The sets that the lanes have come to, after that of the section itself. */
static __always_inline void http_lanes_finish(const struct weft_http_arena *arena,
					      struct http_work *work, __u8 lane,
					      __u16 sets[WEFT_HTTP_LANES + 1])
{
	const struct weft_http_section *section;
	const __u16 *set;
	__u32 rows;

	for (int i = 0; i < WEFT_HTTP_LANES; i++) {
		sets[i + 1] = 0;
		section = lane ? http_section(arena, work, lane) : NULL;
		lane = 0;
		if (!section)
			continue;
		lane = section->lane;
		rows = (section->class_count * 2U + WEFT_HTTP_ROW - 1) / WEFT_HTTP_ROW ?: 1;
		set = http_at(arena,
			      (__u64)work->run.program + section->actions +
				      work->claim.lane_state[i] / rows * 2,
			      2);
		if (set)
			sets[i + 1] = *set;
	}
}

/* An authority is compared without regard to case; white space around Host does not count. */
HTTP_GLOBAL int http_hash_name(struct http_work *work, __u32 from, __u32 to)
{
	const volatile struct http_work *fresh = work;
	__u64 hash;

	if (!work)
		return 0;
	hash = fresh->cursor.flags & WEFT_HTTP_SECTION_HOST ? work->claim.host_hash :
							      work->claim.authority_hash;
	for (int i = 0; i < HTTP_SCAN; i++) {
		__u64 byte, wanted;

		if (from >= to)
			break;
		byte = work->window[from++ & (HTTP_WINDOW - 1)];
		/*
		 * By arithmetic, which clang shall not turn into branches: the verifier would
		 * follow every way through the loop.
		 */
		asm volatile("" : "+r"(byte));
		wanted = (0x20 - byte) >> 63;
		byte |= ((('A' - 1 - byte) & (byte - ('Z' + 1))) >> 63) << 5;
		/* Nobody who does not know the factor can find two names of one hash. */
		byte = (hash ^ byte) * (work->name_key | 1);
		hash ^= (hash ^ byte ^ byte >> 32) & -wanted;
	}
	if (fresh->cursor.flags & WEFT_HTTP_SECTION_HOST)
		work->claim.host_hash = hash;
	else
		work->claim.authority_hash = hash;
	return 0;
}

/* Are the bytes here part of a name that is compared? */
static __always_inline bool http_scan_hashes(const struct http_work *work)
{
	return work->cursor.flags & WEFT_HTTP_SECTION_AUTHORITY ||
	       (work->cursor.flags & WEFT_HTTP_SECTION_HOST &&
		work->run.flags & WEFT_HTTP_RUN_ABSOLUTE);
}

/* Does something else read the bytes of this section, too? Then none may be skipped. */
static __always_inline bool http_scan_has_others(const struct http_work *work)
{
	return work->cursor.lane || http_scan_hashes(work);
}

/* Reads a digit while the scan goes on, as these come in numbers. False: it is http_act()'s. */
static __always_inline bool http_scan_digit(struct http_work *work,
					    const struct weft_http_action *action, __u32 byte)
{
	if (action->op == WEFT_HTTP_OP_STATUS_DIGIT) {
		work->run.status = work->run.status * 10 + byte - '0';
		return true;
	}
	if (action->op == WEFT_HTTP_OP_DIGIT && work->run.digits < HTTP_LENGTH_DIGITS) {
		work->run.digits++;
		work->run.length = work->run.length * 10 + byte - '0';
		return true;
	}
	return false;
}

/* In http_run.bpf.h. */
HTTP_GLOBAL int http_act(const struct weft_http_arena *arena, struct http_work *work);

/*
 * Reads on until something is due that is not between http_scan() and http_act(): returns what, or
 * HTTP_MORE after some HTTP_SCAN bytes, or many more where bytes may be skipped. HTTP_ACT: an
 * action is due, but what else reads the bytes has to be done before. -1: the tables cannot be
 * read.
 */
HTTP_GLOBAL int http_scan(const struct weft_http_arena *arena, struct http_work *work)
{
	int event = HTTP_MORE;
	__u32 pos, byte = 0;
	__u64 state;

	if (!arena || !work)
		return -1;
	if (http_scan_has_others(work))
		work->cursor.skip = WEFT_HTTP_NO_SKIP;
	pos = work->pos;
	state = work->run.state;
	work->since = pos;
	work->run.head_bytes -= pos;
	for (int i = 0; i < HTTP_SCAN; i++) {
		const volatile struct http_work *fresh = work;
		const struct weft_http_action *action;
		const __u8 *class;
		const __u16 *cell;
		__u64 column;

		/*
		 * Says nothing new, but makes the verifier forget how far it has come; as
		 * `fresh` makes it forget what else it has compared. It would follow every
		 * way through the loop otherwise.
		 */
		pos &= 0xffff;
		if (pos >= fresh->filled)
			break;
		if (state == fresh->cursor.skip && pos + 8 <= fresh->filled) {
			__u64 marks = http_find_control(http_word_at(work, pos));

			if (!marks) {
				pos += 8;
				continue;
			}
			pos += http_before_mark(marks);
		}
		byte = work->window[pos & (HTTP_WINDOW - 1)];
		class = http_at(arena, (__u64)fresh->cursor.classes + byte, 1);
		if (!class)
			return -1;
		/*
		 * The way from state to state is what a byte takes: it has to be short. All else is
		 * done beside it.
		 */
		column = fresh->cursor.next + *class * 2UL;
		asm volatile("" : "+r"(column));
		cell = http_at(arena, state * WEFT_HTTP_ROW + column, 2);
		if (!cell)
			return -1;
		state = *cell;
		pos++;
		if (state < fresh->cursor.first_action)
			continue;
		action = http_at(arena,
				 fresh->cursor.actions +
					 (state - fresh->cursor.first_action) * sizeof(*action),
				 sizeof(*action));
		if (!action)
			return -1;
		if (http_scan_digit(work, action, byte)) {
			state = action->state;
			continue;
		}
		work->run.state = state;
		work->byte = byte;
		work->pos = pos;
		event = http_scan_has_others(work) ? HTTP_ACT : http_act(arena, work);
		if (event == HTTP_MORE)
			work->since = pos;
		state = work->run.state;
		if (event != HTTP_MORE || http_scan_has_others(work))
			break;
	}
	work->run.head_bytes += pos;
	work->pos = pos;
	work->run.state = state;
	return event;
}

/*
 * What the bytes of the section in a scan mean beside the states. `acts`: the last one led to an
 * action.
 */
static __always_inline void http_scan_finish(const struct weft_http_arena *arena,
					     struct http_work *work, bool acts)
{
	if (work->cursor.lane)
		http_lanes(arena, work, work->since);
	if (http_scan_hashes(work))
		http_hash_name(work, work->since, work->pos - acts);
}

#endif /* WEFT_HTTP_SCAN_BPF_H */
