// SPDX-License-Identifier: Apache-2.0
#include "user/kube_retry.h"

#include <stddef.h>
#include <uv.h>

uint64_t kube_retry_spread(uint64_t ms)
{
	uint32_t random = 0;

	uv_random(NULL, NULL, &random, sizeof(random), 0, NULL);
	return ms / 2 + random % (ms / 2 + 1);
}

uint64_t kube_retry_in(unsigned int *wait_ms, unsigned int first_ms, unsigned int last_ms,
		       const struct kube_outcome *outcome)
{
	*wait_ms = *wait_ms ? *wait_ms * 2 : first_ms;
	if (*wait_ms > last_ms)
		*wait_ms = last_ms;
	return kube_retry_spread(*wait_ms) + outcome->retry_after * UINT64_C(1000);
}
