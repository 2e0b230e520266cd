// SPDX-License-Identifier: Apache-2.0
/* Thousands of data points with a dozen attributes each are megabytes: written without objects. */
#include "user/otlp/otlp_metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* A body of this size is ended at the next point: collectors take 20 MiB by default. */
	BODY_LENGTH = 1 << 20,
	TEMPORALITY_CUMULATIVE = 2, /* AggregationTemporality of OTLP */
};

/* Units of UCUM. A unit "1" would become a suffix _ratio in Prometheus. */
static const char *unit_of(const struct metric_family *family)
{
	if (!family->unit)
		return "";
	return !strcmp(family->unit, "seconds") ? "s" :
	       !strcmp(family->unit, "bytes")	? "By" :
						  family->unit;
}

static void put(struct otlp_metrics *metrics, const char *text)
{
	otlp_writer_put(metrics->writer, text);
}

/* Everything of a metric before its data points. */
static void put_head(struct otlp_metrics *metrics)
{
	static const char *const data[] = {
		[METRIC_COUNTER] = "\",\"sum\":{\"dataPoints\":[",
		[METRIC_GAUGE] = "\",\"gauge\":{\"dataPoints\":[",
		[METRIC_INFO] = "\",\"gauge\":{\"dataPoints\":[",
		[METRIC_HISTOGRAM] = "\",\"histogram\":{\"dataPoints\":[",
	};
	const struct metric_family *family = &metrics->family;

	put(metrics, metrics->metrics++ ? ",{\"name\":\"" : "{\"name\":\"");
	put(metrics, family->name);
	put(metrics,
	    family->type == METRIC_INFO ? "_info\",\"description\":" : "\",\"description\":");
	otlp_writer_put_string(metrics->writer, family->help);
	put(metrics, ",\"unit\":\"");
	put(metrics, unit_of(family));
	put(metrics, data[family->type]);
}

static void put_tail(struct otlp_metrics *metrics)
{
	char tail[64] = "]}}";

	if (metrics->family.type == METRIC_COUNTER)
		snprintf(tail, sizeof(tail),
			 "],\"aggregationTemporality\":%d,\"isMonotonic\":true}}",
			 TEMPORALITY_CUMULATIVE);
	if (metrics->family.type == METRIC_HISTOGRAM)
		snprintf(tail, sizeof(tail), "],\"aggregationTemporality\":%d}}",
			 TEMPORALITY_CUMULATIVE);
	otlp_writer_put(metrics->writer, tail);
}

static void end_metric(struct otlp_metrics *metrics)
{
	if (metrics->is_open)
		put_tail(metrics);
	metrics->is_open = false;
}

static void end_body(struct otlp_metrics *metrics)
{
	struct otlp_body *body;

	if (!metrics->writer)
		return;
	end_metric(metrics);
	otlp_writer_put(metrics->writer, metrics->envelope->tail);
	body = otlp_writer_end(metrics->writer, metrics->points, metrics->monotonic_ns);
	metrics->writer = NULL;
	metrics->points = metrics->metrics = 0;
	metrics->body(metrics->context, body);
}

static void put_unsigned(struct otlp_metrics *metrics, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "\"%" PRIu64 "\"", number);
	put(metrics, text);
}

/* As short as it can be without becoming another number. */
static void put_double(struct otlp_metrics *metrics, double number)
{
	char text[32];

	snprintf(text, sizeof(text), "%.15g", number);
	if (strtod(text, NULL) < number || strtod(text, NULL) > number)
		snprintf(text, sizeof(text), "%.17g", number);
	put(metrics, text);
}

static void put_attributes(struct otlp_metrics *metrics, const struct metric_labels *labels)
{
	bool is_first = true;
	size_t i;

	put(metrics, "{\"attributes\":[");
	for (i = 0; i < labels->count; i++) {
		if (!*labels->items[i].value)
			continue;
		put(metrics, is_first ? "{\"key\":\"" : ",{\"key\":\"");
		put(metrics, labels->items[i].name);
		put(metrics, "\",\"value\":{\"stringValue\":");
		otlp_writer_put_string(metrics->writer, labels->items[i].value);
		put(metrics, "}}");
		is_first = false;
	}
	put(metrics, "]");
}

/* A body that has a data point's beginning: attributes and times. */
static void begin_point(struct otlp_metrics *metrics, const struct metric_labels *labels)
{
	enum metric_type type = metrics->family.type;

	if (metrics->writer && otlp_writer_length(metrics->writer) >= BODY_LENGTH)
		end_body(metrics);
	if (!metrics->writer) {
		metrics->writer = otlp_writer_new(metrics->gzip);
		put(metrics, metrics->envelope->head);
	}
	if (metrics->is_open)
		put(metrics, ",");
	else
		put_head(metrics);
	metrics->is_open = true;
	metrics->points++;
	put_attributes(metrics, labels);
	if (type == METRIC_COUNTER || type == METRIC_HISTOGRAM) {
		put(metrics, ",\"startTimeUnixNano\":");
		put_unsigned(metrics, metrics->since_ns);
	}
	put(metrics, ",\"timeUnixNano\":");
	put_unsigned(metrics, metrics->time_ns);
}

static void on_family(void *context, const struct metric_family *family)
{
	struct otlp_metrics *metrics = context;

	end_metric(metrics);
	metrics->family = *family;
	metrics->since_ns = metrics->since(metrics->context, family);
	/* The clock was set back: nothing begins after it was looked at. */
	if (metrics->since_ns > metrics->time_ns)
		metrics->since_ns = metrics->time_ns;
}

static void on_sample(void *context, const struct metric_labels *labels,
		      const struct metric_value *value)
{
	struct otlp_metrics *metrics = context;

	begin_point(metrics, labels);
	if (value->is_real || value->decimals) {
		put(metrics, ",\"asDouble\":");
		put_double(metrics, metric_value_real(value));
	} else {
		put(metrics, ",\"asInt\":");
		put_unsigned(metrics, value->number);
	}
	put(metrics, "}");
}

static void put_scaled(struct otlp_metrics *metrics, uint64_t number, unsigned int decimals)
{
	const struct metric_value value = { .number = number, .decimals = decimals };

	put_double(metrics, metric_value_real(&value));
}

static void on_histogram(void *context, const struct metric_labels *labels,
			 const struct metric_histogram *histogram)
{
	struct otlp_metrics *metrics = context;
	size_t i;

	begin_point(metrics, labels);
	put(metrics, ",\"count\":");
	put_unsigned(metrics, metric_histogram_count(histogram));
	put(metrics, ",\"sum\":");
	put_scaled(metrics, histogram->sum, histogram->decimals);
	for (i = 0; i <= histogram->bound_count; i++) {
		put(metrics, i ? "," : ",\"bucketCounts\":[");
		put_unsigned(metrics, histogram->counts[i]);
	}
	put(metrics, "],\"explicitBounds\":[");
	for (i = 0; i < histogram->bound_count; i++) {
		put(metrics, i ? "," : "");
		put_scaled(metrics, histogram->bounds[i], histogram->decimals);
	}
	put(metrics, "]}");
}

struct metric_sink otlp_metrics_sink(struct otlp_metrics *metrics)
{
	return (struct metric_sink){ on_family, on_sample, on_histogram, metrics };
}

void otlp_metrics_end(struct otlp_metrics *metrics)
{
	end_body(metrics);
}
