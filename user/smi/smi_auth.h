/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask an API server that the Kubernetes API server aggregates: its front proxy, and nobody
 * else, which has authenticated and authorised the user
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/). The cluster
 * tells by ConfigMap kube-system/extension-apiserver-authentication whose certificates are the
 * proxy's.
 */
#ifndef WEFT_USER_SMI_AUTH_H
#define WEFT_USER_SMI_AUTH_H

#include <stdbool.h>
#include "user/kube/kube_http.h"

struct smi_auth;

/* `changed`: the authority is another one, or known for the first time. */
struct smi_auth *smi_auth_new(struct uv_loop_s *loop, struct kube_http *http,
			      void (*changed)(void *context), void *context);
/* The loop must run on to close what is open. NULL is ignored. */
void smi_auth_free(struct smi_auth *auth);

/* PEM; NULL while it is not known. */
const char *smi_auth_authority(const struct smi_auth *auth);
/* May who has a certificate of that authority with this common name ask? */
bool smi_auth_allows(const struct smi_auth *auth, const char *name);

#endif /* WEFT_USER_SMI_AUTH_H */
