// SPDX-License-Identifier: Apache-2.0
#include "user/config/config_otlp.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { INTERVAL_MAX = 86400 };

/* Is this part of the URL there? */
static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool found = !curl_url_get(url, part, &text, 0);

	curl_free(text);
	return found;
}

static bool is_http(CURLU *url)
{
	char *scheme = NULL;
	bool found = !curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) &&
		     (!strcmp(scheme, "http") || !strcmp(scheme, "https"));

	curl_free(scheme);
	return found;
}

/* Paths are added to it, and everybody on the node may read it: no query, no password. */
static bool is_endpoint(const char *text)
{
	CURLU *url = curl_url();
	bool is_good = url && !curl_url_set(url, CURLUPART_URL, text, 0) && is_http(url) &&
		       !has_part(url, CURLUPART_USER) && !has_part(url, CURLUPART_PASSWORD) &&
		       !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT);

	curl_url_cleanup(url);
	return is_good;
}

int config_set_otlp_endpoint(struct config *config, const struct config_option *option,
			     const char *value, const char **wanted)
{
	(void)option;
	*wanted = "a URL such as http://collector:4318, without user, query and fragment";
	config->otlp.endpoint = value;
	return is_endpoint(value) ? 0 : -EINVAL;
}

int config_set_otlp_headers_file(struct config *config, const struct config_option *option,
				 const char *value, const char **wanted)
{
	(void)option;
	*wanted = "the path of a file";
	config->otlp.headers_file = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int config_set_otlp_ca_file(struct config *config, const struct config_option *option,
			    const char *value, const char **wanted)
{
	(void)option;
	*wanted = "the path of a file";
	config->otlp.ca_file = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int config_set_otlp_interval(struct config *config, const struct config_option *option,
			     const char *value, const char **wanted)
{
	unsigned long number;
	char *end;

	(void)option;
	*wanted = "a number of seconds from 1 to 86400";
	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	number = strtoul(value, &end, 10);
	if (*end || !number || number > INTERVAL_MAX)
		return -EINVAL;
	config->otlp.interval_s = (unsigned int)number;
	return 0;
}

int config_set_otlp_compression(struct config *config, const struct config_option *option,
				const char *value, const char **wanted)
{
	(void)option;
	*wanted = "'gzip' or 'none'";
	config->otlp.gzip = !strcmp(value, "gzip");
	return strcmp(value, "gzip") && strcmp(value, "none") ? -EINVAL : 0;
}
