/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of all agents is the holder of a Lease
 * (https://kubernetes.io/docs/concepts/architecture/leases/#leader-election), by the rules of
 * client-go's leader election, so that others may look at it or take part: whoever sees that the
 * record has not changed for 15 s, by its own clock, may take it; the API server lets only one of
 * those who try. A holder that cannot renew stops to count itself as one before that.
 */
#ifndef WEFT_USER_KUBE_LEASE_H
#define WEFT_USER_KUBE_LEASE_H

#include <stdbool.h>
#include "user/kube/kube_http.h"

struct uv_loop_s;
struct kube_lease;

/*
 * Tries to get and to keep the Lease `name` from now on. `changed`: the agent has become the
 * holder, or has stopped to be.
 */
struct kube_lease *kube_lease_new(struct uv_loop_s *loop, struct kube_http *http,
				  const char *name_space, const char *name, const char *node,
				  void (*changed)(void *context), void *context);

bool kube_lease_is_held(const struct kube_lease *lease);

/* Its holder as last seen, "" = none. Valid until the event loop goes on. */
const char *kube_lease_holder(const struct kube_lease *lease);
/* Why it can be neither kept nor got, "" = it can. */
const char *kube_lease_problem(const struct kube_lease *lease);

/* Gives it back, so that nobody has to wait for its end. True: that is under way, ask again. */
bool kube_lease_leave(struct kube_lease *lease);

/* NULL is ignored. */
void kube_lease_free(struct kube_lease *lease);

#endif /* WEFT_USER_KUBE_LEASE_H */
