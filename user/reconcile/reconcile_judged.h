/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WEFT_PEER_HTTP in weft_iface: on these interfaces the programs look for requests. An interface
 * has it before its pod's rules lead to an HTTP program, and keeps it for a second after they
 * last did, until what was judged by it is gone. Entries of weft_ident and weft_netns never do.
 */
#ifndef WEFT_USER_RECONCILE_JUDGED_H
#define WEFT_USER_RECONCILE_JUDGED_H

#include "user/reconcile/reconcile_policy.h"
#include "user/reconcile/reconcile_rows.h"

/* An interface whose pod has no HTTP rules any more. */
struct judged_hold {
	uint32_t ifindex;
	uint64_t until_ns;
};

struct judged {
	struct judged_hold *holds;
	size_t count, capacity;
};

void judged_clear(struct judged *judged);

/* Gives it to those in `wanted` that need it, or have it in `applied`. */
void judged_mark(struct rows *wanted, const struct rows *applied, const struct desired *desired);
/*
 * Before the rules are written: gives it to those that are there and will need it. False: not
 * all have it, so the rules must not be written.
 */
bool judged_raise(struct rows *applied, const struct desired *desired, struct writer *writer);
/* After the rules were written: takes it, in a second, from those who do not need it. */
void judged_plan(struct judged *judged, const struct rows *applied,
		 const struct applied_policy *policy, uint64_t now_ns);
/* Takes it from those whose second is over. */
void judged_tidy(struct judged *judged, struct rows *applied, uint64_t now_ns,
		 struct writer *writer);
/* When judged_tidy() has something to do; 0 = never. */
uint64_t judged_due_ns(const struct judged *judged);

#endif /* WEFT_USER_RECONCILE_JUDGED_H */
