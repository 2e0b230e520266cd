/* SPDX-License-Identifier: Apache-2.0 */
/* Options about OTLP: setters for the table in config.c. */
#ifndef WEFT_USER_CONFIG_OTLP_H
#define WEFT_USER_CONFIG_OTLP_H

#include "user/config/config.h"

struct config_option;

/* -EINVAL with what is wanted in `wanted`. */
int config_set_otlp_endpoint(struct config *config, const struct config_option *option,
			     const char *value, const char **wanted);
int config_set_otlp_headers_file(struct config *config, const struct config_option *option,
				 const char *value, const char **wanted);
int config_set_otlp_ca_file(struct config *config, const struct config_option *option,
			    const char *value, const char **wanted);
int config_set_otlp_interval(struct config *config, const struct config_option *option,
			     const char *value, const char **wanted);
int config_set_otlp_compression(struct config *config, const struct config_option *option,
				const char *value, const char **wanted);

#endif /* WEFT_USER_CONFIG_OTLP_H */
