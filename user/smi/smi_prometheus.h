/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readings out of Prometheus, which has scraped the agents: an instant vector
 * (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries) of weft's counters.
 * Pure.
 */
#ifndef WEFT_USER_SMI_PROMETHEUS_H
#define WEFT_USER_SMI_PROMETHEUS_H

#include <stddef.h>
#include "user/traffic/traffic.h"

struct json_object;

/* Path and query of the question, as it is sent. */
extern const char smi_prometheus_path[];

/*
 * A reading for each node, by the label of that name, or for each instance. NULL and an error when
 * it is no such answer. What lacks labels is passed over. The array and the readings are the
 * caller's.
 */
struct traffic **smi_prometheus_read(struct json_object *answer, size_t *count, const char **error);

#endif /* WEFT_USER_SMI_PROMETHEUS_H */
