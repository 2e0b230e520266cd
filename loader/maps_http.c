// SPDX-License-Identifier: Apache-2.0
#include "loader/maps_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct maps_http {
	struct weft_http_arena *arena;
	bool copy;
};

/* All but the first member is written, compared and read as it is. */
_Static_assert(offsetof(struct weft_http_program, generation) == 0, "generation comes first");

enum { GENERATION_SIZE = sizeof(((struct weft_http_program *)0)->generation) };

static int http_new(struct weft_http_arena *arena, bool copy, struct maps_http **result)
{
	struct maps_http *http = calloc(1, sizeof(*http));

	if (!http)
		return -ENOMEM;
	http->arena = arena;
	http->copy = copy;
	*result = http;
	return 0;
}

int maps_http_open(const struct maps *maps, struct maps_http **http)
{
	void *memory = mmap(NULL, sizeof(struct weft_http_arena), PROT_READ | PROT_WRITE,
			    MAP_SHARED, maps->fds[MAP_HTTP], 0);
	int err;

	if (memory == MAP_FAILED)
		return -errno;
	err = http_new(memory, false, http);
	if (err)
		munmap(memory, sizeof(struct weft_http_arena));
	return err;
}

int maps_http_copy(const struct maps *maps, struct maps_http **http)
{
	struct weft_http_arena *memory = malloc(sizeof(*memory));
	uint32_t key = 0;
	int err;

	if (!memory)
		return -ENOMEM;
	err = maps_get(maps, MAP_HTTP, &key, memory);
	if (!err)
		err = http_new(memory, true, http);
	if (err)
		free(memory);
	return err;
}

void maps_http_close(struct maps_http *http)
{
	if (!http)
		return;
	if (http->copy)
		free(http->arena);
	else
		munmap(http->arena, sizeof(*http->arena));
	free(http);
}

static struct weft_http_program *program_at(const struct maps_http *http, uint32_t offset)
{
	return (struct weft_http_program *)(http->arena->bytes + offset);
}

static bool range_fits(uint32_t offset, uint32_t size)
{
	return offset && offset % WEFT_HTTP_UNIT == 0 && size >= sizeof(struct weft_http_program) &&
	       size <= WEFT_HTTP_PROGRAM_MAX && size <= WEFT_HTTP_ARENA &&
	       offset <= WEFT_HTTP_ARENA - size;
}

const struct weft_http_program *maps_http_get(const struct maps_http *http, uint32_t offset)
{
	const struct weft_http_program *program;

	if (!range_fits(offset, sizeof(*program)))
		return NULL;
	program = program_at(http, offset);
	return range_fits(offset, program->size) ? program : NULL;
}

int maps_http_write(struct maps_http *http, uint32_t offset, const void *bytes, uint32_t size,
		    uint32_t generation)
{
	struct weft_http_program *program;

	if (!range_fits(offset, size))
		return -ERANGE;
	program = program_at(http, offset);
	/* What was here before may have had a generation that somebody still remembers. */
	__atomic_store_n(&program->generation, 0, __ATOMIC_SEQ_CST);
	memcpy((char *)program + GENERATION_SIZE, (const char *)bytes + GENERATION_SIZE,
	       size - GENERATION_SIZE);
	__atomic_store_n(&program->generation, generation, __ATOMIC_RELEASE);
	return 0;
}

void maps_http_withdraw(struct maps_http *http, uint32_t offset)
{
	if (range_fits(offset, sizeof(struct weft_http_program)))
		__atomic_store_n(&program_at(http, offset)->generation, 0, __ATOMIC_SEQ_CST);
}

bool maps_http_equal(const struct maps_http *http, uint32_t offset, const void *bytes,
		     uint32_t size)
{
	const struct weft_http_program *program = maps_http_get(http, offset);

	if (!offset || !bytes)
		return !offset && !bytes;
	return program && program->size == size &&
	       !memcmp((const char *)program + GENERATION_SIZE,
		       (const char *)bytes + GENERATION_SIZE, size - GENERATION_SIZE);
}
