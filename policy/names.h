/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for identities, workloads and services. A number once given stays
 * with its name as long as the table lives; a restarted agent seeds the table
 * from the map weft_name. Pure.
 */
#ifndef WEFT_POLICY_NAMES_H
#define WEFT_POLICY_NAMES_H

#include <stdint.h>
#include "bpf/weft_abi.h"

struct names;

struct names *names_new(void);
void names_free(struct names *names);

/* Takes over an entry of weft_name. -EEXIST when the number or the name is taken differently. */
int names_seed(struct names *names, const struct weft_name_key *key, const struct weft_name *value);

/*
 * The number of a name, allocated from WEFT_ID_FIRST upwards (never one that was in use
 * during this table's life). `name` and `detail` longer than the ABI's fields are cut and
 * made unique by a hash of the whole at their end.
 */
uint32_t names_get(struct names *names, enum weft_name_kind kind, const char *name_space,
		   const char *name, const char *detail);
/* 0 when it has no number yet. */
uint32_t names_find(const struct names *names, enum weft_name_kind kind, const char *name_space,
		    const char *name, const char *detail);
/* NULL when unknown; reserved ids (unknown, host, service) have names too: "unknown", "host",
 * "service". */
const struct weft_name *names_lookup(const struct names *names, enum weft_name_kind kind,
				     uint32_t id);
/* Calls back for every entry in order of (kind, id). */
void names_each(const struct names *names,
		void (*callback)(const struct weft_name_key *key, const struct weft_name *value,
				 void *context),
		void *context);
/* How many were ever added: as long as it is the same, there is none that was not there. */
uint64_t names_added(const struct names *names);
/* Gives a number back (only when no map refers to it any more). */
void names_drop(struct names *names, enum weft_name_kind kind, uint32_t id);

#endif /* WEFT_POLICY_NAMES_H */
