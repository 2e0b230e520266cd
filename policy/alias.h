/* SPDX-License-Identifier: Apache-2.0 */
/* Walker/Vose alias tables, exact to 2^-32 (see struct weft_alias). Pure. */
#ifndef WEFT_POLICY_ALIAS_H
#define WEFT_POLICY_ALIAS_H

#include <stdint.h>
#include "bpf/weft_abi.h"

/*
 * Builds the table for `count` (>= 1) weights; integer arithmetic only, so that
 * every machine builds the same. A weight of 0 is never picked.
 * 0, or -EINVAL when count is 0 or all weights are 0, -ERANGE when the sum
 * times count does not fit 96 bits of intermediate arithmetic.
 */
int alias_build(const uint64_t *weights, uint32_t count, struct weft_alias *table);

/* The slot that the kernel takes for this random number: same arithmetic. */
uint32_t alias_pick(const struct weft_alias *table, uint32_t count, uint32_t random);

#endif /* WEFT_POLICY_ALIAS_H */
