/* SPDX-License-Identifier: Apache-2.0 */
/* One destination's rules: comparing, switching, and narrowing them where they are. */
#ifndef WEFT_USER_RECONCILE_DEST_H
#define WEFT_USER_RECONCILE_DEST_H

#include "user/reconcile/reconcile_policy.h"

/* By identity. */
int dest_compare(const void *a, const void *b);

struct desired_entry *dest_copy_entries(const struct desired_entry *entries, size_t count);

/* Entries that are not in force any more. Takes ownership. */
void dest_retire_entries(struct applied_policy *policy, uint32_t identity, uint32_t generation,
			 struct desired_entry *entries, size_t count);
/* Returns how many could not be deleted; those are moved to the front. */
size_t dest_delete_entries(const struct retired_entries *retired, struct writer *writer);

/* Is it as wanted? */
bool dest_equal(const struct applied_policy *policy, const struct applied_dest *dest,
		const struct desired_dest *wanted);

/*
 * Does the change take away what live connections may be using? Other HTTP rules do not: they
 * judge the next request on each connection.
 */
bool dest_loses(const struct applied_dest *dest, const struct desired_dest *wanted);

/*
 * Writes all of `wanted` under a new generation and switches to it, or leaves no trace; then
 * *full is the map that could not be written. `dest`: the applied one, or a new one that has only
 * its identity.
 */
int dest_switch(struct applied_policy *policy, struct applied_dest *dest,
		const struct desired_dest *wanted, struct writer *writer, enum map_id *full);

/*
 * Takes away, in place, what `wanted` does not allow any more. Needs no room in any map, and at
 * every moment less is allowed than before. Rules of another HTTP program than the one that is
 * there cannot be kept, for they may have lost something: `same_program` says that it is none
 * other. Returns whether something was taken away.
 */
bool dest_narrow(struct applied_dest *dest, const struct desired_dest *wanted, bool same_program,
		 struct writer *writer);

#endif /* WEFT_USER_RECONCILE_DEST_H */
