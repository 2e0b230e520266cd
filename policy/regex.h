/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of RE2 syntax (https://github.com/google/re2/wiki/Syntax), many of them
 * compiled into one minimal DFA over bytes. Pure; every cost is bounded by a budget.
 *
 * What RE2 accepts is accepted and means the same: UTF-8 patterns and subjects, one code point
 * for a dot, ASCII \d \w \s \b, Unicode 14 for \p{...} and case folding, bytes that are no UTF-8
 * match as in RE2. What RE2 refuses is refused. Two differences: (?<name>...) is accepted as
 * newer versions of RE2 do, and \C (any byte) is refused. Where a match lies plays no role here,
 * so that greedy and lazy repetition come to the same.
 */
#ifndef WEFT_POLICY_REGEX_H
#define WEFT_POLICY_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum regex_limit {
	REGEX_PATTERNS_MAX = 256, /* in one set */
	REGEX_REPEAT_MAX = 1000,  /* of x{n}, nested ones multiplied, as in RE2 */
	REGEX_NESTING_MAX = 1000,
	REGEX_STATES_MAX = 65535, /* of a DFA: state numbers have 16 bits */
};

/*
 * What compiling may cost at most. A step is a bounded piece of work of a few nanoseconds, so
 * that the same pattern is accepted or refused on every machine. 0 = the default of a set.
 */
struct regex_budget {
	uint64_t steps;
	size_t memory;	     /* bytes, approximate */
	uint32_t nfa_states; /* all patterns together */
	uint32_t dfa_states; /* before minimising; at most REGEX_STATES_MAX */
};

/* For one pattern that somebody wrote: refused after some 30 ms at worst. */
extern const struct regex_budget regex_budget_pattern;
/* For the patterns of a destination together: some 400 ms at worst, blame included. */
extern const struct regex_budget regex_budget_set;

/* Where a match must lie in the subject. */
enum regex_mode {
	REGEX_SEARCH, /* anywhere */
	REGEX_PREFIX, /* begins at its start */
	REGEX_FULL,   /* is all of it */
};

enum { REGEX_MESSAGE_LEN = 160 };

struct regex_error {
	int code;	      /* -EINVAL: no RE2 syntax; -E2BIG: over the budget; 0: none */
	unsigned int pattern; /* index in the set of the one to blame */
	size_t offset;	      /* bytes from the pattern's start; its length at -E2BIG */
	char message[REGEX_MESSAGE_LEN]; /* one phrase, without the position */
};

/* The patterns that accept: bit n % 64 of word n / 64 is pattern n. */
struct regex_accept {
	uint64_t bits[REGEX_PATTERNS_MAX / 64];
};

/*
 * A minimal DFA, numbered canonically: sets that accept the same subjects have identical tables,
 * however the patterns are written. State 0 is dead: nothing accepts any more. States below
 * `sink_count` (0 among them) lead only to themselves: what they accept is certain, whatever
 * follows. The rows of `next` have class_count entries and no padding.
 */
struct regex_dfa {
	uint8_t classes[256]; /* byte -> class; classes are numbered by their lowest byte */
	uint32_t class_count; /* 1..256 */
	uint32_t state_count; /* 1..REGEX_STATES_MAX */
	uint32_t sink_count;
	uint32_t start;
	uint16_t *next;		   /* owned; [state * class_count + class] -> state */
	uint16_t *accept;	   /* owned; [state] -> index in sets, if the subject ends here */
	struct regex_accept *sets; /* owned; without duplicates, sets[0] is empty */
	uint32_t set_count;
};

struct regex_set;

/* Owned by the caller. NULL: regex_budget_set. */
struct regex_set *regex_set_new(const struct regex_budget *budget);
/* Accepts NULL. */
void regex_set_free(struct regex_set *set);

/*
 * Adds a pattern, which may contain any bytes. Returns its index, counted from 0, or the code in
 * `error`; the set is then as before, but for the budget that was used up.
 */
int regex_set_add(struct regex_set *set, const char *pattern, size_t length, enum regex_mode mode,
		  struct regex_error *error);

/*
 * Compiles all patterns into `dfa`, which need not be initialised and is to be cleared by the
 * caller. 0, or -E2BIG with the pattern to blame in `error` and an empty dfa: the one that is too
 * large alone, else the one that alone makes most states (then a smaller set may do).
 */
int regex_set_compile(struct regex_set *set, struct regex_dfa *dfa, struct regex_error *error);

/* Steps that the set has taken so far, for budgets that span several sets. */
uint64_t regex_set_steps(const struct regex_set *set);

void regex_dfa_clear(struct regex_dfa *dfa);

/* Bytes that next, accept and sets take. */
size_t regex_dfa_size(const struct regex_dfa *dfa);

/* Which patterns match the subject. The reference for matchers in the kernel. */
void regex_dfa_run(const struct regex_dfa *dfa, const void *subject, size_t length,
		   struct regex_accept *accept);

static inline bool regex_accept_has(const struct regex_accept *accept, unsigned int pattern)
{
	return accept->bits[pattern / 64] >> pattern % 64 & 1;
}

/*
 * Compiles one pattern. `steps`, unless NULL, is what a series of patterns may cost in all: it is
 * lowered by what this one took. `dfa` may be NULL when only the verdict is wanted.
 */
int regex_compile(const char *pattern, size_t length, enum regex_mode mode, uint64_t *steps,
		  struct regex_dfa *dfa, struct regex_error *error);

#endif /* WEFT_POLICY_REGEX_H */
