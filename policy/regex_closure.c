// SPDX-License-Identifier: Apache-2.0
/* The NFA states that are reached without reading a byte, and which of them matter. */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

enum { SORT_BY_INSERTION = 24 };

enum regex_around regex_around(const struct regex_nfa *nfa, uint8_t byte)
{
	if (byte == '\n' && nfa->sees_lines)
		return AROUND_LINE;
	if (nfa->sees_words && ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
				(byte >= 'a' && byte <= 'z') || byte == '_'))
		return AROUND_WORD;
	return AROUND_OTHER;
}

void closure_init(struct regex_closure *closure, const struct regex_nfa *nfa,
		  struct regex_meter *meter)
{
	*closure = (struct regex_closure){
		.nfa = nfa,
		.meter = meter,
		.marks = memory_alloc(nfa->count * sizeof(*closure->marks)),
		.stack = memory_alloc(nfa->count * sizeof(*closure->stack)),
		.found = memory_alloc(nfa->count * sizeof(*closure->found)),
	};
}

void closure_free(struct regex_closure *closure)
{
	free(closure->marks);
	free(closure->stack);
	free(closure->found);
}

void closure_begin(struct regex_closure *closure)
{
	closure->round++;
	closure->found_count = 0;
	closure->open = false;
	closure->matched = (struct regex_accept){ 0 };
}

enum verdict { HOLDS, FAILS, OPEN };

static enum verdict holds(bool condition)
{
	return condition ? HOLDS : FAILS;
}

static enum verdict judge(enum regex_assertion assertion, enum regex_around before,
			  enum regex_around after)
{
	if (assertion == ASSERT_TEXT_BEGIN)
		return holds(before == AROUND_EDGE);
	if (assertion == ASSERT_LINE_BEGIN)
		return holds(before == AROUND_EDGE || before == AROUND_LINE);
	if (after == AROUND_UNKNOWN)
		return OPEN;
	switch (assertion) {
	case ASSERT_TEXT_END:
		return holds(after == AROUND_EDGE);
	case ASSERT_LINE_END:
		return holds(after == AROUND_EDGE || after == AROUND_LINE);
	case ASSERT_WORD_BOUNDARY:
		return holds((before == AROUND_WORD) != (after == AROUND_WORD));
	default:
		return holds((before == AROUND_WORD) == (after == AROUND_WORD));
	}
}

void closure_add(struct regex_closure *closure, uint32_t state, enum regex_around before,
		 enum regex_around after)
{
	const struct nfa_state *states = closure->nfa->states;
	size_t depth = 0, steps = 0;

	/* a state is marked when it is pushed, so that the stack holds each at most once */
	if (closure->marks[state] == closure->round)
		return;
	closure->marks[state] = closure->round;
	closure->stack[depth++] = state;
	while (depth) {
		uint32_t index = closure->stack[--depth], next[2];
		const struct nfa_state *at = &states[index];
		enum verdict verdict = HOLDS;
		size_t count = 1, i;

		steps++;
		if (at->kind == NFA_ASSERT)
			verdict = judge(at->assertion, before, after);
		if (at->kind == NFA_BYTES || at->kind == NFA_MATCH || verdict == OPEN) {
			closure->open |= verdict == OPEN;
			closure->found[closure->found_count++] = index;
			if (at->kind == NFA_MATCH)
				closure->matched.bits[at->pattern / 64] |= 1ull << at->pattern % 64;
			continue;
		}
		if (verdict == FAILS)
			continue;
		next[0] = at->out;
		if (at->kind == NFA_SPLIT)
			next[count++] = at->other;
		for (i = 0; i < count; i++) {
			if (closure->marks[next[i]] == closure->round)
				continue;
			closure->marks[next[i]] = closure->round;
			closure->stack[depth++] = next[i];
		}
	}
	regex_meter_spend(closure->meter, steps);
}

static int index_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void sort_indexes(uint32_t *items, size_t count)
{
	size_t i, j;

	if (count > SORT_BY_INSERTION) {
		qsort(items, count, sizeof(*items), index_compare);
		return;
	}
	for (i = 1; i < count; i++) {
		uint32_t item = items[i];

		for (j = i; j > 0 && items[j - 1] > item; j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

void closure_finish(struct regex_closure *closure)
{
	const struct nfa_state *states = closure->nfa->states;
	size_t i, kept = 0;

	/* A pattern that has matched goes on matching, whatever else it could do. */
	closure->open = false;
	for (i = 0; i < closure->found_count; i++) {
		uint32_t index = closure->found[i];
		const struct nfa_state *state = &states[index];

		if (state->kind != NFA_MATCH && regex_accept_has(&closure->matched, state->pattern))
			continue;
		closure->open |= state->kind == NFA_ASSERT;
		closure->found[kept++] = index;
	}
	regex_meter_spend(closure->meter, closure->found_count * 4);
	closure->found_count = kept;
	sort_indexes(closure->found, kept);
}
