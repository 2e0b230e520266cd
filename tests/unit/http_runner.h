/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules written in C, compiled, and run with the kernel's engine over bytes, as many at a time as a
 * test likes.
 */
#ifndef WEFT_TESTS_UNIT_HTTP_RUNNER_H
#define WEFT_TESTS_UNIT_HTTP_RUNNER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/http_run.bpf.h"
#include "policy/http_program.h"
#include "policy/memory.h"
#include "policy/reason.h"

enum { RUNNER_RULES = 300, RUNNER_FIRST_ID = 1000, RUNNER_BASE = WEFT_HTTP_UNIT };

struct runner {
	struct http_match matches[RUNNER_RULES];
	struct http_rule rules[RUNNER_RULES];
	size_t rule_count;
	struct http_rule_mask all; /* the one mask there is unless `masks` is set */
	const struct http_rule_mask *masks;
	size_t mask_count;
	struct http_program_options options;
	struct http_program program;
	struct weft_http_arena *arena; /* with the program at RUNNER_BASE */
	struct http_work work;
	uint32_t mask; /* of the source: index in `masks` */
	size_t piece;  /* bytes per window; 0 = as many as fit */
	size_t read;   /* bytes that were */
};

/* Where a message stands. */
enum runner_end {
	RUNNER_MORE,	/* it wants more bytes */
	RUNNER_HEAD,	/* a head is complete; runner.rule says what it may */
	RUNNER_MESSAGE, /* a body is complete */
	RUNNER_DENIED,	/* work.reason */
};

static inline struct runner *runner_new(void)
{
	struct runner *runner = memory_alloc(sizeof(*runner));

	runner->arena = memory_alloc(sizeof(*runner->arena));
	return runner;
}

static inline void runner_free(struct runner *runner)
{
	size_t i, j;

	for (i = 0; i < runner->rule_count; i++) {
		struct http_match *match = &runner->matches[i];

		for (j = 0; j < match->method_count; j++)
			free(match->methods[j]);
		for (j = 0; j < match->header_count; j++) {
			free(match->headers[j].name);
			free(match->headers[j].value_regex);
		}
		free(match->methods);
		free(match->headers);
		free(match->path_regex);
	}
	http_program_clear(&runner->program);
	free(runner->arena);
	free(runner);
}

/* `methods` and `headers` are separated by commas: "GET,HEAD", "x-user:^a$,x-b:c". */
static inline struct http_match *runner_rule(struct runner *runner, const char *methods,
					     const char *path, const char *headers)
{
	size_t index = runner->rule_count++, capacity;
	struct http_match *match = &runner->matches[index];
	char *text, *item, *rest, *colon;

	runner->rules[index] =
		(struct http_rule){ .match = match, .id = RUNNER_FIRST_ID + (uint32_t)index };
	if (index < WEFT_HTTP_RULES_MAX)
		runner->all.bits[index / 64] |= 1ULL << index % 64;
	match->has_path = *path;
	match->path_regex = memory_strdup(path);
	capacity = 0;
	text = memory_strdup(methods);
	for (item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		size_t i = memory_grow(&match->methods, &match->method_count, &capacity,
				       sizeof(*match->methods));

		match->methods[i] = memory_strdup(item);
	}
	free(text);
	capacity = 0;
	text = memory_strdup(headers);
	for (item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
		size_t i = memory_grow(&match->headers, &match->header_count, &capacity,
				       sizeof(*match->headers));

		colon = strchr(item, ':');
		*colon = 0;
		match->headers[i].name = memory_strdup(item);
		match->headers[i].value_regex = memory_strdup(colon + 1);
	}
	free(text);
	return match;
}

static inline void runner_compile(struct runner *runner)
{
	const struct http_rule_mask *masks = runner->masks ? runner->masks : &runner->all;
	struct weft_http_program *program;

	http_program_clear(&runner->program);
	http_program_compile(runner->rules, runner->rule_count, masks,
			     runner->masks ? runner->mask_count : 1, &runner->options,
			     &runner->program);
	memset(runner->arena, 0, RUNNER_BASE);
	memcpy(&runner->arena->bytes[RUNNER_BASE], runner->program.bytes, runner->program.size);
	program = (struct weft_http_program *)&runner->arena->bytes[RUNNER_BASE];
	program->generation = 1;
}

/* A program whose one rule allows everything but CONNECT. */
static inline struct runner *runner_any(void)
{
	struct runner *runner = runner_new();

	runner_rule(runner, "", "", "");
	runner_compile(runner);
	return runner;
}

/* A run at the start of a section; WEFT_HTTP_METHOD: a request. */
static inline void runner_start(struct runner *runner, unsigned int section)
{
	struct http_work *work = &runner->work;

	memset(work, 0, sizeof(*work));
	work->run.program = RUNNER_BASE;
	work->run.generation = 1;
	http_run_request(work);
	work->run.section = (uint8_t)section;
	work->run.flags = section == WEFT_HTTP_METHOD ? WEFT_HTTP_RUN_HEAD : 0;
	work->claim.mask = runner->program.masks[runner->mask];
	runner->read = 0;
	if (!http_work_begin(runner->arena, work))
		abort();
}

static inline enum runner_end runner_event(enum http_event event)
{
	switch (event) {
	case HTTP_HEAD:
		return RUNNER_HEAD;
	case HTTP_MESSAGE:
		return RUNNER_MESSAGE;
	case HTTP_DENIED:
		return RUNNER_DENIED;
	default:
		return RUNNER_MORE;
	}
}

/* Reads until something ends or the bytes do. Data of chunks is skipped. */
static inline enum runner_end runner_read(struct runner *runner, const char *bytes, size_t length)
{
	size_t piece = runner->piece ? runner->piece : HTTP_WINDOW, at = 0, skip = 0;
	struct http_work *work = &runner->work;
	enum http_event event = HTTP_MORE;

	while (at < length && event == HTTP_MORE) {
		size_t take = length - at < piece ? length - at : piece;

		memcpy(work->window, bytes + at, take);
		work->pos = 0;
		work->filled = (uint32_t)take;
		while (work->pos < work->filled && event == HTTP_MORE)
			event = http_step(runner->arena, work);
		at += work->pos;
		if (event == HTTP_DATA) {
			skip = work->run.length;
			at += skip < length - at ? skip : length - at;
			event = HTTP_MORE;
		}
	}
	runner->read += at;
	if (event == HTTP_HEAD) {
		work->reason = http_check_head(work);
		if (work->reason)
			return RUNNER_DENIED;
	}
	return runner_event(event);
}

/* The weft_name id of the rule that allows a request, or its reason negated. */
static inline int runner_judge(struct runner *runner, const char *bytes, size_t length)
{
	int rule;

	runner_start(runner, WEFT_HTTP_METHOD);
	switch (runner_read(runner, bytes, length)) {
	case RUNNER_HEAD:
		rule = http_judge(runner->arena, &runner->work);
		return rule ? rule : -WEFT_REASON_NO_HTTP_RULE;
	case RUNNER_DENIED:
		return -(int)runner->work.reason;
	default:
		return -WEFT_REASON_HTTP_UNFINISHED;
	}
}

/* "METHOD target" and more lines, each as "name: value\n", of an HTTP/1.1 request to host h. */
static inline int runner_request(struct runner *runner, const char *start, const char *fields)
{
	char *text = memory_printf("%s HTTP/1.1\r\nHost: h\r\n", start), *next;
	const char *line;
	size_t length;
	int rule;

	for (line = fields; *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		next = memory_printf("%s%.*s\r\n", text, (int)length, line);
		free(text);
		text = next;
	}
	next = memory_printf("%s\r\n", text);
	rule = runner_judge(runner, next, strlen(next));
	free(next);
	free(text);
	return rule;
}

#endif /* WEFT_TESTS_UNIT_HTTP_RUNNER_H */
