/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that have pods, and whether the namespaces themselves are known. Each resource is
 * watched by itself, so that a pod may be seen before its Namespace, or after that is gone. A pod
 * whose Namespace is unknown would count as outside the mesh and be open to everybody.
 */
#ifndef WEFT_USER_KUBE_SPACES_H
#define WEFT_USER_KUBE_SPACES_H

#include <stdbool.h>

struct kube_spaces;

struct kube_spaces *kube_spaces_new(void);
void kube_spaces_free(struct kube_spaces *spaces);

/* Keys are "namespace/pod" and "/namespace". */
void kube_spaces_add_pod(struct kube_spaces *spaces, const char *key);
void kube_spaces_remove_pod(struct kube_spaces *spaces, const char *key);
void kube_spaces_set_known(struct kube_spaces *spaces, const char *key, bool known);

/*
 * Tells what has to be assumed from now on of namespaces that are not known, and what need not be
 * any more; of one that has become known meanwhile nothing is told.
 */
void kube_spaces_settle(struct kube_spaces *spaces,
			void (*assume)(void *context, const char *name, bool needed),
			void *context);

#endif /* WEFT_USER_KUBE_SPACES_H */
