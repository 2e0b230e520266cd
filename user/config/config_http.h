/* SPDX-License-Identifier: Apache-2.0 */
/* Options about HTTP requests: setters for the table in config.c. */
#ifndef WEFT_USER_CONFIG_HTTP_H
#define WEFT_USER_CONFIG_HTTP_H

#include "user/config/config.h"

struct config_option;

/* -EINVAL with what is wanted in `wanted`. */
int config_set_max_head(struct config *config, const struct config_option *option,
			const char *value, const char **wanted);
int config_set_request_sample(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted);
int config_set_request_path(struct config *config, const struct config_option *option,
			    const char *value, const char **wanted);

#endif /* WEFT_USER_CONFIG_HTTP_H */
