// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes make a cluster; compiler and reference evaluator must agree about it.
 * Finds what the unit test's fixed seeds do not: libFuzzer steers the bytes
 * towards clusters that take new paths.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "unit/differential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dice dice = { .bytes = data, .count = size };
	struct cluster *cluster;

	if (!size)
		return 0;
	cluster = random_cluster(&dice);
	if (!differential_check(cluster))
		abort();
	cluster_free(cluster);
	return 0;
}
