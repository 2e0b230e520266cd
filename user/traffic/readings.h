/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings of the counters, kept as long as somebody looks, so that what happened in the last
 * seconds can be told. Not more of them than it takes; pure but for memory.
 */
#ifndef WEFT_USER_READINGS_H
#define WEFT_USER_READINGS_H

#include <stddef.h>

struct traffic;

enum { READINGS_MAX = 20 };

/* Zeroed: empty. */
struct readings {
	struct traffic *items[READINGS_MAX]; /* oldest first */
	size_t count;
	double keep; /* seconds: the longest window that is wanted */
};

/*
 * Takes a reading over. Those that are too close to others, or older than any wanted window, go.
 * `window` (seconds) is wanted from now on, until readings_clear().
 */
void readings_add(struct readings *readings, struct traffic *reading, double window);

/* The newest one; NULL when there is none. */
const struct traffic *readings_newest(const struct readings *readings);

/*
 * What happened in the last `window` seconds, or in the next longer time that is known, or in the
 * shorter one when that is all there is. With one reading alone: since the counters began
 * (window 0). NULL without any. The caller frees it.
 */
struct traffic *readings_window(const struct readings *readings, double window);

void readings_clear(struct readings *readings);

#endif /* WEFT_USER_READINGS_H */
