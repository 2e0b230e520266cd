/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a reading's lists, by key alone; ends may be those of different readings. */
#ifndef WEFT_USER_TRAFFIC_INTERNAL_H
#define WEFT_USER_TRAFFIC_INTERNAL_H

#include "user/traffic/traffic.h"

enum { TRAFFIC_COUNTERS = sizeof(struct weft_edge) / sizeof(__u64) };

int traffic_compare_edges(const void *a, const void *b);    /* struct traffic_edge */
int traffic_compare_requests(const void *a, const void *b); /* struct traffic_requests */
int traffic_compare_denials(const void *a, const void *b);  /* struct traffic_denials */

/* In JSON, in the order of struct weft_edge. */
extern const char *const traffic_counter_names[TRAFFIC_COUNTERS];

void traffic_clear_edge(struct traffic_edge *edge);

#endif /* WEFT_USER_TRAFFIC_INTERNAL_H */
