/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP engine of the kernel, natively: its bytes come in windows of random sizes, as
 * segments do, and its programs lie in an arena as they do in the map.
 */
#ifndef WEFT_TESTS_UNIT_HTTP_ENGINE_H
#define WEFT_TESTS_UNIT_HTTP_ENGINE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include "bpf/http_run.bpf.h"
#include "policy/memory.h"
#include "unit/dice.h"

struct engine {
	struct weft_http_arena *arena;
	struct http_work work;
	struct dice *dice;
	const char *bytes; /* the stream */
	size_t length;
	size_t fetched; /* bytes of it that were in a window */
	size_t window;	/* bytes that a window has at most */
};

enum { ENGINE_PROGRAM = 3 * WEFT_HTTP_UNIT, ENGINE_GENERATION = 7 };

static inline struct engine *engine_new(struct dice *dice)
{
	struct engine *engine = memory_alloc(sizeof(*engine));

	engine->arena = memory_alloc(sizeof(*engine->arena));
	engine->dice = dice;
	return engine;
}

static inline void engine_free(struct engine *engine)
{
	free(engine->arena);
	free(engine);
}

static inline void engine_load(struct engine *engine, const uint8_t *program, uint32_t size)
{
	struct weft_http_program *header;

	memcpy(engine->arena->bytes + ENGINE_PROGRAM, program, size);
	header = (struct weft_http_program *)(engine->arena->bytes + ENGINE_PROGRAM);
	header->generation = ENGINE_GENERATION;
}

static inline bool engine_has_lanes(const struct engine *engine)
{
	const struct weft_http_program *header =
		(const void *)(engine->arena->bytes + ENGINE_PROGRAM);
	const struct weft_http_section *sections =
		(const void *)(engine->arena->bytes + ENGINE_PROGRAM + header->sections);
	unsigned int i;

	for (i = 0; i < header->section_count; i++)
		if (sections[i].lane)
			return true;
	return false;
}

/* The byte that is read next. */
static inline size_t engine_at(const struct engine *engine)
{
	return engine->fetched - engine->work.filled + engine->work.pos;
}

/* Passes over bytes of a body; false: there are not as many. */
static inline bool engine_skip(struct engine *engine, uint64_t count)
{
	size_t at = engine_at(engine);

	engine->work.pos = 0;
	engine->work.filled = 0;
	engine->fetched = count > engine->length - at ? engine->length : at + count;
	return count <= engine->length - at;
}

/* A request may begin. */
static inline void engine_request(struct engine *engine)
{
	http_run_request(&engine->work);
	engine->work.run.program = ENGINE_PROGRAM;
	engine->work.run.generation = ENGINE_GENERATION;
	if (!http_work_begin(engine->arena, &engine->work))
		abort();
	engine->work.run.flags = WEFT_HTTP_RUN_HEAD;
}

static inline void engine_begin(struct engine *engine, uint32_t mask, const char *bytes,
				size_t length)
{
	/* what an earlier connection left behind must not matter */
	memset(&engine->work, 0xa5, sizeof(engine->work));
	engine->work.pos = 0;
	engine->work.filled = 0;
	engine->work.claim.mask = mask;
	engine->bytes = bytes;
	engine->length = length;
	engine->fetched = 0;
	engine->window = 1 + dice_roll(engine->dice, HTTP_WINDOW);
	engine_request(engine);
}

static inline bool engine_refill(struct engine *engine)
{
	size_t count = 1 + dice_roll(engine->dice, (uint32_t)engine->window);

	if (count > engine->length - engine->fetched)
		count = engine->length - engine->fetched;
	if (!count)
		return false;
	memcpy(engine->work.window, engine->bytes + engine->fetched, count);
	engine->fetched += count;
	engine->work.pos = 0;
	engine->work.filled = (uint32_t)count;
	return true;
}

/* Goes on until something happens; MORE: the stream is at its end. */
static inline enum http_event engine_next(struct engine *engine)
{
	enum http_event event;

	for (;;) {
		if (engine->work.pos >= engine->work.filled && !engine_refill(engine))
			return HTTP_MORE;
		event = http_step(engine->arena, &engine->work);
		if (event != HTTP_MORE)
			return event;
	}
}

/* After HEAD: what the head as a whole is denied for, or NONE and the rule that allows it. */
static inline enum weft_reason engine_judge(struct engine *engine, uint32_t *rule)
{
	enum weft_reason reason = http_check_head(&engine->work);

	*rule = reason ? 0 : (uint32_t)http_judge(engine->arena, &engine->work);
	engine->work.run.flags &= ~WEFT_HTTP_RUN_HEAD;
	return reason;
}

/* After HEAD: the body. HEAD: it is complete; MORE: it is not; else DENIED. */
static inline enum http_event engine_body(struct engine *engine)
{
	struct weft_http_run *run = &engine->work.run;
	enum http_event event;

	if (!(run->flags & WEFT_HTTP_RUN_CHUNKED))
		return run->flags & WEFT_HTTP_RUN_LENGTH && !engine_skip(engine, run->length) ?
			       HTTP_MORE :
			       HTTP_HEAD;
	http_run_chunk(run);
	engine->work.cursor.loaded = 0;
	if (!http_cursor_load(engine->arena, &engine->work))
		abort();
	for (;;) {
		event = engine_next(engine);
		if (event == HTTP_MESSAGE)
			return HTTP_HEAD;
		if (event != HTTP_DATA)
			return event;
		if (!engine_skip(engine, run->length))
			return HTTP_MORE;
	}
}

#endif /* WEFT_TESTS_UNIT_HTTP_ENGINE_H */
