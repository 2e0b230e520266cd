/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the nodes of a directed graph go: in layers from left to right, so that edges lead to the
 * right where no circle forbids it; edges that cross layers get a place in each of them (a bend).
 * After Sugiyama, Tagawa, Toda (1981): circles, layers, bends, order by barycentres. Pure.
 */
#ifndef WEFT_TOOLS_LAYOUT_H
#define WEFT_TOOLS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

struct layout_edge {
	size_t from, to;  /* nodes */
	bool back;	  /* leads to the left */
	size_t *way;	  /* nodes and bends, from the left one to the right one */
	size_t way_count; /* 0: from a node to itself */
};

struct layout_spot {
	size_t layer, row; /* no two share both */
};

struct layout {
	struct layout_spot *spots; /* of the nodes, then of the bends */
	size_t node_count, spot_count, spot_capacity;
	struct layout_edge *edges; /* as given */
	size_t edge_count;
	size_t layer_count, row_count;
};

/* `edges` have from and to, each pair once. */
void layout_make(struct layout *layout, size_t node_count, const struct layout_edge *edges,
		 size_t edge_count);
void layout_clear(struct layout *layout);

#endif /* WEFT_TOOLS_LAYOUT_H */
