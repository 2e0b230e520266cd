// SPDX-License-Identifier: Apache-2.0
/* Layouts, and what is drawn of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/memory.h"
#include "tests/unit/dice.h"
#include "tools/weft/live/graph.h"
#include "tools/weft/live/layout.h"

enum { NODES_MAX = 26, ROUNDS = 300 };

/* Edges such as "ab bc cb": nodes are letters, or the names of `words`. */
static void build(struct graph *graph, const char *edges, const char *const *words)
{
	size_t i, k;

	*graph = (struct graph){ 0 };
	for (; *edges; edges += edges[2] ? 3 : 2) {
		for (i = 0; i < 2; i++) {
			char letter[2] = { edges[i], 0 };

			while (graph->node_count <= (size_t)(edges[i] - 'a')) {
				k = memory_grow(&graph->nodes, &graph->node_count,
						&graph->node_capacity, sizeof(*graph->nodes));
				letter[0] = (char)('a' + k);
				graph->nodes[k].group = memory_strdup("");
				graph->nodes[k].name = memory_strdup(words ? words[k] : letter);
				graph->nodes[k].detail = memory_strdup("9.9rps");
			}
		}
		k = memory_grow(&graph->edges, &graph->edge_count, &graph->edge_capacity,
				sizeof(*graph->edges));
		graph->edges[k].from = (size_t)(edges[0] - 'a');
		graph->edges[k].to = (size_t)(edges[1] - 'a');
		graph->edges[k].words = memory_strdup("tcp/80");
	}
}

static char *draw(const struct graph *graph, const char *format)
{
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	if (!strcmp(format, "svg"))
		graph_draw_svg(graph, out);
	else if (!strcmp(format, "dot"))
		graph_draw_dot(graph, out);
	else
		graph_draw_text(graph, !strcmp(format, "utf8"), out);
	fclose(out);
	return text;
}

static void check_text(const char *edges, const char *const *words, const char *format,
		       const char *expected)
{
	struct graph graph;
	char *text;

	build(&graph, edges, words);
	text = draw(&graph, format);
	assert_string_equal(text, expected);
	free(text);
	graph_clear(&graph);
}

/* The picture of the specification. */
static void the_sketch(void **state)
{
	static const char *const words[] = { "traffic", "foo", "bar", "baz" };

	(void)state;
	check_text("ab bc cd dc bd", words, "ascii",
		   "+---------+     +--------+      +--------+\n"
		   "| traffic |---->| foo    |--+-->| bar    |--+\n"
		   "| 9.9rps  |     | 9.9rps |  |   | 9.9rps |  |\n"
		   "|         |     |        |  |   |        |<---+\n"
		   "+---------+     +--------+  |   +--------+  | |\n"
		   "                            |               | |\n"
		   "                            |               | |   +--------+\n"
		   "                            +---------------+---->| baz    |\n"
		   "                                              |   | 9.9rps |\n"
		   "                                              +---|        |\n"
		   "                                                  +--------+\n");
}

static void lines_cross_and_meet(void **state)
{
	(void)state;
	/* c and d are entered on the second line, since a and b leave on the first one; b's line
	 * passes above a's */
	check_text("ac ad bc bd", NULL, "utf8",
		   "┌────────┐        ┌────────┐\n"
		   "│ a      │──┐     │ c      │\n"
		   "│ 9.9rps │  ├─┬──>│ 9.9rps │\n"
		   "└────────┘  │ │   └────────┘\n"
		   "            │ │\n"
		   "┌────────┐  │ │   ┌────────┐\n"
		   "│ b      │────┤   │ d      │\n"
		   "│ 9.9rps │  └─┴──>│ 9.9rps │\n"
		   "└────────┘        └────────┘\n");
	check_text("aa", NULL, "ascii",
		   "+----------------+\n"
		   "| a (and itself) |\n"
		   "| 9.9rps         |\n"
		   "+----------------+\n");
}

/* What no name may have, and what is too long. */
static void hostile_words(void **state)
{
	static const char *const words[] = { "\033[31mred\n<b>&\"\\",
					     "a-name-of-a-workload-that-is-as-long-as-"
					     "some-are" };
	struct graph graph;
	char *text;

	(void)state;
	build(&graph, "ab", words);
	text = draw(&graph, "utf8");
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "?[31mred?<b>&\"\\"));
	assert_null(strstr(text, "some-are"));
	free(text);
	text = draw(&graph, "svg");
	assert_non_null(strstr(text, "?[31mred"));
	assert_null(strstr(text, "<b>"));
	free(text);
	text = draw(&graph, "dot");
	assert_non_null(strstr(text, "[label=\"?[31mred\\n<b>&\\\"\\\\\\n9.9rps\""));
	free(text);
	graph_clear(&graph);
}

static void without_denials(void **state)
{
	struct graph graph;

	(void)state;
	build(&graph, "ab bc cd", NULL);
	graph.edges[0].look = graph.edges[1].look = GRAPH_DENIED;
	graph_drop_denials(&graph);
	assert_int_equal(graph.node_count, 2);
	assert_int_equal(graph.edge_count, 1);
	assert_string_equal(graph.nodes[graph.edges[0].from].name, "c");
	graph_clear(&graph);
}

static void without_the_only_group(void **state)
{
	struct graph graph;
	size_t round, i;

	(void)state;
	for (round = 0; round < 2; round++) {
		build(&graph, "ab bc", NULL);
		for (i = 0; i < 2; i++) {
			free(graph.nodes[i].group);
			graph.nodes[i].group = memory_strdup(round && i ? "web" : "shop");
		}
		graph_drop_group(&graph);
		assert_string_equal(graph.nodes[0].group, round ? "shop" : "");
		graph_clear(&graph);
	}
}

static void check_way(const struct layout *layout, const struct layout_edge *edge)
{
	size_t left = edge->back ? edge->to : edge->from;
	size_t right = edge->back ? edge->from : edge->to, k;

	if (edge->from == edge->to) {
		assert_int_equal(edge->way_count, 0);
		return;
	}
	assert_true(edge->way_count >= 2);
	assert_int_equal(edge->way[0], left);
	assert_int_equal(edge->way[edge->way_count - 1], right);
	for (k = 1; k < edge->way_count; k++) {
		assert_int_equal(layout->spots[edge->way[k]].layer,
				 layout->spots[edge->way[k - 1]].layer + 1);
		if (k + 1 < edge->way_count)
			assert_true(edge->way[k] >= layout->node_count);
	}
}

static void check_layout(const struct layout *layout)
{
	bool *taken = memory_alloc((layout->layer_count * layout->row_count + 1) * sizeof(*taken));
	size_t i;

	for (i = 0; i < layout->spot_count; i++) {
		const struct layout_spot *spot = &layout->spots[i];

		assert_true(spot->layer < layout->layer_count && spot->row < layout->row_count);
		assert_false(taken[spot->layer * layout->row_count + spot->row]);
		taken[spot->layer * layout->row_count + spot->row] = true;
	}
	for (i = 0; i < layout->edge_count; i++)
		check_way(layout, &layout->edges[i]);
	free(taken);
}

/* Any graph has a layout and a drawing; one without circles has no edge that leads back. */
static void any_graph(void **state)
{
	struct dice dice = { .state = 1 };
	int round;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		size_t nodes = 1 + dice_roll(&dice, NODES_MAX), count = 0, i, k;
		bool circles = dice_roll(&dice, 2);
		char edges[3 * NODES_MAX * NODES_MAX + 1] = "";
		struct layout_edge list[NODES_MAX * NODES_MAX] = { 0 };
		struct layout layout;
		struct graph graph;

		for (i = 0; i < nodes; i++) {
			for (k = 0; k < nodes; k++) {
				if (dice_roll(&dice, 8) || (!circles && k <= i))
					continue;
				list[count].from = i;
				list[count].to = k;
				snprintf(edges + 3 * count++, 4, "%c%c ", (char)('a' + i),
					 (char)('a' + k));
			}
		}
		layout_make(&layout, nodes, list, count);
		check_layout(&layout);
		for (i = 0; i < count && !circles; i++)
			assert_false(layout.edges[i].back);
		layout_clear(&layout);
		if (!count)
			continue;
		edges[3 * count - 1] = 0;
		build(&graph, edges, NULL);
		free(draw(&graph, "utf8"));
		free(draw(&graph, "svg"));
		graph_clear(&graph);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sketch),
		cmocka_unit_test(lines_cross_and_meet),
		cmocka_unit_test(hostile_words),
		cmocka_unit_test(without_denials),
		cmocka_unit_test(without_the_only_group),
		cmocka_unit_test(any_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
