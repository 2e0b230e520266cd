// SPDX-License-Identifier: Apache-2.0
/*
 * Field values that somebody looks at: those that frame a message, and those that rules are about.
 * What a rule sees is the value without white space around it.
 */
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

enum { CR = '\r', LF = '\n' };

/* States that all values have. */
enum value_state { START /* white space before it */, INSIDE, VALUE_STATES };

struct value {
	const char *name;
	enum weft_http_field field;
	enum weft_reason reason; /* for a value that framing does not allow */
	const char *keyword;	 /* that it must be, in lower case; NULL: anything */
	struct http_table grammar;
	struct http_subject subject;
};

struct values {
	struct value items[WEFT_HTTP_NAMES_MAX + 4];
	size_t count;
};

/* A state that does not know any byte of a value yet. */
static void value_refuse(struct http_table *table, uint32_t state, enum weft_reason reason)
{
	uint32_t deny = http_deny(table, reason);

	http_on_range(table, state, 0x20, 0x7e, deny);
	http_on_range(table, state, 0x80, 0xff, deny);
	http_on_each(table, state, "\t\r", deny);
}

static void on_visible(struct http_table *table, uint32_t state, uint32_t target)
{
	http_on_range(table, state, 0x21, 0x7e, target);
	http_on_range(table, state, 0x80, 0xff, target);
}

/* White space behind the value, and the end of the line. */
static void value_end(struct value *value, uint32_t state, uint32_t behind, uint32_t end)
{
	struct http_table *table = &value->grammar;
	struct http_step step = { .op = WEFT_HTTP_OP_VALUE,
				  .section = WEFT_HTTP_FIELD,
				  .extra = (uint32_t)value->field,
				  .has_set = 1 };

	http_on_each(table, state, " \t", HTTP_FEED | behind);
	http_on(table, state, CR, end);
	http_on(table, end, LF, http_do(table, &step));
}

static void grammar_any(struct value *value)
{
	enum { END = VALUE_STATES, STATES };
	struct http_table *table = &value->grammar;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_FIELD);
	value_end(value, START, START, END);
	value_end(value, INSIDE, INSIDE, END);
	http_on_each(table, START, " \t", START);
	on_visible(table, START, HTTP_READ | INSIDE);
	on_visible(table, INSIDE, HTTP_READ | INSIDE);
}

/* Anything without white space in it. */
static void grammar_host(struct value *value)
{
	enum { BEHIND = VALUE_STATES, END, STATES };
	struct http_table *table = &value->grammar;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_FIELD);
	table->flags = WEFT_HTTP_SECTION_HOST;
	value_refuse(table, BEHIND, value->reason);
	value_end(value, START, START, END);
	value_end(value, INSIDE, BEHIND, END);
	value_end(value, BEHIND, BEHIND, END);
	http_on_each(table, START, " \t", START);
	on_visible(table, START, HTTP_READ | INSIDE);
	on_visible(table, INSIDE, HTTP_READ | INSIDE);
}

/* The engine counts the digits. */
static void grammar_length(struct value *value)
{
	enum { BEHIND = VALUE_STATES, END, STATES };
	struct http_table *table = &value->grammar;
	struct http_step digit = { .op = WEFT_HTTP_OP_DIGIT,
				   .section = HTTP_HERE,
				   .state = INSIDE };
	uint32_t state;

	http_grammar_init(table, STATES, WEFT_REASON_HTTP_FIELD);
	for (state = START; state <= BEHIND; state++)
		value_refuse(table, state, value->reason);
	http_on_each(table, START, " \t", START);
	for (state = START; state <= INSIDE; state++)
		http_on_range(table, state, '0', '9', HTTP_READ | http_do(table, &digit));
	value_end(value, INSIDE, BEHIND, END);
	value_end(value, BEHIND, BEHIND, END);
}

static void grammar_keyword(struct value *value)
{
	uint32_t length = (uint32_t)strlen(value->keyword), state;
	uint32_t behind = length + 1, end = length + 2;
	struct http_table *table = &value->grammar;

	http_grammar_init(table, length + 3, WEFT_REASON_HTTP_FIELD);
	for (state = START; state <= behind; state++)
		value_refuse(table, state, value->reason);
	http_on_each(table, START, " \t", START);
	for (state = START; state < length; state++)
		http_on_letter(table, state, value->keyword[state], HTTP_READ | (state + 1));
	value_end(value, length, behind, end);
	value_end(value, behind, behind, end);
}

/* Beside any value: bytes that are not allowed are the section's business. */
static void grammar_lane(struct http_table *table)
{
	http_grammar_init(table, VALUE_STATES, 0);
	http_on_range(table, START, 0, 0xff, HTTP_READ | INSIDE);
	http_on_each(table, START, " \t\r\n", START);
	http_on_range(table, INSIDE, 0, 0xff, HTTP_READ | INSIDE);
	http_on_each(table, INSIDE, " \t", HTTP_FEED | INSIDE);
	http_on_each(table, INSIDE, "\r\n", INSIDE);
	http_grammar_finish(table);
}

static struct value *value_find(struct values *values, const char *name)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		if (!strcmp(values->items[i].name, name))
			return &values->items[i];
	return NULL;
}

static void values_collect(struct http_compiler *compiler, struct values *values)
{
	size_t i, j;

	for (i = 0; i < compiler->entry_count; i++) {
		const struct http_entry *entry = &compiler->entries[i];

		for (j = 0; !entry->refused && j < entry->condition_count; j++) {
			const struct http_condition *condition = &entry->conditions[j];
			struct value *value = value_find(values, condition->name);

			if (!value) {
				value = &values->items[values->count++];
				value->name = condition->name;
			}
			http_subject_add(&value->subject, condition->value_regex, REGEX_SEARCH,
					 entry, i, (unsigned int)j, 1);
		}
	}
}

static void value_grammar(struct value *value)
{
	if (value->keyword)
		grammar_keyword(value);
	else if (value->field == WEFT_HTTP_FIELD_LENGTH)
		grammar_length(value);
	else if (value->field == WEFT_HTTP_FIELD_HOST)
		grammar_host(value);
	else
		grammar_any(value);
	http_grammar_finish(&value->grammar);
}

static void value_section(struct http_compiler *compiler, struct value *value,
			  const struct http_table *lane, unsigned int section)
{
	char *what = memory_printf("header %s", value->name);

	value_grammar(value);
	value->subject.grammar = &value->grammar;
	value->subject.lane_grammar = lane;
	value->subject.roots = 1;
	value->subject.size = compiler->size;
	http_subject_compile(compiler, &value->subject, section, what);
	http_subject_clear(&value->subject);
	http_table_clear(&value->grammar);
	free(what);
}

static const struct value framing[] = {
	{ .name = "host", .field = WEFT_HTTP_FIELD_HOST, .reason = WEFT_REASON_HTTP_HOST },
	{ .name = "content-length",
	  .field = WEFT_HTTP_FIELD_LENGTH,
	  .reason = WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ .name = "transfer-encoding",
	  .field = WEFT_HTTP_FIELD_CHUNKED,
	  .reason = WEFT_REASON_HTTP_TRANSFER_ENCODING,
	  .keyword = "chunked" },
	{ .name = "upgrade",
	  .field = WEFT_HTTP_FIELD_WEBSOCKET,
	  .reason = WEFT_REASON_HTTP_UPGRADE,
	  .keyword = "websocket" },
};

void http_sections_values(struct http_compiler *compiler)
{
	unsigned int first = compiler->section_count;
	struct http_word names[WEFT_HTTP_NAMES_MAX + 4];
	struct values *values = memory_alloc(sizeof(*values));
	struct http_table lane;
	size_t i;

	memcpy(values->items, framing, sizeof(framing));
	values->count = sizeof(framing) / sizeof(*framing);
	values_collect(compiler, values);
	compiler->section_count += (unsigned int)values->count;
	grammar_lane(&lane);
	for (i = 0; i < values->count; i++) {
		struct value *value = &values->items[i];

		names[i] = (struct http_word){
			.text = value->name,
			.step = { .op = WEFT_HTTP_OP_NAME,
				  .section = first + (unsigned int)i,
				  .extra = (uint32_t)value->field },
		};
		value_section(compiler, value, &lane, first + (unsigned int)i);
	}
	http_section_field(compiler, names, values->count);
	http_table_clear(&lane);
	free(values);
}
