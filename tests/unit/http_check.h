/* SPDX-License-Identifier: Apache-2.0 */
/* Is an HTTP program sound, whatever its rules? */
#ifndef WEFT_TESTS_UNIT_HTTP_CHECK_H
#define WEFT_TESTS_UNIT_HTTP_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/http_program.h"

/* Every offset and number of a program lies in it, whatever the rules. */
static inline void runner_check_section(const struct http_program *program,
					const struct weft_http_program *header,
					const struct weft_http_section *section, bool lane)
{
	const uint16_t *next = (const uint16_t *)(program->bytes + section->next);
	unsigned int rows = (section->class_count * 2U + WEFT_HTTP_ROW - 1) / WEFT_HTTP_ROW;
	size_t cells = (size_t)section->first_action * WEFT_HTTP_ROW / 2, i, actions = 0;

	assert_int_equal(section->first_action % rows, 0);
	assert_int_equal(section->next % WEFT_HTTP_ROW, 0);
	assert_int_equal(section->actions % 2, 0);
	assert_true(section->classes + 256 <= program->size);
	assert_true(section->next + cells * 2 <= program->size);
	for (i = 0; i < 256; i++)
		assert_true(program->bytes[section->classes + i] < section->class_count);
	for (i = 0; i < cells; i++)
		if (next[i] >= section->first_action + actions)
			actions = next[i] - section->first_action + 1u;
	assert_true(lane ? !actions : actions);
	for (i = 0; i < cells; i++)
		assert_true(next[i] >= section->first_action || next[i] % rows == 0);
	assert_true(section->actions + (lane ? section->first_action / rows * 2u : actions * 8) <=
		    program->size);
	for (i = 0; i < actions; i++) {
		const struct weft_http_action *action =
			(const struct weft_http_action *)(program->bytes + section->actions) + i;
		const struct weft_http_section *to =
			(const struct weft_http_section *)(program->bytes + header->sections) +
			action->section;

		assert_true(action->section < header->section_count);
		assert_true(action->state < to->first_action);
		if (action->op == WEFT_HTTP_OP_METHOD || action->op == WEFT_HTTP_OP_PATH ||
		    action->op == WEFT_HTTP_OP_VALUE)
			assert_true(action->arg < header->set_count);
	}
	if (section->skip != WEFT_HTTP_NO_SKIP)
		for (i = 0x20; i < 256; i++)
			if (i != 0x7f)
				assert_int_equal(next[section->skip * WEFT_HTTP_ROW / 2 +
						      program->bytes[section->classes + i]],
						 section->skip);
}

static inline void runner_check(const struct http_program *program)
{
	const struct weft_http_program *header = (const struct weft_http_program *)program->bytes;
	const struct weft_http_section *sections;
	bool lanes[WEFT_HTTP_SECTIONS_MAX] = { 0 };
	unsigned int i;

	assert_int_equal(header->size, program->size);
	assert_int_equal(program->size % WEFT_HTTP_UNIT, 0);
	assert_true(program->size <= WEFT_HTTP_PROGRAM_MAX);
	assert_int_equal(header->generation, 0);
	assert_in_range(header->section_count, WEFT_HTTP_FIRST_OWN + 4, WEFT_HTTP_SECTIONS_MAX);
	assert_int_equal(header->sections % 4, 0);
	assert_int_equal(header->sets % 8, 0);
	assert_true(header->sets + header->set_count * sizeof(struct weft_http_set) <=
		    program->size);
	sections = (const struct weft_http_section *)(program->bytes + header->sections);
	for (i = 0; i < header->section_count; i++)
		lanes[sections[i].lane] = true;
	lanes[0] = false;
	for (i = 0; i < header->section_count; i++)
		runner_check_section(program, header, &sections[i], lanes[i]);
}

#endif /* WEFT_TESTS_UNIT_HTTP_CHECK_H */
