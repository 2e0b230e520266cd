/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_name: what numbers mean. A number must never change its meaning while a map refers to
 * it, also across a restart and when weft_name is full: numbers that maps use and
 * nothing names are taken out of circulation.
 */
#ifndef WEFT_USER_RECONCILE_NAMES_H
#define WEFT_USER_RECONCILE_NAMES_H

#include <stdbool.h>
#include "policy/names.h"
#include "user/reconcile/reconcile_write.h"

/* Numbers that something refers to. */
struct name_uses {
	struct weft_name_key *items;
	size_t count, capacity;
};

void name_uses_add(struct name_uses *uses, enum weft_name_kind kind, uint32_t id);
void name_uses_sort(struct name_uses *uses);
void name_uses_clear(struct name_uses *uses);
void name_uses_add_peer(struct name_uses *uses, const struct weft_peer *peer);
/* The rules of an HTTP program; NULL has none. */
void name_uses_add_program(struct name_uses *uses, const struct weft_http_program *program);
void name_uses_add_desired(struct name_uses *uses, const struct desired *desired);
/* Counters of past traffic, and requests that are not answered yet. */
int name_uses_add_counters(struct name_uses *uses, const struct maps *maps);

struct applied_names {
	struct names *names;	    /* not owned */
	struct weft_name_key *keys; /* in weft_name; sorted by (kind, id) */
	size_t count, capacity;
	bool full;	/* some did not fit the last time */
	uint64_t added; /* names_added() when the map had all */
};

/* Reads the map and seeds `names` with it. */
int applied_names_load(struct applied_names *applied, struct names *names, const struct maps *maps);
/* Gives numbers in `uses` (sorted) that have no name one that no object can have. */
void applied_names_reserve(struct applied_names *applied, const struct name_uses *uses);
void applied_names_clear(struct applied_names *applied);

/* Writes the names that the map has not. 0, or why some are not there. */
int applied_names_put(struct applied_names *applied, struct writer *writer);
/* Is it time to forget names? */
bool applied_names_crowded(const struct applied_names *applied, const struct maps *maps);
/* Forgets the names that are not in `uses` (sorted), written or not. */
void applied_names_prune(struct applied_names *applied, const struct name_uses *uses,
			 struct writer *writer);

#endif /* WEFT_USER_RECONCILE_NAMES_H */
