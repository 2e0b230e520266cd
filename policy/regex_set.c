// SPDX-License-Identifier: Apache-2.0
/* Sets of patterns: budgets, blame, and running the result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

const struct regex_budget regex_budget_pattern = {
	.steps = 5000000,
	.memory = 32 << 20,
	.nfa_states = 20000,
	.dfa_states = 10000,
};

const struct regex_budget regex_budget_set = {
	.steps = 50000000,
	.memory = 128 << 20,
	.nfa_states = 200000,
	.dfa_states = REGEX_STATES_MAX,
};

struct regex_set {
	struct regex_meter meter;
	struct regex_nfa nfa; /* all patterns */
	struct set_pattern {
		struct regex_tree tree;
		enum regex_mode mode;
		size_t length;
	} patterns[REGEX_PATTERNS_MAX];
	unsigned int count;
};

bool regex_meter_spend(struct regex_meter *meter, uint64_t steps)
{
	meter->steps += steps;
	if (!meter->refusal && meter->steps > meter->budget.steps)
		meter->refusal = "too many steps";
	return !meter->refusal;
}

bool regex_meter_memory(struct regex_meter *meter, size_t transient)
{
	if (!meter->refusal && meter->memory + transient > meter->budget.memory)
		meter->refusal = "too much memory";
	return !meter->refusal;
}

static struct regex_budget complete_budget(const struct regex_budget *given)
{
	struct regex_budget budget = given ? *given : regex_budget_set;

	if (!budget.steps)
		budget.steps = regex_budget_set.steps;
	if (!budget.memory)
		budget.memory = regex_budget_set.memory;
	if (!budget.nfa_states)
		budget.nfa_states = regex_budget_set.nfa_states;
	if (!budget.dfa_states || budget.dfa_states > REGEX_STATES_MAX)
		budget.dfa_states = REGEX_STATES_MAX;
	return budget;
}

struct regex_set *regex_set_new(const struct regex_budget *budget)
{
	struct regex_set *set = memory_alloc(sizeof(*set));

	set->meter.budget = complete_budget(budget);
	return set;
}

void regex_set_free(struct regex_set *set)
{
	unsigned int i;

	if (!set)
		return;
	for (i = 0; i < set->count; i++)
		regex_tree_clear(&set->patterns[i].tree);
	regex_nfa_clear(&set->nfa);
	free(set);
}

uint64_t regex_set_steps(const struct regex_set *set)
{
	return set->meter.steps;
}

static int set_exceeded(struct regex_error *error, unsigned int pattern, size_t length,
			const char *message)
{
	error->code = -E2BIG;
	error->pattern = pattern;
	error->offset = length;
	snprintf(error->message, sizeof(error->message), "%s", message);
	return -E2BIG;
}

int regex_set_add(struct regex_set *set, const char *pattern, size_t length, enum regex_mode mode,
		  struct regex_error *error)
{
	struct regex_meter *meter = &set->meter;
	size_t memory = meter->memory;
	struct set_pattern *slot;
	int ret;

	*error = (struct regex_error){ .pattern = set->count };
	if (set->count == REGEX_PATTERNS_MAX)
		return set_exceeded(error, set->count, length, "the set is full");
	slot = &set->patterns[set->count];
	*slot = (struct set_pattern){ .mode = mode, .length = length };
	ret = regex_parse(pattern, length, &slot->tree, meter, error);
	if (!ret && !regex_nfa_add(&set->nfa, &slot->tree, mode, meter))
		ret = set_exceeded(error, set->count, length, meter->refusal);
	if (ret) {
		regex_tree_clear(&slot->tree);
		meter->memory = memory;
		/* what this one wanted says nothing about the next, but for the steps */
		meter->refusal = NULL;
		return ret;
	}
	meter->memory += slot->tree.capacity * sizeof(*slot->tree.nodes);
	return (int)set->count++;
}

static bool compile_nfa(struct regex_nfa *nfa, struct regex_dfa *dfa, struct regex_meter *meter)
{
	uint32_t *block = NULL, count = 0;
	struct raw_dfa raw;
	bool done = regex_dfa_build(nfa, &raw, meter);

	if (done) {
		block = memory_alloc(raw.count * sizeof(*block));
		done = regex_minimise(&raw, block, &count, meter);
	}
	if (done)
		regex_number(&raw, block, count, dfa);
	free(block);
	raw_dfa_clear(&raw);
	return done;
}

/* How many states a pattern makes alone; 0 when it exceeds the budget. */
static uint32_t measure_alone(const struct regex_set *set, unsigned int pattern, uint64_t *steps)
{
	const struct set_pattern *slot = &set->patterns[pattern];
	struct regex_meter meter = { .budget = set->meter.budget };
	struct regex_nfa nfa = { 0 };
	struct regex_dfa dfa = { 0 };
	uint32_t states = 0;

	meter.budget.steps = *steps;
	if (regex_nfa_add(&nfa, &slot->tree, slot->mode, &meter) && compile_nfa(&nfa, &dfa, &meter))
		states = dfa.state_count;
	*steps -= meter.steps < *steps ? meter.steps : *steps;
	regex_dfa_clear(&dfa);
	regex_nfa_clear(&nfa);
	return states;
}

/* Finds the pattern to blame; that may take as many steps as the set itself may. */
static int blame(struct regex_set *set, const char *refusal, struct regex_error *error)
{
	uint64_t budget = set->meter.budget.steps, steps = budget;
	uint32_t states = 1, most = 0;
	unsigned int i, largest = 0;

	for (i = 0; i < set->count && states; i++) {
		states = set->count > 1 ? measure_alone(set, i, &steps) : 0;
		if (!states || states > most) {
			most = states;
			largest = i;
		}
	}
	set->meter.steps += budget - steps;
	if (!states)
		return set_exceeded(error, largest, set->patterns[largest].length, refusal);
	set_exceeded(error, largest, set->patterns[largest].length, "");
	snprintf(error->message, sizeof(error->message),
		 "%s together with %u other patterns; this one alone has %u states", refusal,
		 set->count - 1, most);
	return -E2BIG;
}

int regex_set_compile(struct regex_set *set, struct regex_dfa *dfa, struct regex_error *error)
{
	int ret = 0;

	*error = (struct regex_error){ 0 };
	*dfa = (struct regex_dfa){ 0 };
	if (!compile_nfa(&set->nfa, dfa, &set->meter)) {
		ret = blame(set, set->meter.refusal, error);
		set->meter.refusal = NULL;
	}
	return ret;
}

int regex_compile(const char *pattern, size_t length, enum regex_mode mode, uint64_t *steps,
		  struct regex_dfa *dfa, struct regex_error *error)
{
	struct regex_budget budget = regex_budget_pattern;
	struct regex_dfa own = { 0 };
	struct regex_set *set;
	int ret;

	if (dfa)
		*dfa = own;
	if (steps && !*steps) {
		*error = (struct regex_error){ 0 };
		return set_exceeded(error, 0, length, "those before it used up the steps");
	}
	if (steps && *steps < budget.steps)
		budget.steps = *steps;
	set = regex_set_new(&budget);
	ret = regex_set_add(set, pattern, length, mode, error);
	if (ret >= 0)
		ret = regex_set_compile(set, &own, error);
	if (steps)
		*steps -= regex_set_steps(set) < *steps ? regex_set_steps(set) : *steps;
	regex_set_free(set);
	if (dfa)
		*dfa = own;
	else
		regex_dfa_clear(&own);
	return ret;
}

void regex_dfa_clear(struct regex_dfa *dfa)
{
	free(dfa->next);
	free(dfa->accept);
	free(dfa->sets);
	*dfa = (struct regex_dfa){ 0 };
}

size_t regex_dfa_size(const struct regex_dfa *dfa)
{
	return (size_t)dfa->state_count * dfa->class_count * sizeof(*dfa->next) +
	       dfa->state_count * sizeof(*dfa->accept) + dfa->set_count * sizeof(*dfa->sets);
}

void regex_dfa_run(const struct regex_dfa *dfa, const void *subject, size_t length,
		   struct regex_accept *accept)
{
	const uint8_t *bytes = subject;
	uint32_t state = dfa->start;
	size_t i;

	for (i = 0; i < length && state >= dfa->sink_count; i++)
		state = dfa->next[state * dfa->class_count + dfa->classes[bytes[i]]];
	*accept = dfa->sets[dfa->accept[state]];
}
