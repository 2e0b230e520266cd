/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain scalar of YAML 1.1 means, as sigs.k8s.io/yaml has it. */
#ifndef WEFT_USER_MANIFEST_SCALAR_H
#define WEFT_USER_MANIFEST_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum manifest_scalar_type {
	MANIFEST_SCALAR_STRING,
	MANIFEST_SCALAR_NULL,
	MANIFEST_SCALAR_BOOLEAN,
	MANIFEST_SCALAR_INTEGER, /* also floats without a fraction: they are the same in JSON */
	MANIFEST_SCALAR_FLOAT,
	MANIFEST_SCALAR_NOT_JSON, /* .inf and .nan */
	MANIFEST_SCALAR_MERGE,	  /* << */
};

/*
 * The type of the text, and for null, booleans and numbers a new JSON value in *value;
 * NULL for all others.
 */
enum manifest_scalar_type manifest_scalar_resolve(const char *text, size_t length,
						  struct json_object **value);

#endif /* WEFT_USER_MANIFEST_SCALAR_H */
