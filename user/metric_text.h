/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as text for Prometheus, and for whatever reads OpenMetrics. */
#ifndef WEFT_USER_METRIC_TEXT_H
#define WEFT_USER_METRIC_TEXT_H

#include "user/metric_sink.h"

enum metric_format {
	METRIC_FORMAT_PROMETHEUS,  /* text 0.0.4 */
	METRIC_FORMAT_OPENMETRICS, /* OpenMetrics 1.0.0, without the _created samples */
};

struct metric_text {
	struct metric_sink sink; /* to write to */
	enum metric_format format;
	struct metric_family family; /* of the samples to come */
	char *text;
	size_t length, room;
};

/* An empty text. It must not move, for the sink points to it. */
void metric_text_init(struct metric_text *text, enum metric_format format);
/* What was written, malloc'ed; the text is empty again. */
char *metric_text_take(struct metric_text *text, size_t *length);

const char *metric_format_content_type(enum metric_format format);
/*
 * The format that a request's Accept header (RFC 9110, 12.5.1; NULL = none) prefers: OpenMetrics
 * when it is named, in a version that we write, and nothing else is liked better.
 */
enum metric_format metric_format_accepted(const char *accept);

#endif /* WEFT_USER_METRIC_TEXT_H */
