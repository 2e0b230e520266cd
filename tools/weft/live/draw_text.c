// SPDX-License-Identifier: Apache-2.0
/*
 * A graph as text. Boxes stand in columns. What leaves a box to the right shares one line until it
 * branches off; what enters one shares its last part. So that two such lines never lie on each
 * other, what enters takes the box's second line where the first one is in use to its left. Edges
 * that lead back to the left have lines of their own, further down in the box.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "tools/weft/live/canvas.h"
#include "tools/weft/live/graph.h"
#include "tools/weft/live/layout.h"

enum { WORDS_MAX = 34, CHANNEL_LEAST = 5, CHANNEL_EDGE = 4, TRACK = 2, DIRECTIONS = 2 };

/* A part of an edge, from one layer to the next. */
struct piece {
	size_t left, right; /* spots */
	bool back;
	bool head; /* the arrow's: on the right, or when it leads back on the left */
};

/* The line that the pieces which leave a spot to the right share. */
struct trunk {
	size_t spot;
	bool back;
	size_t layer;
	bool straight;
	bool down; /* on the whole */
	size_t x;
};

struct drawing {
	const struct graph *graph;
	struct layout layout;
	struct piece *pieces;
	size_t piece_count, piece_capacity;
	struct trunk *trunks; /* by layer, from left to right */
	size_t trunk_count, trunk_capacity;
	bool *second[DIRECTIONS]; /* by spot: enters on the second line */
	size_t first_back, inner; /* lines of a box */
	size_t *row_y;		  /* the line above a row's first one */
	size_t *layer_x, *layer_width;
	struct canvas canvas;
};

static bool is_bend(const struct drawing *drawing, size_t spot)
{
	return spot >= drawing->layout.node_count;
}

static const struct layout_spot *place_of(const struct drawing *drawing, size_t spot)
{
	return &drawing->layout.spots[spot];
}

static void cut_edges(struct drawing *drawing)
{
	size_t i, k, p;

	for (i = 0; i < drawing->layout.edge_count; i++) {
		const struct layout_edge *edge = &drawing->layout.edges[i];

		for (k = 1; k < edge->way_count; k++) {
			p = memory_grow(&drawing->pieces, &drawing->piece_count,
					&drawing->piece_capacity, sizeof(*drawing->pieces));
			drawing->pieces[p].left = edge->way[k - 1];
			drawing->pieces[p].right = edge->way[k];
			drawing->pieces[p].back = edge->back;
			drawing->pieces[p].head = edge->back ? k == 1 : k + 1 == edge->way_count;
		}
	}
}

/* Both ends in one row. */
static bool is_level(const struct drawing *drawing, const struct piece *piece)
{
	return place_of(drawing, piece->left)->row == place_of(drawing, piece->right)->row;
}

/* Is another piece, that leaves in the row where this one enters, on its line? */
static bool is_met(const struct drawing *drawing, const struct piece *piece)
{
	const struct layout_spot *right = place_of(drawing, piece->right);
	size_t i;

	for (i = 0; i < drawing->piece_count; i++) {
		const struct piece *other = &drawing->pieces[i];
		const struct layout_spot *left = place_of(drawing, other->left);

		if (other->back == piece->back && left->row == right->row &&
		    left->layer + 1 == right->layer && other->right != piece->right)
			return true;
	}
	return false;
}

static void choose_lines(struct drawing *drawing)
{
	size_t i, size = (drawing->layout.spot_count + 1) * sizeof(bool);
	bool backs = false, seconds = false;

	drawing->second[false] = memory_alloc(size);
	drawing->second[true] = memory_alloc(size);
	for (i = 0; i < drawing->piece_count; i++) {
		const struct piece *piece = &drawing->pieces[i];

		backs |= piece->back;
		if (is_level(drawing, piece) || !is_met(drawing, piece))
			continue;
		drawing->second[piece->back][piece->right] = true;
		seconds |= piece->back;
	}
	drawing->first_back = 3;
	drawing->inner = 2U + backs + seconds;
}

static size_t out_line(const struct drawing *drawing, bool back)
{
	return back ? drawing->first_back : 1;
}

static size_t in_line(const struct drawing *drawing, size_t spot, bool back)
{
	return out_line(drawing, back) + drawing->second[back][spot];
}

static size_t out_y(const struct drawing *drawing, size_t spot, bool back)
{
	return drawing->row_y[place_of(drawing, spot)->row] + out_line(drawing, back);
}

static size_t in_y(const struct drawing *drawing, size_t spot, bool back)
{
	return drawing->row_y[place_of(drawing, spot)->row] + in_line(drawing, spot, back);
}

/* Rows of bends alone are as high as their lines. */
static void place_rows(struct drawing *drawing)
{
	size_t count = drawing->layout.row_count, i;
	size_t *lines = memory_alloc((count + 1) * sizeof(*lines));

	for (i = 0; i < drawing->piece_count; i++) {
		const struct piece *piece = &drawing->pieces[i];
		size_t row = place_of(drawing, piece->right)->row;
		size_t line = in_line(drawing, piece->right, piece->back);

		if (lines[row] < line)
			lines[row] = line;
	}
	for (i = 0; i < drawing->layout.node_count; i++)
		lines[place_of(drawing, i)->row] = drawing->inner + 2;
	drawing->row_y = memory_alloc((count + 1) * sizeof(*drawing->row_y));
	for (i = 0; i < count; i++)
		drawing->row_y[i + 1] = drawing->row_y[i] + lines[i] + 1;
	free(lines);
}

static void add_trunk(struct drawing *drawing, const struct piece *piece)
{
	struct trunk *trunk;
	size_t i;

	for (i = 0; i < drawing->trunk_count; i++)
		if (drawing->trunks[i].spot == piece->left &&
		    drawing->trunks[i].back == piece->back)
			break;
	if (i == drawing->trunk_count) {
		i = memory_grow(&drawing->trunks, &drawing->trunk_count, &drawing->trunk_capacity,
				sizeof(*drawing->trunks));
		drawing->trunks[i].spot = piece->left;
		drawing->trunks[i].back = piece->back;
		drawing->trunks[i].layer = place_of(drawing, piece->left)->layer;
		drawing->trunks[i].straight = true;
	}
	trunk = &drawing->trunks[i];
	trunk->straight &= out_y(drawing, piece->left, piece->back) ==
			   in_y(drawing, piece->right, piece->back);
	trunk->down |= place_of(drawing, piece->right)->row > place_of(drawing, piece->left)->row;
}

/* Those that go down stand in the order in which they do not cross, and those that go up. */
static int compare_trunks(const void *a, const void *b, void *context)
{
	const struct trunk *left = a, *right = b;
	const struct drawing *drawing = context;
	size_t left_row = place_of(drawing, left->spot)->row;
	size_t right_row = place_of(drawing, right->spot)->row;

	if (left->layer != right->layer)
		return left->layer < right->layer ? -1 : 1;
	if (left->down != right->down)
		return left->down ? -1 : 1;
	if (left_row != right_row)
		return (left_row > right_row) == left->down ? -1 : 1;
	return (int)left->back - (int)right->back;
}

static void lay_trunks(struct drawing *drawing)
{
	size_t i;

	for (i = 0; i < drawing->piece_count; i++)
		add_trunk(drawing, &drawing->pieces[i]);
	if (drawing->trunk_count)
		qsort_r(drawing->trunks, drawing->trunk_count, sizeof(*drawing->trunks),
			compare_trunks, drawing);
}

static bool calls_itself(const struct graph *graph, size_t node)
{
	size_t i;

	for (i = 0; i < graph->edge_count; i++)
		if (graph->edges[i].from == node && graph->edges[i].to == node)
			return true;
	return false;
}

/* The caller frees it. */
static char *title_of(const struct drawing *drawing, size_t node)
{
	char *label = graph_label(&drawing->graph->nodes[node]);
	char *title = memory_printf("%s%s", label,
				    calls_itself(drawing->graph, node) ? " (and itself)" : "");

	free(label);
	return title;
}

static size_t width_of(const char *words)
{
	size_t length = strlen(words);

	return length < WORDS_MAX ? length : WORDS_MAX;
}

static void place_layers(struct drawing *drawing)
{
	size_t count = drawing->layout.layer_count, i, layer, tracks;

	drawing->layer_x = memory_alloc((count + 1) * sizeof(*drawing->layer_x));
	drawing->layer_width = memory_alloc((count + 1) * sizeof(*drawing->layer_width));
	for (i = 0; i < drawing->layout.node_count; i++) {
		char *title = title_of(drawing, i);
		size_t *width = &drawing->layer_width[place_of(drawing, i)->layer];
		size_t detail = width_of(drawing->graph->nodes[i].detail);
		size_t least = width_of(title) > detail ? width_of(title) : detail;

		if (*width < least + 4)
			*width = least + 4;
		free(title);
	}
	for (layer = 0; layer < count; layer++) {
		size_t begin = drawing->layer_x[layer] + drawing->layer_width[layer];

		tracks = 0;
		for (i = 0; i < drawing->trunk_count; i++) {
			struct trunk *trunk = &drawing->trunks[i];

			if (trunk->layer == layer && !trunk->straight)
				trunk->x = begin + TRACK * ++tracks;
		}
		drawing->layer_x[layer + 1] =
			begin + (tracks ? TRACK * tracks + CHANNEL_EDGE : CHANNEL_LEAST);
	}
}

static void draw_node(struct drawing *drawing, size_t node)
{
	const struct layout_spot *spot = place_of(drawing, node);
	size_t x = drawing->layer_x[spot->layer], y = drawing->row_y[spot->row];
	char *title = title_of(drawing, node);

	canvas_box(&drawing->canvas, x, y, drawing->layer_width[spot->layer], drawing->inner + 2);
	canvas_words(&drawing->canvas, x + 2, y + 1, title, WORDS_MAX);
	canvas_words(&drawing->canvas, x + 2, y + 2, drawing->graph->nodes[node].detail, WORDS_MAX);
	free(title);
}

/* Through a column: from the line on which it enters to the one on which it leaves. */
static void draw_bend(struct drawing *drawing, size_t spot, bool back)
{
	const struct layout_spot *place = place_of(drawing, spot);
	size_t x = drawing->layer_x[place->layer], out = out_y(drawing, spot, back);
	size_t in = in_y(drawing, spot, back);

	canvas_dash(&drawing->canvas, x, in);
	canvas_horizontal(&drawing->canvas, x, x + 1, in);
	canvas_vertical(&drawing->canvas, x + 1, out, in);
	canvas_horizontal(&drawing->canvas, x + 1, x + drawing->layer_width[place->layer], out);
}

static const struct trunk *trunk_of(const struct drawing *drawing, const struct piece *piece)
{
	size_t i;

	for (i = 0;
	     drawing->trunks[i].spot != piece->left || drawing->trunks[i].back != piece->back; i++)
		;
	return &drawing->trunks[i];
}

static void draw_piece(struct drawing *drawing, const struct piece *piece)
{
	const struct trunk *trunk = trunk_of(drawing, piece);
	size_t begin = drawing->layer_x[trunk->layer] + drawing->layer_width[trunk->layer];
	size_t end = drawing->layer_x[trunk->layer + 1] - 1;
	size_t out = out_y(drawing, piece->left, piece->back);
	size_t in = in_y(drawing, piece->right, piece->back);
	struct canvas *canvas = &drawing->canvas;

	if (trunk->straight) {
		canvas_horizontal(canvas, begin, end, out);
	} else {
		canvas_horizontal(canvas, begin, trunk->x, out);
		canvas_vertical(canvas, trunk->x, in < out ? in : out, in < out ? out : in);
		canvas_horizontal(canvas, trunk->x, end, in);
		canvas_join(canvas, trunk->x, in);
		canvas_join(canvas, trunk->x, out);
	}
	canvas_dash(canvas, begin, out);
	canvas_dash(canvas, end, in);
	if (is_bend(drawing, piece->right))
		draw_bend(drawing, piece->right, piece->back);
	if (piece->head && piece->back)
		canvas_words(canvas, begin, out, "<", 1);
	else if (piece->head)
		canvas_words(canvas, end, in, ">", 1);
}

static void draw(struct drawing *drawing)
{
	size_t i;

	for (i = 0; i < drawing->piece_count; i++)
		draw_piece(drawing, &drawing->pieces[i]);
	for (i = 0; i < drawing->layout.node_count; i++)
		draw_node(drawing, i);
}

static void drawing_clear(struct drawing *drawing)
{
	layout_clear(&drawing->layout);
	free(drawing->pieces);
	free(drawing->trunks);
	free(drawing->second[false]);
	free(drawing->second[true]);
	free(drawing->row_y);
	free(drawing->layer_x);
	free(drawing->layer_width);
	canvas_close(&drawing->canvas);
}

void graph_draw_text(const struct graph *graph, bool utf8, FILE *out)
{
	struct drawing drawing = { .graph = graph };
	struct layout_edge *edges;
	size_t i;

	edges = memory_alloc((graph->edge_count + 1) * sizeof(*edges));
	for (i = 0; i < graph->edge_count; i++) {
		edges[i].from = graph->edges[i].from;
		edges[i].to = graph->edges[i].to;
	}
	layout_make(&drawing.layout, graph->node_count, edges, graph->edge_count);
	free(edges);
	cut_edges(&drawing);
	choose_lines(&drawing);
	place_rows(&drawing);
	lay_trunks(&drawing);
	place_layers(&drawing);
	canvas_open(&drawing.canvas, drawing.layer_x[drawing.layout.layer_count],
		    drawing.row_y[drawing.layout.row_count]);
	draw(&drawing);
	canvas_print(&drawing.canvas, utf8, out);
	drawing_clear(&drawing);
}
