/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `weft verify`. It shares no code with the agent's reconcile. */
#ifndef WEFT_TOOLS_VERIFY_H
#define WEFT_TOOLS_VERIFY_H

#include "loader/maps.h"
#include "policy/names.h"
#include "tools/weft/model.h"

struct json_object;

struct verify {
	const struct cli *cli;
	struct maps maps;
	struct model model;
	struct names *names;
	struct desired want, found; /* of the maps */
	struct json_object *rows;   /* the differences */
	unsigned int compared;
};

/* Notes a difference. */
void verify_differs(struct verify *verify, const char *where, const char *key, const char *problem);

/* Every map against what the objects compile to. False: could not tell, said on stderr. */
bool verify_maps(struct verify *verify);
/* Every attach point against what the pods of this node need. */
bool verify_links(struct verify *verify);

/* An entry of weft_iface without addresses: of an interface that outlived its pod, for instance. */
bool verify_is_guard(const struct weft_local *local);
/* A pod of this node in the agent's status; NULL when it is not there. */
struct json_object *verify_pod(const struct verify *verify, const char *uid);

#endif /* WEFT_TOOLS_VERIFY_H */
