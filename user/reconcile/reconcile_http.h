/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena of HTTP programs (weft_http). A program is written into a free range before a
 * weft_dest leads to it. One that was replaced keeps its generation for a second, for requests
 * that began under it; then it is withdrawn, and a second later its range is free. When room is
 * short that second is cut short, for a new rule counts more than an old request.
 */
#ifndef WEFT_USER_RECONCILE_HTTP_H
#define WEFT_USER_RECONCILE_HTTP_H

#include "user/reconcile/reconcile_write.h"

#define ARENA_GRACE_NS UINT64_C(1000000000)

struct maps_http;
struct ranges;

/* A range that nothing in force refers to any more. In units of WEFT_HTTP_UNIT. */
struct old_program {
	uint32_t first, count;
	bool withdrawn;
	uint64_t due_ns; /* when it is withdrawn, then when its range is free */
};

struct arena {
	struct maps_http *http;
	struct ranges *ranges;
	struct old_program *old;
	size_t old_count, old_capacity;
};

/* A program in the arena; the offset is 0 where there is none. In bytes. */
struct program_place {
	uint32_t offset, size;
};

int arena_open(struct arena *arena, const struct maps *maps);
void arena_close(struct arena *arena);

/*
 * After a restart: takes the program at `offset` as the one in force under `generation`. False
 * when that is not what is there; then nothing is taken.
 */
bool arena_adopt(struct arena *arena, uint32_t offset, uint32_t generation,
		 struct program_place *place);
/* The others that an earlier agent left: still in their second of grace, for all we know. */
void arena_adopt_rest(struct arena *arena, uint64_t now_ns);

/*
 * Puts the program of `wanted` into the arena, if it has one; only then can it fail. -ENOSPC
 * when there is no room.
 */
int arena_put(struct arena *arena, const struct desired_dest *wanted, uint32_t generation,
	      uint64_t now_ns, struct writer *writer, struct program_place *place);
/* Takes back what nobody was led to. */
void arena_discard(struct arena *arena, const struct program_place *place);
/* It is not in force any more. */
void arena_retire(struct arena *arena, const struct program_place *place, uint64_t now_ns);

/* Withdraws and frees what is due. */
void arena_tidy(struct arena *arena, uint64_t now_ns);
/* When arena_tidy() has something to do; 0 = never. */
uint64_t arena_due_ns(const struct arena *arena);

/* Is what is there the program of `wanted`, apart from its generation? Also: none, and none. */
bool arena_are_same(const struct arena *arena, const struct program_place *place,
		    const struct desired_dest *wanted);
/* NULL where there is none. */
const struct weft_http_program *arena_get(const struct arena *arena,
					  const struct program_place *place);

#endif /* WEFT_USER_RECONCILE_HTTP_H */
