/* SPDX-License-Identifier: Apache-2.0 */
/* weftd's life: one thread, one loop, from the first lock to the last log line. */
#ifndef WEFT_USER_AGENT_H
#define WEFT_USER_AGENT_H

#include <stdint.h>
#include "user/config/config.h"

/*
 * Runs until SIGTERM or SIGINT; what is in force stays in force. `begin_ns`: monotonic time
 * of the process's start, for the log. Returns the exit status: 0, or 1 when the agent
 * could not start (the log says why).
 */
int agent_run(const struct config *config, uint64_t begin_ns);

#endif /* WEFT_USER_AGENT_H */
