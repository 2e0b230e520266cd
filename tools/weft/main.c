// SPDX-License-Identifier: Apache-2.0
/* weft: looks at the mesh on this node. Options, the command table, nothing else. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/cli.h"

static const struct command commands[] = {
	{ "status", "", "agent, programs, links, maps and findings of this node", 0, 0,
	  command_status },
	{ "check", "", "can this node run weft; what is missing and the remedy", 0, 0,
	  command_check },
	{ "verify", "", "compare maps and attach points with what the objects compile to", 0, 0,
	  command_verify },
	{ "explain", "SRC DST PORT[/udp] [--method M] [--path P] [--header H]... | -",
	  "which objects allow or deny a connection, or a request; -: lines of these from standard "
	  "input",
	  1, 3, command_explain },
	{ "get", "identities|policies|services|splits|edges|requests", "what the kernel maps hold",
	  1, 1, command_get },
	{ "events", "[--follow] [--limit N]", "denied calls, requests and closed connections", 0, 0,
	  command_events },
	{ "tap", "[--from END] [--to END] [--method M] [--path PREFIX] [--status S] [--denied]",
	  "HTTP requests as they happen", 0, 0, command_tap },
	{ "regex", "PATTERN [STRING...] [--full | --value]",
	  "does a regex of a route group compile, and does it match these strings", 1, INT_MAX,
	  command_regex },
	{ "detach", "", "remove every program, link and map of weft from this node", 0, 0,
	  command_detach },
	{ 0 },
};

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
	LIMIT_DEFAULT = 1000,
};

static const struct argp_option options[] = {
	{ "bpffs", OPTION_BPFFS, "ROOT", 0,
	  "Pin root of the agent (default $WEFT_BPFFS or /sys/fs/bpf/weft)", 0 },
	{ "output", 'o', "FORMAT", 0, "table (default) or json", 0 },
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
	{ 0 },
};

const char *argp_program_version = "weft " WEFT_VERSION;

static bool parse_limit(const char *text, unsigned int *limit)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	*limit = (unsigned int)number;
	return *text >= '0' && *text <= '9' && !*end && !errno && number <= UINT_MAX;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case OPTION_BPFFS:
		cli->root = argument;
		return 0;
	case 'o':
		if (strcmp(argument, "json") && strcmp(argument, "table"))
			argp_error(state, "unknown output format '%s': table or json", argument);
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
		if (!parse_limit(argument, &cli->limit))
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
	case ARGP_KEY_ARG:
		/* Positions are kept in order; options may stand anywhere. */
		cli->argv[cli->argc++] = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The command list after the options in --help. */
static char *help_filter(int key, const char *text, void *input)
{
	const struct command *command;
	char *out;
	size_t length;
	FILE *stream;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&out, &length);
	fputs("Commands:\n", stream);
	for (command = commands; command->name; command++)
		fprintf(stream, "  %s%s%s\n        %s\n", command->name,
			*command->arguments ? " " : "", command->arguments, command->help);
	fputs("\nSRC and DST are NAMESPACE/POD, sa/NAMESPACE/NAME or an address, DST also "
	      "svc/NAMESPACE/NAME.\n"
	      "Exit status: 0 = well, 1 = differs or not healthy, 2 = could not tell.",
	      stream);
	fclose(stream);
	return out;
}

static int run_command(const struct cli *cli)
{
	const struct command *command;
	int count = cli->argc - 1;

	for (command = commands; command->name; command++)
		if (!strcmp(command->name, cli->argv[0]))
			break;
	if (!command->name)
		return cli_fail("unknown command '%s' (see weft --help)", cli->argv[0]);
	if (count < command->least || count > command->most)
		return cli_fail("usage: weft %s%s%s", command->name, *command->arguments ? " " : "",
				command->arguments);
	if ((cli->follow || cli->limit != LIMIT_DEFAULT) && command->run != command_events)
		return cli_fail("--follow and --limit are for weft events");
	if ((cli->full || cli->value) && command->run != command_regex)
		return cli_fail("--full and --value are for weft regex");
	if ((cli->from || cli->to || cli->status || cli->denied) && command->run != command_tap)
		return cli_fail("--from, --to, --status and --denied are for weft tap");
	if (cli->header_count && command->run != command_explain)
		return cli_fail("--header is for weft explain");
	if ((cli->method || cli->path) && command->run != command_tap &&
	    command->run != command_explain)
		return cli_fail("--method and --path are for weft tap and weft explain");
	return command->run(cli);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Looks at the service mesh on this node.\v",
		.help_filter = help_filter,
	};
	const char *root = getenv("WEFT_BPFFS");
	struct cli cli = {
		.root = root && *root ? root : "/sys/fs/bpf/weft",
		.limit = LIMIT_DEFAULT,
		.argv = calloc((size_t)argc + 1, sizeof(char *)),
		.headers = calloc((size_t)argc + 1, sizeof(char *)),
	};
	int status = CLI_FAILED;

	/* As any tool in a pipe, also below a parent that ignores the signal. */
	signal(SIGPIPE, SIG_DFL);
	argp_err_exit_status = CLI_FAILED;
	argp_parse(&argp, argc, argv, 0, NULL, &cli);
	if (cli.argc)
		status = run_command(&cli);
	else
		argp_help(&argp, stderr, ARGP_HELP_STD_USAGE, argv[0]);
	free(cli.argv);
	free(cli.headers);
	/* A full disk behind a redirection is a failure like any other. */
	if (fflush(stdout) || ferror(stdout))
		status = cli_fail("cannot write the output: %s", strerror(errno));
	return status;
}
