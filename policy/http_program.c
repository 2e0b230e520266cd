// SPDX-License-Identifier: Apache-2.0
#include "policy/http_program.h"

#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

enum {
	/* For what has a bound of its own: sections without regexes, methods, names of fields. */
	SIZE_RESERVED = 384 << 10,
};

/* Bytes that sections with regexes may take. */
static size_t size_budget(size_t mask_count)
{
	size_t budget = WEFT_HTTP_PROGRAM_MAX - SIZE_RESERVED;

	if (mask_count > budget / sizeof(struct weft_http_set))
		return 0;
	return budget - mask_count * sizeof(struct weft_http_set);
}

static void compiler_clear(struct http_compiler *compiler)
{
	unsigned int i;

	for (i = 0; i < compiler->entry_count; i++)
		free(compiler->entries[i].conditions);
	for (i = 0; i < compiler->section_count; i++)
		http_table_clear(&compiler->sections[i]);
	free(compiler->entries);
	regex_intern_clear(&compiler->sets);
	free(compiler);
}

/* False when it does not fit, in spite of all the budgets. */
static bool compile(const struct http_rule *rules, size_t rule_count,
		    const struct http_rule_mask *masks, size_t mask_count,
		    const struct http_program_options *options, struct http_program *program)
{
	struct http_compiler *compiler = memory_alloc(sizeof(*compiler));
	uint32_t max_head = options->max_head ? options->max_head : WEFT_HTTP_HEAD_DEFAULT;
	struct weft_http_set none = { 0 };
	size_t i;
	bool fits;

	*program = (struct http_program){ 0 };
	compiler->program = program;
	compiler->rules = rules;
	compiler->entry_count = rule_count < WEFT_HTTP_RULES_MAX ? rule_count : WEFT_HTTP_RULES_MAX;
	compiler->entries = memory_alloc(compiler->entry_count * sizeof(*compiler->entries));
	compiler->steps = regex_budget_set.steps;
	compiler->size = size_budget(mask_count);
	compiler->section_count = WEFT_HTTP_FIRST_OWN;
	http_set_number(compiler, &none);

	http_units_assign(compiler);
	for (i = compiler->entry_count; i < rule_count; i++)
		http_refuse(compiler, i, "its destination has more than %d rules",
			    WEFT_HTTP_RULES_MAX);
	http_sections_fixed(compiler);
	http_sections_answers(compiler);
	http_sections_target(compiler, options->ambiguous_paths);
	http_sections_values(compiler);
	http_section_method(compiler);
	fits = http_emit(compiler, masks, mask_count,
			 max_head < WEFT_HTTP_HEAD_MAX ? max_head : WEFT_HTTP_HEAD_MAX, program);
	compiler_clear(compiler);
	return fits;
}

void http_program_compile(const struct http_rule *rules, size_t rule_count,
			  const struct http_rule_mask *masks, size_t mask_count,
			  const struct http_program_options *options, struct http_program *program)
{
	static const char message[] = "the program of its destination would be too large";
	struct http_rule_mask *none;
	size_t i;

	if (compile(rules, rule_count, masks, mask_count, options, program))
		return;
	http_program_clear(program);
	none = memory_alloc(mask_count * sizeof(*none));
	compile(rules, 0, none, mask_count, options, program);
	free(none);
	program->refusals = memory_alloc(rule_count * sizeof(*program->refusals));
	program->refusal_count = rule_count;
	for (i = 0; i < rule_count; i++) {
		program->refusals[i].rule = i;
		memcpy(program->refusals[i].message, message, sizeof(message));
	}
}

void http_program_clear(struct http_program *program)
{
	free(program->bytes);
	free(program->masks);
	free(program->refusals);
	*program = (struct http_program){ 0 };
}
