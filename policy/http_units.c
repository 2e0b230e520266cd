// SPDX-License-Identifier: Apache-2.0
/* Rules become bits: how many each needs and where they lie, and which rules are refused. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"
#include "policy/reason.h"

enum {
	WORD_BITS = 64,
	NAME_BYTES_MAX = 2048,	 /* of all names of headers */
	METHOD_BYTES_MAX = 1024, /* of all methods that are no usual ones */
};

uint32_t http_set_number(struct http_compiler *compiler, const struct weft_http_set *set)
{
	return regex_intern(&compiler->sets, set, sizeof(*set));
}

void http_set_add_bit(struct weft_http_set *set, unsigned int bit)
{
	set->words[bit / WORD_BITS] |= 1ULL << bit % WORD_BITS;
}

void http_set_add_rule(const struct http_entry *entry, struct weft_http_set *set)
{
	unsigned int i;

	for (i = 0; i < entry->units; i++)
		http_set_add_bit(set, entry->first + i);
}

void http_refuse(struct http_compiler *compiler, size_t rule, const char *format, ...)
{
	struct http_program *program = compiler->program;
	struct http_refusal *refusal;
	va_list arguments;
	size_t i;

	if (rule < compiler->entry_count) {
		if (compiler->entries[rule].refused)
			return;
		compiler->entries[rule].refused = true;
	}
	i = memory_grow(&program->refusals, &program->refusal_count, &compiler->refusal_capacity,
			sizeof(*program->refusals));
	refusal = &program->refusals[i];
	refusal->rule = rule;
	va_start(arguments, format);
	vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
	va_end(arguments);
}

bool http_rule_names_method(const struct http_match *match, const char *method)
{
	size_t i;

	for (i = 0; i < match->method_count; i++)
		if (!strcmp(match->methods[i], method))
			return true;
	return false;
}

static void entry_conditions(struct http_entry *entry)
{
	const struct http_match *match = entry->rule->match;
	size_t i, j;

	entry->conditions = memory_alloc(match->header_count * sizeof(*entry->conditions));
	for (i = 0; i < match->header_count; i++) {
		const struct http_header_match *header = &match->headers[i];

		for (j = 0; j < entry->condition_count; j++)
			if (!strcmp(entry->conditions[j].name, header->name) &&
			    !strcmp(entry->conditions[j].value_regex, header->value_regex))
				break;
		if (j == entry->condition_count)
			entry->conditions[entry->condition_count++] =
				(struct http_condition){ header->name, header->value_regex };
	}
	entry->units = (uint16_t)(entry->condition_count ? entry->condition_count : 1);
}

/* What all rules together name. */
struct names {
	const char *headers[WEFT_HTTP_NAMES_MAX];
	size_t header_count, header_bytes;
	size_t method_bytes;
};

/* Would the rule make the table of methods too large? */
static bool methods_fit(struct names *names, const struct http_match *match)
{
	size_t bytes = names->method_bytes, i;
	enum weft_http_method number;

	for (i = 0; i < match->method_count; i++)
		if (method_parse(match->methods[i], &number))
			bytes += strlen(match->methods[i]);
	if (bytes > METHOD_BYTES_MAX)
		return false;
	names->method_bytes = bytes;
	return true;
}

static bool headers_fit(struct names *names, const struct http_entry *entry)
{
	struct names more = *names;
	size_t i, j;

	for (i = 0; i < entry->condition_count; i++) {
		const char *name = entry->conditions[i].name;

		for (j = 0; j < more.header_count; j++)
			if (!strcmp(more.headers[j], name))
				break;
		if (j < more.header_count)
			continue;
		more.header_bytes += strlen(name);
		if (more.header_count == WEFT_HTTP_NAMES_MAX || more.header_bytes > NAME_BYTES_MAX)
			return false;
		more.headers[more.header_count++] = name;
	}
	*names = more;
	return true;
}

/* What is taken of each word. */
struct bits {
	unsigned int used[WEFT_HTTP_WORDS];
	unsigned int word; /* of the rule before */
};

/*
 * In the order of the rules, since the first bit names the rule that allows a request; gaps at the
 * ends of words are filled only when there is no other room.
 */
static bool bits_take(struct bits *bits, struct http_entry *entry)
{
	unsigned int needed = entry->units + (entry->units > 1), i, word;

	for (i = 0; i < WEFT_HTTP_WORDS; i++) {
		word = (bits->word + i) % WEFT_HTTP_WORDS;
		if (bits->used[word] + needed > WORD_BITS)
			continue;
		entry->first = (uint16_t)(word * WORD_BITS + bits->used[word]);
		bits->used[word] += needed;
		if (word > bits->word)
			bits->word = word;
		return true;
	}
	return false;
}

static void entry_assign(struct http_compiler *compiler, size_t rule, struct names *names,
			 struct bits *bits)
{
	struct http_entry *entry = &compiler->entries[rule];
	const struct http_match *match = compiler->rules[rule].match;

	entry->rule = &compiler->rules[rule];
	if (match->header_count >= WORD_BITS) {
		http_refuse(compiler, rule, "more than %d headers", WORD_BITS - 1);
		return;
	}
	entry_conditions(entry);
	if (!methods_fit(names, match))
		http_refuse(compiler, rule,
			    "methods of more than %d bytes in the rules of its destination",
			    METHOD_BYTES_MAX);
	else if (!headers_fit(names, entry))
		http_refuse(compiler, rule,
			    "more than %d headers, or %d bytes of their names, in the rules of "
			    "its destination",
			    WEFT_HTTP_NAMES_MAX, NAME_BYTES_MAX);
	else if (!bits_take(bits, entry))
		http_refuse(compiler, rule,
			    "more than %d conditions about headers in the rules of its "
			    "destination",
			    WEFT_HTTP_BITS);
}

void http_units_assign(struct http_compiler *compiler)
{
	struct names names = { .header_count = 0 };
	struct bits bits = { .word = 0 };
	size_t i;

	for (i = 0; i < compiler->entry_count; i++)
		entry_assign(compiler, i, &names, &bits);
}
