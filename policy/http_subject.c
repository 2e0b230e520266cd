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
	GROUPS_MAX = WEFT_HTTP_LANES + 1,
	STEPS_SHARE = 4,     /* a DFA may take this part of the steps that are left, */
	STEPS_LEAST = 10000, /* unless that is less than this */
};

/*
 * How patterns are shared out, the first way first. States count before minimising: small
 * tables in two lanes are better than one that does not stay in the cache.
 */
static const struct {
	size_t groups;
	uint32_t dfa_states;
} ways[] = { { 1, 8000 }, { 2, 12000 }, { GROUPS_MAX, 20000 } };

enum { LAST_WAY = sizeof(ways) / sizeof(*ways) - 1 };

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

static void steps_spend(struct http_compiler *compiler, uint64_t steps)
{
	compiler->steps -= steps < compiler->steps ? steps : compiler->steps;
}

/* One DFA of the group's patterns. What that took is taken from compiler->steps. */
static int group_match(struct http_compiler *compiler, const struct http_subject *subject,
		       const struct group *group, uint32_t dfa_states, struct regex_dfa *dfa,
		       struct regex_error *error)
{
	struct regex_budget budget = {
		.steps = compiler->steps / STEPS_SHARE,
		.dfa_states = dfa_states,
	};
	struct regex_set *set;
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
	steps_spend(compiler, regex_set_steps(set));
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
			  const struct group *group, bool lane, size_t way, size_t size,
			  struct http_table *table, struct regex_error *error)
{
	struct http_reader reader = { 0 };
	struct regex_dfa dfa;
	uint32_t *sets;
	bool fits;

	if (group_match(compiler, subject, group, ways[way].dfa_states, &dfa, error) < 0)
		return false;
	sets = group_sets(compiler, subject, group, lane, &dfa);
	reader.dfa = &dfa;
	reader.sets = sets;
	fits = dfa.set_count * sizeof(struct weft_http_set) < size &&
	       http_product(lane ? subject->lane_grammar : subject->grammar,
			    lane ? 1 : subject->roots, &reader, lane,
			    size - dfa.set_count * sizeof(struct weft_http_set), table);
	steps_spend(compiler, fits ? http_table_size(table) : size);
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

/* A rule that is refused needs its other patterns no more. */
static bool pattern_is_needed(const struct http_compiler *compiler,
			      const struct http_pattern *pattern)
{
	size_t i;

	for (i = 0; i < compiler->entry_count; i++)
		if (pattern->rules.bits[i / 64] >> i % 64 & 1 && !compiler->entries[i].refused)
			return true;
	return false;
}

/*
 * Refuses what is to blame, so that the rest may fit; half of the group when steps are short, for
 * every attempt takes some.
 */
static void group_shrink(struct http_compiler *compiler, const struct http_subject *subject,
			 struct group *group, const struct regex_error *error, const char *what)
{
	size_t half = compiler->steps < regex_budget_set.steps / 2 ? (group->count + 1) / 2 : 1;
	size_t first = half == 1 ? error->pattern : group->count - half, i, kept = 0;

	for (i = first; i < first + half; i++)
		pattern_refuse(compiler, &subject->patterns[group->patterns[i]], what,
			       error->message);
	for (i = 0; i < group->count; i++)
		if (pattern_is_needed(compiler, &subject->patterns[group->patterns[i]]))
			group->patterns[kept++] = group->patterns[i];
	group->count = kept;
}

/*
 * Compiles the patterns the `way`th way. False: there is another way, in which it may fit; then no
 * section is left. In the last way, patterns are refused until it fits.
 */
static bool subject_try(struct http_compiler *compiler, const struct http_subject *subject,
			size_t *patterns, size_t count, size_t way, unsigned int section,
			const char *what)
{
	unsigned int section_count = compiler->section_count;
	size_t parts = ways[way].groups, size = subject->size, part;
	struct regex_error error;
	struct http_table table;

	if (section_count + parts > WEFT_HTTP_SECTIONS_MAX)
		parts = 1;
	for (part = 0; part < parts; part++) {
		size_t first = count * part / parts;
		struct group group = { &patterns[first], count * (part + 1) / parts - first };

		while (group.count &&
		       !group_compile(compiler, subject, &group, compiler->sections[section].next,
				      way, size, &table, &error)) {
			if (way < LAST_WAY) {
				sections_drop(compiler, section, section_count);
				return false;
			}
			group_shrink(compiler, subject, &group, &error, what);
		}
		if (!group.count)
			continue;
		size -= http_table_size(&table);
		group_section(compiler, section, &table);
	}
	return true;
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
	size_t *patterns = memory_alloc(subject->pattern_count * sizeof(*patterns));
	size_t count = 0, way = 0, i;

	for (i = 0; i < subject->pattern_count; i++)
		if (pattern_is_needed(compiler, &subject->patterns[i]))
			patterns[count++] = i;
	while (!subject_try(compiler, subject, patterns, count, way, section, what))
		way++;
	if (!compiler->sections[section].next)
		http_product_plain(subject->grammar, subject->roots,
				   http_set_number(compiler, &subject->always),
				   &compiler->sections[section]);
	size_spend(compiler, section);
	free(patterns);
}
