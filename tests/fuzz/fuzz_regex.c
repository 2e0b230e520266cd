// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a pattern: never a crash, never more than the budget; and the same pattern said
 * in different ways makes the same table.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small, so that a run meets many patterns. */
static const struct regex_budget small_budget = {
	.steps = 300000,
	.memory = 4 << 20,
	.nfa_states = 5000,
	.dfa_states = 1000,
};

static void check(bool condition)
{
	if (!condition)
		abort();
}

/* before + pattern + after; 0, or a negative errno. */
static int compile(const char *before, const uint8_t *pattern, size_t size, const char *after,
		   enum regex_mode mode, struct regex_dfa *dfa)
{
	size_t length = strlen(before) + size + strlen(after);
	struct regex_set *set = regex_set_new(&small_budget);
	char *text = memory_alloc(length + 1);
	struct regex_error error;
	int ret;

	memcpy(text, before, strlen(before));
	if (size)
		memcpy(text + strlen(before), pattern, size);
	memcpy(text + strlen(before) + size, after, strlen(after));
	*dfa = (struct regex_dfa){ 0 };
	ret = regex_set_add(set, text, length, mode, &error);
	if (ret >= 0)
		ret = regex_set_compile(set, dfa, &error);
	if (ret) {
		check(error.code == ret && error.offset <= length && *error.message);
		check(memchr(error.message, 0, sizeof(error.message)) != NULL);
	}
	/* the last piece of work may go beyond the limit, but not far */
	check(regex_set_steps(set) <= small_budget.steps * 2);
	check(dfa->state_count <= small_budget.dfa_states);
	regex_set_free(set);
	free(text);
	return ret;
}

static void check_same(const struct regex_dfa *a, const struct regex_dfa *b)
{
	check(a->state_count == b->state_count && a->class_count == b->class_count);
	check(a->sink_count == b->sink_count && a->start == b->start);
	check(!memcmp(a->classes, b->classes, sizeof(a->classes)));
	check(!memcmp(a->next, b->next,
		      (size_t)a->state_count * a->class_count * sizeof(*a->next)));
	check(!memcmp(a->accept, b->accept, a->state_count * sizeof(*a->accept)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		enum regex_mode mode;
		const char *before, *after; /* what says the same in a search */
	} ways[] = {
		{ REGEX_SEARCH, "(?:(?:", "){1})" },
		{ REGEX_PREFIX, "\\A(?:", ")" },
		{ REGEX_FULL, "\\A(?:", ")\\z" },
	};
	struct regex_dfa plain, wrapped;
	struct regex_accept accept;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		ret = compile("", data, size, "", ways[i].mode, &plain);
		if (!ret) {
			regex_dfa_run(&plain, data, size, &accept);
			/* an open \Q takes what is wrapped around */
			if (!compile(ways[i].before, data, size, ways[i].after, REGEX_SEARCH,
				     &wrapped) &&
			    !memmem(data, size, "\\Q", 2))
				check_same(&plain, &wrapped);
			regex_dfa_clear(&wrapped);
		}
		regex_dfa_clear(&plain);
	}
	return 0;
}
