/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a manifest file (YAML or JSON, one or many documents, lists) -> JSON
 * objects, with the meaning kubectl gives it. Reads no file. Whatever the text
 * is, the work is bounded by the limits below.
 */
#ifndef WEFT_USER_MANIFEST_H
#define WEFT_USER_MANIFEST_H

#include <stddef.h>
#include "policy/finding.h"

struct json_object;

enum manifest_limit {
	MANIFEST_SIZE_MAX = 8 << 20,  /* bytes of text */
	MANIFEST_DEPTH_MAX = 64,      /* maps and lists within each other, aliases expanded */
	MANIFEST_NODES_MAX = 1000000, /* keys and values of a file, aliases expanded */
	MANIFEST_LIST_DEPTH_MAX = 8,  /* kind: List within kind: List */
};

/*
 * 0: *items is a new JSON array of the objects in the file's order, which the
 * caller puts. Documents that are empty are skipped, `kind: List` and `kind: *List` are
 * replaced by their items. What is no object of use (a number, an object
 * without a kind) stays in: object_parse() says what is wrong with it.
 * -EINVAL: the file as a whole does not parse; *items is untouched and one
 * finding names line and column.
 *
 * `origin` (file name) may be NULL. A name that ends in .json means strict
 * JSON; other text is JSON when it starts with { or [ and is valid, else YAML 1.1:
 * plain scalars resolve as in sigs.k8s.io/yaml (yes, no, on, off are booleans,
 * 0x1f and 017 are numbers, 1e3 is 1000, times stay strings); keys must be strings;
 * the same key twice in a map is an error, as it is with kubectl --validate=strict.
 */
int manifest_read(const char *text, size_t length, const char *origin, struct json_object **items,
		  struct findings *findings);

#endif /* WEFT_USER_MANIFEST_H */
