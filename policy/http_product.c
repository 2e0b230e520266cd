// SPDX-License-Identifier: Apache-2.0
/* A grammar and what regexes say about its subject, read in one go. */
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

/* A state of the section: states of the grammar and of the DFA, and the subject's set so far. */
struct pair {
	uint32_t grammar, dfa;
	uint32_t accept; /* where the subject may have ended last: index in dfa->sets */
};

struct product {
	const struct http_table *grammar;
	const struct http_reader *reader;
	struct http_table *table;
	struct regex_intern pairs;
	uint8_t grammar_class[256], dfa_class[256]; /* of a class of the table */
	uint8_t *reads; /* [state of the grammar]: does it matter what the DFA is in? */
};

/* Bytes that are the same to the grammar and to the DFA are one class. */
static void product_classes(struct product *product)
{
	const struct http_table *grammar = product->grammar;
	const struct regex_dfa *dfa = product->reader->dfa;
	struct http_table *table = product->table;
	uint32_t byte, class;

	for (byte = 0; byte < 256; byte++) {
		for (class = 0; class < table->class_count; class ++)
			if (product->grammar_class[class] == grammar->classes[byte] &&
			    product->dfa_class[class] == dfa->classes[byte])
				break;
		if (class == table->class_count) {
			product->grammar_class[class] = grammar->classes[byte];
			product->dfa_class[class] = dfa->classes[byte];
			table->class_count++;
		}
		table->classes[byte] = (uint8_t) class;
	}
}

/* States that only lead to actions have seen all of the subject. */
static void product_reads(struct product *product)
{
	const struct http_table *grammar = product->grammar;
	uint32_t state, class;

	product->reads = memory_alloc(grammar->state_count);
	for (state = 0; state < grammar->state_count; state++)
		for (class = 0; class < grammar->class_count; class ++) {
			uint32_t target = grammar->next[state * grammar->class_count + class];

			product->reads[state] |= !(target & HTTP_ACT) || target & HTTP_FEED;
		}
}

static uint32_t product_state(struct product *product, struct pair pair)
{
	if (!product->reads[pair.grammar])
		pair.dfa = 0;
	return regex_intern(&product->pairs, &pair, sizeof(pair));
}

static uint32_t product_target(struct product *product, const struct pair *from, uint32_t class)
{
	const struct http_table *grammar = product->grammar;
	const struct regex_dfa *dfa = product->reader->dfa;
	uint32_t target =
		grammar->next[from->grammar * grammar->class_count + product->grammar_class[class]];
	uint32_t number = target & HTTP_NUMBER;
	struct pair to = *from;
	struct http_step step;

	if (target & HTTP_FEED)
		to.dfa = dfa->next[from->dfa * dfa->class_count + product->dfa_class[class]];
	if (target & HTTP_MARK)
		to.accept = dfa->accept[to.dfa];
	if (!(target & HTTP_ACT)) {
		to.grammar = number;
		return product_state(product, to);
	}
	step = *http_table_action(grammar, number);
	if (step.has_set)
		step.set = product->reader->sets[to.accept];
	if (step.section == HTTP_HERE) {
		to.grammar = step.state;
		step.state = product_state(product, to);
	}
	return http_do(product->table, &step);
}

static void product_lane_set(struct product *product, const struct pair *pair, uint32_t state,
			     uint32_t capacity)
{
	struct http_table *table = product->table;

	if (!table->sets)
		table->sets = memory_alloc(capacity * sizeof(*table->sets));
	table->sets[state] = product->reader->sets[pair->accept];
}

static void product_grow(struct http_table *table)
{
	table->state_capacity = table->state_capacity ? table->state_capacity * 2 : 64;
	table->next = memory_realloc_array(table->next, table->state_capacity,
					   table->class_count * sizeof(*table->next));
	if (table->sets)
		table->sets = memory_realloc_array(table->sets, table->state_capacity,
						   sizeof(*table->sets));
}

static bool product_fill(struct product *product, bool lane, size_t size)
{
	struct http_table *table = product->table;
	struct pair pair;
	uint32_t class;
	size_t bytes;

	while (table->state_count < product->pairs.count) {
		uint32_t state = table->state_count;

		memcpy(&pair, regex_intern_get(&product->pairs, state, &bytes), sizeof(pair));
		if (state >= table->state_capacity)
			product_grow(table);
		for (class = 0; class < table->class_count; class ++) {
			uint32_t target = product_target(product, &pair, class);

			table->next[state * table->class_count + class] = target;
		}
		if (lane)
			product_lane_set(product, &pair, state, table->state_capacity);
		table->state_count++;
		if (product->pairs.count * http_table_stride(table) + table->actions.count >=
			    WEFT_HTTP_NO_SKIP ||
		    http_table_size(table) > size)
			return false;
	}
	return true;
}

bool http_product(const struct http_table *grammar, uint32_t roots,
		  const struct http_reader *reader, bool lane, size_t size,
		  struct http_table *table)
{
	struct product product = { .grammar = grammar, .reader = reader, .table = table };
	const struct regex_dfa *dfa = reader->dfa;
	uint32_t root;
	bool done;

	*table = (struct http_table){ .flags = grammar->flags };
	product_classes(&product);
	product_reads(&product);
	for (root = 0; root < roots; root++) {
		struct pair pair = { root, dfa->start, dfa->accept[dfa->start] };

		product_state(&product, pair);
	}
	done = product_fill(&product, lane, size);
	if (done)
		http_table_finish(table);
	else
		http_table_clear(table);
	regex_intern_clear(&product.pairs);
	free(product.reads);
	return done;
}

void http_product_plain(const struct http_table *grammar, uint32_t roots, uint32_t set,
			struct http_table *table)
{
	static uint16_t next, accept;
	const struct regex_dfa dfa = { .class_count = 1,
				       .state_count = 1,
				       .sink_count = 1,
				       .next = &next,
				       .accept = &accept };
	const struct http_reader reader = { .dfa = &dfa, .sets = &set };

	http_product(grammar, roots, &reader, false, WEFT_HTTP_PROGRAM_MAX, table);
}
