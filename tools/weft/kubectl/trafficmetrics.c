// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/kubectl/trafficmetrics.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "tools/weft/output.h"

struct suffix {
	const char *text;
	double factor;
};

static const struct suffix quantities[] = {
	{ "", 1 },
	{ "n", 1e-9 },
	{ "u", 1e-6 },
	{ "m", 1e-3 },
	{ "k", 1e3 },
	{ "M", 1e6 },
	{ "G", 1e9 },
	{ "Ki", 1024 },
	{ "Mi", 1048576 },
	{ "Gi", 1073741824 },
	{ "T", 1e12 },
	{ "P", 1e15 },
	{ "Ti", 1.099511628e12 },
	{ NULL, 0 },
};

static const struct suffix durations[] = {
	{ "h", 3600 },	{ "m", 60 },	{ "s", 1 },  { "ms", 1e-3 },
	{ "us", 1e-6 }, { "ns", 1e-9 }, { NULL, 0 },
};

static double factor_of(const struct suffix *suffixes, const char *text, size_t length)
{
	for (; suffixes->text; suffixes++)
		if (strlen(suffixes->text) == length && !strncmp(suffixes->text, text, length))
			return suffixes->factor;
	return -1;
}

double trafficmetrics_quantity(const char *text)
{
	double number, factor;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	number = strtod(text, &end);
	factor = factor_of(quantities, end, strlen(end));
	return factor < 0 ? -1 : number * factor;
}

double trafficmetrics_duration(const char *text)
{
	double sum = 0, number, factor;
	size_t length;
	char *end;

	if (!*text)
		return -1;
	for (; *text; text = end + length) {
		if (!isdigit((unsigned char)*text))
			return -1;
		number = strtod(text, &end);
		for (length = 0; isalpha((unsigned char)end[length]); length++)
			;
		factor = factor_of(durations, end, length);
		if (factor < 0)
			return -1;
		sum += number * factor;
	}
	return sum;
}

static struct trafficmetrics_resource read_resource(struct json_object *json, const char *path)
{
	struct json_object *resource = json_member(json, path);

	return (struct trafficmetrics_resource){ json_text(resource, "kind"),
						 json_text(resource, "namespace"),
						 json_text(resource, "name") };
}

static void read_metric(struct json_object *metric, struct trafficmetrics *metrics)
{
	const char *name = json_text(metric, "name");
	double value = trafficmetrics_quantity(json_text(metric, "value"));
	uint64_t ns;

	if (value < 0)
		return;
	/* The unit of latencies is seconds; nothing else is known. */
	ns = (uint64_t)(value * 1e9);
	if (!strcmp(name, "success_count"))
		metrics->succeeded = (uint64_t)value;
	else if (!strcmp(name, "failure_count"))
		metrics->failed = (uint64_t)value;
	else if (!strcmp(name, "p50_response_latency"))
		metrics->p50_ns = ns;
	else if (!strcmp(name, "p90_response_latency"))
		metrics->p90_ns = ns;
	else if (!strcmp(name, "p99_response_latency"))
		metrics->p99_ns = ns;
}

bool trafficmetrics_read(struct json_object *json, struct trafficmetrics *metrics)
{
	struct json_object *list = json_list(json, "metrics");
	size_t i;

	*metrics = (struct trafficmetrics){
		.resource = read_resource(json, "resource"),
		.to = !strcmp(json_text(json, "edge.direction"), "to"),
		.is_client = !strcmp(json_text(json, "edge.side"), "client"),
		.edge = read_resource(json, "edge.resource"),
		.backend = json_text(json, "backend.name"),
		.window = trafficmetrics_duration(json_text(json, "window")),
	};
	if (!list || !*metrics->resource.name)
		return false;
	if (metrics->window < 0)
		metrics->window = 0;
	for (i = 0; i < json_list_length(list); i++)
		read_metric(json_object_array_get_idx(list, i), metrics);
	return true;
}
