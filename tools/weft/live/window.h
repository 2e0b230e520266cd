/* SPDX-License-Identifier: Apache-2.0 */
/* What happened on this node, or on those whose agents are named, between two looks. */
#ifndef WEFT_TOOLS_WINDOW_H
#define WEFT_TOOLS_WINDOW_H

#include <stddef.h>
#include "loader/maps.h"

struct cli;
struct traffic;

struct window {
	const struct cli *cli;
	struct maps maps;	  /* open unless agents are asked */
	struct traffic **earlier; /* by agent; one for the maps; NULL: it did not answer */
	size_t count;
};

/* Looks for the first time. False when there is nothing to look at; that was said. */
bool window_open(struct window *window, const struct cli *cli);
/*
 * Waits for `seconds` and tells what happened since the last look; the caller frees it. Agents
 * that do not answer are left out, with a line on stderr. NULL when none did.
 */
struct traffic *window_next(struct window *window, unsigned int seconds);
void window_close(struct window *window);

#endif /* WEFT_TOOLS_WINDOW_H */
