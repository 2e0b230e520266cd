// SPDX-License-Identifier: Apache-2.0
/*
 * Sections of answers. They judge nothing: they find where messages end and what their status is,
 * so they take what clients take, and go over lines that tell nothing about that as fast as they
 * can, whether or not those are fields. What they do not understand leads to DENY, which means that
 * the rest of the connection's answers is not followed.
 */
#include "policy/http_internal.h"

enum { HTAB = '\t', CR = '\r', LF = '\n' };

/* Any byte but those that end a line. */
static void on_line_bytes(struct http_table *table, uint32_t state, uint32_t target)
{
	http_on_range(table, state, 0, 0xff, target);
	http_on_each(table, state, "\r\n", http_deny(table, WEFT_REASON_HTTP_FIELD));
}

/* The line ends with LF, before which there may be a CR; `end` is the state behind that. */
static void on_line_end(struct http_table *table, uint32_t state, uint32_t end, uint32_t target)
{
	http_on(table, state, CR, end);
	http_on(table, state, LF, target);
	http_on(table, end, LF, target);
}

static void section_status(struct http_table *table)
{
	static const char name[] = "HTTP/1.";
	enum { MINOR = sizeof(name) - 1, SPACE, DIGITS, BEHIND = DIGITS + 3, TEXT, END, STATES };
	struct http_step digit = { .op = WEFT_HTTP_OP_STATUS_DIGIT, .section = WEFT_HTTP_STATUS };
	uint32_t next, i;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_VERSION);
	for (i = 0; i < MINOR; i++)
		http_on(table, i, (unsigned char)name[i], i + 1);
	http_on_range(table, MINOR, '0', '9', SPACE);
	http_on(table, SPACE, ' ', DIGITS);
	for (i = DIGITS; i < BEHIND; i++) {
		digit.state = i + 1;
		http_on_range(table, i, '0', '9', http_do(table, &digit));
	}
	next = http_go(table, WEFT_HTTP_OP_NEXT, WEFT_HTTP_ANSWER_FIELD, 0, 0);
	http_on(table, BEHIND, ' ', TEXT);
	on_line_end(table, BEHIND, END, next);
	on_line_bytes(table, TEXT, TEXT);
	on_line_end(table, TEXT, END, next);
}

static void section_answer_field(struct http_table *table)
{
	static const char length[] = "content-length", coding[] = "transfer-encoding";
	enum {
		START,
		LAST,
		VALUE, /* the rest of a line that tells nothing about the message's end */
		VALUE_END,
		LENGTH, /* behind the first byte of its name */
		CODING = LENGTH + sizeof(length) - 1,
		STATES = CODING + sizeof(coding) - 1,
	};
	uint32_t i;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_FIELD);
	for (i = 0; i < STATES; i++) {
		if (i == LAST || i == VALUE || i == VALUE_END)
			continue;
		on_line_bytes(table, i, VALUE);
	}
	on_line_bytes(table, VALUE, VALUE);
	on_line_end(table, VALUE, VALUE_END, START);
	/* no name, or the last line goes on, which a client might make anything of */
	http_on_each(table, START, " \t:", http_deny(table, WEFT_REASON_HTTP_FIELD));
	on_line_end(table, START, LAST, http_go(table, WEFT_HTTP_OP_HEAD, WEFT_HTTP_STATUS, 0, 0));
	http_on_letter(table, START, length[0], LENGTH);
	for (i = 1; length[i]; i++)
		http_on_letter(table, LENGTH + i - 1, length[i], LENGTH + i);
	http_on(table, LENGTH + i - 1, ':',
		http_go(table, WEFT_HTTP_OP_NAME, WEFT_HTTP_ANSWER_LENGTH, 0,
			WEFT_HTTP_FIELD_LENGTH));
	http_on_letter(table, START, coding[0], CODING);
	for (i = 1; coding[i]; i++)
		http_on_letter(table, CODING + i - 1, coding[i], CODING + i);
	http_on(table, CODING + i - 1, ':',
		http_go(table, WEFT_HTTP_OP_NAME, WEFT_HTTP_ANSWER_CODING, 0,
			WEFT_HTTP_FIELD_OTHER)); /* which coding it is, the value says */
}

static uint32_t value_end(struct http_table *table, enum weft_http_field field)
{
	return http_go(table, WEFT_HTTP_OP_VALUE, WEFT_HTTP_ANSWER_FIELD, 0, (uint32_t)field);
}

static void section_answer_length(struct http_table *table)
{
	enum { START, DIGITS, BEHIND, END, STATES };
	struct http_step digit = { .op = WEFT_HTTP_OP_DIGIT,
				   .section = WEFT_HTTP_ANSWER_LENGTH,
				   .state = DIGITS };
	uint32_t end, state;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_CONTENT_LENGTH);
	end = value_end(table, WEFT_HTTP_FIELD_LENGTH);
	http_on_each(table, START, " \t", START);
	for (state = START; state <= DIGITS; state++)
		http_on_range(table, state, '0', '9', http_do(table, &digit));
	for (state = DIGITS; state <= BEHIND; state++) {
		http_on_each(table, state, " \t", BEHIND);
		on_line_end(table, state, END, end);
	}
}

/* The body is chunked when that is the last of the codings, which are separated by commas. */
static void section_answer_coding(struct http_table *table)
{
	static const char name[] = "chunked";
	enum { START, LAST = sizeof(name) - 1, BEHIND, OTHER, END, CHUNKED_END, STATES };
	uint32_t state, chunked, other;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_TRANSFER_ENCODING);
	chunked = value_end(table, WEFT_HTTP_FIELD_CHUNKED);
	other = value_end(table, WEFT_HTTP_FIELD_OTHER_CODING);
	for (state = START; state <= OTHER; state++) {
		on_line_bytes(table, state, OTHER);
		if (state == LAST || state == BEHIND)
			on_line_end(table, state, CHUNKED_END, chunked);
		else
			on_line_end(table, state, END, other);
		http_on(table, state, ',', START);
	}
	http_on_each(table, START, " \t", START);
	for (state = START; name[state]; state++)
		http_on_letter(table, state, name[state], state + 1);
	http_on_each(table, LAST, " \t", BEHIND);
	http_on_each(table, BEHIND, " \t", BEHIND);
}

void http_sections_answers(struct http_compiler *compiler)
{
	static void (*const make[])(struct http_table *) = {
		[WEFT_HTTP_STATUS] = section_status,
		[WEFT_HTTP_ANSWER_FIELD] = section_answer_field,
		[WEFT_HTTP_ANSWER_LENGTH] = section_answer_length,
		[WEFT_HTTP_ANSWER_CODING] = section_answer_coding,
	};
	unsigned int i;

	for (i = WEFT_HTTP_STATUS; i < sizeof(make) / sizeof(*make); i++) {
		make[i](&compiler->sections[i]);
		http_table_finish(&compiler->sections[i]);
	}
}
