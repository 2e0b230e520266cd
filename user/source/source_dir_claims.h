/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which object of which manifest file counts: of the same object in two files, the first in
 * order of file names, then of place in the file. Hands what counts to a source's sink.
 */
#ifndef WEFT_USER_SOURCE_DIR_CLAIMS_H
#define WEFT_USER_SOURCE_DIR_CLAIMS_H

#include "user/source/source.h"

struct claims;

/* `sink` outlives the claims. */
struct claims *claims_new(const struct source_sink *sink);
void claims_free(struct claims *claims);

/*
 * Replaces what a file claims. `items`: JSON array of its objects, NULL when the file is gone.
 * Nothing is delivered yet.
 */
void claims_set_file(struct claims *claims, const char *file, struct json_object *items);

/* Puts and removes what changed since the last delivery. */
void claims_deliver(struct claims *claims);

/* Appends what is wrong with objects: fields, duplicates. Only after claims_deliver(). */
void claims_report(const struct claims *claims, struct findings *findings);

#endif /* WEFT_USER_SOURCE_DIR_CLAIMS_H */
