// SPDX-License-Identifier: Apache-2.0
/*
 * What rules say about one kind of subject - paths, the values of a header - becomes the section
 * that reads it. Patterns that are too much for one DFA are shared out over lanes beside it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

enum {
	DFA_STATES_MAX = 20000, /* before minimising: more would not fit into a program anyway */
	GROUPS_MAX = WEFT_HTTP_LANES + 1,
	STEPS_SHARE = 4,     /* a DFA may take this part of the steps that are left, */
	STEPS_LEAST = 10000, /* unless that is less than this */
};

/* Patterns that share a DFA; those of the first group are read by the section itself. */
struct group {
	size_t *patterns; /* of the subject */
	size_t count;
};

void http_subject_add(struct http_subject *subject, const char *text, enum regex_mode mode,
		      const struct http_entry *entry, size_t rule, unsigned int unit,
		      unsigned int units)
{
	struct http_pattern *pattern;
	size_t i;

	for (i = 0; i < subject->pattern_count; i++)
		if (subject->patterns[i].mode == mode && !strcmp(subject->patterns[i].text, text))
			break;
	if (i == subject->pattern_count)
		memory_grow(&subject->patterns, &subject->pattern_count, &subject->pattern_capacity,
			    sizeof(*subject->patterns));
	pattern = &subject->patterns[i];
	pattern->text = text;
	pattern->mode = mode;
	pattern->rules.bits[rule / 64] |= 1ULL << rule % 64;
	for (i = 0; i < units; i++)
		http_set_add_bit(&pattern->units, entry->first + unit + (unsigned int)i);
}

void http_subject_clear(struct http_subject *subject)
{
	free(subject->patterns);
	*subject = (struct http_subject){ 0 };
}

static void pattern_refuse(struct http_compiler *compiler, const struct http_pattern *pattern,
			   const char *what, const char *message)
{
	size_t i;

	for (i = 0; i < compiler->entry_count; i++)
		if (pattern->rules.bits[i / 64] >> i % 64 & 1)
			http_refuse(compiler, i, "%s: %s", what, message);
}

/* One DFA of the group's patterns. What that took is taken from compiler->steps. */
static int group_match(struct http_compiler *compiler, const struct http_subject *subject,
		       const struct group *group, struct regex_dfa *dfa, struct regex_error *error)
{
	struct regex_budget budget = {
		.steps = compiler->steps / STEPS_SHARE,
		.dfa_states = DFA_STATES_MAX,
	};
	struct regex_set *set;
	uint64_t steps;
	size_t i;
	int ret = 0;

	*dfa = (struct regex_dfa){ 0 };
	if (budget.steps < STEPS_LEAST) {
		*error = (struct regex_error){ .message = "those before it used up the steps" };
		return -E2BIG;
	}
	set = regex_set_new(&budget);
	for (i = 0; i < group->count && ret >= 0; i++) {
		const struct http_pattern *pattern = &subject->patterns[group->patterns[i]];

		ret = regex_set_add(set, pattern->text, strlen(pattern->text), pattern->mode,
				    error);
	}
	if (ret >= 0)
		ret = regex_set_compile(set, dfa, error);
	/* Finding the one to blame takes as long again. */
	steps = regex_set_steps(set) * (ret < 0 ? 2 : 1);
	compiler->steps -= steps < compiler->steps ? steps : compiler->steps;
	regex_set_free(set);
	return ret;
}

/* The number of the set that each accept set of the DFA stands for. */
static uint32_t *group_sets(struct http_compiler *compiler, const struct http_subject *subject,
			    const struct group *group, bool lane, const struct regex_dfa *dfa)
{
	uint32_t *sets = memory_alloc(dfa->set_count * sizeof(*sets)), i;
	unsigned int pattern, word;

	for (i = 0; i < dfa->set_count; i++) {
		struct weft_http_set set = { 0 };

		if (!lane)
			set = subject->always;
		for (pattern = 0; pattern < group->count; pattern++) {
			const struct http_pattern *of =
				&subject->patterns[group->patterns[pattern]];

			for (word = 0; word < WEFT_HTTP_WORDS; word++)
				if (regex_accept_has(&dfa->sets[i], pattern))
					set.words[word] |= of->units.words[word];
		}
		sets[i] = http_set_number(compiler, &set);
	}
	return sets;
}

/* Makes the section of a group. False, and who is to blame, when it is too much. */
static bool group_compile(struct http_compiler *compiler, const struct http_subject *subject,
			  const struct group *group, bool lane, size_t size,
			  struct http_table *table, struct regex_error *error)
{
	struct http_reader reader = { 0 };
	struct regex_dfa dfa;
	uint32_t *sets;
	bool fits;

	if (group_match(compiler, subject, group, &dfa, error) < 0)
		return false;
	sets = group_sets(compiler, subject, group, lane, &dfa);
	reader.dfa = &dfa;
	reader.sets = sets;
	fits = dfa.set_count * sizeof(struct weft_http_set) < size &&
	       http_product(lane ? subject->lane_grammar : subject->grammar,
			    lane ? 1 : subject->roots, &reader, lane,
			    size - dfa.set_count * sizeof(struct weft_http_set), table);
	/* Without a better guess, the last one is to blame. */
	if (fits)
		table->set_count = dfa.set_count;
	else
		*error = (struct regex_error){
			.pattern = group->count ? (unsigned int)group->count - 1 : 0,
			.message = "too large together with the others",
		};
	free(sets);
	regex_dfa_clear(&dfa);
	return fits;
}

/* The section of the first group, or a lane at the end of the chain. */
static struct http_table *group_section(struct http_compiler *compiler, unsigned int section,
					struct http_table *table)
{
	struct http_table *last = &compiler->sections[section];

	if (last->next) {
		while (last->lane)
			last = &compiler->sections[last->lane];
		last->lane = (uint8_t)compiler->section_count;
		last = &compiler->sections[compiler->section_count++];
	}
	*last = *table;
	return last;
}

static void sections_drop(struct http_compiler *compiler, unsigned int section,
			  unsigned int section_count)
{
	while (compiler->section_count > section_count)
		http_table_clear(&compiler->sections[--compiler->section_count]);
	http_table_clear(&compiler->sections[section]);
}

/*
 * Compiles the patterns in `parts` groups. Returns the index of the pattern to blame, or -1 when
 * all is well; then, and only then, the sections are there.
 */
static ssize_t subject_try(struct http_compiler *compiler, const struct http_subject *subject,
			   size_t *patterns, size_t count, size_t parts, unsigned int section,
			   struct regex_error *error)
{
	unsigned int section_count = compiler->section_count;
	size_t size = subject->size, first = 0, part;
	struct http_table table;

	if (section_count + parts > WEFT_HTTP_SECTIONS_MAX)
		parts = 1;
	for (part = 0; part < parts; part++) {
		size_t end = count * (part + 1) / parts;
		struct group group = { &patterns[first], end - first };

		if (part && !group.count)
			continue;
		if (!group_compile(compiler, subject, &group, part, size, &table, error)) {
			sections_drop(compiler, section, section_count);
			return (ssize_t)(first + error->pattern);
		}
		size -= http_table_size(&table);
		group_section(compiler, section, &table);
		first = end;
	}
	return -1;
}

/* Rules that were refused need their patterns no more. */
static size_t patterns_left(const struct http_compiler *compiler,
			    const struct http_subject *subject, size_t *patterns)
{
	size_t count = 0, i, rule;

	for (i = 0; i < subject->pattern_count; i++) {
		const struct http_rule_mask *rules = &subject->patterns[i].rules;

		for (rule = 0; rule < compiler->entry_count; rule++)
			if (rules->bits[rule / 64] >> rule % 64 & 1 &&
			    !compiler->entries[rule].refused)
				break;
		if (rule < compiler->entry_count)
			patterns[count++] = i;
	}
	return count;
}

/* What the section and its lanes take of the program. */
static void size_spend(struct http_compiler *compiler, unsigned int section)
{
	size_t size = 0;

	do {
		size += http_table_size(&compiler->sections[section]);
		section = compiler->sections[section].lane;
	} while (section);
	compiler->size -= size < compiler->size ? size : compiler->size;
}

void http_subject_compile(struct http_compiler *compiler, const struct http_subject *subject,
			  unsigned int section, const char *what)
{
	static const size_t parts[] = { 1, 2, GROUPS_MAX };
	size_t *patterns = memory_alloc(subject->pattern_count * sizeof(*patterns));
	size_t count, attempt = 0;
	struct regex_error error;
	ssize_t blamed = 0;

	while (blamed >= 0) {
		count = patterns_left(compiler, subject, patterns);
		if (!count)
			break;
		blamed = subject_try(compiler, subject, patterns, count, parts[attempt], section,
				     &error);
		if (blamed < 0)
			break;
		if (count > 1 && attempt + 1 < sizeof(parts) / sizeof(*parts))
			attempt++;
		else
			pattern_refuse(compiler, &subject->patterns[patterns[blamed]], what,
				       error.message);
	}
	if (blamed >= 0)
		http_product_plain(subject->grammar, subject->roots,
				   http_set_number(compiler, &subject->always),
				   &compiler->sections[section]);
	size_spend(compiler, section);
	free(patterns);
}
