/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as text for Prometheus, and for whatever reads OpenMetrics. */
#ifndef WEFT_USER_METRIC_TEXT_H
#define WEFT_USER_METRIC_TEXT_H

#include "user/telemetry/metric_format.h"
#include "user/telemetry/metric_sink.h"

struct metric_text {
	struct metric_sink sink; /* to write to */
	enum metric_format format;
	struct metric_family family; /* of the samples to come */
	char *text;
	size_t length, room;
};

/* An empty text, in one of the two formats that are one. It must not move, for the sink points to
 * it. */
void metric_text_init(struct metric_text *text, enum metric_format format);
/* What was written, malloc'ed; the text is empty again. */
char *metric_text_take(struct metric_text *text, size_t *length);

#endif /* WEFT_USER_METRIC_TEXT_H */
