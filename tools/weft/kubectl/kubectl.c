// SPDX-License-Identifier: Apache-2.0
/* The command line of kubectl traffic. */
#include "tools/weft/kubectl/kubectl.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_CONTEXT = 256,
	OPTION_KUBECONFIG,
	OPTION_AGENTS,
	OPTION_FROM,
	OPTION_TO,
	OPTION_METHOD,
	OPTION_PATH,
	OPTION_STATUS,
	OPTION_DENIED,
};

static const struct argp_option options[] = {
	{ "namespace", 'n', "NAMESPACE", 0, "Of the resources (default: the context's)", 0 },
	{ "all-namespaces", 'A', NULL, 0, "Resources of all namespaces", 0 },
	{ "selector", 'l', "SELECTOR", 0, "Resources with these labels", 0 },
	{ "output", 'o', "FORMAT", 0, "table (default) or json; topology: also dot or svg", 0 },
	{ "context", OPTION_CONTEXT, "NAME", 0, "Of the kubeconfig, for kubectl", 0 },
	{ "kubeconfig", OPTION_KUBECONFIG, "FILE", 0, "For kubectl", 0 },
	{ "weft-namespace", OPTION_AGENTS, "NAMESPACE", 0,
	  "tap: where weft's own pods are (default weft-system)", 0 },
	{ "from", OPTION_FROM, "END", 0,
	  "tap: requests of this NAMESPACE or NAMESPACE/NAME (pod, workload, ServiceAccount)", 0 },
	{ "to", OPTION_TO, "END", 0, "tap: requests to it", 0 },
	{ "method", OPTION_METHOD, "METHOD", 0, "tap: requests of this method", 0 },
	{ "path", OPTION_PATH, "PREFIX", 0, "tap: requests whose path begins so", 0 },
	{ "status", OPTION_STATUS, "STATUS", 0, "tap: answers of this code or class (404, 5xx)",
	  0 },
	{ "denied", OPTION_DENIED, NULL, 0, "tap: denied requests, and those that would be", 0 },
	{ 0 },
};

static void pass_on(struct kubectl *kubectl, const char *flag, const char *value)
{
	size_t i;

	/* Given twice, the last one counts, as with kubectl. */
	for (i = 0; i < kubectl->flag_count && strcmp(kubectl->flags[i], flag); i += 2)
		;
	kubectl->flags[i] = flag;
	kubectl->flags[i + 1] = value;
	if (i == kubectl->flag_count)
		kubectl->flag_count += 2;
}

static error_t parse_tap_option(int key, char *argument, struct cli *cli)
{
	switch (key) {
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
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct kubectl *kubectl = state->input;
	struct cli *cli = &kubectl->cli;

	switch (key) {
	case 'n':
		cli->name_space = argument;
		return 0;
	case 'A':
		kubectl->all_namespaces = true;
		return 0;
	case 'l':
		kubectl->selector = argument;
		return 0;
	case 'o':
		cli->format = argument;
		cli->json = !strcmp(argument, "json");
		return 0;
	case OPTION_CONTEXT:
		pass_on(kubectl, "--context", argument);
		return 0;
	case OPTION_KUBECONFIG:
		pass_on(kubectl, "--kubeconfig", argument);
		return 0;
	case OPTION_AGENTS:
		kubectl->agent_namespace = argument;
		return 0;
	case ARGP_KEY_ARG:
		cli->argv[cli->argc++] = argument;
		return 0;
	default:
		return parse_tap_option(key, argument, cli);
	}
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static int run(struct kubectl *kubectl)
{
	static const char *const tables[] = { "table", "json", NULL };
	static const char *const drawings[] = { "table", "json", "dot", "svg", NULL };
	const struct cli *cli = &kubectl->cli;
	const char *command = cli->argc ? cli->argv[0] : "";
	bool draws = !strcmp(command, "topology"), taps = !strcmp(command, "tap");

	if (!draws && !taps && strcmp(command, "top"))
		return cli_fail("'%s' is none of top, topology, tap (see kubectl traffic --help)",
				command);
	if (!is_one_of(cli->format, draws ? drawings : tables))
		return cli_fail("unknown output format '%s'", cli->format);
	if (!taps &&
	    (cli->from || cli->to || cli->method || cli->path || cli->status || cli->denied))
		return cli_fail(
			"--from, --to, --method, --path, --status and --denied are for tap");
	if (taps && (cli->name_space || kubectl->all_namespaces || kubectl->selector))
		return cli_fail("tap selects by --from and --to, not by -n, -A and -l");
	if (taps ? cli->argc > 1 : cli->argc > 3 || (!draws && cli->argc < 2))
		return cli_fail("usage: kubectl traffic top RESOURCE [NAME] | topology [RESOURCE "
				"[NAME]] | tap");
	return taps  ? kubectl_tap(kubectl) :
	       draws ? kubectl_topology(kubectl) :
		       kubectl_top(kubectl);
}

int kubectl_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "top RESOURCE [NAME]\ntopology [RESOURCE [NAME]]\ntap",
		.doc = "Traffic of the service mesh, by the TrafficMetrics API (SMI), as a plugin "
		       "of kubectl.\v"
		       "RESOURCE is pods, deployments, statefulsets, daemonsets, replicasets, "
		       "replicationcontrollers, jobs, services, trafficsplits, nodes or "
		       "namespaces; topology's default is deployments. tap shows HTTP requests as "
		       "they happen, on all nodes. Manual page: kubectl-traffic(1).",
	};
	struct kubectl kubectl = {
		.cli = { .format = "table", .argv = calloc((size_t)argc + 1, sizeof(char *)) },
		.agent_namespace = "weft-system",
	};
	int status;

	cli_name = "kubectl traffic";
	argp_parse(&argp, argc, argv, 0, NULL, &kubectl);
	status = run(&kubectl);
	free(kubectl.cli.argv);
	return status;
}
