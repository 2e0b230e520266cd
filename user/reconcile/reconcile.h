/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the maps equal to what the compiler wants, by differences: names, policy
 * entries, destinations, addresses, interfaces, tables, services - referents before referrers,
 * deletions in reverse order after them.
 */
#ifndef WEFT_USER_RECONCILE_H
#define WEFT_USER_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "loader/maps.h"
#include "policy/desired.h"
#include "policy/names.h"

struct reconcile;

/* A local pod with its place in this node: what weft_iface and weft_netns need. */
struct reconcile_place {
	uint32_t ifindex;      /* 0 = unknown */
	uint64_t netns_cookie; /* 0 = unknown */
	struct weft_local local;
};

struct reconcile_result {
	unsigned int written, deleted; /* map operations */
	bool policy_changed;  /* some destination's rules, or who an address is, changed: sweep */
	uint64_t duration_us; /* until all of it was in force */
	char error[256];      /* "" or what failed: "weft_policy is full (262144 entries) ..." */
};

/*
 * Reads what the maps hold now (an earlier agent's work) as the applied state, seeds `names`
 * from weft_name.
 */
int reconcile_new(const struct maps *maps, struct names *names, struct reconcile **reconcile);
void reconcile_free(struct reconcile *reconcile);

/*
 * Applies. `remove_stale`: entries that are not wanted are removed (only after the first full
 * sync). On -errno what could be applied safely is; each destination and each service port is
 * wholly old or wholly new - except that a destination whose new rules do not fit keeps only those
 * old ones that are still wanted, for a full map must not keep a rule alive. Calling again
 * with the same input resumes. A wanted pod that is in no place keeps the entries it has.
 */
int reconcile_apply(struct reconcile *reconcile, const struct desired *desired,
		    const struct reconcile_place *places, size_t place_count, bool remove_stale,
		    struct reconcile_result *result);

/*
 * Entries that reconcile_apply() put out of force stay until reconcile_tidy(), because a program
 * may still be reading them: removing them takes a wait of some milliseconds, which shall not
 * hold up the next change. On -errno some are left; reconcile_apply() tries again and tells.
 */
bool reconcile_is_untidy(const struct reconcile *reconcile);
int reconcile_tidy(struct reconcile *reconcile, struct reconcile_result *result);
/*
 * The same in three steps, with anything else in between; the second, which is the wait, may be
 * done by another thread. What is put out of force meanwhile is left for the next time.
 */
void reconcile_tidy_begin(struct reconcile *reconcile);
void reconcile_wait_for_readers(void);
int reconcile_tidy_end(struct reconcile *reconcile, struct reconcile_result *result);

/*
 * What is not in force any more outlives a change by a second or two: programs of HTTP rules that
 * requests began under, and what goes with them. To be called when reconcile_due_ns() says -
 * CLOCK_MONOTONIC, 0 = not at all - which a call of either function here may change.
 */
void reconcile_expire(struct reconcile *reconcile);
uint64_t reconcile_due_ns(const struct reconcile *reconcile);

/* Is somebody's traffic judged by what is in the maps? */
bool reconcile_is_enforcing(const struct reconcile *reconcile);

/* What weft_iface says of this interface; false: nothing, *local is untouched. */
bool reconcile_get_interface(const struct reconcile *reconcile, uint32_t ifindex,
			     struct weft_local *local);
/* Does weft_iface know this interface? Then its programs must stay attached. */
bool reconcile_has_interface(const struct reconcile *reconcile, uint32_t ifindex);

#endif /* WEFT_USER_RECONCILE_H */
