// SPDX-License-Identifier: Apache-2.0
/* Which format a scraper wants. */
#include "user/telemetry/metric_format.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORD_LEN = 64 };

/* One element of an Accept header; "" = not named. Longer words, which are cut, are none of ours.
 */
struct accepted {
	char type[WORD_LEN];
	char version[WORD_LEN];
	char proto[WORD_LEN];
	char encoding[WORD_LEN];
	double quality;
};

static const struct {
	const char *type;
	const char *version; /* "" = any */
	const char *proto, *encoding;
	const char *content_type;
} formats[] = {
	[METRIC_FORMAT_PROMETHEUS] = { "text/plain", "0.0.4", "", "",
				       "text/plain; version=0.0.4; charset=utf-8" },
	[METRIC_FORMAT_OPENMETRICS] = { "application/openmetrics-text", "1.0.0", "", "",
					"application/openmetrics-text; version=1.0.0; "
					"charset=utf-8" },
	[METRIC_FORMAT_PROTOBUF] = { "application/vnd.google.protobuf", "",
				     "io.prometheus.client.MetricFamily", "delimited",
				     "application/vnd.google.protobuf; "
				     "proto=io.prometheus.client.MetricFamily; "
				     "encoding=delimited" },
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

const char *metric_format_content_type(enum metric_format format)
{
	return formats[format].content_type;
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t");
}

/* Copies up to one of the characters of `end`, which it returns. Without quotes and spaces. */
static const char *take_word(const char *at, const char *end, char *word, size_t size)
{
	size_t length = strcspn(at, end), kept = length;
	const char *rest = at + length;

	while (kept && strchr(" \t\"", at[kept - 1]))
		kept--;
	while (kept && strchr(" \t\"", *at)) {
		at++;
		kept--;
	}
	snprintf(word, size, "%.*s", (int)kept, at);
	return rest;
}

/* Reads one element, and returns where the next one is, or the end. */
static const char *take_accepted(const char *at, struct accepted *accepted)
{
	char name[16], value[WORD_LEN];

	*accepted = (struct accepted){ .quality = 1 };
	at = take_word(at, ",;", accepted->type, WORD_LEN);
	while (*at == ';') {
		at = take_word(at + 1, "=,;", name, sizeof(name));
		value[0] = '\0';
		if (*at == '=')
			at = take_word(at + 1, ",;", value, WORD_LEN);
		if (!strcasecmp(name, "q"))
			accepted->quality = strtod(value, NULL);
		else if (!strcasecmp(name, "version"))
			memcpy(accepted->version, value, WORD_LEN);
		else if (!strcasecmp(name, "proto"))
			memcpy(accepted->proto, value, WORD_LEN);
		else if (!strcasecmp(name, "encoding"))
			memcpy(accepted->encoding, value, WORD_LEN);
	}
	return *at ? skip_space(at + 1) : at;
}

/* What is not said may be anything, but for protocol buffers, of which there are many. */
static bool is_format(const struct accepted *accepted, size_t format)
{
	return !strcasecmp(accepted->type, formats[format].type) &&
	       (!accepted->version[0] || !formats[format].version[0] ||
		!strcmp(accepted->version, formats[format].version)) &&
	       (!formats[format].proto[0] ||
		(!strcmp(accepted->proto, formats[format].proto) &&
		 !strcmp(accepted->encoding, formats[format].encoding)));
}

enum metric_format metric_format_accepted(const char *accept)
{
	size_t format, best = METRIC_FORMAT_PROMETHEUS;
	double quality[FORMATS] = { 0 };
	struct accepted accepted;

	while (accept && *accept) {
		accept = take_accepted(accept, &accepted);
		for (format = 0; format < FORMATS; format++)
			if (is_format(&accepted, format) && accepted.quality > quality[format])
				quality[format] = accepted.quality;
	}
	for (format = 0; format < FORMATS; format++)
		if (quality[format] > 0 && quality[format] >= quality[best])
			best = format;
	return (enum metric_format)best;
}
