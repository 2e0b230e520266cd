/* SPDX-License-Identifier: Apache-2.0 */
/* Maps whose entries stand alone - weft_ident, weft_iface, weft_netns - as sorted lists. */
#ifndef WEFT_USER_RECONCILE_ROWS_H
#define WEFT_USER_RECONCILE_ROWS_H

#include "user/reconcile/reconcile_write.h"

struct rows {
	enum map_id id;
	size_t key_size, value_size;
	unsigned char *items; /* key, value; sorted by key (memcmp), no duplicates */
	size_t count, capacity;
};

/* An empty list. */
void rows_init(struct rows *rows, enum map_id id, size_t key_size, size_t value_size);
void rows_clear(struct rows *rows);
/* What the map holds. */
int rows_load(struct rows *rows, const struct maps *maps);

/* Appends; then rows_sort() once. Of equal keys the first that was added stays. */
void rows_add(struct rows *rows, const void *key, const void *value);
void rows_sort(struct rows *rows);

const unsigned char *rows_key(const struct rows *rows, size_t index);
const unsigned char *rows_value(const struct rows *rows, size_t index);
/* The value of this key, or NULL; rows are sorted. */
const unsigned char *rows_find(const struct rows *rows, const void *key);
bool rows_has(const struct rows *rows, const void *key);

/* Writes what `wanted` has and `applied` has not. Returns whether anything was written. */
bool rows_put(struct rows *applied, const struct rows *wanted, struct writer *writer,
	      const char *consequence);
/* Deletes what `wanted` has not. Returns whether anything was deleted. */
bool rows_prune(struct rows *applied, const struct rows *wanted, struct writer *writer);

#endif /* WEFT_USER_RECONCILE_ROWS_H */
