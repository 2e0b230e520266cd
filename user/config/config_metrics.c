// SPDX-License-Identifier: Apache-2.0
#include "user/config/config_metrics.h"

int config_set_metrics_labels(struct config *config, const struct config_option *option,
			      const char *value, const char **wanted)
{
	(void)option;
	*wanted = "'all', 'none', or some of "
		  "workload,service_account,port,service,rule,method,kind,pod";
	return metric_options_set_labels(&config->metrics, value);
}

static int set_most(uint32_t *most, const char *value, const char **wanted)
{
	*wanted = "a number from 1 to 1000000";
	return metric_options_set_most(most, value);
}

int config_set_metrics_max_series(struct config *config, const struct config_option *option,
				  const char *value, const char **wanted)
{
	(void)option;
	return set_most(&config->metrics.max_series, value, wanted);
}

int config_set_metrics_max_histograms(struct config *config, const struct config_option *option,
				      const char *value, const char **wanted)
{
	(void)option;
	return set_most(&config->metrics.max_histograms, value, wanted);
}

int config_set_latency_buckets(struct config *config, const struct config_option *option,
			       const char *value, const char **wanted)
{
	(void)option;
	*wanted = "'coarse', 'fine', or a range such as 500us-2s within 2us and 60s";
	return metric_options_set_buckets(&config->metrics, value);
}
