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

/* Finds out which loops can stand for the first states of their search. */
static void find_loops(struct regex_closure *closure)
{
	const struct regex_nfa *nfa = closure->nfa;
	uint32_t *first;
	size_t i;

	for (i = 0; i < nfa->start_count; i++) {
		const struct nfa_state *start = &nfa->states[nfa->starts[i]];

		if (start->kind != NFA_LOOP)
			continue;
		closure_begin(closure);
		closure_add(closure, start->out, AROUND_OTHER, AROUND_UNKNOWN);
		/* what matches nothing at all has matched at once */
		if (closure->depends || regex_accept_has(&closure->matched, (unsigned int)i))
			continue;
		first = memory_alloc(closure->found_count * sizeof(*first));
		if (closure->found_count)
			memcpy(first, closure->found, closure->found_count * sizeof(*first));
		closure->loops[i] = (struct regex_loop){ true, first, closure->found_count };
	}
}

void closure_init(struct regex_closure *closure, const struct regex_nfa *nfa,
		  struct regex_meter *meter)
{
	*closure = (struct regex_closure){
		.nfa = nfa,
		.meter = meter,
		.loops = memory_alloc(nfa->start_count * sizeof(*closure->loops)),
		.marks = memory_alloc(nfa->count * sizeof(*closure->marks)),
		.stack = memory_alloc(nfa->count * sizeof(*closure->stack)),
		.found = memory_alloc(nfa->count * sizeof(*closure->found)),
	};
	find_loops(closure);
}

void closure_free(struct regex_closure *closure)
{
	size_t i;

	for (i = 0; i < closure->nfa->start_count; i++)
		free(closure->loops[i].first);
	free(closure->loops);
	free(closure->marks);
	free(closure->stack);
	free(closure->found);
}

void closure_begin(struct regex_closure *closure)
{
	closure->round++;
	closure->found_count = 0;
	closure->open = false;
	closure->depends = false;
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

/* Is the state a member of the set, rather than a way to others? */
static bool stays(const struct regex_closure *closure, const struct nfa_state *state,
		  enum verdict verdict)
{
	return state->kind == NFA_BYTES || state->kind == NFA_MATCH || verdict == OPEN ||
	       (state->kind == NFA_LOOP && closure->loops[state->pattern].stands);
}

/* How many states follow without a byte being read. */
static size_t successors(const struct regex_closure *closure, const struct nfa_state *state,
			 enum verdict verdict, enum regex_around before, uint32_t next[2])
{
	if (state->kind == NFA_BYTES || state->kind == NFA_MATCH || verdict != HOLDS)
		return 0;
	next[0] = state->out;
	next[1] = state->other;
	if (state->kind == NFA_LOOP && closure->loops[state->pattern].stands)
		return before == AROUND_EDGE; /* where \A holds there are more first states */
	return state->kind == NFA_ASSERT ? 1 : 2;
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
		size_t count, i;

		steps++;
		if (at->kind == NFA_ASSERT) {
			verdict = judge(at->assertion, before, after);
			closure->depends |= at->assertion != ASSERT_TEXT_BEGIN;
		}
		if (stays(closure, at, verdict))
			closure->found[closure->found_count++] = index;
		if (at->kind == NFA_MATCH)
			closure->matched.bits[at->pattern / 64] |= 1ull << at->pattern % 64;
		count = successors(closure, at, verdict, before, next);
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
