/* SPDX-License-Identifier: Apache-2.0 */
/* The one way by which reconcile changes maps: counts operations and words failures. */
#ifndef WEFT_USER_RECONCILE_WRITE_H
#define WEFT_USER_RECONCILE_WRITE_H

#include "user/reconcile/reconcile.h"

struct maps_http;

struct writer {
	const struct maps *maps;
	struct reconcile_result *result;
	int err; /* first failure since writer_begin(), negative errno */
};

/* Forgets earlier failures: at the start of a pass. */
void writer_begin(struct writer *writer);

int writer_set(struct writer *writer, enum map_id id, const void *key, const void *value);
int writer_set_range(struct writer *writer, enum map_id id, uint32_t first, uint32_t count,
		     const void *values);
/* An absent key counts as deleted. */
int writer_delete(struct writer *writer, enum map_id id, const void *key);

/* Writes a program into the arena: maps_http_write(). */
int writer_set_http(struct writer *writer, struct maps_http *http, uint32_t offset,
		    const void *bytes, uint32_t size, uint32_t generation);

/* CLOCK_MONOTONIC, which all of reconcile goes by. */
uint64_t writer_clock_ns(void);

/* Waits until no program can still hold what it read from a map before this call. */
void writer_wait_for_readers(void);

/*
 * Notes the first failure of a pass with its consequence ("identity 300 keeps its last
 * rules") and, when the map is full, the flag that makes it larger.
 */
void writer_fail(struct writer *writer, enum map_id id, int err, const char *consequence, ...)
	__attribute__((format(printf, 4, 5)));

#endif /* WEFT_USER_RECONCILE_WRITE_H */
