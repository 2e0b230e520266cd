// SPDX-License-Identifier: Apache-2.0
#include "user/config/config_smi.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "user/config/config_number.h"

enum { SECONDS_MAX = 3600 };

int config_set_tls_certificate(struct config *config, const struct config_option *option,
			       const char *value, const char **wanted)
{
	(void)option;
	*wanted = "the path of a file";
	config->tls_certificate = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int config_set_tls_key(struct config *config, const struct config_option *option, const char *value,
		       const char **wanted)
{
	(void)option;
	*wanted = "the path of a file";
	config->tls_key = value;
	return strlen(value) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int parse_seconds(const char *value, unsigned int *seconds, const char **wanted)
{
	unsigned long number = 0;
	int err = config_parse_number(value, SECONDS_MAX, &number);

	*wanted = "a number of seconds from 1 to 3600";
	*seconds = (unsigned int)number;
	return err;
}

int config_set_prometheus(struct config *config, const struct config_option *option,
			  const char *value, const char **wanted)
{
	size_t length = strlen(value);

	(void)option;
	*wanted = "http://HOST:PORT or https://..., without a slash at its end";
	config->prometheus = value;
	if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
		return -EINVAL;
	return value[length - 1] == '/' || length > PATH_MAX ? -EINVAL : 0;
}

int config_set_metrics_window(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted)
{
	(void)option;
	return parse_seconds(value, &config->metrics_window, wanted);
}

int config_set_metrics_interval(struct config *config, const struct config_option *option,
				const char *value, const char **wanted)
{
	(void)option;
	return parse_seconds(value, &config->metrics_interval, wanted);
}
