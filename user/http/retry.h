/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again what a server did not do. */
#ifndef WEFT_USER_RETRY_H
#define WEFT_USER_RETRY_H

#include <stdint.h>

/* At random between half of it and all: agents of many nodes shall not come at the same time. */
uint64_t retry_spread(uint64_t ms);

/*
 * Milliseconds to wait after a failure: twice as long as last time (`wait_ms`, 0 = it went well
 * then), from `first_ms` to `last_ms`, spread; and besides the `asked` seconds that the server
 * asked for.
 */
uint64_t retry_in(unsigned int *wait_ms, unsigned int first_ms, unsigned int last_ms,
		  unsigned int asked);

#endif /* WEFT_USER_RETRY_H */
