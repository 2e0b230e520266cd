// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_troubles.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "policy/memory.h"

struct kube_trouble {
	char *key; /* hash key */
	struct findings findings;
	UT_hash_handle hh;
};

static void trouble_free(struct kube_troubles *troubles, struct kube_trouble *trouble)
{
	HASH_DELETE(hh, troubles->by_key, trouble);
	findings_clear(&trouble->findings);
	free(trouble->key);
	free(trouble);
}

void kube_troubles_forget(struct kube_troubles *troubles, const char *key)
{
	struct kube_trouble *trouble;

	HASH_FIND_STR(troubles->by_key, key, trouble);
	if (trouble)
		trouble_free(troubles, trouble);
}

void kube_troubles_note(struct kube_troubles *troubles, const char *key, struct findings *findings)
{
	struct kube_trouble *trouble;

	kube_troubles_forget(troubles, key);
	if (!findings->count)
		return;
	trouble = memory_alloc(sizeof(*trouble));
	trouble->key = memory_strdup(key);
	trouble->findings = *findings;
	*findings = (struct findings){ 0 };
	HASH_ADD_KEYPTR(hh, troubles->by_key, trouble->key, strlen(trouble->key), trouble);
}

void kube_troubles_append(const struct kube_troubles *troubles, struct findings *findings)
{
	const struct kube_trouble *trouble;

	for (trouble = troubles->by_key; trouble; trouble = trouble->hh.next)
		findings_append(findings, &trouble->findings);
}

void kube_troubles_clear(struct kube_troubles *troubles)
{
	struct kube_trouble *trouble, *following;

	HASH_ITER(hh, troubles->by_key, trouble, following)
		trouble_free(troubles, trouble);
}
