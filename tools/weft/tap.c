// SPDX-License-Identifier: Apache-2.0
/*
 * weft tap: HTTP requests as they happen. The agent makes every request an event as long as it
 * is asked for them, and picks those that are wanted, so that few are seen among many.
 */
#include "tools/weft/tap.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "tools/weft/cli.h"
#include "tools/weft/output.h"
#include "tools/weft/reader.h"

/* "812 us", "1.234 s": three digits that mean something. */
static void print_latency(double us)
{
	if (us < 1000)
		printf(" in %.0f us", us);
	else if (us < 1000000)
		printf(" in %.3g ms", us / 1000);
	else
		printf(" in %.3g s", us / 1000000);
}

void tap_print_request(struct json_object *event)
{
	struct json_object *latency = json_member(event, "request.latency_us");
	const char *status = json_text(event, "request.status");
	const char *path = json_text(event, "request.path");

	printf(" %s %s %s", json_text(event, "request.method"), *path ? path : "-",
	       *status ? status : "-");
	if (latency)
		print_latency(json_object_get_double(latency));
	if (*json_text(event, "request.traffic_target"))
		printf(" rule %s %s/%s", json_text(event, "request.traffic_target"),
		       json_text(event, "request.route_group"), json_text(event, "request.match"));
	if (*json_text(event, "reason"))
		printf(" %s", json_text(event, "reason"));
}

void tap_print_event(struct json_object *event)
{
	printf("%s %-10s", json_text(event, "time"), json_text(event, "type"));
	reader_print_ends(event);
	tap_print_request(event);
	putchar('\n');
}

static void put_argument(FILE *query, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(query, "%c%s=", ftell(query) ? '&' : '?', name);
	for (; *value; value++)
		fprintf(query, isalnum((unsigned char)*value) ? "%c" : "%%%02X",
			(unsigned char)*value);
}

char *tap_path(const struct cli *cli)
{
	size_t length;
	char *arguments;
	FILE *query = open_memstream(&arguments, &length);
	char *path;

	put_argument(query, "from", cli->from);
	put_argument(query, "to", cli->to);
	put_argument(query, "method", cli->method);
	put_argument(query, "path", cli->path);
	put_argument(query, "status", cli->status);
	put_argument(query, "denied", cli->denied ? "1" : NULL);
	fclose(query);
	path = memory_printf("/v1/tap%s", arguments);
	free(arguments);
	return path;
}

int command_tap(const struct cli *cli)
{
	struct reader reader = { .cli = cli, .filtered = true, .print = tap_print_event };
	char *path = tap_path(cli);
	int status;

	reader.path = path;
	status = reader_run(&reader, 0, true);
	free(path);
	return status;
}
