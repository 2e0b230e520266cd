/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which versions of SMI's resources the API server serves
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#api-resources): CustomResources,
 * of which a cluster may have any, in any versions, and others tomorrow.
 */
#ifndef WEFT_USER_KUBE_DISCOVERY_H
#define WEFT_USER_KUBE_DISCOVERY_H

#include "user/kube/kube_http.h"

struct kube_discovery;

/*
 * `versions[i]`: the latest version that weft knows and the server has of kube_resources[i], NULL =
 * it has none, or the resource needs no discovery. NULL for all and `error`: it could not be found
 * out.
 */
typedef void (*kube_discovery_done)(void *context, char *const *versions, const char *error);

/* Tells once, and is freed then. */
struct kube_discovery *kube_discovery_new(struct kube_http *http, kube_discovery_done done,
					  void *context);

/* Before it has told. NULL is ignored. */
void kube_discovery_cancel(struct kube_discovery *discovery);

#endif /* WEFT_USER_KUBE_DISCOVERY_H */
