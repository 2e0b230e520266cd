// SPDX-License-Identifier: Apache-2.0
/* A graph as a picture. */
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "tools/weft/live/graph.h"
#include "tools/weft/live/layout.h"

/* Pixels. */
enum {
	BOX_WIDTH = 210,
	BOX_HEIGHT = 40,
	ACROSS = 430,
	DOWN = 76,
	MARGIN = 16,
	LOOP = 26,
	APART = 8, /* of edges in both directions */
	LINE = 12,
	WORDS_MAX = 30,
};

static const char head[] =
	"<style>\n"
	"svg { background: #fbfbfc; }\n"
	"text { fill: #1b1f24; font: 12px sans-serif; }\n"
	".detail { fill: #5b6470; font-size: 11px; }\n"
	".words { font-size: 10px; text-anchor: middle; paint-order: stroke; stroke: #fbfbfc; "
	"stroke-width: 3px; }\n"
	"rect { fill: #fff; stroke: #5b6470; stroke-width: 1.2; }\n"
	"path { fill: none; stroke: #4a6fa5; stroke-width: 1.6; }\n"
	".good { stroke: #1a7f4b; } .fair { stroke: #9a6700; } .bad, .denied { stroke: #c62f2f; }\n"
	".denied { stroke-dasharray: 5 4; }\n"
	"marker path { fill: #5b6470; stroke: none; }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"svg { background: #12151a; } text { fill: #e4e8ee; } rect { fill: #1a1f27; }\n"
	".detail { fill: #98a2b0; } .words { stroke: #12151a; }\n"
	"}\n"
	"</style>\n"
	"<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" "
	"markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n";

static const char *const looks[] = {
	[GRAPH_PLAIN] = "plain", [GRAPH_GOOD] = "good",	    [GRAPH_FAIR] = "fair",
	[GRAPH_BAD] = "bad",	 [GRAPH_DENIED] = "denied",
};

static void put_words(const char *words, size_t most, FILE *out)
{
	for (; *words && *words != '\n' && most; words++, most--) {
		if (*words == '<')
			fputs("&lt;", out);
		else if (*words == '>')
			fputs("&gt;", out);
		else if (*words == '&')
			fputs("&amp;", out);
		else
			fputc(*words >= ' ' && *words <= '~' ? *words : '?', out);
	}
}

static long x_of(const struct layout *layout, size_t spot)
{
	return MARGIN + (long)layout->spots[spot].layer * ACROSS;
}

static long y_of(const struct layout *layout, size_t spot)
{
	return MARGIN + LOOP + (long)layout->spots[spot].row * DOWN;
}

static bool has_twin(const struct graph *graph, const struct graph_edge *edge)
{
	size_t i;

	for (i = 0; i < graph->edge_count; i++)
		if (graph->edges[i].from == edge->to && graph->edges[i].to == edge->from)
			return true;
	return false;
}

static void put_all_words(const struct graph_edge *edge, long x, long y, FILE *out)
{
	const char *line;

	for (line = edge->words; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		fprintf(out, "<text class=\"words\" x=\"%ld\" y=\"%ld\">", x, y);
		put_words(line, (size_t)-1, out);
		fputs("</text>\n", out);
		y += LINE;
	}
}

static void draw_loop(const struct layout *layout, const struct graph_edge *edge, FILE *out)
{
	long x = x_of(layout, edge->from) + BOX_WIDTH / 2, y = y_of(layout, edge->from);

	fprintf(out,
		"<path class=\"%s\" marker-end=\"url(#head)\" d=\"M%ld %ldC%ld %ld %ld %ld %ld "
		"%ld\"/>\n",
		looks[edge->look], x - LOOP, y, x - LOOP, y - LOOP, x + LOOP, y - LOOP, x + LOOP,
		y);
	put_all_words(edge, x, y - LOOP + LINE, out);
}

/* A curve from box to box, by way of its bends; arrows that lead back go the other way. */
static void draw_edge(const struct graph *graph, const struct layout *layout, size_t i, FILE *out)
{
	const struct layout_edge *way = &layout->edges[i];
	const struct graph_edge *edge = &graph->edges[i];
	long shift = BOX_HEIGHT / 2, x, y;
	size_t k;

	if (!way->way_count) {
		draw_loop(layout, edge, out);
		return;
	}
	if (has_twin(graph, edge))
		shift += way->back ? APART : -APART;
	x = x_of(layout, way->way[0]) + BOX_WIDTH;
	y = y_of(layout, way->way[0]) + shift;
	fprintf(out, "<path class=\"%s\" marker-%s=\"url(#head)\" d=\"M%ld %ld", looks[edge->look],
		way->back ? "start" : "end", x, y);
	for (k = 1; k < way->way_count; k++) {
		long to_x = x_of(layout, way->way[k]), to_y = y_of(layout, way->way[k]) + shift;

		fprintf(out, "C%ld %ld %ld %ld %ld %ld", (x + to_x) / 2, y, (x + to_x) / 2, to_y,
			to_x, to_y);
		if (k + 1 < way->way_count)
			fprintf(out, "H%ld", to_x + BOX_WIDTH);
		x = to_x + BOX_WIDTH;
		y = to_y;
	}
	fputs("\"/>\n", out);
	put_all_words(edge, x_of(layout, way->way[0]) + BOX_WIDTH + (ACROSS - BOX_WIDTH) / 2,
		      (y_of(layout, way->way[0]) + y_of(layout, way->way[1])) / 2 + shift -
			      (way->back ? -LINE : 4),
		      out);
}

static void draw_node(const struct graph_node *node, long x, long y, FILE *out)
{
	char *label = graph_label(node);

	fprintf(out, "<g><title>");
	put_words(label, (size_t)-1, out);
	fprintf(out,
		"</title><rect class=\"%s\" x=\"%ld\" y=\"%ld\" width=\"%d\" height=\"%d\" "
		"rx=\"6\"/><text x=\"%ld\" y=\"%ld\">",
		looks[node->look], x, y, BOX_WIDTH, BOX_HEIGHT, x + 10, y + 17);
	put_words(label, WORDS_MAX, out);
	fprintf(out, "</text><text class=\"detail\" x=\"%ld\" y=\"%ld\">", x + 10, y + 32);
	put_words(node->detail, WORDS_MAX, out);
	fputs("</text></g>\n", out);
	free(label);
}

void graph_draw_svg(const struct graph *graph, FILE *out)
{
	struct layout_edge *edges = memory_alloc((graph->edge_count + 1) * sizeof(*edges));
	struct layout layout;
	size_t i, width, height;

	for (i = 0; i < graph->edge_count; i++) {
		edges[i].from = graph->edges[i].from;
		edges[i].to = graph->edges[i].to;
	}
	layout_make(&layout, graph->node_count, edges, graph->edge_count);
	free(edges);
	width = 2 * MARGIN + BOX_WIDTH + (layout.layer_count ? layout.layer_count - 1 : 0) * ACROSS;
	height = 2 * MARGIN + LOOP + layout.row_count * DOWN;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
		"viewBox=\"0 0 %zu %zu\">\n%s",
		width, height, width, height, head);
	for (i = 0; i < graph->edge_count; i++)
		draw_edge(graph, &layout, i, out);
	for (i = 0; i < graph->node_count; i++)
		draw_node(&graph->nodes[i], x_of(&layout, i), y_of(&layout, i), out);
	fputs("</svg>\n", out);
	layout_clear(&layout);
}
