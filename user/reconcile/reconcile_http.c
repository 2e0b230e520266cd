// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "loader/maps_http.h"
#include "policy/memory.h"
#include "user/reconcile/ranges.h"

enum { ARENA_UNITS = WEFT_HTTP_ARENA / WEFT_HTTP_UNIT };

static uint32_t units_of(uint32_t size)
{
	return (size + WEFT_HTTP_UNIT - 1) / WEFT_HTTP_UNIT;
}

int arena_open(struct arena *arena, const struct maps *maps)
{
	int err = maps_http_open(maps, &arena->http);

	if (err)
		return err;
	arena->ranges = ranges_new(ARENA_UNITS);
	/* Offset 0 means that there is no program. */
	return ranges_reserve(arena->ranges, 0, 1);
}

void arena_close(struct arena *arena)
{
	maps_http_close(arena->http);
	ranges_free(arena->ranges);
	free(arena->old);
	memset(arena, 0, sizeof(*arena));
}

const struct weft_http_program *arena_get(const struct arena *arena,
					  const struct program_place *place)
{
	return place->offset ? maps_http_get(arena->http, place->offset) : NULL;
}

bool arena_adopt(struct arena *arena, uint32_t offset, uint32_t generation,
		 struct program_place *place)
{
	const struct weft_http_program *program = maps_http_get(arena->http, offset);

	if (!program || program->generation != generation ||
	    ranges_reserve(arena->ranges, offset / WEFT_HTTP_UNIT, units_of(program->size)))
		return false;
	*place = (struct program_place){ .offset = offset, .size = program->size };
	return true;
}

static void old_add(struct arena *arena, uint32_t first, uint32_t count, uint64_t due_ns)
{
	size_t i = memory_grow(&arena->old, &arena->old_count, &arena->old_capacity,
			       sizeof(*arena->old));

	arena->old[i] = (struct old_program){ .first = first, .count = count, .due_ns = due_ns };
}

/* The tables of programs that were withdrawn are still there: numbers that look like anything. */
static bool is_program(const struct weft_http_program *program)
{
	return program && program->generation && program->section_count >= WEFT_HTTP_FIRST_OWN &&
	       program->section_count <= WEFT_HTTP_SECTIONS_MAX && program->set_count &&
	       program->sections < program->size && program->sets < program->size &&
	       program->max_head && program->max_head <= WEFT_HTTP_HEAD_MAX;
}

void arena_adopt_rest(struct arena *arena, uint64_t now_ns)
{
	const struct weft_http_program *program;
	uint32_t unit, count;

	for (unit = 1; unit < ARENA_UNITS; unit += count) {
		program = maps_http_get(arena->http, unit * WEFT_HTTP_UNIT);
		count = 1;
		if (!program || !program->generation)
			continue;
		/* What is in force is taken already, from its first unit on. */
		if (ranges_reserve(arena->ranges, unit, 1)) {
			count = units_of(program->size);
			continue;
		}
		ranges_give_unused(arena->ranges, unit, 1);
		if (!is_program(program) ||
		    ranges_reserve(arena->ranges, unit, units_of(program->size)))
			continue;
		count = units_of(program->size);
		old_add(arena, unit, count, now_ns + ARENA_GRACE_NS);
	}
}

/* Frees all that is old: what a program run that still reads it holds, it holds for microseconds.
 */
static void arena_reclaim(struct arena *arena)
{
	size_t i;

	for (i = 0; i < arena->old_count; i++)
		maps_http_withdraw(arena->http, arena->old[i].first * WEFT_HTTP_UNIT);
	if (arena->old_count)
		writer_wait_for_readers();
	for (i = 0; i < arena->old_count; i++)
		ranges_give_unused(arena->ranges, arena->old[i].first, arena->old[i].count);
	arena->old_count = 0;
}

int arena_put(struct arena *arena, const struct desired_dest *wanted, uint32_t generation,
	      uint64_t now_ns, struct writer *writer, struct program_place *place)
{
	uint32_t first, count = units_of(wanted->http_size);
	int err;

	*place = (struct program_place){};
	if (!wanted->http)
		return 0;
	arena_tidy(arena, now_ns);
	err = ranges_take(arena->ranges, count, now_ns, &first);
	if (err == -ENOSPC && arena->old_count) {
		arena_reclaim(arena);
		err = ranges_take(arena->ranges, count, now_ns, &first);
	}
	if (err)
		return err;
	err = writer_set_http(writer, arena->http, first * WEFT_HTTP_UNIT, wanted->http,
			      wanted->http_size, generation);
	if (err) {
		ranges_give_unused(arena->ranges, first, count);
		return err;
	}
	place->offset = first * WEFT_HTTP_UNIT;
	place->size = wanted->http_size;
	return 0;
}

void arena_discard(struct arena *arena, const struct program_place *place)
{
	if (!place->offset)
		return;
	maps_http_withdraw(arena->http, place->offset);
	ranges_give_unused(arena->ranges, place->offset / WEFT_HTTP_UNIT, units_of(place->size));
}

void arena_retire(struct arena *arena, const struct program_place *place, uint64_t now_ns)
{
	if (place->offset)
		old_add(arena, place->offset / WEFT_HTTP_UNIT, units_of(place->size),
			now_ns + ARENA_GRACE_NS);
}

void arena_tidy(struct arena *arena, uint64_t now_ns)
{
	size_t i, kept = 0;

	for (i = 0; i < arena->old_count; i++) {
		struct old_program old = arena->old[i];

		if (old.due_ns <= now_ns && old.withdrawn) {
			ranges_give_unused(arena->ranges, old.first, old.count);
			continue;
		}
		if (old.due_ns <= now_ns) {
			maps_http_withdraw(arena->http, old.first * WEFT_HTTP_UNIT);
			old.withdrawn = true;
			old.due_ns = now_ns + ARENA_GRACE_NS;
		}
		arena->old[kept++] = old;
	}
	arena->old_count = kept;
}

uint64_t arena_due_ns(const struct arena *arena)
{
	uint64_t due_ns = 0;
	size_t i;

	for (i = 0; i < arena->old_count; i++)
		if (!due_ns || arena->old[i].due_ns < due_ns)
			due_ns = arena->old[i].due_ns;
	return due_ns;
}

bool arena_are_same(const struct arena *arena, const struct program_place *place,
		    const struct desired_dest *wanted)
{
	return maps_http_equal(arena->http, place->offset, wanted->http, wanted->http_size);
}
