// SPDX-License-Identifier: Apache-2.0
/* weft top, weft edges: rates of the moment as tables. */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/weft/output.h"
#include "tools/weft/live/rows.h"
#include "tools/weft/live/window.h"
#include "user/traffic/traffic.h"

/* A terminal: to the upper left, and away with what follows. */
static const char clear_screen[] = "\033[H\033[J";

/* Of a row of `top pods` all pods are known; who counts pods together is not among them. */
static void note_workloads(const struct topology *topology, enum topology_by by)
{
	uint64_t count = 0;
	size_t i;

	for (i = 0; by == TOPOLOGY_PODS && i < topology->node_count; i++)
		count += *topology->nodes[i].name_space && strcmp(topology->nodes[i].kind, "Pod");
	if (count)
		fprintf(stderr,
			"weft: of %" PRIu64 " workloads not every pod is counted by itself "
			"(--pod-edges of weftd)\n",
			count);
}

static void print_head(const struct topology *topology)
{
	time_t now = (time_t)topology->time;
	struct tm local;
	char text[32];

	strftime(text, sizeof(text), "%H:%M:%S", localtime_r(&now, &local));
	printf("%s  %s  last %.1f s  findings %" PRIu64 "\n\n", text,
	       *topology->node ? topology->node : "all nodes", topology->window,
	       topology->findings);
}

/* Shows what happened since the last look. False when nobody tells. */
static bool show(struct window *window, const struct topology_scope *scope, unsigned int seconds,
		 bool live)
{
	struct traffic *traffic = window_next(window, seconds);
	struct topology *topology;
	struct json_object *json;

	if (!traffic)
		return false;
	topology = topology_new(traffic, scope);
	if (live) {
		fputs(clear_screen, stdout);
		print_head(topology);
	}
	if (window->cli->json) {
		json = topology_to_json(topology);
		output_json(json);
		json_object_put(json);
	} else if (!strcmp(window->cli->argv[0], "edges")) {
		rows_print_edges(topology);
		rows_print_splits(topology);
		rows_print_denials(topology);
	} else {
		rows_print_nodes(topology, scope->by, !scope->name_space);
		note_workloads(topology, live ? TOPOLOGY_WORKLOADS : scope->by);
	}
	fflush(stdout);
	topology_free(topology);
	traffic_free(traffic);
	return true;
}

static int run(const struct cli *cli, bool live)
{
	struct topology_scope scope = { .name_space = cli->name_space };
	struct window window = { .cli = cli };
	int status = CLI_FAILED;

	if (!rows_parse_by(cli->argv[1], &scope.by))
		return cli_fail("'%s' is none of workloads, pods, namespaces", cli->argv[1]);
	if (window_open(&window, cli)) {
		/* Who looks at a screen does not want to wait for the first picture. */
		if (show(&window, &scope, live ? 1 : cli->interval, live))
			status = CLI_OK;
		while (live && !ferror(stdout) && show(&window, &scope, cli->interval, live))
			;
	}
	window_close(&window);
	return status;
}

int command_top(const struct cli *cli)
{
	return run(cli, !cli->once && !cli->json && isatty(STDOUT_FILENO));
}

int command_edges(const struct cli *cli)
{
	return run(cli, false);
}
