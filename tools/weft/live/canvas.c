// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/live/canvas.h"

#include <stdlib.h>

#include "policy/memory.h"

enum { NORTH = 1, EAST = 2, SOUTH = 4, WEST = 8, ALL_SIDES = 15 };

struct canvas_cell {
	unsigned char sides; /* that a line leads to from the middle */
	bool joined;
	char letter; /* 0: none; before any line */
};

void canvas_open(struct canvas *canvas, size_t width, size_t height)
{
	canvas->width = width;
	canvas->height = height;
	canvas->cells = memory_alloc((width * height + 1) * sizeof(*canvas->cells));
}

void canvas_close(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){ 0 };
}

static struct canvas_cell *cell_at(const struct canvas *canvas, size_t x, size_t y)
{
	return &canvas->cells[y * canvas->width + x];
}

void canvas_horizontal(struct canvas *canvas, size_t x1, size_t x2, size_t y)
{
	size_t x;

	for (x = x1; x <= x2; x++) {
		if (x > x1)
			cell_at(canvas, x, y)->sides |= WEST;
		if (x < x2)
			cell_at(canvas, x, y)->sides |= EAST;
	}
}

void canvas_dash(struct canvas *canvas, size_t x, size_t y)
{
	cell_at(canvas, x, y)->sides |= WEST | EAST;
}

void canvas_vertical(struct canvas *canvas, size_t x, size_t y1, size_t y2)
{
	size_t y;

	for (y = y1; y <= y2; y++) {
		if (y > y1)
			cell_at(canvas, x, y)->sides |= NORTH;
		if (y < y2)
			cell_at(canvas, x, y)->sides |= SOUTH;
	}
}

void canvas_join(struct canvas *canvas, size_t x, size_t y)
{
	cell_at(canvas, x, y)->joined = true;
}

void canvas_box(struct canvas *canvas, size_t x, size_t y, size_t width, size_t height)
{
	canvas_horizontal(canvas, x, x + width - 1, y);
	canvas_horizontal(canvas, x, x + width - 1, y + height - 1);
	canvas_vertical(canvas, x, y, y + height - 1);
	canvas_vertical(canvas, x + width - 1, y, y + height - 1);
}

void canvas_words(struct canvas *canvas, size_t x, size_t y, const char *words, size_t most)
{
	for (; *words && most; words++, most--)
		cell_at(canvas, x++, y)->letter = *words >= ' ' && *words <= '~' ? *words : '?';
}

static void print_cell(const struct canvas_cell *cell, bool utf8, FILE *out)
{
	static const char *const shapes[ALL_SIDES + 1] = {
		[0] = " ",
		[NORTH] = "╵",
		[SOUTH] = "╷",
		[EAST] = "╶",
		[WEST] = "╴",
		[NORTH | SOUTH] = "│",
		[EAST | WEST] = "─",
		[SOUTH | EAST] = "┌",
		[SOUTH | WEST] = "┐",
		[NORTH | EAST] = "└",
		[NORTH | WEST] = "┘",
		[NORTH | SOUTH | EAST] = "├",
		[NORTH | SOUTH | WEST] = "┤",
		[EAST | WEST | SOUTH] = "┬",
		[EAST | WEST | NORTH] = "┴",
		[ALL_SIDES] = "┼",
	};
	unsigned char sides = cell->sides;

	if (sides == ALL_SIDES && !cell->joined)
		sides = EAST | WEST;
	if (cell->letter)
		fputc(cell->letter, out);
	else if (utf8 || !sides)
		fputs(shapes[sides], out);
	else if (sides & (EAST | WEST))
		fputc(sides & (NORTH | SOUTH) ? '+' : '-', out);
	else
		fputc('|', out);
}

/* Where a line ends. */
static size_t end_of(const struct canvas *canvas, size_t y)
{
	size_t end;

	for (end = canvas->width; end; end--) {
		const struct canvas_cell *cell = cell_at(canvas, end - 1, y);

		if (cell->sides || (cell->letter && cell->letter != ' '))
			break;
	}
	return end;
}

void canvas_print(const struct canvas *canvas, bool utf8, FILE *out)
{
	size_t height = canvas->height, x, y, end;

	while (height && !end_of(canvas, height - 1))
		height--;
	for (y = 0; y < height; y++) {
		end = end_of(canvas, y);
		for (x = 0; x < end; x++)
			print_cell(cell_at(canvas, x, y), utf8, out);
		fputc('\n', out);
	}
}
