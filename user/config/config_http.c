// SPDX-License-Identifier: Apache-2.0
#include "user/config/config_http.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "user/config/config_number.h"

enum { MAX_HEAD_LEAST = 1024 };

int config_set_max_head(struct config *config, const struct config_option *option,
			const char *value, const char **wanted)
{
	unsigned long number;

	(void)option;
	*wanted = "a number of bytes from 1024 to 65536";
	if (config_parse_number(value, WEFT_HTTP_HEAD_MAX, &number) || number < MAX_HEAD_LEAST)
		return -EINVAL;
	config->max_head = (uint32_t)number;
	return 0;
}

int config_set_request_sample(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted)
{
	double percent, sample;
	char *end;

	(void)option;
	*wanted = "a percentage from 0 to 100, such as 0.5";
	if (!isdigit((unsigned char)*value) || value[strspn(value, "0123456789.")])
		return -EINVAL;
	percent = strtod(value, &end);
	if (*end || percent > 100)
		return -EINVAL;
	sample = percent / 100 * ((double)UINT32_MAX + 1);
	/* So rare a share is still one, and all of them are all. */
	if (percent > 0 && sample < 1)
		sample = 1;
	config->request_sample = sample < UINT32_MAX ? (uint32_t)sample : UINT32_MAX;
	return 0;
}

int config_set_request_path(struct config *config, const struct config_option *option,
			    const char *value, const char **wanted)
{
	unsigned long number = 0;

	(void)option;
	*wanted = "a number of bytes from 0 to 96";
	if (strcmp(value, "0") && config_parse_number(value, WEFT_HTTP_PATH_LEN, &number))
		return -EINVAL;
	config->request_path = (uint32_t)number;
	return 0;
}
