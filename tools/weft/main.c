// SPDX-License-Identifier: Apache-2.0
/* weft: looks at the mesh on this node. Options, the command table, nothing else. */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/cli.h"

static const struct command commands[] = {
	{ "status", "", "agent, programs, links, maps and findings of this node", command_status },
	{ "check", "", "can this node run weft; what is missing and the remedy", command_check },
	{ "verify", "", "compare maps and attach points with what the objects compile to",
	  command_verify },
	{ "explain", "SRC DST PORT[/udp]", "which objects allow or deny a connection",
	  command_explain },
	{ "get", "identities|policies|services|splits|edges", "what the kernel maps hold",
	  command_get },
	{ "events", "[--follow] [--limit N]", "denied calls and closed connections",
	  command_events },
	{ "detach", "", "remove every program, link and map of weft from this node",
	  command_detach },
	{ 0 },
};

enum { OPTION_BPFFS = 256, OPTION_LIMIT };

static const struct argp_option options[] = {
	{ "bpffs", OPTION_BPFFS, "ROOT", 0,
	  "Pin root of the agent (default $WEFT_BPFFS or /sys/fs/bpf/weft)", 0 },
	{ "output", 'o', "FORMAT", 0, "table (default) or json", 0 },
	{ "follow", 'f', NULL, 0, "events: go on as they happen", 0 },
	{ "limit", OPTION_LIMIT, "N", 0, "events: the last N (default 1000)", 0 },
	{ 0 },
};

const char *argp_program_version = "weft " WEFT_VERSION;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct cli *cli = state->input;
	char *end;

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
	case OPTION_LIMIT:
		cli->limit = (unsigned int)strtoul(argument, &end, 10);
		if (*end || !cli->limit)
			argp_error(state, "--limit takes a positive number, not '%s'", argument);
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
	fputs("\nSRC and DST are NAMESPACE/POD, [sa|svc]/NAMESPACE/NAME, or an address.\n"
	      "Exit status: 0 = well, 1 = differs or not healthy, 2 = could not tell.",
	      stream);
	fclose(stream);
	return out;
}

int cli_fail(const char *format, ...)
{
	va_list arguments;

	fputs("weft: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return CLI_FAILED;
}

bool cli_open_maps(const struct cli *cli, struct maps *maps)
{
	uint32_t abi = 0;
	int error = maps_open(maps, cli->root, false, &abi);

	if (!error)
		return true;
	if (error == -ENOENT)
		cli_fail(
			"nothing of weft is pinned at %s: no agent has run on this node, or --bpffs "
			"names another root",
			cli->root);
	else if (error == -EPERM || error == -EACCES)
		cli_fail("may not read the maps at %s: run as root", cli->root);
	else if (error == -EPROTO)
		cli_fail("the maps at %s are of ABI version %u, this is for version %d: use the "
			 "agent's own weft",
			 cli->root, abi, WEFT_ABI_VERSION);
	else
		cli_fail("cannot open the maps at %s: %s", cli->root, strerror(-error));
	return false;
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
	const struct command *command;
	struct cli cli = {
		.root = root && *root ? root : "/sys/fs/bpf/weft",
		.limit = 1000,
		.argv = calloc((size_t)argc + 1, sizeof(char *)),
	};
	int status = CLI_FAILED;

	argp_err_exit_status = CLI_FAILED;
	argp_parse(&argp, argc, argv, 0, NULL, &cli);
	if (!cli.argc) {
		argp_help(&argp, stderr, ARGP_HELP_STD_USAGE, argv[0]);
		goto out;
	}
	for (command = commands; command->name; command++)
		if (!strcmp(command->name, cli.argv[0]))
			break;
	status = command->name ? command->run(&cli) :
				 cli_fail("unknown command '%s' (see weft --help)", cli.argv[0]);
out:
	free(cli.argv);
	return status;
}
