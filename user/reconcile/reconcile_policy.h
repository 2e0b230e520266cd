/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_dest, weft_policy and weft_http: the rules of each destination identity. A change is
 * written under a new generation and put in force by one write to weft_dest; the
 * old generation's entries go when no program can still be reading them.
 */
#ifndef WEFT_USER_RECONCILE_POLICY_H
#define WEFT_USER_RECONCILE_POLICY_H

#include "user/reconcile/reconcile_http.h"

struct leaving;

struct applied_dest {
	uint32_t identity, generation;
	struct desired_entry *entries; /* sorted as in struct desired_dest */
	size_t count;
	struct program_place program;
	bool rewrite; /* the map's own record of it is not consistent */
};

/* Entries that no weft_dest points to (any more). */
struct retired_entries {
	uint32_t identity, generation;
	struct desired_entry *entries;
	size_t count;
	bool resting; /* was there when applied_policy_rest() was called */
};

struct applied_policy {
	struct arena arena;
	struct applied_dest *dests; /* sorted by identity */
	size_t dest_count, dest_capacity;
	struct retired_entries *retired;
	size_t retired_count, retired_capacity;
	bool readers;	     /* a program may still be reading retired entries */
	uint32_t generation; /* the last that was given */
};

/* Reads the maps; what an agent that died left half done becomes `retired`. */
int applied_policy_load(struct applied_policy *policy, const struct maps *maps);
void applied_policy_clear(struct applied_policy *policy);

/* By identity; to be called when `dests` was appended to. */
void applied_policy_sort(struct applied_policy *policy);
/* NULL: no rules of it are in force. */
struct applied_dest *applied_policy_find(const struct applied_policy *policy, uint32_t identity);

/*
 * Writes what differs; rules of those who are leaving stay until applied_policy_settle(). A
 * destination whose rules do not fit keeps its old ones or, with `narrow`, those of them that
 * are still wanted: a full map never keeps a rule alive that was taken back. Returns whether a
 * rule was taken back.
 */
bool applied_policy_put(struct applied_policy *policy, const struct desired *desired,
			const struct leaving *leaving, bool narrow, struct writer *writer);
/* The peers are written: takes away what the last put kept for those who left. */
void applied_policy_settle(struct applied_policy *policy, const struct desired *desired,
			   const struct leaving *leaving, struct writer *writer);
/* Puts destinations that are not wanted out of force. Returns whether there were any. */
bool applied_policy_prune(struct applied_policy *policy, const struct desired *desired,
			  struct writer *writer);
/* Deletes the retired entries, after waiting for readers where there can be some. */
void applied_policy_purge(struct applied_policy *policy, struct writer *writer);
/*
 * The same without the wait, which is the caller's between these two: the second deletes what was
 * retired when the first was called.
 */
void applied_policy_rest(struct applied_policy *policy);
void applied_policy_delete_rested(struct applied_policy *policy, struct writer *writer);

#endif /* WEFT_USER_RECONCILE_POLICY_H */
