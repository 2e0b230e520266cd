// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/metric_sink.h"

static const struct metric_labels no_labels;

static void sink_put(const struct metric_sink *sink, const struct metric_labels *labels,
		     const struct metric_value *value)
{
	sink->sample(sink->context, labels ? labels : &no_labels, value);
}

void metric_put_number(const struct metric_sink *sink, const struct metric_labels *labels,
		       uint64_t number)
{
	const struct metric_value value = { .number = number };

	sink_put(sink, labels, &value);
}

void metric_put_fixed(const struct metric_sink *sink, const struct metric_labels *labels,
		      uint64_t number, unsigned int decimals)
{
	const struct metric_value value = { .number = number, .decimals = decimals };

	sink_put(sink, labels, &value);
}

void metric_put_real(const struct metric_sink *sink, const struct metric_labels *labels,
		     double real)
{
	const struct metric_value value = { .is_real = true, .real = real };

	sink_put(sink, labels, &value);
}

double metric_value_real(const struct metric_value *value)
{
	double divisor = 1;
	unsigned int i;

	if (value->is_real)
		return value->real;
	for (i = 0; i < value->decimals; i++)
		divisor *= 10;
	return (double)value->number / divisor;
}

uint64_t metric_histogram_count(const struct metric_histogram *histogram)
{
	uint64_t count = 0;
	size_t i;

	for (i = 0; i <= histogram->bound_count; i++)
		count += histogram->counts[i];
	return count;
}
