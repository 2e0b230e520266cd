/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that metrics are told in, and which of them a scraper wants. */
#ifndef WEFT_USER_METRIC_FORMAT_H
#define WEFT_USER_METRIC_FORMAT_H

enum metric_format {
	METRIC_FORMAT_PROMETHEUS,  /* text 0.0.4 */
	METRIC_FORMAT_OPENMETRICS, /* OpenMetrics 1.0.0, without the _created samples */
	METRIC_FORMAT_PROTOBUF,	   /* io.prometheus.client, delimited: native histograms */
};

const char *metric_format_content_type(enum metric_format format);
/*
 * The format that a request's Accept header (RFC 9110, 12.5.1; NULL = none) prefers, of those that
 * it names, in a version that we write; of those that are liked as well the last one in
 * this list. Text 0.0.4 when it names none.
 */
enum metric_format metric_format_accepted(const char *accept);

#endif /* WEFT_USER_METRIC_FORMAT_H */
