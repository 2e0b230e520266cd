// SPDX-License-Identifier: Apache-2.0
/* Sections, sets and rules become the bytes of a program. */
#include <stdlib.h>
#include <string.h>
#include "policy/http_internal.h"
#include "policy/memory.h"

enum { SETS_MAX = UINT16_MAX };

/* A program that grows at its end. Offsets stay, addresses do not. */
struct emission {
	struct http_compiler *compiler;
	uint8_t *bytes;
	size_t size, capacity;
	struct weft_http_set kept; /* units of rules that are not refused */
	struct regex_intern sets;  /* as they will be in the program */
};

static size_t emit_room(struct emission *emission, size_t size, size_t align)
{
	size_t offset = (emission->size + align - 1) / align * align;

	if (offset + size > emission->capacity) {
		emission->capacity = (offset + size) * 2;
		emission->bytes = memory_realloc_array(emission->bytes, emission->capacity, 1);
	}
	memset(emission->bytes + emission->size, 0, offset + size - emission->size);
	emission->size = offset + size;
	return offset;
}

static struct weft_http_program *emit_header(struct emission *emission)
{
	return (struct weft_http_program *)emission->bytes;
}

static struct weft_http_section *emit_section_header(struct emission *emission, unsigned int index)
{
	return (struct weft_http_section *)(emission->bytes + emit_header(emission)->sections) +
	       index;
}

/* A set's number in the program, without what was refused after it was made. */
static uint16_t emit_set(struct emission *emission, uint32_t number)
{
	struct weft_http_set set;
	unsigned int word;
	size_t size;

	memcpy(&set, regex_intern_get(&emission->compiler->sets, number, &size), sizeof(set));
	for (word = 0; word < WEFT_HTTP_WORDS; word++)
		set.words[word] &= emission->kept.words[word];
	return (uint16_t)regex_intern(&emission->sets, &set, sizeof(set));
}

/* The program's constants about units, and its rules. */
static void emit_rules(struct emission *emission)
{
	const struct http_compiler *compiler = emission->compiler;
	struct weft_http_program *program = emit_header(emission);
	size_t i;

	for (i = 0; i < compiler->entry_count; i++) {
		const struct http_entry *entry = &compiler->entries[i];
		unsigned int bit = entry->first;

		if (entry->refused)
			continue;
		http_set_add_rule(entry, &emission->kept);
		if (!entry->condition_count)
			http_set_add_bit(&program->bare, bit);
		if (entry->units == 1) {
			http_set_add_bit(&program->single, bit);
		} else {
			http_set_add_bit(&program->starts, bit);
			bit += entry->units;
			http_set_add_bit(&program->separators, bit);
		}
		program->rules[bit] = entry->rule->id;
	}
}

/* Many sections know the same bytes apart: one map for all of them is soon in the cache. */
static uint32_t emit_classes(struct emission *emission, const struct http_table *table,
			     unsigned int section)
{
	unsigned int i;
	size_t offset;

	for (i = 0; i < section; i++) {
		offset = emit_section_header(emission, i)->classes;
		if (!memcmp(emission->bytes + offset, table->classes, sizeof(table->classes)))
			return (uint32_t)offset;
	}
	offset = emit_room(emission, sizeof(table->classes), 64);
	memcpy(emission->bytes + offset, table->classes, sizeof(table->classes));
	return (uint32_t)offset;
}

static uint32_t emit_next(struct emission *emission, const struct http_table *table)
{
	uint32_t stride = http_table_stride(table), first_action = table->state_count * stride;
	size_t offset = emit_room(emission, (size_t)first_action * WEFT_HTTP_ROW, 64);
	uint16_t *next = (uint16_t *)(emission->bytes + offset);
	uint32_t state, class;

	for (state = 0; state < table->state_count; state++) {
		for (class = 0; class < table->class_count; class ++) {
			uint32_t target = table->next[state * table->class_count + class];
			uint32_t number = target & HTTP_NUMBER;

			next[class] = (uint16_t)(target & HTTP_ACT ? first_action + number :
								     number * stride);
		}
		next += stride * (WEFT_HTTP_ROW / sizeof(*next));
	}
	return (uint32_t)offset;
}

static uint32_t emit_actions(struct emission *emission, const struct http_table *table,
			     unsigned int section)
{
	size_t count = table->actions.count, i;
	size_t offset = emit_room(emission, count * sizeof(struct weft_http_action), 8);

	for (i = 0; i < count; i++) {
		const struct http_step *step = http_table_action(table, (uint32_t)i);
		uint32_t to = step->section == HTTP_HERE ? section : step->section;
		struct weft_http_action *action;

		action = (struct weft_http_action *)(emission->bytes + offset) + i;
		action->op = (uint8_t)step->op;
		action->section = (uint8_t)to;
		action->state = (uint16_t)(step->state *
					   http_table_stride(&emission->compiler->sections[to]));
		action->arg = step->has_set ? emit_set(emission, step->set) : (uint16_t)step->arg;
		action->extra = (uint8_t)step->extra;
	}
	return (uint32_t)offset;
}

static uint32_t emit_lane_sets(struct emission *emission, const struct http_table *table)
{
	size_t offset = emit_room(emission, table->state_count * sizeof(uint16_t), 8), i;
	uint16_t *sets = (uint16_t *)(emission->bytes + offset);

	for (i = 0; i < table->state_count; i++)
		sets[i] = emit_set(emission, table->sets[i]);
	return (uint32_t)offset;
}

static void emit_section(struct emission *emission, unsigned int index)
{
	const struct http_table *table = &emission->compiler->sections[index];
	struct weft_http_section section = {
		.class_count = (uint16_t)table->class_count,
		.first_action = (uint16_t)(table->state_count * http_table_stride(table)),
		.skip = http_table_skip(table),
		.flags = table->flags,
		.lane = table->lane,
	};

	section.classes = emit_classes(emission, table, index);
	section.next = emit_next(emission, table);
	section.actions = table->sets ? emit_lane_sets(emission, table) :
					emit_actions(emission, table, index);
	*emit_section_header(emission, index) = section;
}

/* What a source may use on a port. */
static uint32_t emit_mask(struct emission *emission, const struct http_rule_mask *mask)
{
	struct http_compiler *compiler = emission->compiler;
	struct weft_http_set set = { 0 };
	size_t i;

	for (i = 0; i < compiler->entry_count; i++)
		if (mask->bits[i / 64] >> i % 64 & 1 && !compiler->entries[i].refused)
			http_set_add_rule(&compiler->entries[i], &set);
	return emit_set(emission, http_set_number(compiler, &set));
}

static void emit_sets(struct emission *emission)
{
	size_t bytes = emission->sets.byte_count;
	size_t offset = emit_room(emission, bytes, 64);

	memcpy(emission->bytes + offset, emission->sets.bytes, bytes);
	emit_header(emission)->sets = (uint32_t)offset;
	emit_header(emission)->set_count = (uint16_t)emission->sets.count;
}

bool http_emit(struct http_compiler *compiler, const struct http_rule_mask *masks,
	       size_t mask_count, uint32_t max_head, struct http_program *program)
{
	struct emission emission = { .compiler = compiler };
	struct weft_http_set none = { 0 };
	size_t offset, i;

	regex_intern(&emission.sets, &none, sizeof(none));
	emit_room(&emission, sizeof(struct weft_http_program), 1);
	offset = emit_room(&emission, compiler->section_count * sizeof(struct weft_http_section),
			   sizeof(uint32_t));
	emit_header(&emission)->sections = (uint32_t)offset;
	emit_header(&emission)->section_count = (uint16_t)compiler->section_count;
	emit_header(&emission)->max_head = max_head;
	emit_rules(&emission);
	for (i = 0; i < compiler->section_count; i++)
		emit_section(&emission, (unsigned int)i);
	program->masks = memory_alloc(mask_count * sizeof(*program->masks));
	for (i = 0; i < mask_count; i++)
		program->masks[i] = emit_mask(&emission, &masks[i]);
	emit_sets(&emission);
	emit_room(&emission, 0, WEFT_HTTP_UNIT);
	emit_header(&emission)->size = (uint32_t)emission.size;

	program->bytes = emission.bytes;
	program->size = (uint32_t)emission.size;
	i = emission.sets.count;
	regex_intern_clear(&emission.sets);
	return i <= SETS_MAX && emission.size <= WEFT_HTTP_PROGRAM_MAX;
}
