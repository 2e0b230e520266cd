/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map weft_http, through its memory: HTTP programs at offsets of an arena. Programs read it
 * while it is written, so a program's generation is written after all of its other bytes, and
 * weft_dest, which leads there, after that.
 */
#ifndef WEFT_LOADER_MAPS_HTTP_H
#define WEFT_LOADER_MAPS_HTTP_H

#include "loader/maps.h"

struct maps_http;

/* The arena itself, to be written. -EACCES when the maps are not writable. */
int maps_http_open(const struct maps *maps, struct maps_http **http);
/* A copy of what the arena holds now: a map that may only be read cannot be mapped into memory. */
int maps_http_copy(const struct maps *maps, struct maps_http **http);
void maps_http_close(struct maps_http *http); /* NULL is fine */

/*
 * The program at this offset (bytes), or NULL when there can be none: the offset is 0, no
 * multiple of WEFT_HTTP_UNIT, or what is there says that it has no header or does not fit.
 * Valid until maps_http_close().
 */
const struct weft_http_program *maps_http_get(const struct maps_http *http, uint32_t offset);

/*
 * Writes a program (its own generation is ignored), then makes it one of `generation`. Nobody
 * may refer to the range. -ERANGE when it would not fit.
 */
int maps_http_write(struct maps_http *http, uint32_t offset, const void *bytes, uint32_t size,
		    uint32_t generation);

/* From now on the program is nobody's: generation 0. */
void maps_http_withdraw(struct maps_http *http, uint32_t offset);

/*
 * Is what is there this program, apart from its generation? `size` is that of `bytes`; 0 of
 * NULL, which equals no program at all (offset 0).
 */
bool maps_http_equal(const struct maps_http *http, uint32_t offset, const void *bytes,
		     uint32_t size);

#endif /* WEFT_LOADER_MAPS_HTTP_H */
