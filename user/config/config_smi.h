/* SPDX-License-Identifier: Apache-2.0 */
/* Options about --role metrics: setters for the table in config.c. */
#ifndef WEFT_USER_CONFIG_SMI_H
#define WEFT_USER_CONFIG_SMI_H

#include "user/config/config.h"

struct config_option;

/* -EINVAL with what is wanted in `wanted`. */
int config_set_tls_certificate(struct config *config, const struct config_option *option,
			       const char *value, const char **wanted);
int config_set_tls_key(struct config *config, const struct config_option *option, const char *value,
		       const char **wanted);
int config_set_prometheus(struct config *config, const struct config_option *option,
			  const char *value, const char **wanted);
int config_set_metrics_window(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted);
int config_set_metrics_interval(struct config *config, const struct config_option *option,
				const char *value, const char **wanted);

#endif /* WEFT_USER_CONFIG_SMI_H */
