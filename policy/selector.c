// SPDX-License-Identifier: Apache-2.0
/* Labels, and label selectors with the meaning of k8s.io/apimachinery. */
#include <string.h>
#include "policy/store.h"

const char *labels_get(const struct labels *labels, const char *key)
{
	size_t i;

	for (i = 0; i < labels->count; i++)
		if (!strcmp(labels->items[i].key, key))
			return labels->items[i].value;
	return NULL;
}

static bool requirement_has_value(const struct selector_requirement *requirement, const char *value)
{
	size_t i;

	for (i = 0; i < requirement->value_count; i++)
		if (!strcmp(requirement->values[i], value))
			return true;
	return false;
}

static bool requirement_matches(const struct selector_requirement *requirement,
				const struct labels *labels)
{
	const char *value = labels_get(labels, requirement->key);

	switch (requirement->op) {
	case SELECTOR_IN:
		return value && requirement_has_value(requirement, value);
	case SELECTOR_NOT_IN:
		/* an absent label is not among the values either */
		return !value || !requirement_has_value(requirement, value);
	case SELECTOR_EXISTS:
		return value;
	case SELECTOR_DOES_NOT_EXIST:
		return !value;
	}
	return false;
}

bool selector_matches(const struct label_selector *selector, const struct labels *labels)
{
	size_t i;

	for (i = 0; i < selector->count; i++)
		if (!requirement_matches(&selector->items[i], labels))
			return false;
	return true;
}
