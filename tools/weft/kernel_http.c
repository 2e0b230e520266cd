// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/kernel_http.h"

#include <string.h>

#include "loader/maps_http.h"
#include "policy/memory.h"

void kernel_copy_program(const struct maps_http *http, const struct weft_dest *value,
			 struct desired_dest *dest)
{
	const struct weft_http_program *program = maps_http_get(http, value->http);

	dest->http = NULL;
	dest->http_size = 0;
	if (!program || program->generation != value->generation)
		return;
	dest->http = memory_alloc(program->size);
	dest->http_size = program->size;
	memcpy(dest->http, program, program->size);
	((struct weft_http_program *)dest->http)->generation = 0;
}

static bool has_bit(const struct weft_http_set *set, unsigned int bit)
{
	return set->words[bit / 64] >> bit % 64 & 1;
}

static bool read_set(const struct desired_dest *dest, uint32_t number, struct weft_http_set *set)
{
	const struct weft_http_program *program = (const void *)dest->http;

	if (!program || number >= program->set_count || program->sets > dest->http_size ||
	    (size_t)(number + 1) * sizeof(*set) > dest->http_size - program->sets)
		return false;
	memcpy(set, dest->http + program->sets + number * sizeof(*set), sizeof(*set));
	return true;
}

/* A unit's rule stands at its own bit, or at the separator behind the rule's units. */
static uint32_t rule_of(const struct weft_http_program *program, unsigned int bit)
{
	while (!has_bit(&program->single, bit) && !has_bit(&program->separators, bit))
		if (++bit % 64 == 0)
			return 0;
	return program->rules[bit];
}

void kernel_each_rule(const struct desired_dest *dest, uint32_t number,
		      void (*callback)(uint32_t rule, void *context), void *context)
{
	const struct weft_http_program *program = (const void *)dest->http;
	uint32_t rule, last = 0;
	struct weft_http_set set;
	unsigned int bit;

	if (!read_set(dest, number, &set))
		return;
	for (bit = 0; bit < WEFT_HTTP_BITS; bit++) {
		rule = has_bit(&set, bit) ? rule_of(program, bit) : 0;
		if (rule && rule != last)
			callback(rule, context);
		last = rule ? rule : last;
	}
}
