// SPDX-License-Identifier: Apache-2.0
/* Automata over bytes, as grammars are written down. */
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

enum { BYTES = 256, FIRST_STATES = 8 };

void http_grammar_init(struct http_table *grammar, uint32_t states, enum weft_reason otherwise)
{
	uint32_t i;

	*grammar = (struct http_table){ .class_count = BYTES };
	for (i = 0; i < BYTES; i++)
		grammar->classes[i] = (uint8_t)i;
	for (i = 0; i < states; i++)
		http_grammar_add_state(grammar, otherwise);
}

uint32_t http_grammar_add_state(struct http_table *grammar, enum weft_reason otherwise)
{
	uint32_t deny = http_deny(grammar, otherwise), state = grammar->state_count++, byte;

	if (state >= grammar->state_capacity) {
		grammar->state_capacity = grammar->state_capacity ? grammar->state_capacity * 2 :
								    FIRST_STATES;
		grammar->next = memory_realloc_array(grammar->next, grammar->state_capacity,
						     BYTES * sizeof(*grammar->next));
	}
	for (byte = 0; byte < BYTES; byte++)
		grammar->next[state * BYTES + byte] = deny;
	return state;
}

void http_on(struct http_table *grammar, uint32_t state, unsigned char byte, uint32_t target)
{
	grammar->next[state * BYTES + byte] = target;
}

void http_on_range(struct http_table *grammar, uint32_t state, unsigned char low,
		   unsigned char high, uint32_t target)
{
	unsigned int byte;

	for (byte = low; byte <= high; byte++)
		http_on(grammar, state, (unsigned char)byte, target);
}

void http_on_each(struct http_table *grammar, uint32_t state, const char *bytes, uint32_t target)
{
	for (; *bytes; bytes++)
		http_on(grammar, state, (unsigned char)*bytes, target);
}

void http_on_letter(struct http_table *grammar, uint32_t state, char letter, uint32_t target)
{
	http_on(grammar, state, (unsigned char)letter, target);
	if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
		http_on(grammar, state, (unsigned char)letter ^ 0x20, target);
}

void http_on_token(struct http_table *grammar, uint32_t state, uint32_t target)
{
	http_on_range(grammar, state, '0', '9', target);
	http_on_range(grammar, state, 'A', 'Z', target);
	http_on_range(grammar, state, 'a', 'z', target);
	http_on_each(grammar, state, "!#$%&'*+-.^_`|~", target);
}

void http_on_value(struct http_table *grammar, uint32_t state, uint32_t target)
{
	http_on(grammar, state, '\t', target);
	http_on_range(grammar, state, 0x20, 0x7e, target);
	http_on_range(grammar, state, 0x80, 0xff, target);
}

void http_on_hex(struct http_table *grammar, uint32_t state, uint32_t target)
{
	http_on_range(grammar, state, '0', '9', target);
	http_on_range(grammar, state, 'A', 'F', target);
	http_on_range(grammar, state, 'a', 'f', target);
}

void http_on_text(struct http_table *grammar, uint32_t from, const char *text, uint32_t target)
{
	for (; text[1]; text++, from++)
		http_on_letter(grammar, from, *text, from + 1);
	http_on_letter(grammar, from, *text, target);
}

uint32_t http_do(struct http_table *table, const struct http_step *step)
{
	return HTTP_ACT | regex_intern(&table->actions, step, sizeof(*step));
}

uint32_t http_deny(struct http_table *table, enum weft_reason reason)
{
	struct http_step step = { .op = WEFT_HTTP_OP_DENY, .arg = (uint32_t)reason };

	return http_do(table, &step);
}

uint32_t http_go(struct http_table *table, enum weft_http_op op, uint32_t section, uint32_t arg,
		 uint32_t extra)
{
	struct http_step step = {
		.op = (uint32_t)op, .section = section, .arg = arg, .extra = extra
	};

	return http_do(table, &step);
}

const struct http_step *http_table_action(const struct http_table *table, uint32_t number)
{
	size_t size;

	return regex_intern_get(&table->actions, number, &size);
}

static bool columns_equal(const struct http_table *table, uint32_t a, uint32_t b)
{
	const uint32_t *row = table->next;
	uint32_t i;

	for (i = 0; i < table->state_count; i++, row += table->class_count)
		if (row[a] != row[b])
			return false;
	return true;
}

void http_grammar_finish(struct http_table *table)
{
	uint32_t kept[BYTES], number[BYTES], count = 0, i, j;
	uint32_t *next;

	for (i = 0; i < table->class_count; i++) {
		for (j = 0; j < count && !columns_equal(table, kept[j], i); j++)
			;
		number[i] = j;
		if (j == count)
			kept[count++] = i;
	}
	next = memory_alloc((size_t)table->state_count * count * sizeof(*next));
	for (i = 0; i < table->state_count; i++)
		for (j = 0; j < count; j++)
			next[i * count + j] = table->next[i * table->class_count + kept[j]];
	for (i = 0; i < BYTES; i++)
		table->classes[i] = (uint8_t)number[table->classes[i]];
	free(table->next);
	table->next = next;
	table->class_count = count;
	table->state_capacity = table->state_count;
}

void http_table_finish(struct http_table *table)
{
	size_t i;

	for (i = 0; i < (size_t)table->state_count * table->class_count; i++)
		table->next[i] &= HTTP_ACT | HTTP_NUMBER;
	http_grammar_finish(table);
}

uint32_t http_table_stride(const struct http_table *table)
{
	return (table->class_count * (uint32_t)sizeof(uint16_t) + WEFT_HTTP_ROW - 1) /
	       WEFT_HTTP_ROW;
}

size_t http_table_size(const struct http_table *table)
{
	return sizeof(table->classes) +
	       (size_t)table->state_count * http_table_stride(table) * WEFT_HTTP_ROW +
	       table->actions.count * sizeof(struct weft_http_action) +
	       (table->sets ? table->state_count * sizeof(uint16_t) : 0) +
	       table->set_count * sizeof(struct weft_http_set);
}

static bool state_skips(const struct http_table *table, uint32_t state)
{
	const uint32_t *row = &table->next[state * table->class_count];
	unsigned int byte;

	for (byte = 0x20; byte < BYTES; byte++)
		if (byte != 0x7f && row[table->classes[byte]] != state)
			return false;
	return true;
}

uint16_t http_table_skip(const struct http_table *table)
{
	uint32_t state;

	for (state = 0; state < table->state_count && !table->lane; state++)
		if (state_skips(table, state))
			return (uint16_t)(state * http_table_stride(table));
	return WEFT_HTTP_NO_SKIP;
}

void http_table_clear(struct http_table *table)
{
	free(table->next);
	free(table->sets);
	regex_intern_clear(&table->actions);
	*table = (struct http_table){ 0 };
}
