/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `weft`, and which command takes which. */
#ifndef WEFT_TOOLS_OPTIONS_H
#define WEFT_TOOLS_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

struct cli;
struct command;

/* What is not given. */
enum { OPTIONS_LIMIT = 1000, OPTIONS_INTERVAL_S = 5 };

extern const struct argp_option cli_options[];
/* An argp parser; its input is a struct cli. */
error_t options_parse(int key, char *argument, struct argp_state *state);
/* False, with a line on stderr: an option was given that the command does not take. */
bool options_check(const struct cli *cli, const struct command *command);

#endif /* WEFT_TOOLS_OPTIONS_H */
