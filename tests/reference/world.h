/* SPDX-License-Identifier: Apache-2.0 */
/* Objects from manifest files, read again when a file changed. */
#ifndef WEFT_TESTS_REFERENCE_WORLD_H
#define WEFT_TESTS_REFERENCE_WORLD_H

#include "policy/store.h"

struct json_object;

struct world { /* all zero: empty */
	struct store *store;
	char *signature; /* of the files as they were read */
};

/* A folder, a file, or a list of them. NULL, or what is wrong with them. */
const char *world_follow(struct world *world, struct json_object *manifests);
void world_clear(struct world *world);

#endif /* WEFT_TESTS_REFERENCE_WORLD_H */
