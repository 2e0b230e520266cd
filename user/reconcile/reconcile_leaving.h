/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that change their identity: between the write of the rules and that of the pod's new
 * number, the pod still has the old one. Rules of numbers that nobody will have any more
 * therefore stay until all peers are written, so that what is allowed under both numbers is
 * allowed at every moment.
 */
#ifndef WEFT_USER_RECONCILE_LEAVING_H
#define WEFT_USER_RECONCILE_LEAVING_H

#include "user/reconcile/reconcile_policy.h"
#include "user/reconcile/reconcile_rows.h"

/* An identity that some peer has now and none will have. */
struct leaving_identity {
	uint32_t identity;
	uint32_t heir; /* what those who had it have next; 0: not all the same, or nothing */
};

struct leaving {
	struct leaving_identity *items; /* sorted by identity, no duplicates */
	size_t count, capacity;
};

/* `count` pairs of lists, of weft_ident, weft_iface or weft_netns. Free with leaving_clear(). */
void leaving_find(struct leaving *leaving, const struct rows *const applied[],
		  const struct rows *const wanted[], size_t count);
void leaving_clear(struct leaving *leaving);

/*
 * `wanted`, and what `dest` has besides for those who leave. Where only HTTP rules allowed them
 * something and the program is another one, their heir's rules stand in. The caller frees the
 * entries; the program is that of `wanted`.
 */
struct desired_dest leaving_add_rules(const struct leaving *leaving,
				      const struct applied_dest *dest,
				      const struct desired_dest *wanted, bool same_program);
/* `dest` without what it has besides `wanted` for those who left. The caller frees the entries. */
struct desired_dest leaving_drop_rules(const struct leaving *leaving,
				       const struct applied_dest *dest,
				       const struct desired_dest *wanted);

#endif /* WEFT_USER_RECONCILE_LEAVING_H */
