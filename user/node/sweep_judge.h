/* SPDX-License-Identifier: Apache-2.0 */
/* May a live TCP connection of a local pod go on? What the sweep asks about each. */
#ifndef WEFT_USER_SWEEP_JUDGE_H
#define WEFT_USER_SWEEP_JUDGE_H

#include "loader/maps.h"
#include "policy/desired.h"
#include "user/node/sweep.h"

struct sweep_judge {
	const struct desired *desired; /* the policy in force */
	const struct maps *maps;
	const struct weft_local *local; /* the pod */
};

/*
 * Callback of sweep_run(); context: struct sweep_judge. True when nothing allows the connection,
 * and when only HTTP rules could, to the pod, and its requests are not being read: it is older
 * than these rules, so where its requests begin is not known. An upgraded one stays as long
 * as HTTP rules let this source in, for one of them allowed it. What HTTP rules say about
 * connections that the pod opened is their destination's node's business.
 */
bool sweep_judge_is_revoked(const struct sweep_connection *connection, void *context);

#endif /* WEFT_USER_SWEEP_JUDGE_H */
