/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that change their identity: between the write of the rules and that of the pod's new
 * number, the pod still has the old one. Rules of numbers that nobody will have any more
 * therefore stay until all peers are written, so that what is allowed under both numbers is
 * allowed at every moment.
 */
#ifndef WEFT_USER_RECONCILE_LEAVING_H
#define WEFT_USER_RECONCILE_LEAVING_H

#include "user/reconcile_policy.h"
#include "user/reconcile_rows.h"

/* Identities that some peer has now and none will have. */
struct leaving {
	uint32_t *items; /* sorted, no duplicates */
	size_t count, capacity;
};

/* `count` pairs of lists, of weft_ident, weft_iface or weft_netns. Free with leaving_clear(). */
void leaving_find(struct leaving *leaving, const struct rows *const applied[],
		  const struct rows *const wanted[], size_t count);
void leaving_clear(struct leaving *leaving);

/* `wanted`, and what `dest` has besides for those who leave. The caller frees the entries. */
struct desired_dest leaving_add_rules(const struct leaving *leaving,
				      const struct applied_dest *dest,
				      const struct desired_dest *wanted);
/* `dest` without what it has besides `wanted` for those who left. The caller frees the entries. */
struct desired_dest leaving_drop_rules(const struct leaving *leaving,
				       const struct applied_dest *dest,
				       const struct desired_dest *wanted);

#endif /* WEFT_USER_RECONCILE_LEAVING_H */
