/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as bodies of OTLP requests. Names are those of /metrics without _total, which is the
 * collector's to add; counters are monotonic cumulative sums; a label without a value is no
 * attribute.
 */
#ifndef WEFT_USER_OTLP_METRIC_H
#define WEFT_USER_OTLP_METRIC_H

#include <stdbool.h>
#include <stdint.h>
#include "user/telemetry/metric_sink.h"
#include "user/otlp/otlp_body.h"
#include "user/otlp/otlp_json.h"

struct otlp_metrics {
	/* To be set before it is written to; all of it outlives the writing. */
	const struct otlp_envelope *envelope; /* down to "metrics" */
	bool gzip;
	uint64_t time_ns;      /* since 1970 */
	uint64_t monotonic_ns; /* for the bodies */
	/* Since when a family's counters count, in nanoseconds since 1970. */
	uint64_t (*since)(void *context, const struct metric_family *family);
	/* A body is complete: it is the callee's. */
	void (*body)(void *context, struct otlp_body *body);
	void *context; /* of both */

	struct metric_family family; /* of the samples to come */
	uint64_t since_ns;	     /* of its counters */
	bool is_open;		     /* its metric is begun in this body */
	struct otlp_writer *writer;  /* NULL: no body is begun */
	unsigned int points, metrics;
};

/* A sink that writes to it. */
struct metric_sink otlp_metrics_sink(struct otlp_metrics *metrics);
/* Hands over the last body, if there is one. */
void otlp_metrics_end(struct otlp_metrics *metrics);

#endif /* WEFT_USER_OTLP_METRIC_H */
