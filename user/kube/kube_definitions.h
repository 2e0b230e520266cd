/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of SMI's resources the API server has, by discovery, once more whenever a
 * CustomResourceDefinition of SMI changes. Where these may not be watched, once a minute.
 */
#ifndef WEFT_USER_KUBE_DEFINITIONS_H
#define WEFT_USER_KUBE_DEFINITIONS_H

#include <stdbool.h>
#include "user/kube/kube_discovery.h"

struct uv_loop_s;
struct kube_definitions;
struct kube_reflector;

/* Finds out at once; `found` is called for each result, also when it is the same. */
struct kube_definitions *kube_definitions_new(struct uv_loop_s *loop, struct kube_http *http,
					      kube_discovery_done found, void *context);

/* A resource that was found is not there. */
void kube_definitions_doubt(struct kube_definitions *definitions);

/* Looks at once for what may have been missed. */
void kube_definitions_rescan(struct kube_definitions *definitions);

/* Was it found out once? */
bool kube_definitions_are_known(const struct kube_definitions *definitions);
/* Why the last discovery failed, "" = it did not. */
const char *kube_definitions_problem(const struct kube_definitions *definitions);
/* Of the CustomResourceDefinitions. */
const struct kube_reflector *kube_definitions_reflector(const struct kube_definitions *definitions);

/* NULL is ignored. */
void kube_definitions_free(struct kube_definitions *definitions);

#endif /* WEFT_USER_KUBE_DEFINITIONS_H */
