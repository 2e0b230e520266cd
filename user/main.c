// SPDX-License-Identifier: Apache-2.0
/* weftd, the agent of weft on one node. */
#include <stdio.h>
#include <time.h>
#include "user/agent/agent.h"
#include "user/config/config.h"
#include "user/log.h"
#include "user/smi/smi_role.h"

int main(int argc, char **argv)
{
	char error[CONFIG_ERROR_LEN] = "";
	struct config config;
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (config_parse(&config, argc, argv, error)) {
		fprintf(stderr, "weftd: %s\n", error);
		return 2;
	}
	log_setup(config.log_level, config.log_format);
	if (config.role == CONFIG_ROLE_METRICS)
		return smi_role_run(&config);
	return agent_run(&config, (uint64_t)begin.tv_sec * 1000000000 + (uint64_t)begin.tv_nsec);
}
