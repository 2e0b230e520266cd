/* SPDX-License-Identifier: Apache-2.0 */
/* Real maps and what reconciles them, for the tests of reconciling. */
#ifndef WEFT_TESTS_AGENT_FIXTURE_H
#define WEFT_TESTS_AGENT_FIXTURE_H

#include "tests/agent/mapset.h"

struct fixture {
	struct mapset *set;
	const struct maps *maps;
	struct names *names;
	struct reconcile *reconcile;
	struct reconcile_result result;
};

/* `sizes` as of mapset_new(). */
void fixture_open(struct fixture *f, const uint32_t sizes[MAP_ID_COUNT]);
/* Another agent takes over the maps. */
void fixture_restart(struct fixture *f);
void fixture_close(struct fixture *f);

int fixture_apply_untidy(struct fixture *f, const struct wish *wish);
/* The agent tidies up later, and not after a failure: applying again does. */
int fixture_apply(struct fixture *f, const struct wish *wish);

#endif /* WEFT_TESTS_AGENT_FIXTURE_H */
