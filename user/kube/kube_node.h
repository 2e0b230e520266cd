/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's state as an annotation on its Node, for those who look at nodes with kubectl. Every
 * agent of the cluster is told of a change of any Node. So changes are written seldom, and nothing
 * stands in it that changes on all nodes at the same time.
 */
#ifndef WEFT_USER_KUBE_NODE_H
#define WEFT_USER_KUBE_NODE_H

#include "user/kube/kube_http.h"
#include "user/source/source.h"

struct uv_loop_s;
struct kube_node;

struct kube_node *kube_node_new(struct uv_loop_s *loop, struct kube_http *http, const char *name);

/* Written soon when something is wrong that was not, or is well again, later for numbers of pods.
 */
void kube_node_report(struct kube_node *node, const struct source_report *report);

/* Why it cannot be written, "" = it can. */
const char *kube_node_problem(const struct kube_node *node);

/* NULL is ignored. */
void kube_node_free(struct kube_node *node);

#endif /* WEFT_USER_KUBE_NODE_H */
