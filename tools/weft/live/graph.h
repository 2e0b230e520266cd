/* SPDX-License-Identifier: Apache-2.0 */
/* Boxes and arrows with words on them: what is drawn, whatever it is about. */
#ifndef WEFT_TOOLS_GRAPH_H
#define WEFT_TOOLS_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum graph_look { GRAPH_PLAIN, GRAPH_GOOD, GRAPH_FAIR, GRAPH_BAD, GRAPH_DENIED };

struct graph_node {
	char *group; /* namespace, or "" */
	char *name;
	char *detail; /* one line, or "" */
	enum graph_look look;
};

/* At most one from one node to another; `words` has a line for each port. */
struct graph_edge {
	size_t from, to;
	char *words;
	enum graph_look look;
};

struct graph {
	struct graph_node *nodes;
	size_t node_count, node_capacity;
	struct graph_edge *edges; /* sorted by from, to */
	size_t edge_count, edge_capacity;
};

struct topology;

void graph_from_topology(struct graph *graph, const struct topology *topology);
/* Without edges that are denials alone, and nodes that have no other. */
void graph_drop_denials(struct graph *graph);
/* Without the names of the groups, when there is one alone. */
void graph_drop_group(struct graph *graph);
void graph_clear(struct graph *graph);

/* "namespace/name" where there is a namespace. The caller frees it. */
char *graph_label(const struct graph_node *node);

/* Boxes and arrows of text, from left to right; lines as UTF-8 or with - | + alone. */
void graph_draw_text(const struct graph *graph, bool utf8, FILE *out);
/* Graphviz. */
void graph_draw_dot(const struct graph *graph, FILE *out);
/* A picture of its own, for light and dark backgrounds. */
void graph_draw_svg(const struct graph *graph, FILE *out);

/* topology.c: on stdout, as "dot", "svg", or else as text; then without mere denials. */
void topology_draw(struct graph *graph, const char *format);

#endif /* WEFT_TOOLS_GRAPH_H */
