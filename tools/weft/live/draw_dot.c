// SPDX-License-Identifier: Apache-2.0
/* A graph in Graphviz's language. */
#include <stdlib.h>

#include "tools/weft/live/graph.h"

static const char *const colours[] = {
	[GRAPH_PLAIN] = "#4a6fa5", [GRAPH_GOOD] = "#1a7f4b",   [GRAPH_FAIR] = "#9a6700",
	[GRAPH_BAD] = "#c62f2f",   [GRAPH_DENIED] = "#c62f2f",
};

/* A quoted string: only these two need an escape; a line's end is one of its own. */
static void put_words(const char *words, FILE *out)
{
	for (; *words; words++) {
		if (*words == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*words == '"' || *words == '\\')
			fputc('\\', out);
		fputc(*words >= ' ' && *words <= '~' ? *words : '?', out);
	}
}

void graph_draw_dot(const struct graph *graph, FILE *out)
{
	char *label;
	size_t i;

	fputs("digraph weft {\n\trankdir=LR;\n\tnode [shape=box, style=rounded, "
	      "fontname=\"sans-serif\"];\n\tedge [fontname=\"sans-serif\", fontsize=10];\n",
	      out);
	for (i = 0; i < graph->node_count; i++) {
		label = graph_label(&graph->nodes[i]);
		fprintf(out, "\tn%zu [label=\"", i);
		put_words(label, out);
		fputs("\\n", out);
		put_words(graph->nodes[i].detail, out);
		fprintf(out, "\", color=\"%s\"];\n", colours[graph->nodes[i].look]);
		free(label);
	}
	for (i = 0; i < graph->edge_count; i++) {
		const struct graph_edge *edge = &graph->edges[i];

		fprintf(out, "\tn%zu -> n%zu [label=\"", edge->from, edge->to);
		put_words(edge->words, out);
		fprintf(out, "\", color=\"%s\"%s];\n", colours[edge->look],
			edge->look == GRAPH_DENIED ? ", style=dashed" : "");
	}
	fputs("}\n", out);
}
