/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader itself needs of maps.c: maps that are not (all) pinned yet. */
#ifndef WEFT_LOADER_MAPS_STATE_H
#define WEFT_LOADER_MAPS_STATE_H

#include "loader/maps.h"

/* Nothing open. */
void maps_init(struct maps *maps);

/*
 * The version in a weft_config map of any version: its first field. 0 = its agent never
 * got as far as writing it. -EPROTO when it cannot be such a map.
 */
int maps_read_abi(int config_fd, uint32_t *abi);

#endif /* WEFT_LOADER_MAPS_STATE_H */
