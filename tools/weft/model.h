/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's objects, parsed again here, so that explain and verify judge for themselves. */
#ifndef WEFT_TOOLS_MODEL_H
#define WEFT_TOOLS_MODEL_H

#include "policy/compile.h"

struct cli;
struct json_object;

struct model {
	struct store *store;
	struct findings findings;
	struct node_facts facts; /* points into this struct */
	struct weft_addr *host_addresses;
	struct json_object *status; /* /v1/status */
};

/* False with an explanation on stderr. model_close() in any case. */
bool model_open(const struct cli *cli, struct model *model);
void model_close(struct model *model);

#endif /* WEFT_TOOLS_MODEL_H */
