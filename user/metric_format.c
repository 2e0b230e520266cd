// SPDX-License-Identifier: Apache-2.0
/* Which format a scraper wants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "user/metric_text.h"

/* One element of an Accept header. */
struct accepted {
	char type[64];	  /* "text/plain"; cut when it is none of ours anyway */
	char version[16]; /* "" = none is named */
	double quality;
};

const char *metric_format_content_type(enum metric_format format)
{
	return format == METRIC_FORMAT_OPENMETRICS ?
		       "application/openmetrics-text; version=1.0.0; charset=utf-8" :
		       "text/plain; version=0.0.4; charset=utf-8";
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
	char name[16], value[16];

	*accepted = (struct accepted){ .quality = 1 };
	at = take_word(at, ",;", accepted->type, sizeof(accepted->type));
	while (*at == ';') {
		at = take_word(at + 1, "=,;", name, sizeof(name));
		value[0] = '\0';
		if (*at == '=')
			at = take_word(at + 1, ",;", value, sizeof(value));
		if (!strcasecmp(name, "q"))
			accepted->quality = strtod(value, NULL);
		else if (!strcasecmp(name, "version"))
			strcpy(accepted->version, value);
	}
	return *at ? skip_space(at + 1) : at;
}

static bool has_version(const struct accepted *accepted, const char *version)
{
	return !accepted->version[0] || !strcmp(accepted->version, version);
}

enum metric_format metric_format_accepted(const char *accept)
{
	double plain = 0, open = 0;
	struct accepted accepted;

	while (accept && *accept) {
		accept = take_accepted(accept, &accepted);
		if (!strcasecmp(accepted.type, "application/openmetrics-text") &&
		    has_version(&accepted, "1.0.0") && accepted.quality > open)
			open = accepted.quality;
		if (!strcasecmp(accepted.type, "text/plain") && has_version(&accepted, "0.0.4") &&
		    accepted.quality > plain)
			plain = accepted.quality;
	}
	return open > 0 && open >= plain ? METRIC_FORMAT_OPENMETRICS : METRIC_FORMAT_PROMETHEUS;
}
