/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HTTP interface, found through the pinned map weft_config. */
#ifndef WEFT_TOOLS_AGENT_H
#define WEFT_TOOLS_AGENT_H

#include <stddef.h>

struct cli;
struct json_object;
struct weft_config;

enum { AGENT_ERROR_LEN = 512 };

/* Who wrote the maps. False with an explanation on stderr. */
int agent_config(const struct cli *cli, struct weft_config *config);

/*
 * GET http://<agent><path>. 0 and a new reference in *json; -ECONNREFUSED when no agent answers,
 * -EPROTO for an answer that is not JSON or not 200, else another -errno. `error` says it in words.
 */
int agent_get(const struct cli *cli, const char *path, struct json_object **json,
	      char error[AGENT_ERROR_LEN]);

#endif /* WEFT_TOOLS_AGENT_H */
