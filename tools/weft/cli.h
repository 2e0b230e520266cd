/* SPDX-License-Identifier: Apache-2.0 */
/* What every command of `weft` gets, and the exit codes they share. */
#ifndef WEFT_TOOLS_CLI_H
#define WEFT_TOOLS_CLI_H

#include <stdbool.h>
#include "loader/maps.h"

enum cli_exit {
	CLI_OK = 0, /* done, or: equal, healthy */
	/* verify, explain: differs; status: not healthy; check: failed; regex: no match */
	CLI_DIFFERS = 1,
	CLI_FAILED = 2, /* could not tell, or wrong usage */
};

struct cli {
	const char *root;		/* --bpffs */
	const char *format;		/* -o */
	bool json;			/* -o json */
	bool follow;			/* events --follow */
	unsigned int limit;		/* events --limit */
	bool full, value;		/* regex --full, --value */
	const char *from, *to, *status; /* tap; NULL = not given */
	const char *method, *path;	/* tap, explain; NULL = not given */
	const char **headers;		/* explain --header, as given */
	int header_count;
	bool denied; /* tap --denied */
	/* top, edges, topology */
	const char *name_space; /* NULL = all */
	unsigned int interval;	/* seconds */
	bool once;		/* top */
	const char **agents;	/* --agent, as given */
	int agent_count;
	int argc; /* the command and its own arguments */
	char **argv;
};

struct command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *help;      /* one line */
	int least, most;       /* how many arguments it takes */
	int (*run)(const struct cli *cli);
};

int command_status(const struct cli *cli);
int command_check(const struct cli *cli);
int command_verify(const struct cli *cli);
int command_explain(const struct cli *cli);
int command_get(const struct cli *cli);
int command_events(const struct cli *cli);
int command_tap(const struct cli *cli);
int command_top(const struct cli *cli);
int command_edges(const struct cli *cli);
int command_topology(const struct cli *cli);
int command_detach(const struct cli *cli);
int command_regex(const struct cli *cli);

/* What the command is called in complaints. */
extern const char *cli_name;
/* One line on stderr, "weft: ...". Returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The pinned maps, read-only; on failure says why on stderr and returns false. */
bool cli_open_maps(const struct cli *cli, struct maps *maps);

#endif /* WEFT_TOOLS_CLI_H */
