// SPDX-License-Identifier: Apache-2.0
/*
 * Subset construction. A DFA state is a sorted set of NFA states, and what the byte before it
 * was if an assertion in the set asks for it. What an assertion asks about the byte after is
 * answered when a transition is made on that byte, or at the end of the text.
 */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

enum { TWIN_SLOTS = 512 };

/* What the class's bytes are, then the NFA states that they lead to. */
struct bucket {
	uint32_t *items;
	size_t count, capacity;
	uint64_t hash; /* of the items, so that equal buckets are found */
};

/* The classes that a range of bytes meets. */
struct span {
	uint32_t first, count; /* in span_classes */
};

struct dfa_builder {
	struct regex_nfa *nfa;
	struct raw_dfa *raw;
	struct regex_meter *meter;
	struct regex_closure closure;
	struct regex_intern states; /* what was before, then the set */
	uint32_t *key;
	enum regex_around around[256]; /* by class */
	uint32_t *span_classes;
	size_t span_class_count, span_class_capacity;
	struct span *spans;
	size_t span_count;
	struct bucket buckets[256]; /* by class */
	struct regex_intern moves;  /* buckets as they were met: most come again and again */
	uint32_t *move_states;	    /* by number of a move */
	size_t move_capacity;
	uint32_t *members; /* copy of the set that is being worked on */
};

/* Numbers the different (low, high) of all edges. */
static void number_spans(struct dfa_builder *builder, struct regex_intern *ranges)
{
	struct regex_nfa *nfa = builder->nfa;
	size_t i;

	for (i = 0; i < nfa->edge_count; i++) {
		uint32_t range = (uint32_t)nfa->edges[i].low << 8 | nfa->edges[i].high;

		nfa->edges[i].span = (uint16_t)regex_intern(ranges, &range, sizeof(range));
	}
	builder->span_count = ranges->count;
	regex_meter_spend(builder->meter, nfa->edge_count);
}

/* Splits the classes so that each is inside or outside of the marked bytes. */
static void refine_classes(struct raw_dfa *raw, const bool marked[256])
{
	uint16_t split[256]; /* class -> number of its marked part + 1 */
	uint32_t inside[256] = { 0 }, size[256] = { 0 };
	size_t i;

	memset(split, 0, sizeof(split));
	for (i = 0; i < 256; i++) {
		size[raw->classes[i]]++;
		inside[raw->classes[i]] += marked[i];
	}
	for (i = 0; i < 256; i++) {
		uint8_t class = raw->classes[i];

		if (!marked[i] || inside[class] == size[class])
			continue;
		if (!split[class])
			split[class] = (uint16_t)++raw->class_count;
		raw->classes[i] = (uint8_t)(split[class] - 1);
	}
}

/* The bytes of all edges of a state that lead where edge `first` does. */
static void collect_bytes(const struct nfa_edge *edges, size_t count, size_t first,
			  uint32_t bytes[8])
{
	size_t i, b;

	memset(bytes, 0, 8 * sizeof(*bytes));
	for (i = first; i < count; i++)
		for (b = edges[i].low; edges[i].next == edges[first].next && b <= edges[i].high;
		     b++)
			bytes[b / 32] |= 1u << b % 32;
}

/* `known`: the sets of bytes by which the classes have been refined before. */
static void refine_by_state(struct dfa_builder *builder, const struct nfa_state *state,
			    struct regex_intern *known)
{
	const struct nfa_edge *edges = builder->nfa->edges + state->first;
	size_t i, j, b, count;
	uint32_t bytes[8];
	bool marked[256];

	for (i = 0; i < state->count; i++) {
		for (j = 0; edges[j].next != edges[i].next; j++)
			;
		if (j < i)
			continue; /* collected with that one */
		collect_bytes(edges, state->count, i, bytes);
		count = known->count;
		if (regex_intern(known, bytes, sizeof(bytes)) < count)
			continue;
		for (b = 0; b < 256; b++)
			marked[b] = bytes[b / 32] >> b % 32 & 1;
		refine_classes(builder->raw, marked);
	}
	regex_meter_spend(builder->meter, (uint64_t)state->count * state->count);
}

/*
 * Bytes that no state tells apart form a class. All edges of a state with one target count
 * together, so that [a-zA-Z] makes one class, not two.
 */
static void find_classes(struct dfa_builder *builder)
{
	struct regex_nfa *nfa = builder->nfa;
	struct regex_intern known = { 0 };
	uint32_t around;
	bool marked[256];
	size_t i, b;

	builder->raw->class_count = 1;
	for (i = 0; i < nfa->count; i++)
		if (nfa->states[i].kind == NFA_BYTES)
			refine_by_state(builder, &nfa->states[i], &known);
	for (around = AROUND_LINE; around <= AROUND_WORD; around++) {
		for (b = 0; b < 256; b++)
			marked[b] = regex_around(nfa, (uint8_t)b) == around;
		refine_classes(builder->raw, marked);
	}
	for (b = 0; b < 256; b++)
		builder->around[builder->raw->classes[b]] = regex_around(nfa, (uint8_t)b);
	regex_intern_clear(&known);
}

static void list_spans(struct dfa_builder *builder, const struct regex_intern *ranges)
{
	size_t i, size, at;
	uint32_t b;

	builder->spans = memory_alloc(builder->span_count * sizeof(*builder->spans));
	for (i = 0; i < builder->span_count; i++) {
		const uint32_t *range = regex_intern_get(ranges, (uint32_t)i, &size);
		struct span *span = &builder->spans[i];
		bool seen[256] = { false };

		span->first = (uint32_t)builder->span_class_count;
		for (b = *range >> 8; b <= (*range & 0xff); b++) {
			uint8_t class = builder->raw->classes[b];

			if (seen[class])
				continue;
			seen[class] = true;
			at = memory_grow(&builder->span_classes, &builder->span_class_count,
					 &builder->span_class_capacity,
					 sizeof(*builder->span_classes));
			builder->span_classes[at] = class;
			span->count++;
		}
	}
}

static void put_bucket(struct bucket *bucket, uint32_t item)
{
	size_t i;

	if (bucket->count && bucket->items[bucket->count - 1] == item)
		return;
	i = memory_grow(&bucket->items, &bucket->count, &bucket->capacity, sizeof(*bucket->items));
	bucket->items[i] = item;
	bucket->hash = (bucket->hash ^ item) * 0x9e3779b97f4a7c15;
	bucket->hash ^= bucket->hash >> 31;
}

/* `after`: only into the buckets of classes for which it holds; AROUND_UNKNOWN: of all. */
static void put_all(struct dfa_builder *builder, uint32_t item, enum regex_around after)
{
	size_t i;

	for (i = 0; i < builder->raw->class_count; i++)
		if (after == AROUND_UNKNOWN || builder->around[i] == after)
			put_bucket(&builder->buckets[i], item);
	regex_meter_spend(builder->meter, builder->raw->class_count);
}

static void put_edges(struct dfa_builder *builder, const struct nfa_state *state,
		      enum regex_around after)
{
	const struct nfa_edge *edges = builder->nfa->edges + state->first;
	size_t i, j, steps = 0;

	for (i = 0; i < state->count; i++) {
		const struct span *span = &builder->spans[edges[i].span];

		for (j = span->first; j < span->first + span->count; j++) {
			uint32_t class = builder->span_classes[j];

			if (after == AROUND_UNKNOWN || builder->around[class] == after)
				put_bucket(&builder->buckets[class], edges[i].next);
		}
		steps += span->count;
	}
	regex_meter_spend(builder->meter, steps);
}

/* Puts where the members lead to into the buckets of the classes for which `after` holds. */
static void fill_buckets(struct dfa_builder *builder, const uint32_t *members, size_t count,
			 enum regex_around after)
{
	const struct nfa_state *states = builder->nfa->states;
	size_t i, j;

	for (i = 0; i < count; i++) {
		const struct nfa_state *state = &states[members[i]];
		const struct regex_loop *loop = &builder->closure.loops[state->pattern];

		if (state->kind == NFA_BYTES)
			put_edges(builder, state, after);
		else if (state->kind != NFA_ASSERT)
			put_all(builder, members[i], after);
		for (j = 0; state->kind == NFA_LOOP && j < loop->count; j++)
			put_edges(builder, &states[loop->first[j]], after);
	}
}

/* The number of the closure's set, which is new or known. */
static uint32_t intern_closure(struct dfa_builder *builder, enum regex_around before)
{
	struct regex_closure *closure = &builder->closure;

	closure_finish(closure);
	builder->key[0] = closure->open ? (uint32_t)before : (uint32_t)AROUND_OTHER;
	if (closure->found_count)
		memcpy(builder->key + 1, closure->found,
		       closure->found_count * sizeof(*builder->key));
	return regex_intern(&builder->states, builder->key,
			    (closure->found_count + 1) * sizeof(*builder->key));
}

static bool same_bucket(const struct dfa_builder *builder, uint32_t a, uint32_t b)
{
	const struct bucket *left = &builder->buckets[a], *right = &builder->buckets[b];

	return left->hash == right->hash && left->count == right->count &&
	       !memcmp(left->items, right->items, left->count * sizeof(*left->items));
}

/* The first class with the same bucket, maybe itself. `slots` are as many as TWIN_SLOTS. */
static uint32_t find_twin(const struct dfa_builder *builder, uint16_t *slots, uint32_t class)
{
	size_t slot = builder->buckets[class].hash % TWIN_SLOTS;

	while (slots[slot] && !same_bucket(builder, slots[slot] - 1u, class))
		slot = (slot + 1) % TWIN_SLOTS;
	if (!slots[slot])
		slots[slot] = (uint16_t)(class + 1);
	return slots[slot] - 1u;
}

/* The state that a bucket makes. */
static uint32_t make_move(struct dfa_builder *builder, uint32_t class)
{
	const struct bucket *bucket = &builder->buckets[class];
	uint32_t move = (uint32_t)builder->moves.count, known, state;
	size_t i;

	known = regex_intern(&builder->moves, bucket->items,
			     bucket->count * sizeof(*bucket->items));
	regex_meter_spend(builder->meter, bucket->count / 2);
	if (known < move)
		return builder->move_states[known];
	closure_begin(&builder->closure);
	for (i = 1; i < bucket->count; i++)
		closure_add(&builder->closure, bucket->items[i], builder->around[class],
			    AROUND_UNKNOWN);
	state = intern_closure(builder, builder->around[class]);
	if (move >= builder->move_capacity) {
		builder->move_capacity = ((size_t)move + 1) * 2;
		builder->move_states = memory_realloc_array(builder->move_states,
							    builder->move_capacity,
							    sizeof(*builder->move_states));
	}
	builder->move_states[move] = state;
	return state;
}

static void clear_buckets(struct dfa_builder *builder)
{
	uint32_t class;

	for (class = 0; class < builder->raw->class_count; class ++) {
		builder->buckets[class].count = 0;
		builder->buckets[class].hash = 0;
		/* no number of a state */
		put_bucket(&builder->buckets[class], UINT32_MAX - builder->around[class]);
	}
}

static void make_transitions(struct dfa_builder *builder, uint32_t *row)
{
	uint16_t slots[TWIN_SLOTS] = { 0 };
	uint32_t class, twin;

	for (class = 0; class < builder->raw->class_count; class ++) {
		twin = find_twin(builder, slots, class);
		row[class] = twin < class ? row[twin] : make_move(builder, class);
	}
	regex_meter_spend(builder->meter, builder->raw->class_count);
}

/* The closure of a set once it is known what comes after it. */
static void resolve(struct dfa_builder *builder, size_t count, enum regex_around before,
		    enum regex_around after)
{
	size_t i;

	closure_begin(&builder->closure);
	for (i = 0; i < count; i++)
		closure_add(&builder->closure, builder->members[i], before, after);
}

static void make_state(struct dfa_builder *builder, uint32_t index)
{
	const uint32_t *key;
	enum regex_around before, after;
	struct raw_dfa *raw = builder->raw;
	size_t size, count, i;
	bool open = false;

	key = regex_intern_get(&builder->states, index, &size);
	before = key[0];
	count = size / sizeof(*key) - 1;
	if (count)
		memcpy(builder->members, key + 1, count * sizeof(*key));
	for (i = 0; i < count; i++)
		open |= builder->nfa->states[builder->members[i]].kind == NFA_ASSERT;
	resolve(builder, count, before, AROUND_EDGE);
	raw->accept[index] = regex_intern(&raw->sets, &builder->closure.matched,
					  sizeof(builder->closure.matched));
	clear_buckets(builder);
	if (!open) {
		fill_buckets(builder, builder->members, count, AROUND_UNKNOWN);
	} else {
		for (after = AROUND_LINE; after < AROUND_COUNT; after++) {
			resolve(builder, count, before, after);
			closure_finish(&builder->closure);
			fill_buckets(builder, builder->closure.found, builder->closure.found_count,
				     after);
		}
	}
	make_transitions(builder, raw->next + (size_t)index * raw->class_count);
}

static bool grow_rows(struct dfa_builder *builder)
{
	struct raw_dfa *raw = builder->raw;
	struct regex_meter *meter = builder->meter;
	size_t rows = builder->states.count, nfa_memory;

	if (rows > meter->budget.dfa_states) {
		meter->refusal = "too many states";
		return false;
	}
	if (rows > raw->accept_capacity) {
		raw->accept_capacity = rows * 2;
		raw->accept = memory_realloc_array(raw->accept, raw->accept_capacity,
						   sizeof(*raw->accept));
		raw->next_capacity = raw->accept_capacity * raw->class_count;
		raw->next = memory_realloc_array(raw->next, raw->next_capacity, sizeof(*raw->next));
	}
	nfa_memory = builder->nfa->capacity * sizeof(*builder->nfa->states) +
		     builder->nfa->edge_capacity * sizeof(*builder->nfa->edges) +
		     builder->nfa->count * 5 * sizeof(*builder->key);
	return regex_meter_memory(meter, nfa_memory + regex_intern_size(&builder->states) +
						 regex_intern_size(&builder->moves) +
						 regex_intern_size(&raw->sets) +
						 raw->next_capacity * sizeof(*raw->next));
}

static bool build_states(struct dfa_builder *builder)
{
	const struct regex_accept none = { 0 };
	struct raw_dfa *raw = builder->raw;
	size_t i;

	/* number 0 in both: nothing */
	regex_intern(&raw->sets, &none, sizeof(none));
	closure_begin(&builder->closure);
	intern_closure(builder, AROUND_EDGE);
	closure_begin(&builder->closure);
	for (i = 0; i < builder->nfa->start_count; i++)
		closure_add(&builder->closure, builder->nfa->starts[i], AROUND_EDGE,
			    AROUND_UNKNOWN);
	raw->start = intern_closure(builder, AROUND_EDGE);
	for (raw->count = 0; raw->count < builder->states.count; raw->count++) {
		if (!grow_rows(builder))
			return false;
		make_state(builder, raw->count);
		if (!regex_meter_spend(builder->meter, 1))
			return false;
	}
	return true;
}

bool regex_dfa_build(struct regex_nfa *nfa, struct raw_dfa *raw, struct regex_meter *meter)
{
	struct dfa_builder *builder = memory_alloc(sizeof(*builder));
	struct regex_intern ranges = { 0 };
	size_t i;
	bool done;

	*raw = (struct raw_dfa){ 0 };
	builder->nfa = nfa;
	builder->raw = raw;
	builder->meter = meter;
	builder->key = memory_alloc((nfa->count + 1) * sizeof(*builder->key));
	builder->members = memory_alloc((nfa->count + 1) * sizeof(*builder->members));
	closure_init(&builder->closure, nfa, meter);
	number_spans(builder, &ranges);
	find_classes(builder);
	list_spans(builder, &ranges);
	done = build_states(builder);
	regex_intern_clear(&ranges);
	closure_free(&builder->closure);
	regex_intern_clear(&builder->states);
	regex_intern_clear(&builder->moves);
	free(builder->move_states);
	for (i = 0; i < 256; i++)
		free(builder->buckets[i].items);
	free(builder->span_classes);
	free(builder->spans);
	free(builder->members);
	free(builder->key);
	free(builder);
	return done;
}

void raw_dfa_clear(struct raw_dfa *raw)
{
	free(raw->next);
	free(raw->accept);
	regex_intern_clear(&raw->sets);
	*raw = (struct raw_dfa){ 0 };
}
