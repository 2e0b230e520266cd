// SPDX-License-Identifier: Apache-2.0
/* The tables: minimal, canonical, complete; many patterns in one; budgets and blame. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "policy/memory.h"
#include "unit/random_regex.h"

static struct regex_dfa compile(const char *pattern, size_t length, enum regex_mode mode)
{
	struct regex_error error;
	struct regex_dfa dfa;

	if (regex_compile(pattern, length, mode, NULL, &dfa, &error))
		fail_msg("%.*s: %s", (int)length, pattern, error.message);
	return dfa;
}

static bool same_tables(const struct regex_dfa *a, const struct regex_dfa *b)
{
	return a->state_count == b->state_count && a->class_count == b->class_count &&
	       a->sink_count == b->sink_count && a->start == b->start &&
	       a->set_count == b->set_count &&
	       !memcmp(a->classes, b->classes, sizeof(a->classes)) &&
	       !memcmp(a->next, b->next,
		       (size_t)a->state_count * a->class_count * sizeof(*a->next)) &&
	       !memcmp(a->accept, b->accept, a->state_count * sizeof(*a->accept)) &&
	       !memcmp(a->sets, b->sets, a->set_count * sizeof(*a->sets));
}

/* Different patterns that accept the same make the same table. */
static void test_canonical(void **state)
{
	static const struct {
		const char *a, *b;
		enum regex_mode mode;
	} samples[] = {
		{ "(a|b)*", "[ab]*", REGEX_FULL },
		{ "a(b|c)d|abd", "a[bc]d", REGEX_FULL },
		{ "x{2,4}", "xx(x(x)?)?", REGEX_FULL },
		{ "(a*)*b|b", "a*?b", REGEX_FULL },
		{ "[a-zA-Z]", "(?i:[a-jl-rt-z])|[KSks]", REGEX_FULL },
		{ "[a-zA-Z\\x{17f}\\x{212a}]", "(?i)[a-z]", REGEX_FULL },
		{ "abc", "\\Aabc", REGEX_PREFIX },
		{ ".*", "", REGEX_SEARCH },
		{ "\\b\\B", "[^\\x00-\\x{10ffff}]", REGEX_SEARCH },
		{ "a$b", "$a", REGEX_SEARCH },
		{ "(?s).*", "\\p{Any}*", REGEX_FULL },
		{ "\\p{L}", "[\\p{Lu}\\p{Ll}\\p{Lt}\\p{Lm}\\p{Lo}]", REGEX_FULL },
		{ "(?m)^a", "(?:\\A|\\n)a", REGEX_SEARCH },
	};
	struct regex_dfa a, b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		a = compile(samples[i].a, strlen(samples[i].a), samples[i].mode);
		b = compile(samples[i].b, strlen(samples[i].b), samples[i].mode);
		if (!same_tables(&a, &b))
			fail_msg("%s and %s differ", samples[i].a, samples[i].b);
		regex_dfa_clear(&a);
		regex_dfa_clear(&b);
	}
}

/* Pairs of states that accept differently, or lead to such, until there are no more. */
static void mark_different(const struct regex_dfa *dfa, bool *differ)
{
	uint32_t n = dfa->state_count, i, j, class;
	bool changed = true;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			differ[i * n + j] = dfa->accept[i] != dfa->accept[j];
	while (changed) {
		changed = false;
		for (i = 0; i < n * n; i++) {
			for (class = 0; class < dfa->class_count && !differ[i]; class ++) {
				uint32_t a = dfa->next[i / n * dfa->class_count + class];
				uint32_t b = dfa->next[i % n * dfa->class_count + class];

				changed |= differ[i] = differ[a * n + b];
			}
		}
	}
}

static void check_reached(const struct regex_dfa *dfa)
{
	uint32_t *stack = memory_alloc(dfa->state_count * sizeof(*stack)), depth = 0, class, next;
	bool *seen = memory_alloc(dfa->state_count);
	uint32_t reached = 1;

	seen[dfa->start] = true;
	stack[depth++] = dfa->start;
	while (depth) {
		uint32_t from = stack[--depth];

		for (class = 0; class < dfa->class_count; class ++) {
			next = dfa->next[from * dfa->class_count + class];
			assert_in_range(next, 0, dfa->state_count - 1);
			if (seen[next])
				continue;
			seen[next] = true;
			stack[depth++] = next;
			reached++;
		}
	}
	/* the dead state is there even if nothing leads to it */
	assert_int_equal(reached + !seen[0], dfa->state_count);
	free(stack);
	free(seen);
}

static void check_minimal(const struct regex_dfa *dfa)
{
	uint32_t n = dfa->state_count, i, j, class;
	bool *differ = memory_alloc((size_t)n * n), same, sink;

	mark_different(dfa, differ);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			assert_true(differ[i * n + j]);
	for (i = 0; i < dfa->class_count; i++) {
		for (j = 0; j < i; j++) {
			same = true;
			for (class = 0; class < n; class ++)
				same &= dfa->next[class * dfa->class_count + i] ==
					dfa->next[class * dfa->class_count + j];
			assert_false(same);
		}
	}
	for (i = 0; i < n; i++) {
		sink = true;
		for (class = 0; class < dfa->class_count; class ++)
			sink &= dfa->next[i * dfa->class_count + class] == i;
		assert_int_equal(sink, i < dfa->sink_count);
	}
	assert_int_equal(dfa->accept[0], 0);
	for (i = 0; i < REGEX_PATTERNS_MAX; i++)
		assert_false(regex_accept_has(&dfa->sets[0], i));
	check_reached(dfa);
	free(differ);
}

static void test_minimal(void **state)
{
	struct dice dice = { .state = 3 };
	struct random_text pattern;
	struct regex_error error;
	struct regex_dfa dfa;
	unsigned int checked = 0;

	(void)state;
	while (checked < 1500) {
		random_pattern(&dice, SYNTAX_RE2, &pattern);
		if (regex_compile(pattern.bytes, pattern.length,
				  (enum regex_mode)dice_roll(&dice, 3), NULL, &dfa, &error))
			continue;
		if (dfa.state_count <= 40) {
			check_minimal(&dfa);
			checked++;
		}
		regex_dfa_clear(&dfa);
	}
}

/* Flags alone may stand before a repetition: not all that dice make is accepted. */
static void random_accepted(struct dice *dice, struct random_text *pattern)
{
	struct regex_error error;

	do {
		random_pattern(dice, SYNTAX_COMMON, pattern);
	} while (regex_compile(pattern->bytes, pattern->length, REGEX_FULL, NULL, NULL, &error));
}

/* A set says of each pattern what the pattern says alone. */
static void test_sets(void **state)
{
	struct random_text patterns[REGEX_PATTERNS_MAX], subject;
	struct regex_dfa alone[REGEX_PATTERNS_MAX], together;
	struct regex_accept accept, expected;
	struct dice dice = { .state = 4 };
	struct regex_error error;
	unsigned int round, count, i, j;

	(void)state;
	for (round = 0; round < 150; round++) {
		struct regex_set *set = regex_set_new(NULL);

		count = round ? 1 + dice_roll(&dice, 6) : REGEX_PATTERNS_MAX;
		for (i = 0; i < count; i++) {
			enum regex_mode mode = round ? (enum regex_mode)dice_roll(&dice, 3) :
						       REGEX_PREFIX;

			if (round)
				random_accepted(&dice, &patterns[i]);
			else
				patterns[i].length = (size_t)snprintf(patterns[i].bytes,
								      sizeof(patterns[i].bytes),
								      "/%c/%u[ab]", "ab"[i % 2],
								      i / 2);
			alone[i] = compile(patterns[i].bytes, patterns[i].length, mode);
			assert_int_equal(regex_set_add(set, patterns[i].bytes, patterns[i].length,
						       mode, &error),
					 i);
		}
		assert_int_equal(regex_set_compile(set, &together, &error), 0);
		for (j = 0; j < 50; j++) {
			if (dice_roll(&dice, 2))
				random_walk(&dice, &together, &subject);
			else
				random_subject(&dice, SYNTAX_RE2, &subject);
			regex_dfa_run(&together, subject.bytes, subject.length, &accept);
			for (i = 0; i < count; i++) {
				regex_dfa_run(&alone[i], subject.bytes, subject.length, &expected);
				assert_int_equal(regex_accept_has(&accept, i),
						 regex_accept_has(&expected, 0));
			}
		}
		for (i = 0; i < count; i++)
			regex_dfa_clear(&alone[i]);
		regex_dfa_clear(&together);
		regex_set_free(set);
	}
}

static void test_set_without_patterns(void **state)
{
	struct regex_set *set = regex_set_new(NULL);
	struct regex_accept accept;
	struct regex_error error;
	struct regex_dfa dfa;

	(void)state;
	assert_int_equal(regex_set_compile(set, &dfa, &error), 0);
	assert_int_equal(dfa.state_count, 1);
	assert_int_equal(dfa.class_count, 1);
	regex_dfa_run(&dfa, "x", 1, &accept);
	assert_false(regex_accept_has(&accept, 0));
	regex_dfa_clear(&dfa);
	regex_set_free(set);
	regex_set_free(NULL);
}

/* A refused pattern leaves no trace, and the set has an end. */
static void test_set_limits(void **state)
{
	struct regex_set *set = regex_set_new(NULL);
	struct regex_accept accept;
	struct regex_error error;
	struct regex_dfa dfa;
	char pattern[16];
	int i;

	(void)state;
	for (i = 0; i < REGEX_PATTERNS_MAX; i++) {
		assert_int_equal(regex_set_add(set, "x(", 2, REGEX_FULL, &error), -EINVAL);
		assert_int_equal(error.pattern, i);
		assert_int_equal(error.offset, 1);
		snprintf(pattern, sizeof(pattern), "p%d", i);
		assert_int_equal(regex_set_add(set, pattern, strlen(pattern), REGEX_FULL, &error),
				 i);
	}
	assert_int_equal(regex_set_add(set, "y", 1, REGEX_FULL, &error), -E2BIG);
	assert_int_equal(regex_set_compile(set, &dfa, &error), 0);
	regex_dfa_run(&dfa, "p255", 4, &accept);
	assert_true(regex_accept_has(&accept, 255));
	assert_false(regex_accept_has(&accept, 25));
	regex_dfa_run(&dfa, "x", 1, &accept);
	assert_memory_equal(&accept, &dfa.sets[0], sizeof(accept));
	regex_dfa_clear(&dfa);
	regex_set_free(set);
}

static char *repeat_text(const char *before, const char *text, unsigned int count,
			 const char *after)
{
	size_t size = strlen(before) + strlen(text) * count + strlen(after) + 1;
	char *result = memory_alloc(size), *at = stpcpy(result, before);

	while (count--)
		at = stpcpy(at, text);
	stpcpy(at, after);
	return result;
}

/* Whatever somebody writes, it ends soon. */
static void test_hostile_patterns(void **state)
{
	char *const patterns[] = {
		repeat_text("(a|b)*a", "(a|b)", 20, ""),
		repeat_text("(a|b)*a(a|b){20}", "", 0, ""),
		repeat_text("(a?){1000}", "", 0, ""),
		repeat_text("(.{1,32}){1,31}", "", 0, ""),
		repeat_text("\\pL{1000}", "", 0, ""),
		repeat_text("[", "\\PL", 10000, "]"),
		repeat_text("", "\\PL", 10000, ""),
		repeat_text("", "(?i)\\pL", 10000, ""),
		repeat_text("", ".*a", 2000, ""),
		repeat_text("(?:", "()|", 5000, "){1000}"),
		repeat_text("", "(?:){1000}", 20000, ""),
		repeat_text("", "x*(?i)+", 30000, ""),
		repeat_text("", "[[:a", 30000, ""),
		repeat_text("[", "[:", 30000, ""),
		repeat_text("", "(?P<abc>x)", 20000, ""),
		repeat_text("", "(", 100000, ""),
		repeat_text("", "a{1000}", 1000, ""),
		repeat_text("(?:", "a", 10000, "){1000}"),
		repeat_text("", "(\\b|^|$|\\B)*", 500, "a"),
		repeat_text("(?:", "a?b?c?d?e?f?", 20, "){8,50}x"),
	};
	struct regex_error error;
	struct regex_dfa dfa;
	uint64_t steps;
	size_t i;
	int mode;

	(void)state;
	for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		for (mode = REGEX_SEARCH; mode <= REGEX_FULL; mode++) {
			steps = UINT64_MAX;
			regex_compile(patterns[i], strlen(patterns[i]), (enum regex_mode)mode,
				      &steps, &dfa, &error);
			/* the last piece of work may go beyond the limit, but not far */
			assert_in_range(UINT64_MAX - steps, 0,
					regex_budget_pattern.steps +
						regex_budget_pattern.steps / 2);
			regex_dfa_clear(&dfa);
		}
		free(patterns[i]);
	}
}

/* As deep as it may be, and one deeper. */
static void test_nesting(void **state)
{
	char *end = repeat_text("", ")*", REGEX_NESTING_MAX, "");
	char *deep = repeat_text("", "(a|b", REGEX_NESTING_MAX, end);
	struct regex_error error;

	(void)state;
	assert_int_equal(regex_compile(deep, strlen(deep), REGEX_FULL, NULL, NULL, &error), -E2BIG);
	assert_string_equal(error.message, "nested too deep");
	free(deep);
	free(end);
	end = repeat_text("", ")*", REGEX_NESTING_MAX / 3 - 1, "");
	deep = repeat_text("", "(a|b", REGEX_NESTING_MAX / 3 - 1, end);
	assert_int_equal(regex_compile(deep, strlen(deep), REGEX_FULL, NULL, NULL, &error), 0);
	free(deep);
	free(end);
}

static void test_refused_by_budget(void **state)
{
	static const struct {
		const char *pattern, *reason;
	} samples[] = {
		{ "(a|b)*a(a|b){20}", "states" },
		{ "(.{1,32}){1,31}", "steps" },
		{ "\\pL{1000}", "written out" },
	};
	struct regex_error error;
	struct regex_dfa dfa;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		const char *pattern = samples[i].pattern;

		assert_int_equal(regex_compile(pattern, strlen(pattern), REGEX_FULL, NULL, &dfa,
					       &error),
				 -E2BIG);
		assert_int_equal(error.code, -E2BIG);
		assert_int_equal(error.offset, strlen(pattern));
		assert_non_null(strstr(error.message, samples[i].reason));
		assert_null(dfa.next);
	}
}

static int compile_set(const char *const *patterns, size_t count, const struct regex_budget *budget,
		       struct regex_error *error)
{
	struct regex_set *set = regex_set_new(budget);
	struct regex_dfa dfa;
	size_t i;
	int ret;

	for (i = 0; i < count; i++)
		assert_int_equal(
			regex_set_add(set, patterns[i], strlen(patterns[i]), REGEX_FULL, error), i);
	ret = regex_set_compile(set, &dfa, error);
	regex_dfa_clear(&dfa);
	regex_set_free(set);
	return ret;
}

static void test_blame(void **state)
{
	static const char *const alone[] = { "abc", "(a|b)*a(a|b){12}", "d+" };
	static const char *const together[] = { "[ab]*a[ab]*", "[ab]*aba[ab]*", "[ab]*bbb" };
	struct regex_budget budget = { .dfa_states = 120 };
	struct regex_error error;

	(void)state;
	assert_int_equal(compile_set(alone, 3, &budget, &error), -E2BIG);
	assert_int_equal(error.pattern, 1);
	assert_string_equal(error.message, "too many states");
	budget.dfa_states = 8;
	assert_int_equal(compile_set(together, 3, &budget, &error), -E2BIG);
	assert_int_equal(error.pattern, 1);
	assert_non_null(strstr(error.message, "together with 2 other patterns"));
	budget = (struct regex_budget){ .steps = 1000 };
	assert_int_equal(compile_set(alone + 1, 1, &budget, &error), -E2BIG);
	budget = (struct regex_budget){ .memory = 4000 };
	assert_int_equal(compile_set(alone, 2, &budget, &error), -E2BIG);
	assert_int_equal(error.pattern, 1);
	assert_non_null(strstr(error.message, "memory"));
}

/* A series of patterns shares its steps; once they are used up, the rest is refused. */
static void test_shared_steps(void **state)
{
	struct regex_error error;
	uint64_t steps = 2000, before = steps;
	unsigned int accepted = 0;

	(void)state;
	while (!regex_compile("/a/b", 4, REGEX_PREFIX, &steps, NULL, &error)) {
		assert_true(steps < before);
		before = steps;
		accepted++;
	}
	assert_in_range(accepted, 2, 100);
	assert_int_equal(error.code, -E2BIG);
	assert_int_equal(regex_compile("", 0, REGEX_PREFIX, &steps, NULL, &error), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),  cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_sets),	   cmocka_unit_test(test_set_without_patterns),
		cmocka_unit_test(test_set_limits), cmocka_unit_test(test_hostile_patterns),
		cmocka_unit_test(test_nesting),	   cmocka_unit_test(test_refused_by_budget),
		cmocka_unit_test(test_blame),	   cmocka_unit_test(test_shared_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
