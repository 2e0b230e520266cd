// SPDX-License-Identifier: Apache-2.0
#include "user/http/retry.h"

#include <stddef.h>
#include <uv.h>

uint64_t retry_spread(uint64_t ms)
{
	uint32_t random = 0;

	uv_random(NULL, NULL, &random, sizeof(random), 0, NULL);
	return ms / 2 + random % (ms / 2 + 1);
}

uint64_t retry_in(unsigned int *wait_ms, unsigned int first_ms, unsigned int last_ms,
		  unsigned int asked)
{
	*wait_ms = *wait_ms ? *wait_ms * 2 : first_ms;
	if (*wait_ms > last_ms)
		*wait_ms = last_ms;
	return retry_spread(*wait_ms) + asked * UINT64_C(1000);
}
