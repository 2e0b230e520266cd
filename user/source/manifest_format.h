/* SPDX-License-Identifier: Apache-2.0 */
/* The two notations of a manifest; for user/source/manifest.c. */
#ifndef WEFT_USER_MANIFEST_FORMAT_H
#define WEFT_USER_MANIFEST_FORMAT_H

#include <stddef.h>

struct json_object;

struct manifest_error {
	size_t line, column; /* from 1; line 0 = the whole file */
	char text[192];
};

/* Sets the error, given the byte it is about. Returns -EINVAL. */
int manifest_error_at(struct manifest_error *error, const char *text, size_t offset,
		      const char *message);

/*
 * Append the documents of the text to the array; null for an empty one.
 * 0 or -EINVAL, with the error set; the array may then have got some.
 */
int manifest_read_yaml(const char *text, size_t length, struct json_object *documents,
		       struct manifest_error *error);
int manifest_read_json(const char *text, size_t length, struct json_object *documents,
		       struct manifest_error *error);

#endif /* WEFT_USER_MANIFEST_FORMAT_H */
