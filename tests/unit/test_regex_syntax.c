// SPDX-License-Identifier: Apache-2.0
/* The syntax page of RE2, line by line: what matches, and what is refused where and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/regex.h"

/* Texts with a NUL in them are not needed here; the end of a list is NULL. */
struct sample {
	const char *pattern;
	const char *matching[6];
	const char *others[6];
};

static bool matches(const char *pattern, enum regex_mode mode, const char *subject)
{
	struct regex_accept accept;
	struct regex_error error;
	struct regex_dfa dfa;

	if (regex_compile(pattern, strlen(pattern), mode, NULL, &dfa, &error))
		fail_msg("%s: %s at %zu", pattern, error.message, error.offset);
	regex_dfa_run(&dfa, subject, strlen(subject), &accept);
	regex_dfa_clear(&dfa);
	return regex_accept_has(&accept, 0);
}

static void check_samples(const struct sample *samples, size_t count, enum regex_mode mode)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		const struct sample *sample = &samples[i];

		for (j = 0; j < 6 && sample->matching[j]; j++)
			if (!matches(sample->pattern, mode, sample->matching[j]))
				fail_msg("%s does not match %s", sample->pattern,
					 sample->matching[j]);
		for (j = 0; j < 6 && sample->others[j]; j++)
			if (matches(sample->pattern, mode, sample->others[j]))
				fail_msg("%s matches %s", sample->pattern, sample->others[j]);
	}
}

#define CHECK_SAMPLES(samples, mode) \
	check_samples(samples, sizeof(samples) / sizeof(*(samples)), mode)

static void test_single_characters(void **state)
{
	static const struct sample samples[] = {
		{ ".", { "a", "\xc3\xa9", "\xf0\x9f\x98\x80" }, { "", "\n", "ab", "\xc3", "\xff" } },
		{ "(?s).", { "\n", "\xe2\x82\xac" }, { "", "\n\n" } },
		{ "[xyz]", { "x", "z" }, { "w", "xy" } },
		{ "[^xyz]", { "w", "\n", "\xc3\xa9" }, { "x", "" } },
		{ "\\d", { "0", "9" }, { "a", "\xd9\xa0" } },
		{ "\\D", { "a", "\xd9\xa0" }, { "5" } },
		{ "[[:alpha:]]", { "a", "Z" }, { "1", "\xc3\xa9", ":" } },
		{ "[[:^alpha:]]", { "1", "\xc3\xa9" }, { "a" } },
		{ "\\pN", { "7", "\xc2\xbd", "\xe2\x85\xa3" }, { "a" } },
		{ "\\p{Greek}", { "\xce\xb1" }, { "a" } },
		{ "\\PN", { "a" }, { "7" } },
		{ "\\P{Greek}", { "a" }, { "\xce\xb1" } },
		{ "\\p{^Greek}", { "a" }, { "\xce\xb1" } },
		{ "\\P{^Greek}", { "\xce\xb1" }, { "a" } },
		{ "\\p{Any}", { "\n", "\xf4\x8f\xbf\xbf" }, { "" } },
		{ "\xc3\xa9", { "\xc3\xa9" }, { "\xc3", "\xa9", "e" } },
		{ "[\xce\xb1-\xcf\x89]", { "\xce\xb1", "\xce\xbb" }, { "\xce\x91", "a" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_FULL);
}

static void test_composites_and_repetitions(void **state)
{
	static const struct sample samples[] = {
		{ "xy", { "xy" }, { "x", "yx" } },
		{ "x|y", { "x", "y" }, { "xy", "" } },
		{ "x*", { "", "x", "xxx" }, { "y" } },
		{ "x+", { "x", "xxx" }, { "" } },
		{ "x?", { "", "x" }, { "xx" } },
		{ "x{2,3}", { "xx", "xxx" }, { "x", "xxxx" } },
		{ "x{2,}", { "xx", "xxxxx" }, { "x" } },
		{ "x{2}", { "xx" }, { "x", "xxx" } },
		{ "x{0}", { "" }, { "x" } },
		{ "x{0,0}y", { "y" }, { "xy" } },
		{ "x*?", { "", "xx" }, { "y" } },
		{ "x+?y", { "xy" }, { "y" } },
		{ "x??", { "", "x" }, { "xx" } },
		{ "x{1,2}?", { "x", "xx" }, { "xxx" } },
		{ "(?U)x*", { "", "xx" }, { "y" } },
		{ "x{", { "x{" }, { "x" } },
		{ "x{a}", { "x{a}" }, { "x" } },
		{ "x{,3}", { "x{,3}" }, { "xx" } },
		{ "x{1,2", { "x{1,2" }, { "x" } },
		{ "x{01}", { "x{01}" }, { "x" } },
		{ "{", { "{" }, { "" } },
		{ "x{1000}", { NULL }, { "x" } },
		{ "", { "" }, { "x" } },
		{ "|", { "" }, { "x", "|" } },
		{ "x||y", { "", "x", "y" }, { "xy" } },
		{ "(|x)+", { "", "xx" }, { "y" } },
		{ "()*", { "" }, { "x" } },
		{ "(x*)*", { "", "xx" }, { "y" } },
		{ "(?:x*)*(?:x*)+", { "", "xx" }, { "y" } },
		{ "x*(?i)*", { "", "xx" }, { "X" } },
		{ "(?:(?:a|b)*c)?d", { "d", "abcd", "cd" }, { "abd" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_FULL);
}

static void test_groups_and_flags(void **state)
{
	static const struct sample samples[] = {
		{ "(ab)c", { "abc" }, { "ab" } },
		{ "(?P<name>ab)c", { "abc" }, { "c" } },
		{ "(?<name>ab)c", { "abc" }, { "c" } },
		{ "(?P<n>a)(?P<n>b)", { "ab" }, { "a" } },
		{ "(?P<\xc3\xa9t\xc3\xa9>a)", { "a" }, { "b" } },
		{ "(?:ab)c", { "abc" }, { "ab" } },
		{ "(?i)ab", { "ab", "AB", "aB" }, { "a" } },
		{ "(?i:a)b", { "Ab", "ab" }, { "aB" } },
		{ "((?i)a)b", { "Ab" }, { "aB" } },
		{ "a(?i)b|c", { "aB", "C" }, { "Ab" } },
		{ "(?i)a(?-i)b", { "Ab" }, { "AB" } },
		{ "(?i-s:A.)", { "ab" }, { "a\n" } },
		{ "(?)a", { "a" }, { "" } },
		{ "(?i)[^a]", { "b" }, { "a", "A" } },
		{ "(?i)[a-c]", { "B", "b" }, { "d" } },
		{ "(?i)\xc3\xa9", { "\xc3\x89", "\xc3\xa9" }, { "e" } },
		{ "(?i)\xce\xa3", { "\xcf\x83", "\xcf\x82", "\xce\xa3" }, { "s" } },
		{ "(?i)\xd0\x96", { "\xd0\xb6" }, { "\xd0\xb7" } },
		{ "(?i)k", { "K", "\xe2\x84\xaa" }, { "c" } },
		{ "(?i)\xc3\x9f", { "\xc3\x9f", "\xe1\xba\x9e" }, { "ss" } },
		{ "(?i)\\p{Lu}", { "a", "A" }, { "1" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_FULL);
}

static void test_empty_strings(void **state)
{
	static const struct sample samples[] = {
		{ "^a", { "a", "ab" }, { "ba", "b\na" } },
		{ "(?m)^a", { "a", "b\na" }, { "ba" } },
		{ "a$", { "a", "ba" }, { "ab", "a\n" } },
		{ "(?m)a$", { "a", "a\nb", "a\n" }, { "ab" } },
		{ "(?m)^$", { "", "a\n\nb", "\n" }, { "a" } },
		{ "(?m)a$\\n^b", { "a\nb" }, { "ab" } },
		{ "\\Aa", { "ab" }, { "ba", "b\na" } },
		{ "(?m)\\Aa", { "ab" }, { "b\na" } },
		{ "a\\z", { "ba" }, { "ab", "a\n" } },
		{ "\\bab\\b", { "ab", "-ab-", "x ab" }, { "xab", "abx", "ab_", "1ab" } },
		{ "a\\Bb", { "ab" }, { "a b" } },
		{ "\\Bb", { "ab" }, { "b", "-b" } },
		{ "\\b\xc3\xa9", { "a\xc3\xa9" }, { "\xc3\xa9", "-\xc3\xa9" } },
		{ "^", { "", "a" }, { NULL } },
		{ "$^", { "" }, { "a" } },
		{ "^*a", { "a", "ba" }, { "b" } },
		{ "(?:^)+a", { "ab" }, { "ba" } },
		{ "a\\b*b", { "ab" }, { "a" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_SEARCH);
}

static void test_escapes(void **state)
{
	static const struct sample samples[] = {
		{ "\\a\\f\\t\\n\\r\\v", { "\a\f\t\n\r\v" }, { "a" } },
		{ "\\141\\0141", { "a\f1" }, { "aa" } },
		{ "\\x61\\x7A", { "az" }, { "a" } },
		{ "\\x{61}\\x{00000062}", { "ab" }, { "a" } },
		{ "\\x{20ac}", { "\xe2\x82\xac" }, { "\xac" } },
		{ "\\x{10FFFF}", { "\xf4\x8f\xbf\xbf" }, { "" } },
		{ "\\.\\*\\(\\)\\[\\]\\\\\\/\\-\\_\\@\\ ", { ".*()[]\\/-_@ " }, { "" } },
		{ "\\Qa.b*\\E+", { "a.b*", "a.b**" }, { "axb", "a.b" } },
		{ "\\Q\\\\E", { "\\" }, { "" } },
		{ "\\Qab", { "ab" }, { "a" } },
		{ "a\\Q\\E*", { "", "aa" }, { "b" } },
		{ "(?i)\\Qa.B\\E", { "A.b" }, { "axb" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_FULL);
}

static void test_classes(void **state)
{
	static const struct sample samples[] = {
		{ "[\\d]", { "1" }, { "d", "\\" } },
		{ "[^\\d]", { "a" }, { "1" } },
		{ "[\\D]", { "a" }, { "1" } },
		{ "[[:digit:]x]", { "1", "x" }, { "d" } },
		{ "[^[:^digit:]]", { "1" }, { "a" } },
		{ "[\\p{Lu}1]", { "A", "\xc3\x89", "1" }, { "a" } },
		{ "[a-z]", { "a", "z" }, { "-", "A" } },
		{ "[]a]", { "]", "a" }, { "b" } },
		{ "[^]a]", { "b" }, { "]", "a" } },
		{ "[a-]", { "a", "-" }, { "b" } },
		{ "[-a]", { "a", "-" }, { "b" } },
		{ "[a-c-e]", { "b", "-", "e" }, { "d" } },
		{ "[--/]", { "-", ".", "/" }, { "," } },
		{ "[a^]", { "a", "^" }, { "b" } },
		{ "[[]", { "[" }, { "]" } },
		{ "[[:]", { "[", ":" }, { "]" } },
		{ "[[:a]", { "[", ":", "a" }, { "b" } },
		{ "[\\]\\-\\\\]", { "]", "-", "\\" }, { "a" } },
		{ "[\\x41-\\103]", { "A", "C" }, { "D" } },
		{ "[.*]", { ".", "*" }, { "a" } },
		{ "[\\s]", { " ", "\t", "\n", "\f", "\r" }, { "\v", "\xc2\xa0" } },
		{ "[[:space:]]", { " ", "\v", "\t" }, { "a", "\xc2\xa0" } },
		{ "\\w", { "a", "Z", "0", "_" }, { "-", "\xc3\xa9" } },
		{ "\\W", { "-", "\xc3\xa9" }, { "a", "_" } },
		{ "[[:alnum:]]", { "a", "0" }, { "_" } },
		{ "[[:blank:]]", { " ", "\t" }, { "\n" } },
		{ "[[:cntrl:]]", { "\x01", "\x7f" }, { " " } },
		{ "[[:graph:]]", { "!", "~" }, { " " } },
		{ "[[:print:]]", { " ", "~" }, { "\x7f" } },
		{ "[[:punct:]]", { "!", "@", "`", "~" }, { "a", " " } },
		{ "[[:lower:]]", { "a" }, { "A" } },
		{ "[[:upper:]]", { "A" }, { "a" } },
		{ "[[:word:]]", { "_" }, { "-" } },
		{ "[[:xdigit:]]", { "f", "F", "9" }, { "g" } },
		{ "[[:ascii:]]", { "\x01", "~" }, { "\xc3\xa9" } },
		{ "[^\\x00-\\x{10FFFF}]", { NULL }, { "", "a" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_FULL);
}

/* Subjects that are no UTF-8 match bytewise, and as in RE2. */
static void test_bytes(void **state)
{
	static const struct sample samples[] = {
		{ "a",
		  { "\xff"
		    "a",
		    "\xc3"
		    "a" },
		  { "\xc3\xa1" } },
		{ "\\x{e9}", { "\xff\xc3\xa9" }, { "\xe9" } },
		{ "^[^a]$", { "\xe0\x80\x80", "\xf4\xbf\xbf\xbf" }, { "\xff", "\x80", "\xc0\x80" } },
		{ "^[^\\x{100}]$", { "\xc4\x81" }, { "\xe0\x80\x80", "\xc4\x80" } },
		{ "\\x{d800}", { "\xed\xa0\x80" }, { "\xed\xa0\x81" } },
	};

	(void)state;
	CHECK_SAMPLES(samples, REGEX_SEARCH);
}

static void test_modes(void **state)
{
	(void)state;
	assert_true(matches("/api", REGEX_PREFIX, "/api/v1"));
	assert_false(matches("/api", REGEX_PREFIX, "/xapi"));
	assert_false(matches("/api", REGEX_PREFIX, "x/api"));
	assert_true(matches("/api", REGEX_FULL, "/api"));
	assert_false(matches("/api", REGEX_FULL, "/api/v1"));
	assert_true(matches("/api", REGEX_SEARCH, "x/api/v1"));
	assert_true(matches("a|b", REGEX_FULL, "b"));
	assert_false(matches("a|b", REGEX_FULL, "ax"));
	assert_true(matches("", REGEX_PREFIX, "x"));
	assert_true(matches("/api$", REGEX_PREFIX, "/api"));
	assert_false(matches("/api$", REGEX_PREFIX, "/api/"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *pattern;
		size_t offset;
		const char *reason; /* part of the message */
	} samples[] = {
		{ "a\\1", 1, "backreference" },
		{ "(?P<n>a)(?P=n)", 8, "backreference" },
		{ "\\g1", 0, "backreference" },
		{ "\\k<n>", 0, "backreference" },
		{ "\\8", 0, "backreference" },
		{ "a(?=b)", 1, "lookahead" },
		{ "(?!b)", 0, "lookahead" },
		{ "(?<=b)", 0, "lookbehind" },
		{ "(?<!b)", 0, "lookbehind" },
		{ "(?>a)", 0, "atomic" },
		{ "(?#a)", 0, "comment" },
		{ "(?(1)a)", 0, "condition" },
		{ "(?|a)", 0, "branch reset" },
		{ "(?P>n)", 0, "recursion" },
		{ "a*+", 2, "possessive" },
		{ "a++", 2, "possessive" },
		{ "a?+", 2, "possessive" },
		{ "a{2}+", 4, "possessive" },
		{ "a**", 2, "two repetitions" },
		{ "a{2}{3}", 4, "two repetitions" },
		{ "a*?*", 3, "two repetitions" },
		{ "*", 0, "nothing to repeat" },
		{ "a|*", 2, "nothing to repeat" },
		{ "(+a)", 1, "nothing to repeat" },
		{ "{2}", 0, "nothing to repeat" },
		{ "(?i)?", 4, "nothing to repeat" },
		{ "a{1001}", 1, "1000 repetitions" },
		{ "a{0,1001}", 1, "1000 repetitions" },
		{ "a{3,2}", 1, "wrong way round" },
		{ "(a{100}){11}", 8, "1000 repetitions" },
		{ "((a{1000}){1000}){1000}", 10, "1000 repetitions" },
		{ "[b-a]", 1, "wrong way round" },
		{ "[a-\\d]", 3, "escape" },
		{ "[[:nope:]]", 1, "POSIX" },
		{ "[a", 0, "[ without" },
		{ "x[^", 1, "[ without" },
		{ "[]", 0, "[ without" },
		{ "(a", 0, "( without" },
		{ "a(b(c)", 1, "( without" },
		{ "a)", 1, ") without" },
		{ "(?", 0, "without its end" },
		{ "(?i", 0, "without its end" },
		{ "(?i-", 0, "without its end" },
		{ "(?i-)", 4, "flags" },
		{ "(?--i)", 3, "flags" },
		{ "(?x)", 2, "flags" },
		{ "(?P<n", 4, "name" },
		{ "(?P<>a)", 4, "name" },
		{ "(?P<a b>c)", 4, "name" },
		{ "(?P'n'a)", 2, "flags" },
		{ "a\\", 1, "backslash at the end" },
		{ "\\C", 0, "parts of a character" },
		{ "\\Z", 0, "\\z" },
		{ "\\E", 0, "escape" },
		{ "\\y", 0, "escape" },
		{ "\\cA", 0, "escape" },
		{ "\\G", 0, "escape" },
		{ "\\K", 0, "escape" },
		{ "\\R", 0, "escape" },
		{ "\\X", 0, "escape" },
		{ "\\h", 0, "escape" },
		{ "\\u0041", 0, "escape" },
		{ "\\N{x}", 0, "escape" },
		{ "[\\b]", 1, "escape" },
		{ "\\\xc3\xa9", 0, "beyond ASCII" },
		{ "\\x", 0, "hexadecimal" },
		{ "\\x4", 0, "hexadecimal" },
		{ "\\x{}", 0, "hexadecimal" },
		{ "\\x{41", 0, "hexadecimal" },
		{ "\\x{110000}", 0, "10FFFF" },
		{ "\\p{Nope}", 0, "no such class" },
		{ "\\pX", 0, "no such class" },
		{ "\\p", 0, "takes a letter" },
		{ "\\p{Greek", 0, "without a }" },
		{ "a\xff", 1, "UTF-8" },
		{ "a\xc3", 1, "UTF-8" },
		{ "\xc0\x80", 0, "UTF-8" },
		{ "[\xff]", 1, "UTF-8" },
	};
	struct regex_error error;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		ret = regex_compile(samples[i].pattern, strlen(samples[i].pattern), REGEX_PREFIX,
				    NULL, NULL, &error);
		if (ret != -EINVAL || error.code != ret || error.offset != samples[i].offset ||
		    !strstr(error.message, samples[i].reason))
			fail_msg("%s: %d \"%s\" at %zu", samples[i].pattern, ret, error.message,
				 error.offset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_characters),
		cmocka_unit_test(test_composites_and_repetitions),
		cmocka_unit_test(test_groups_and_flags),
		cmocka_unit_test(test_empty_strings),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
