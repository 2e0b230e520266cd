// SPDX-License-Identifier: Apache-2.0
#include "user/traffic/readings.h"

#include <string.h>

#include "user/traffic/traffic.h"

/* Of the wanted window at most this many readings are kept, one apart. */
enum { READINGS_PER_WINDOW = 8 };

/* A reader that asks now and then is a little early or late. */
static const double slack = 0.5;

static void drop(struct readings *readings, size_t i)
{
	traffic_free(readings->items[i]);
	readings->count--;
	memmove(&readings->items[i], &readings->items[i + 1],
		(readings->count - i) * sizeof(*readings->items));
}

void readings_clear(struct readings *readings)
{
	while (readings->count)
		drop(readings, readings->count - 1);
	readings->keep = 0;
}

void readings_add(struct readings *readings, struct traffic *reading, double window)
{
	size_t last = readings->count - 1;

	/* The clock was set: what was before cannot be compared. */
	if (readings->count && reading->time < readings->items[last]->time)
		readings_clear(readings);
	if (window > readings->keep)
		readings->keep = window;
	if (readings->count >= 2 &&
	    reading->time - readings->items[last - 1]->time < readings->keep / READINGS_PER_WINDOW)
		drop(readings, last);
	while (readings->count >= 2 &&
	       readings->items[1]->time <= reading->time - readings->keep + slack)
		drop(readings, 0);
	if (readings->count == READINGS_MAX)
		drop(readings, 0);
	readings->items[readings->count++] = reading;
}

const struct traffic *readings_newest(const struct readings *readings)
{
	return readings->count ? readings->items[readings->count - 1] : NULL;
}

struct traffic *readings_window(const struct readings *readings, double window)
{
	const struct traffic *newest = readings_newest(readings);
	size_t i;

	if (!newest)
		return NULL;
	if (readings->count == 1)
		return traffic_between(NULL, newest);
	for (i = readings->count - 2; i; i--)
		if (readings->items[i]->time <= newest->time - window + slack)
			break;
	return traffic_between(readings->items[i], newest);
}
