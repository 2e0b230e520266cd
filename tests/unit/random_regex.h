/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns and subjects made of dice. */
#ifndef WEFT_TESTS_UNIT_RANDOM_REGEX_H
#define WEFT_TESTS_UNIT_RANDOM_REGEX_H

#include <string.h>
#include "policy/regex.h"
#include "unit/dice.h"

enum { RANDOM_REGEX_LEN = 256 };

/* A text that is cut off where it is full. */
struct random_text {
	char bytes[RANDOM_REGEX_LEN];
	size_t length;
};

static inline void random_put(struct random_text *text, const char *bytes, size_t length)
{
	if (text->length + length > sizeof(text->bytes))
		return;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

static inline void random_puts(struct random_text *text, const char *string)
{
	random_put(text, string, strlen(string));
}

/* How much of the syntax is used. */
enum random_syntax {
	SYNTAX_COMMON, /* what means the same in RE2 and PCRE2 */
	SYNTAX_RE2,
};

/* Few, so that patterns and subjects meet; case pairs and circles, UTF-8 of each length. */
static const char *const random_letters[] = {
	"a",
	"b",
	"a",
	"b",
	"A",
	"0",
	"_",
	"-",
	"/",
	" ",
	"\n",
	"k",
	"s",
	"\xc3\xa9",
	"\xc3\x89",
	"\xce\xa3",
	"\xcf\x82",
	"\xe2\x82\xac",
	"\xf0\x90\x90\x80",
};

/* Signs that fold to ASCII letters, also in classes like \w, which PCRE2 sees otherwise. */
static const char *const random_signs[] = { "\xe2\x84\xaa", "\xc5\xbf" };

static inline const char *random_letter(struct dice *dice, enum random_syntax syntax)
{
	if (syntax == SYNTAX_RE2 && !dice_roll(dice, 12))
		return DICE_PICK(dice, random_signs);
	return DICE_PICK(dice, random_letters);
}

static const char *const random_common_atoms[] = {
	".",
	"\\d",
	"\\D",
	"\\w",
	"[ab]",
	"[^a]",
	"[a-b0-9]",
	"[^/]",
	"[[:alpha:]]",
	"[^[:digit:]_]",
	"\\x61",
	"\\x{e9}",
	"\\n",
	"\\.",
	"\\/",
	"^",
	"$",
	"\\b",
	"\\A",
	"\\z",
	"[\\x{e0}-\\x{ff}]",
	"()",
	"(?:)",
	"\\Qa.b\\E",
	"[\\d/]",
};

static const char *const random_re2_atoms[] = {
	"\\B",
	"\\s",
	"\\S",
	"\\W",
	"\\pL",
	"\\PL",
	"\\p{Lu}",
	"\\p{Greek}",
	"\\p{^Ll}",
	"[\\pN\\W]",
	"[^\\PL]",
	"[[:^space:]]",
	"[[:word:]]",
	"[[:punct:]]",
	"\\101",
	"\\07",
	"[^\\x00-\\x{10FFFF}]",
	"[]a]",
	"[^]a]",
	"[a-]",
	"[\\x{80}-\\x{10ffff}]",
	"[^\\x{81}]",
	"\\p{Any}",
	"[[:ascii:]]",
	"[k-s]",
	"[^k-s]",
	"\\_",
	"\\x{d800}",
	"[\\x{7ff}-\\x{800}\\x{ffff}-\\x{10000}]",
	"[^a-zA-Z]",
};

static const char *const random_repeats[] = {
	"*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{0}", "{2,3}?", "{0,}", "{3,}",
};

static const char *const random_groups[] = {
	"(",	"(",	 "(?:",	  "(?i)",   "(?i:",   "(?s:",
	"(?m:", "(?-i:", "(?ms)", "(?P<n>", "(?m-s:", "(?U:",
};

static inline void random_pattern_part(struct dice *dice, enum random_syntax syntax, int depth,
				       struct random_text *text);

static inline void random_atom(struct dice *dice, enum random_syntax syntax, int depth,
			       struct random_text *text)
{
	const char *group;

	switch (dice_roll(dice, depth > 0 ? 8 : 6)) {
	case 0:
	case 1:
	case 2:
		random_puts(text, random_letter(dice, syntax));
		return;
	case 3:
	case 4:
		random_puts(text, DICE_PICK(dice, random_common_atoms));
		return;
	case 5:
		random_puts(text, syntax == SYNTAX_RE2 ? DICE_PICK(dice, random_re2_atoms) :
							 DICE_PICK(dice, random_common_atoms));
		return;
	default:
		group = DICE_PICK(dice, random_groups);
		/* PCRE2 has other rules for names and U */
		if (syntax == SYNTAX_COMMON && (strchr(group, 'P') || strchr(group, 'U')))
			group = "(";
		random_puts(text, group);
		if (group[strlen(group) - 1] == ')')
			return;
		random_pattern_part(dice, syntax, depth - 1, text);
		random_puts(text, ")");
	}
}

static inline void random_pattern_part(struct dice *dice, enum random_syntax syntax, int depth,
				       struct random_text *text)
{
	uint32_t branches = 1 + (dice_roll(dice, 4) ? 0 : dice_roll(dice, 3)), items;

	while (branches--) {
		for (items = dice_roll(dice, 5); items; items--) {
			random_atom(dice, syntax, depth, text);
			if (!dice_roll(dice, 3))
				random_puts(text, DICE_PICK(dice, random_repeats));
		}
		if (branches)
			random_puts(text, "|");
	}
}

static inline void random_pattern(struct dice *dice, enum random_syntax syntax,
				  struct random_text *text)
{
	text->length = 0;
	random_pattern_part(dice, syntax, 3, text);
}

/* Damages a pattern, so that most are refused, each for its own reason. */
static inline void random_damage(struct dice *dice, struct random_text *text)
{
	static const char marks[] = "()[]{}|*+?\\^$.-:,!=<>PQEpdbxzZ1iU0a\xc3\xff\x80";
	uint32_t count = 1 + dice_roll(dice, 4);
	size_t at;

	while (count-- && text->length) {
		at = dice_roll(dice, (uint32_t)text->length);
		switch (dice_roll(dice, 3)) {
		case 0:
			text->bytes[at] = DICE_PICK(dice, marks);
			break;
		case 1:
			memmove(text->bytes + at, text->bytes + at + 1, --text->length - at);
			break;
		default:
			if (text->length == sizeof(text->bytes))
				break;
			memmove(text->bytes + at + 1, text->bytes + at, text->length++ - at);
			text->bytes[at] = DICE_PICK(dice, marks);
			break;
		}
	}
}

/* Letters that patterns are made of; for RE2 also what is no UTF-8. */
static inline void random_subject(struct dice *dice, enum random_syntax syntax,
				  struct random_text *text)
{
	static const char *const pieces[] = {
		"\xff",
		"\x80",
		"\xe0\x80\x80",
		"\xc3",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf0\x80\x80\x80",
	};
	uint32_t count = dice_roll(dice, 12);

	text->length = 0;
	while (count--) {
		if (syntax == SYNTAX_RE2 && !dice_roll(dice, 6))
			random_puts(text, DICE_PICK(dice, pieces));
		else
			random_puts(text, random_letter(dice, syntax));
	}
}

/* A walk through the DFA that avoids the dead state, so that subjects match or nearly do. */
static inline void random_walk(struct dice *dice, const struct regex_dfa *dfa,
			       struct random_text *text)
{
	uint32_t state = dfa->start, count = dice_roll(dice, 16), tries, next;
	uint8_t byte;

	text->length = 0;
	while (count--) {
		for (tries = 0; tries < 40; tries++) {
			byte = (uint8_t)dice_roll(dice, 256);
			next = dfa->next[state * dfa->class_count + dfa->classes[byte]];
			if (next && (next != state || tries > 20))
				break;
		}
		random_put(text, (const char *)&byte, 1);
		state = dfa->next[state * dfa->class_count + dfa->classes[byte]];
	}
}

#endif /* WEFT_TESTS_UNIT_RANDOM_REGEX_H */
