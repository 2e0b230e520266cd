// SPDX-License-Identifier: Apache-2.0
/*
 * Sections of requests that no rule changes: the grammar of RFC 9112 as strictly as ARCHITECTURE.md
 * says. They must come out the same in every program, so that a run inside them outlives a
 * change of rules: nothing here depends on the compiler but for where the result is put.
 */
#include "policy/http_internal.h"

enum { CR = '\r', LF = '\n' };

static void section_query(struct http_table *table)
{
	http_grammar_init(table, 1, WEFT_REASON_HTTP_REQUEST_LINE);
	http_on_range(table, 0, 0x21, 0x7e, 0);
	http_on(table, 0, ' ', http_go(table, WEFT_HTTP_OP_NEXT, WEFT_HTTP_VERSION, 0, 0));
	http_on_each(table, 0, "\r\n", http_deny(table, WEFT_REASON_HTTP_VERSION));
}

static void section_version(struct http_table *table)
{
	static const char name[] = "HTTP/1.";
	enum { MINOR = sizeof(name) - 1, ZERO, ONE, ZERO_CR, ONE_CR, STATES };
	uint32_t i;

	http_grammar_init(table, 0, 0);
	for (i = 0; i < STATES; i++)
		http_grammar_add_state(table, i <= MINOR ? WEFT_REASON_HTTP_VERSION :
							   WEFT_REASON_HTTP_REQUEST_LINE);
	for (i = 0; i < MINOR; i++)
		http_on(table, i, (unsigned char)name[i], i + 1);
	http_on(table, MINOR, '0', ZERO);
	http_on(table, MINOR, '1', ONE);
	http_on(table, ZERO, CR, ZERO_CR);
	http_on(table, ONE, CR, ONE_CR);
	http_on(table, ZERO_CR, LF, http_go(table, WEFT_HTTP_OP_VERSION, WEFT_HTTP_FIELD, 0, 0));
	http_on(table, ONE_CR, LF, http_go(table, WEFT_HTTP_OP_VERSION, WEFT_HTTP_FIELD, 1, 0));
}

/* The engine counts digits, and what a size of nothing leads to. */
static void section_chunk(struct http_table *table)
{
	enum { START, SIZE, EXTENSION, END, STATES };
	struct http_step digit = { .op = WEFT_HTTP_OP_HEX_DIGIT,
				   .section = WEFT_HTTP_CHUNK,
				   .state = SIZE };
	uint32_t state;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_CHUNK);
	http_on_hex(table, START, http_do(table, &digit));
	http_on_hex(table, SIZE, http_do(table, &digit));
	http_on(table, SIZE, ';', EXTENSION);
	http_on_range(table, EXTENSION, 0x21, 0x7e, EXTENSION);
	for (state = SIZE; state <= EXTENSION; state++)
		http_on(table, state, CR, END);
	http_on(table, END, LF, http_go(table, WEFT_HTTP_OP_CHUNK, WEFT_HTTP_CHUNK_END, 0, 0));
}

static void section_chunk_end(struct http_table *table)
{
	http_grammar_init(table, 2, WEFT_REASON_HTTP_CHUNK);
	http_on(table, 0, CR, 1);
	http_on(table, 1, LF, http_go(table, WEFT_HTTP_OP_NEXT, WEFT_HTTP_CHUNK, 0, 0));
}

static void section_trailer(struct http_table *table)
{
	enum { START, NAME, VALUE, END, LAST, STATES };

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_FIELD);
	http_on_token(table, START, NAME);
	http_on(table, START, CR, LAST);
	http_on_token(table, NAME, NAME);
	http_on(table, NAME, ':', VALUE);
	http_on_value(table, VALUE, VALUE);
	http_on(table, VALUE, CR, END);
	http_on(table, END, LF, START);
	http_on(table, LAST, LF, http_go(table, WEFT_HTTP_OP_MESSAGE, WEFT_HTTP_METHOD, 0, 0));
}

void http_sections_fixed(struct http_compiler *compiler)
{
	static void (*const make[])(struct http_table *) = {
		[WEFT_HTTP_QUERY] = section_query,     [WEFT_HTTP_VERSION] = section_version,
		[WEFT_HTTP_CHUNK] = section_chunk,     [WEFT_HTTP_CHUNK_END] = section_chunk_end,
		[WEFT_HTTP_TRAILER] = section_trailer,
	};
	unsigned int i;

	for (i = 0; i < sizeof(make) / sizeof(*make); i++) {
		if (!make[i])
			continue;
		make[i](&compiler->sections[i]);
		http_table_finish(&compiler->sections[i]);
	}
}
