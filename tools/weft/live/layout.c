// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/live/layout.h"

#include <stdlib.h>

#include "policy/memory.h"

enum { LAYOUT_SWEEPS = 12, LAYOUT_BEND_WEIGHT = 4 };

enum visit { VISIT_NONE, VISIT_OPEN, VISIT_DONE };

/* While places are looked for: rows may be negative. */
struct row {
	size_t spot;
	double wish;
	long row;
};

struct sorting {
	struct layout *layout;
	struct row *rows;    /* of all spots, layer by layer */
	size_t *layer_begin; /* layer_count + 1 places in `rows` */
	long *row_of;	     /* by spot */
};

/* An edge back to where the walk came from would close a circle. */
static void walk(struct layout *layout, size_t node, enum visit *visits)
{
	size_t i;

	visits[node] = VISIT_OPEN;
	for (i = 0; i < layout->edge_count; i++) {
		struct layout_edge *edge = &layout->edges[i];

		if (edge->from != node || edge->to == node)
			continue;
		edge->back = visits[edge->to] == VISIT_OPEN;
		if (visits[edge->to] == VISIT_NONE)
			walk(layout, edge->to, visits);
	}
	visits[node] = VISIT_DONE;
}

static bool is_entered(const struct layout *layout, size_t node)
{
	size_t i;

	for (i = 0; i < layout->edge_count; i++)
		if (layout->edges[i].to == node && layout->edges[i].from != node)
			return true;
	return false;
}

/* Walks begin where nothing leads to, so that a circle is entered where callers enter it. */
static void break_circles(struct layout *layout)
{
	enum visit *visits = memory_alloc((layout->node_count + 1) * sizeof(*visits));
	size_t i, round;

	for (round = 0; round < 2; round++)
		for (i = 0; i < layout->node_count; i++)
			if (visits[i] == VISIT_NONE && (round || !is_entered(layout, i)))
				walk(layout, i, visits);
	free(visits);
}

static size_t left_of(const struct layout_edge *edge)
{
	return edge->back ? edge->to : edge->from;
}

static size_t right_of(const struct layout_edge *edge)
{
	return edge->back ? edge->from : edge->to;
}

/* Each as far to the left as what leads to it allows. */
static void assign_layers(struct layout *layout)
{
	bool moved = true;
	size_t i;

	while (moved) {
		moved = false;
		for (i = 0; i < layout->edge_count; i++) {
			const struct layout_edge *edge = &layout->edges[i];
			size_t least = layout->spots[left_of(edge)].layer + 1;

			if (edge->from == edge->to || layout->spots[right_of(edge)].layer >= least)
				continue;
			layout->spots[right_of(edge)].layer = least;
			moved = true;
		}
	}
	for (i = 0; i < layout->node_count; i++)
		if (layout->spots[i].layer >= layout->layer_count)
			layout->layer_count = layout->spots[i].layer + 1;
}

static void add_bends(struct layout *layout, struct layout_edge *edge)
{
	size_t left = left_of(edge), right = right_of(edge), layer, spot;

	if (left == right)
		return;
	edge->way_count = layout->spots[right].layer - layout->spots[left].layer + 1;
	edge->way = memory_realloc_array(NULL, edge->way_count, sizeof(*edge->way));
	edge->way[0] = left;
	for (layer = 1; layer + 1 < edge->way_count; layer++) {
		spot = memory_grow(&layout->spots, &layout->spot_count, &layout->spot_capacity,
				   sizeof(*layout->spots));
		layout->spots[spot].layer = layout->spots[left].layer + layer;
		edge->way[layer] = spot;
	}
	edge->way[layer] = right;
}

static void fill_layers(struct sorting *sorting)
{
	const struct layout *layout = sorting->layout;
	size_t layer, i, next = 0;

	for (layer = 0; layer < layout->layer_count; layer++) {
		sorting->layer_begin[layer] = next;
		for (i = 0; i < layout->spot_count; i++) {
			if (layout->spots[i].layer != layer)
				continue;
			sorting->rows[next].spot = i;
			sorting->row_of[i] = (long)(next - sorting->layer_begin[layer]);
			next++;
		}
	}
	sorting->layer_begin[layer] = next;
}

/* Every spot would like to be in the middle of its neighbours to the left, or to the right. */
static void wish_rows(struct sorting *sorting, bool to_right)
{
	const struct layout *layout = sorting->layout;
	double *sums = memory_alloc((layout->spot_count + 1) * sizeof(*sums));
	size_t *counts = memory_alloc((layout->spot_count + 1) * sizeof(*counts));
	size_t i, k;

	for (i = 0; i < layout->edge_count; i++) {
		const struct layout_edge *edge = &layout->edges[i];

		for (k = 1; k < edge->way_count; k++) {
			size_t spot = edge->way[to_right ? k : k - 1];
			size_t neighbour = edge->way[to_right ? k - 1 : k];

			sums[spot] += (double)sorting->row_of[neighbour];
			counts[spot]++;
		}
	}
	for (i = 0; i < layout->spot_count; i++) {
		struct row *row = &sorting->rows[i];

		row->wish = counts[row->spot] ? sums[row->spot] / (double)counts[row->spot] :
						(double)sorting->row_of[row->spot];
		row->row = sorting->row_of[row->spot];
	}
	free(sums);
	free(counts);
}

static int compare_wishes(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	if (left->wish != right->wish)
		return left->wish < right->wish ? -1 : 1;
	if (left->row != right->row)
		return left->row < right->row ? -1 : 1;
	return left->spot < right->spot ? -1 : 1;
}

/* Spots of a layer that stand next to each other, without a gap. */
struct block {
	double sum, weight; /* of their wishes, each less the places before it in the layer */
	size_t count;
};

/*
 * In the order of their wishes, as close to these as possible (least squares): where wishes are too
 * close, spots stand next to each other around their mean. Bends insist, so that long edges
 * are straight.
 */
static void place_layer(struct sorting *sorting, size_t layer)
{
	struct row *rows = sorting->rows + sorting->layer_begin[layer];
	size_t count = sorting->layer_begin[layer + 1] - sorting->layer_begin[layer];
	struct block *blocks = memory_alloc((count + 1) * sizeof(*blocks));
	size_t i, k, next = 0, used = 0;

	qsort(rows, count, sizeof(*rows), compare_wishes);
	for (i = 0; i < count; i++) {
		double weight = rows[i].spot < sorting->layout->node_count ? 1 : LAYOUT_BEND_WEIGHT;
		struct block block = { weight * (rows[i].wish - (double)i), weight, 1 };

		for (; used &&
		       blocks[used - 1].sum / blocks[used - 1].weight >= block.sum / block.weight;
		     used--) {
			block.sum += blocks[used - 1].sum;
			block.weight += blocks[used - 1].weight;
			block.count += blocks[used - 1].count;
		}
		blocks[used++] = block;
	}
	for (i = 0; i < used; i++) {
		double first = blocks[i].sum / blocks[i].weight;
		long base = (long)(first < 0 ? first - 0.5 : first + 0.5);

		for (k = 0; k < blocks[i].count; k++, next++)
			sorting->row_of[rows[next].spot] = base + (long)next;
	}
	free(blocks);
}

static void sweep(struct sorting *sorting, bool to_right)
{
	size_t count = sorting->layout->layer_count, i;

	for (i = 0; i < count; i++) {
		wish_rows(sorting, to_right);
		place_layer(sorting, to_right ? i : count - 1 - i);
	}
}

/* Rows that nothing stands in are left out. */
static void take_rows(struct layout *layout, const long *row_of)
{
	long least = 0, most = 0, row;
	size_t i, next = 0;
	bool used;

	for (i = 0; i < layout->spot_count; i++) {
		least = row_of[i] < least ? row_of[i] : least;
		most = row_of[i] > most ? row_of[i] : most;
	}
	for (row = least; row <= most; row++) {
		used = false;
		for (i = 0; i < layout->spot_count; i++) {
			if (row_of[i] != row)
				continue;
			layout->spots[i].row = next;
			used = true;
		}
		next += used;
	}
	layout->row_count = next;
}

static void assign_rows(struct layout *layout)
{
	struct sorting sorting = {
		.layout = layout,
		.rows = memory_alloc((layout->spot_count + 1) * sizeof(*sorting.rows)),
		.layer_begin =
			memory_alloc((layout->layer_count + 1) * sizeof(*sorting.layer_begin)),
		.row_of = memory_alloc((layout->spot_count + 1) * sizeof(*sorting.row_of)),
	};
	size_t i;

	fill_layers(&sorting);
	for (i = 0; i < LAYOUT_SWEEPS; i++)
		sweep(&sorting, i % 2 == 0);
	take_rows(layout, sorting.row_of);
	free(sorting.rows);
	free(sorting.layer_begin);
	free(sorting.row_of);
}

void layout_make(struct layout *layout, size_t node_count, const struct layout_edge *edges,
		 size_t edge_count)
{
	size_t i;

	*layout = (struct layout){ .node_count = node_count,
				   .spot_count = node_count,
				   .spot_capacity = node_count,
				   .edge_count = edge_count };
	layout->spots = memory_alloc((node_count + 1) * sizeof(*layout->spots));
	layout->edges = memory_alloc((edge_count + 1) * sizeof(*layout->edges));
	for (i = 0; i < edge_count; i++) {
		layout->edges[i].from = edges[i].from;
		layout->edges[i].to = edges[i].to;
	}
	break_circles(layout);
	assign_layers(layout);
	for (i = 0; i < edge_count; i++)
		add_bends(layout, &layout->edges[i]);
	assign_rows(layout);
}

void layout_clear(struct layout *layout)
{
	size_t i;

	for (i = 0; i < layout->edge_count; i++)
		free(layout->edges[i].way);
	free(layout->edges);
	free(layout->spots);
	*layout = (struct layout){ 0 };
}
