/* SPDX-License-Identifier: Apache-2.0 */
/* Options about what is exported: setters for the table in config.c. */
#ifndef WEFT_USER_CONFIG_METRICS_H
#define WEFT_USER_CONFIG_METRICS_H

#include "user/config/config.h"

struct config_option;

/* -EINVAL with what is wanted in `wanted`. */
int config_set_metrics_labels(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted);
int config_set_metrics_max_series(struct config *config, const struct config_option *option,
				  const char *value, const char **wanted);
int config_set_metrics_max_histograms(struct config *config, const struct config_option *option,
				      const char *value, const char **wanted);
int config_set_latency_buckets(struct config *config, const struct config_option *option,
			       const char *value, const char **wanted);

#endif /* WEFT_USER_CONFIG_METRICS_H */
