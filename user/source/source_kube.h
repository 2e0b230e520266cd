/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes API server as a source of objects. */
#ifndef WEFT_USER_SOURCE_KUBE_H
#define WEFT_USER_SOURCE_KUBE_H

#include "user/source/source.h"

struct kube_config;

/*
 * Takes over the contents of `config`. `feedback_node`: this node's name if findings and state are
 * to be told through the API server, else NULL; it must outlive the source. 0 or -errno.
 */
int source_kube_new(struct uv_loop_s *loop, struct kube_config *config, const char *feedback_node,
		    const struct source_sink *sink, struct source **source);

#endif /* WEFT_USER_SOURCE_KUBE_H */
