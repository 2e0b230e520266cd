/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TrafficMetrics API (metrics.smi-spec.io/v1alpha1) as the Kubernetes API server aggregates it:
 * which objects there are, and which a label selector takes, says that server; what they
 * received, the agents.
 */
#ifndef WEFT_USER_SMI_API_H
#define WEFT_USER_SMI_API_H

#include "user/http/server.h"
#include "user/smi/smi_auth.h"
#include "user/smi/smi_gather.h"

struct smi_api;

/* What it is given outlives it. */
struct smi_api *smi_api_new(struct kube_http *http, const struct smi_gather *gather,
			    const struct smi_auth *auth);
/* Whoever still waits is told so. NULL is ignored. */
void smi_api_free(struct smi_api *api);

/* For paths that begin with SMI_BASE. */
void smi_api_handle(struct smi_api *api, const struct server_request *request,
		    struct server_response *response);

#endif /* WEFT_USER_SMI_API_H */
