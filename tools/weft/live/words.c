// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/live/words.h"

#include <inttypes.h>

#include "policy/memory.h"

char *words_latency(uint64_t ns)
{
	double us = (double)ns / 1000;

	if (!ns)
		return memory_strdup("-");
	if (us < 1000)
		return memory_printf("%.0fus", us);
	if (us < 10000)
		return memory_printf("%.1fms", us / 1000);
	if (us < 1000000)
		return memory_printf("%.0fms", us / 1000);
	return memory_printf("%.2fs", us / 1000000);
}

char *words_rate(uint64_t count, double window)
{
	double rate;

	if (window <= 0)
		return memory_printf("%" PRIu64, count);
	rate = (double)count / window;
	return memory_printf(rate < 100 ? "%.1f" : "%.0f", rate);
}

char *words_share(uint64_t part, uint64_t whole)
{
	if (!whole)
		return memory_strdup("-");
	return memory_printf("%.2f%%", 100 * (double)part / (double)whole);
}
