/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the fields of objects, by object. */
#ifndef WEFT_USER_KUBE_TROUBLES_H
#define WEFT_USER_KUBE_TROUBLES_H

#include "policy/finding.h"

struct kube_trouble;

/* NULL = none. */
struct kube_troubles {
	struct kube_trouble *by_key;
};

/* In place of what was noted of the object; empties `findings`, which may be empty. */
void kube_troubles_note(struct kube_troubles *troubles, const char *key, struct findings *findings);
void kube_troubles_forget(struct kube_troubles *troubles, const char *key);
void kube_troubles_append(const struct kube_troubles *troubles, struct findings *findings);
void kube_troubles_clear(struct kube_troubles *troubles);

#endif /* WEFT_USER_KUBE_TROUBLES_H */
