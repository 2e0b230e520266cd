// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/metric_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "user/telemetry/latency_bounds.h"

enum { MOST_LIMIT = 1000000 };

static const struct {
	const char *name;
	unsigned int group;
} groups[] = {
	{ "workload", METRIC_LABELS_WORKLOAD },
	{ "service_account", METRIC_LABELS_SERVICE_ACCOUNT },
	{ "port", METRIC_LABELS_PORT },
	{ "service", METRIC_LABELS_SERVICE },
	{ "rule", METRIC_LABELS_RULE },
	{ "method", METRIC_LABELS_METHOD },
	{ "kind", METRIC_LABELS_KIND },
	{ "pod", METRIC_LABELS_POD },
};

/* 0: there is none of this name. */
static unsigned int group_of(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strlen(groups[i].name) == length && !memcmp(groups[i].name, name, length))
			return groups[i].group;
	return 0;
}

int metric_options_set_labels(struct metric_options *options, const char *text)
{
	unsigned int group;
	size_t length;

	options->labels = !strcmp(text, "all") ? METRIC_LABELS_ALL : 0;
	if (options->labels || !strcmp(text, "none"))
		return 0;
	for (;; text += length + 1) {
		length = strcspn(text, ",");
		group = group_of(text, length);
		if (!group)
			return -EINVAL;
		options->labels |= group;
		if (!text[length])
			return 0;
	}
}

int metric_options_set_most(uint32_t *most, const char *text)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	number = strtoul(text, &end, 10);
	if (*end || !number || number > MOST_LIMIT)
		return -EINVAL;
	*most = (uint32_t)number;
	return 0;
}

/* "250us"; *end is what follows. False: it is none. */
static bool parse_duration(const char *text, char **end, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
	unsigned long number;
	size_t i;

	if (!isdigit((unsigned char)*text))
		return false;
	number = strtoul(text, end, 10);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strncmp(*end, units[i].name, strlen(units[i].name)) != 0)
			continue;
		*end += strlen(units[i].name);
		*ns = number * units[i].ns;
		return number <= LATENCY_BOUND_MAX_NS / units[i].ns;
	}
	return false;
}

int metric_options_set_buckets(struct metric_options *options, const char *text)
{
	uint64_t from, to;
	char *end;

	options->fine_from_ns = options->fine_to_ns = 0;
	if (!strcmp(text, "coarse"))
		return 0;
	if (!strcmp(text, "fine"))
		text = "1ms-1s";
	if (!parse_duration(text, &end, &from) || *end++ != '-' ||
	    !parse_duration(end, &end, &to) || *end)
		return -EINVAL;
	if (from < LATENCY_BOUND_MIN_NS || from >= to)
		return -EINVAL;
	options->fine_from_ns = from;
	options->fine_to_ns = to;
	return 0;
}
