/* SPDX-License-Identifier: Apache-2.0 */
/* A sheet of characters with lines, boxes and words on it. */
#ifndef WEFT_TOOLS_CANVAS_H
#define WEFT_TOOLS_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct canvas_cell;

struct canvas {
	struct canvas_cell *cells;
	size_t width, height;
};

void canvas_open(struct canvas *canvas, size_t width, size_t height);
void canvas_close(struct canvas *canvas);

/*
 * Lines include both ends (x1 <= x2, y1 <= y2). Where two cross, the horizontal one passes above;
 * where canvas_join() was called they meet.
 */
void canvas_horizontal(struct canvas *canvas, size_t x1, size_t x2, size_t y);
void canvas_vertical(struct canvas *canvas, size_t x, size_t y1, size_t y2);
/* One character of a horizontal line, which goes on to both sides. */
void canvas_dash(struct canvas *canvas, size_t x, size_t y);
void canvas_join(struct canvas *canvas, size_t x, size_t y);
void canvas_box(struct canvas *canvas, size_t x, size_t y, size_t width, size_t height);
/* At most `most` characters; of what is no visible ASCII, which no name has, '?' is left. */
void canvas_words(struct canvas *canvas, size_t x, size_t y, const char *words, size_t most);

/* Without spaces at line ends, and empty lines at the end. */
void canvas_print(const struct canvas *canvas, bool utf8, FILE *out);

#endif /* WEFT_TOOLS_CANVAS_H */
