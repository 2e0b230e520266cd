// SPDX-License-Identifier: Apache-2.0
/* weft: looks at the mesh on this node. The command table, nothing else. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/cli.h"
#include "tools/weft/kubectl/kubectl.h"
#include "tools/weft/options.h"

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
	{ "top",
	  "[workloads|pods|namespaces] [-n NAMESPACE] [--interval S] [--once] [--agent URL]...",
	  "success rate, requests, latency and connections of what is called", 0, 1, command_top },
	{ "edges", "[workloads|pods|namespaces] [-n NAMESPACE] [--interval S] [--agent URL]...",
	  "who calls whom, on which port, with which result", 0, 1, command_edges },
	{ "topology",
	  "[workloads|pods|namespaces] [-n NAMESPACE] [--interval S] [-o table|json|dot|svg] "
	  "[--agent URL]...",
	  "who calls whom, drawn", 0, 1, command_topology },
	{ "regex", "PATTERN [STRING...] [--full | --value]",
	  "does a regex of a route group compile, and does it match these strings", 1, INT_MAX,
	  command_regex },
	{ "detach", "", "remove every program, link and map of weft from this node", 0, 0,
	  command_detach },
	{ 0 },
};

const char *argp_program_version = "weft " WEFT_VERSION;

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
	return options_check(cli, command) ? command->run(cli) : CLI_FAILED;
}

/* A full disk behind a redirection is a failure like any other. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		return cli_fail("cannot write the output: %s", strerror(errno));
	return status;
}

/* Installed under a second name, this is a plugin of kubectl. */
static bool is_plugin(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(slash ? slash + 1 : path, "kubectl-traffic");
}

static int run_weft(int argc, char **argv)
{
	static const struct argp argp = {
		.options = cli_options,
		.parser = options_parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Looks at the service mesh on this node.\v",
		.help_filter = help_filter,
	};
	const char *root = getenv("WEFT_BPFFS");
	struct cli cli = {
		.root = root && *root ? root : "/sys/fs/bpf/weft",
		.format = "table",
		.limit = OPTIONS_LIMIT,
		.interval = OPTIONS_INTERVAL_S,
		.argv = calloc((size_t)argc + 1, sizeof(char *)),
		.headers = calloc((size_t)argc + 1, sizeof(char *)),
		.agents = calloc((size_t)argc + 1, sizeof(char *)),
	};
	int status = CLI_FAILED;

	argp_parse(&argp, argc, argv, 0, NULL, &cli);
	if (cli.argc)
		status = run_command(&cli);
	else
		argp_help(&argp, stderr, ARGP_HELP_STD_USAGE, argv[0]);
	free(cli.argv);
	free(cli.headers);
	free(cli.agents);
	return status;
}

int main(int argc, char **argv)
{
	/* As any tool in a pipe, also below a parent that ignores the signal. */
	signal(SIGPIPE, SIG_DFL);
	argp_err_exit_status = CLI_FAILED;
	return finish(argc && is_plugin(argv[0]) ? kubectl_main(argc, argv) : run_weft(argc, argv));
}
