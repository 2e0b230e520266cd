/* SPDX-License-Identifier: Apache-2.0 */
/* weftd --role metrics: the TrafficMetrics API of a cluster. */
#ifndef WEFT_USER_SMI_ROLE_H
#define WEFT_USER_SMI_ROLE_H

#include "user/config/config.h"

/* Runs until SIGTERM or SIGINT. The exit status. */
int smi_role_run(const struct config *config);

#endif /* WEFT_USER_SMI_ROLE_H */
