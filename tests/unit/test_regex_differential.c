// SPDX-License-Identifier: Apache-2.0
/*
 * The regex compiler against RE2 and PCRE2: generated patterns and subjects. The seeds are fixed,
 * so that a failure comes again; WEFT_REGEX_PAIRS asks for more (pattern, subject) pairs per test.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "unit/random_regex.h"
#include "unit/regex_re2.h"

enum { PAIRS_DEFAULT = 40000, SUBJECTS_PER_PATTERN = 10 };

static unsigned long pairs_wanted(void)
{
	const char *text = getenv("WEFT_REGEX_PAIRS");

	return text && *text ? strtoul(text, NULL, 10) : PAIRS_DEFAULT;
}

static void print_text(const char *name, const char *bytes, size_t length)
{
	size_t i;

	print_error("%s \"", name);
	for (i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		print_error(byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
	}
	print_error("\"\n");
}

static bool run(const struct regex_dfa *dfa, const struct random_text *subject)
{
	struct regex_accept accept;

	regex_dfa_run(dfa, subject->bytes, subject->length, &accept);
	return regex_accept_has(&accept, 0);
}

static void next_subject(struct dice *dice, const struct regex_dfa *dfa, enum random_syntax syntax,
			 bool walk, struct random_text *subject)
{
	if (walk && dice_roll(dice, 2))
		random_walk(dice, dfa, subject);
	else
		random_subject(dice, syntax, subject);
}

/* Compiles in a mode; NULL error: within the budget and accepted. */
static bool compile(const struct random_text *pattern, enum regex_mode mode, struct regex_dfa *dfa)
{
	struct regex_error error;

	return !regex_compile(pattern->bytes, pattern->length, mode, NULL, dfa, &error);
}

/* Returns how many subjects were compared. */
static unsigned long compare_subjects(struct dice *dice, const struct random_text *pattern,
				      const struct re2_oracle *oracle, unsigned long *matches)
{
	enum regex_mode mode = (enum regex_mode)dice_roll(dice, 3);
	/* RE2 may know a later Unicode: no characters that only that has */
	bool walk = !memmem(pattern->bytes, pattern->length, "\\p", 2) &&
		    !memmem(pattern->bytes, pattern->length, "\\P", 2);
	struct random_text subject;
	struct regex_dfa dfa;
	bool ours, theirs;
	int i;

	if (!compile(pattern, mode, &dfa))
		return 0;
	for (i = 0; i < SUBJECTS_PER_PATTERN; i++) {
		next_subject(dice, &dfa, SYNTAX_RE2, walk, &subject);
		ours = run(&dfa, &subject);
		theirs = re2_oracle_matches(oracle, subject.bytes, subject.length,
					    (enum re2_anchor)mode);
		*matches += ours;
		if (ours == theirs)
			continue;
		print_text("pattern", pattern->bytes, pattern->length);
		print_text("subject", subject.bytes, subject.length);
		fail_msg("mode %d: we say %d, RE2 %d", (int)mode, ours, theirs);
	}
	regex_dfa_clear(&dfa);
	return SUBJECTS_PER_PATTERN;
}

/* What we add to RE2 20220601, or leave out. */
static bool is_known_difference(const struct random_text *pattern)
{
	return memmem(pattern->bytes, pattern->length, "(?<", 3) ||
	       memmem(pattern->bytes, pattern->length, "\\C", 2);
}

/* RE2 and we accept the same patterns. Returns whether both accept. */
static bool compare_verdicts(const struct random_text *pattern, const struct re2_oracle *oracle,
			     unsigned long *refused)
{
	struct regex_error error = { 0 };
	struct regex_dfa dfa;
	int ret = regex_compile(pattern->bytes, pattern->length, REGEX_PREFIX, NULL, &dfa, &error);
	enum re2_verdict verdict = re2_oracle_verdict(oracle);

	regex_dfa_clear(&dfa);
	*refused += ret == -EINVAL;
	if (ret == -E2BIG || verdict == RE2_TOO_LARGE || is_known_difference(pattern))
		return false;
	if (!ret != (verdict == RE2_ACCEPTED)) {
		print_text("pattern", pattern->bytes, pattern->length);
		fail_msg("we say %d %s at %zu, RE2 %d %s", ret, error.message, error.offset,
			 (int)verdict, re2_oracle_error(oracle));
	}
	if (ret)
		assert_in_range(error.offset, 0, pattern->length);
	return !ret;
}

static void test_re2(void **state)
{
	unsigned long wanted = pairs_wanted(), pairs = 0, patterns = 0, refused = 0, matches = 0;
	struct dice dice = { .state = 1 };
	struct random_text pattern;
	struct re2_oracle *oracle;

	(void)state;
	for (; pairs < wanted; patterns++) {
		random_pattern(&dice, SYNTAX_RE2, &pattern);
		if (!dice_roll(&dice, 4))
			random_damage(&dice, &pattern);
		oracle = re2_oracle_new(pattern.bytes, pattern.length);
		if (compare_verdicts(&pattern, oracle, &refused))
			pairs += compare_subjects(&dice, &pattern, oracle, &matches);
		re2_oracle_free(oracle);
	}
	print_message("%lu pairs compared, %lu matches; %lu patterns, %lu refused\n", pairs,
		      matches, patterns, refused);
	/* neither side of any question is rare */
	assert_in_range(matches, pairs / 8, pairs * 7 / 8);
	assert_in_range(refused, patterns / 20, patterns / 2);
}

static pcre2_code *pcre2_from(const struct random_text *pattern, enum regex_mode mode)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
			   PCRE2_NO_AUTO_CAPTURE;
	PCRE2_SIZE offset;
	int code;

	if (mode == REGEX_PREFIX)
		options |= PCRE2_ANCHORED;
	if (mode == REGEX_FULL)
		options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
	return pcre2_compile((PCRE2_SPTR)pattern->bytes, pattern->length, options, &code, &offset,
			     NULL);
}

/* 1 or 0; -1 when PCRE2 gives up. */
static int pcre2_matches(const pcre2_code *code, const struct random_text *subject)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int ret = pcre2_match(code, (PCRE2_SPTR)subject->bytes, subject->length, 0, 0, data, NULL);

	pcre2_match_data_free(data);
	if (ret == PCRE2_ERROR_NOMATCH)
		return 0;
	return ret >= 0 ? 1 : -1;
}

static void test_pcre2(void **state)
{
	unsigned long pairs = pairs_wanted(), i, matches = 0, compared = 0;
	struct dice dice = { .state = 2 };
	struct random_text pattern, subject;
	enum regex_mode mode;
	struct regex_dfa dfa;
	pcre2_code *code;
	int theirs;

	(void)state;
	for (i = 0; i < pairs; i++) {
		if (i % SUBJECTS_PER_PATTERN == 0) {
			if (i) {
				regex_dfa_clear(&dfa);
				pcre2_code_free(code);
			}
			mode = (enum regex_mode)dice_roll(&dice, 3);
			/* PCRE2 repeats no assertions: those it refuses are passed over */
			do {
				random_pattern(&dice, SYNTAX_COMMON, &pattern);
				code = pcre2_from(&pattern, mode);
			} while (!code);
			if (!compile(&pattern, mode, &dfa))
				fail_msg("refused: %.*s", (int)pattern.length, pattern.bytes);
		}
		next_subject(&dice, &dfa, SYNTAX_COMMON, false, &subject);
		theirs = pcre2_matches(code, &subject);
		compared += theirs >= 0;
		matches += theirs == 1;
		if (theirs >= 0 && run(&dfa, &subject) != theirs) {
			print_text("pattern", pattern.bytes, pattern.length);
			print_text("subject", subject.bytes, subject.length);
			fail_msg("mode %d: PCRE2 says %d", (int)mode, theirs);
		}
	}
	regex_dfa_clear(&dfa);
	pcre2_code_free(code);
	print_message("%lu pairs compared, %lu matches\n", compared, matches);
	assert_in_range(compared, pairs * 9 / 10, pairs);
	assert_in_range(matches, pairs / 8, pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_re2),
		cmocka_unit_test(test_pcre2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
