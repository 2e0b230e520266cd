// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_readings.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

const struct traffic *smi_readings_latest(const struct smi_readings *readings)
{
	return readings->count ? readings->items[readings->count - 1] : NULL;
}

void smi_readings_clear(struct smi_readings *readings)
{
	size_t i;

	for (i = 0; i < readings->count; i++)
		traffic_free(readings->items[i]);
	free(readings->items);
	traffic_free(readings->window);
	memset(readings, 0, sizeof(*readings));
}

/* Keeps one that is as old as the window, and what is younger. */
static void drop_old(struct smi_readings *readings, double seconds)
{
	double begin = smi_readings_latest(readings)->time - seconds;
	size_t i, old = 0;

	while (old + 2 < readings->count && readings->items[old + 1]->time <= begin)
		old++;
	for (i = 0; i < old; i++)
		traffic_free(readings->items[i]);
	readings->count -= old;
	memmove(readings->items, readings->items + old, readings->count * sizeof(*readings->items));
}

void smi_readings_add(struct smi_readings *readings, struct traffic *reading, double seconds)
{
	const struct traffic *latest = smi_readings_latest(readings);
	size_t i;

	/* A clock that was set back: what was before is of no use. */
	if (latest && latest->time >= reading->time)
		smi_readings_clear(readings);
	i = memory_grow(&readings->items, &readings->count, &readings->capacity,
			sizeof(*readings->items));
	readings->items[i] = reading;
	drop_old(readings, seconds);
	traffic_free(readings->window);
	readings->window = NULL;
	if (readings->count > 1)
		readings->window = traffic_between(readings->items[0], reading);
}
