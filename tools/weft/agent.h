/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HTTP interface, found through the pinned map weft_config. */
#ifndef WEFT_TOOLS_AGENT_H
#define WEFT_TOOLS_AGENT_H

#include "bpf/weft_abi.h"

struct cli;
struct json_object;

enum { AGENT_ERROR_LEN = 768 };

/* Who wrote the maps. 0, or -errno with an explanation on stderr. */
int agent_config(const struct cli *cli, struct weft_config *config);

/*
 * GET http://<agent><path>. 0 and a new reference in *json; -ECONNREFUSED when no agent answers,
 * -ETIMEDOUT when it accepts but does not answer, -EINVAL when it refuses the arguments, -EPROTO
 * for an answer that is not a JSON object or not 200. `error` says it in words.
 */
int agent_get(const struct weft_config *config, const char *path, struct json_object **json,
	      char error[AGENT_ERROR_LEN]);
/* The same, of any agent: http://ADDRESS:PORT/PATH. */
int agent_get_url(const char *url, struct json_object **json, char error[AGENT_ERROR_LEN]);

/*
 * GET /v1/status, as above. -EPROTO also when the agent that answers is not the one that wrote
 * the maps: `weft` looks at one node and runs in the network namespace of another.
 */
int agent_status(const struct weft_config *config, struct json_object **status,
		 char error[AGENT_ERROR_LEN]);

#endif /* WEFT_TOOLS_AGENT_H */
