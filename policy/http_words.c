// SPDX-License-Identifier: Apache-2.0
/* Methods and field names: tokens of which some are known. */
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"
#include "policy/reason.h"

enum { CR = '\r', LF = '\n', TLS_HANDSHAKE = 0x16 /* its record type: what TLS begins with */ };

/* A grammar of tokens that end with one certain byte. */
struct dictionary {
	struct http_table *table;
	enum weft_reason otherwise; /* what no token may have */
	bool fold;		    /* letters are equal in either case */
	unsigned char end;
	uint32_t start, unknown; /* states: before the token; in one that is no known word */
	uint32_t unknown_end;	 /* where an unknown word leads */
};

static void dictionary_state(struct dictionary *dictionary, uint32_t state, uint32_t target)
{
	http_on_token(dictionary->table, state, dictionary->unknown);
	if (state != dictionary->start)
		http_on(dictionary->table, state, dictionary->end, target);
}

static void dictionary_init(struct dictionary *dictionary)
{
	http_grammar_init(dictionary->table, 2, dictionary->otherwise);
	dictionary->start = 0;
	dictionary->unknown = 1;
}

static void dictionary_end_unknown(struct dictionary *dictionary, uint32_t target)
{
	dictionary->unknown_end = target;
	dictionary_state(dictionary, dictionary->start, 0);
	dictionary_state(dictionary, dictionary->unknown, dictionary->unknown_end);
}

static void dictionary_add(struct dictionary *dictionary, const struct http_word *word)
{
	struct http_table *table = dictionary->table;
	uint32_t state = dictionary->start, next;
	const char *byte;

	for (byte = word->text; *byte; byte++, state = next) {
		next = table->next[state * table->class_count + (unsigned char)*byte];
		if (next != dictionary->unknown)
			continue;
		next = http_grammar_add_state(table, dictionary->otherwise);
		dictionary_state(dictionary, next, dictionary->unknown_end);
		if (dictionary->fold)
			http_on_letter(table, state, *byte, next);
		else
			http_on(table, state, (unsigned char)*byte, next);
	}
	http_on(table, state, dictionary->end, http_do(table, &word->step));
}

/* The rules that a method is good for. NULL: one that no rule names, and no usual one. */
static uint32_t method_set(struct http_compiler *compiler, const char *method)
{
	struct weft_http_set set = { 0 };
	size_t i;

	for (i = 0; i < compiler->entry_count; i++) {
		const struct http_entry *entry = &compiler->entries[i];
		const struct http_match *match;
		bool any;

		if (entry->refused)
			continue;
		match = entry->rule->match;
		any = !match->method_count || http_rule_names_method(match, "*");
		/* It opens a tunnel, so nothing but its own name means it. */
		if (method && !strcmp(method, "CONNECT"))
			any = false;
		if (any || (method && http_rule_names_method(match, method)))
			http_set_add_rule(entry, &set);
	}
	return http_set_number(compiler, &set);
}

static void add_method(struct http_compiler *compiler, struct dictionary *dictionary,
		       const char *method, enum weft_http_method number)
{
	struct http_word word = {
		.text = method,
		.step = { .op = WEFT_HTTP_OP_METHOD,
			  .section = WEFT_HTTP_TARGET,
			  .extra = (uint32_t)number,
			  .set = method_set(compiler, method),
			  .has_set = 1 },
	};

	if (number == WEFT_HTTP_CONNECT)
		word.step.section = WEFT_HTTP_TARGET_CONNECT;
	if (number == WEFT_HTTP_OPTIONS)
		word.step.state = HTTP_TARGET_OPTIONS;
	dictionary_add(dictionary, &word);
}

static bool method_is_known(const struct dictionary *dictionary, const char *method)
{
	const struct http_table *table = dictionary->table;
	uint32_t state = dictionary->start, target;

	for (; *method && state != dictionary->unknown; method++)
		state = table->next[state * table->class_count + (unsigned char)*method];
	target = table->next[state * table->class_count + dictionary->end];
	return target != dictionary->unknown_end;
}

void http_section_method(struct http_compiler *compiler)
{
	/* RFC 9113 3.4 reserves this method for the preface of HTTP/2. */
	static const struct http_word preface = {
		.text = "PRI",
		.step = { .op = WEFT_HTTP_OP_DENY, .arg = WEFT_REASON_HTTP2 },
	};
	struct http_table *table = &compiler->sections[WEFT_HTTP_METHOD];
	struct dictionary dictionary = { .table = table,
					 .otherwise = WEFT_REASON_HTTP_REQUEST_LINE,
					 .end = ' ' };
	struct http_step unknown = { .op = WEFT_HTTP_OP_METHOD,
				     .section = WEFT_HTTP_TARGET,
				     .extra = WEFT_HTTP_OTHER,
				     .set = method_set(compiler, NULL),
				     .has_set = 1 };
	enum weft_http_method number;
	size_t i, j;

	dictionary_init(&dictionary);
	dictionary_end_unknown(&dictionary, http_do(table, &unknown));
	http_on(table, dictionary.start, TLS_HANDSHAKE, http_deny(table, WEFT_REASON_TLS));
	dictionary_add(&dictionary, &preface);
	for (number = WEFT_HTTP_GET; number <= WEFT_HTTP_PATCH; number++)
		add_method(compiler, &dictionary, method_name(number), number);
	for (i = 0; i < compiler->entry_count; i++) {
		const struct http_match *match = compiler->rules[i].match;

		for (j = 0; !compiler->entries[i].refused && j < match->method_count; j++)
			if (!method_is_known(&dictionary, match->methods[j]))
				add_method(compiler, &dictionary, match->methods[j],
					   WEFT_HTTP_OTHER);
	}
	http_table_finish(table);
}

void http_section_field(struct http_compiler *compiler, const struct http_word *names, size_t count)
{
	struct http_table *table = &compiler->sections[WEFT_HTTP_FIELD];
	struct dictionary dictionary = {
		.table = table, .otherwise = WEFT_REASON_HTTP_FIELD, .fold = true, .end = ':'
	};
	uint32_t last, value, value_end;
	size_t i;

	/* Most fields are nobody's business: they are read without an action. */
	dictionary_init(&dictionary);
	value = http_grammar_add_state(table, WEFT_REASON_HTTP_FIELD);
	value_end = http_grammar_add_state(table, WEFT_REASON_HTTP_FIELD);
	http_on_value(table, value, value);
	http_on(table, value, CR, value_end);
	http_on(table, value_end, LF, dictionary.start);
	dictionary_end_unknown(&dictionary, value);
	for (i = 0; i < count; i++)
		dictionary_add(&dictionary, &names[i]);
	last = http_grammar_add_state(table, WEFT_REASON_HTTP_FIELD);
	http_on(table, dictionary.start, CR, last);
	http_on(table, last, LF, http_go(table, WEFT_HTTP_OP_HEAD, WEFT_HTTP_METHOD, 0, 0));
	http_table_finish(table);
}
