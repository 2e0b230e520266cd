// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/cli.h"

enum {
	OPTION_BPFFS = 256,
	OPTION_LIMIT,
	OPTION_FULL,
	OPTION_VALUE,
	OPTION_HEADER,
	OPTION_FROM,
	OPTION_TO,
	OPTION_METHOD,
	OPTION_PATH,
	OPTION_STATUS,
	OPTION_DENIED,
	OPTION_INTERVAL,
	OPTION_ONCE,
	OPTION_AGENT,
	INTERVAL_MAX_S = 3600,
};

const struct argp_option cli_options[] = {
	{ "bpffs", OPTION_BPFFS, "ROOT", 0,
	  "Pin root of the agent (default $WEFT_BPFFS or /sys/fs/bpf/weft)", 0 },
	{ "output", 'o', "FORMAT", 0, "table (default) or json; topology: also dot or svg", 0 },
	{ "follow", 'f', NULL, 0, "events: go on as they happen", 0 },
	{ "limit", OPTION_LIMIT, "N", 0, "events: begin with the last N (default 1000)", 0 },
	{ "full", OPTION_FULL, NULL, 0, "regex: a path that must match to its end", 0 },
	{ "value", OPTION_VALUE, NULL, 0, "regex: a header's value, searched", 0 },
	{ "header", OPTION_HEADER, "'NAME: VALUE'", 0,
	  "explain: a header of the request; may be given several times", 0 },
	{ "from", OPTION_FROM, "END", 0,
	  "tap: requests of this NAMESPACE or NAMESPACE/NAME (pod, workload, ServiceAccount)", 0 },
	{ "to", OPTION_TO, "END", 0, "tap: requests to it", 0 },
	{ "method", OPTION_METHOD, "METHOD", 0,
	  "tap: requests of this method; explain: the request's", 0 },
	{ "path", OPTION_PATH, "PREFIX", 0,
	  "tap: requests whose path begins so; explain: the request's", 0 },
	{ "status", OPTION_STATUS, "STATUS", 0, "tap: answers of this code or class (404, 5xx)",
	  0 },
	{ "denied", OPTION_DENIED, NULL, 0, "tap: denied requests, and those that would be", 0 },
	{ "namespace", 'n', "NAMESPACE", 0,
	  "top, edges, topology: what begins or ends in it (default: all)", 0 },
	{ "interval", OPTION_INTERVAL, "SECONDS", 0,
	  "top, edges, topology: time between two looks (default 5)", 0 },
	{ "once", OPTION_ONCE, NULL, 0, "top: one table, also on a terminal", 0 },
	{ "agent", OPTION_AGENT, "URL", 0,
	  "top, edges, topology: ask this agent (http://ADDRESS:PORT) instead of the maps; may be "
	  "given several times, then nodes are added up",
	  0 },
	{ 0 },
};

static bool parse_count(const char *text, unsigned int *count)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	*count = (unsigned int)number;
	return *text >= '0' && *text <= '9' && !*end && !errno && number <= UINT_MAX;
}

static bool is_format(const char *text)
{
	static const char *const formats[] = { "table", "json", "dot", "svg" };
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(text, formats[i]))
			return true;
	return false;
}

error_t options_parse(int key, char *argument, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case OPTION_BPFFS:
		cli->root = argument;
		return 0;
	case 'o':
		if (!is_format(argument))
			argp_error(state, "unknown output format '%s': table or json", argument);
		cli->format = argument;
		cli->json = !strcmp(argument, "json");
		return 0;
	case 'f':
		cli->follow = true;
		return 0;
	case OPTION_FULL:
		cli->full = true;
		return 0;
	case OPTION_VALUE:
		cli->value = true;
		return 0;
	case OPTION_HEADER:
		cli->headers[cli->header_count++] = argument;
		return 0;
	case OPTION_LIMIT:
		if (!parse_count(argument, &cli->limit))
			argp_error(state, "--limit takes a number, not '%s'", argument);
		return 0;
	case OPTION_FROM:
		cli->from = argument;
		return 0;
	case OPTION_TO:
		cli->to = argument;
		return 0;
	case OPTION_METHOD:
		cli->method = argument;
		return 0;
	case OPTION_PATH:
		cli->path = argument;
		return 0;
	case OPTION_STATUS:
		cli->status = argument;
		return 0;
	case OPTION_DENIED:
		cli->denied = true;
		return 0;
	case 'n':
		cli->name_space = argument;
		return 0;
	case OPTION_INTERVAL:
		if (!parse_count(argument, &cli->interval) || !cli->interval ||
		    cli->interval > INTERVAL_MAX_S)
			argp_error(state, "--interval takes seconds from 1 to 3600, not '%s'",
				   argument);
		return 0;
	case OPTION_ONCE:
		cli->once = true;
		return 0;
	case OPTION_AGENT:
		cli->agents[cli->agent_count++] = argument;
		return 0;
	case ARGP_KEY_ARG:
		/* Positions are kept in order; options may stand anywhere. */
		cli->argv[cli->argc++] = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool refuse(const char *text)
{
	cli_fail("%s", text);
	return false;
}

/* Those that look twice and tell the difference. */
static bool is_live(const struct command *command)
{
	return command->run == command_top || command->run == command_edges ||
	       command->run == command_topology;
}

bool options_check(const struct cli *cli, const struct command *command)
{
	if ((cli->follow || cli->limit != OPTIONS_LIMIT) && command->run != command_events)
		return refuse("--follow and --limit are for weft events");
	if ((cli->full || cli->value) && command->run != command_regex)
		return refuse("--full and --value are for weft regex");
	if ((cli->from || cli->to || cli->status || cli->denied) && command->run != command_tap)
		return refuse("--from, --to, --status and --denied are for weft tap");
	if (cli->header_count && command->run != command_explain)
		return refuse("--header is for weft explain");
	if ((cli->method || cli->path) && command->run != command_tap &&
	    command->run != command_explain)
		return refuse("--method and --path are for weft tap and weft explain");
	if ((cli->name_space || cli->interval != OPTIONS_INTERVAL_S || cli->agent_count) &&
	    !is_live(command))
		return refuse("--namespace, --interval and --agent are for weft top, edges and "
			      "topology");
	if (cli->once && command->run != command_top)
		return refuse("--once is for weft top");
	if (!cli->json && strcmp(cli->format, "table") && command->run != command_topology)
		return refuse("-o dot and -o svg are for weft topology");
	return true;
}
