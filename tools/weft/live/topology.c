// SPDX-License-Identifier: Apache-2.0
/* weft topology: who calls whom, drawn. */
#include "user/traffic/topology.h"

#include <json-c/json.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tools/weft/live/graph.h"
#include "tools/weft/output.h"
#include "tools/weft/live/rows.h"
#include "tools/weft/live/window.h"
#include "user/traffic/traffic.h"

/* May lines be more than - | and +? */
static bool is_utf8(void)
{
	setlocale(LC_CTYPE, "");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

void topology_draw(struct graph *graph, const char *format)
{
	if (!strcmp(format, "dot")) {
		graph_draw_dot(graph, stdout);
	} else if (!strcmp(format, "svg")) {
		graph_draw_svg(graph, stdout);
	} else {
		graph_drop_denials(graph);
		graph_drop_group(graph);
		if (graph->node_count)
			graph_draw_text(graph, is_utf8(), stdout);
		else
			puts("no traffic");
	}
}

static void show(const struct cli *cli, const struct topology *topology)
{
	struct json_object *json;
	struct graph graph;

	if (cli->json) {
		json = topology_to_json(topology);
		output_json(json);
		json_object_put(json);
		return;
	}
	graph_from_topology(&graph, topology);
	topology_draw(&graph, cli->format);
	graph_clear(&graph);
	if (strcmp(cli->format, "table"))
		return;
	output_heading("Edges");
	rows_print_edges(topology);
	rows_print_splits(topology);
	rows_print_denials(topology);
}

int command_topology(const struct cli *cli)
{
	struct topology_scope scope = { .name_space = cli->name_space };
	struct window window = { .cli = cli };
	struct topology *topology;
	struct traffic *traffic = NULL;

	if (!rows_parse_by(cli->argv[1], &scope.by))
		return cli_fail("'%s' is none of workloads, pods, namespaces", cli->argv[1]);
	if (window_open(&window, cli))
		traffic = window_next(&window, cli->interval);
	window_close(&window);
	if (!traffic)
		return CLI_FAILED;
	topology = topology_new(traffic, &scope);
	show(cli, topology);
	topology_free(topology);
	traffic_free(traffic);
	return CLI_OK;
}
