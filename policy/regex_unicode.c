// SPDX-License-Identifier: Apache-2.0
/* Look-ups in the tables of Unicode. */
#include <string.h>
#include "policy/regex_internal.h"

/* Does the value have that name, or, where values form groups, its group (L of Lu)? */
static bool names_value(const struct rune_property *property, size_t value, const char *name,
			size_t length)
{
	const char *own = property->names[value];

	return !strncmp(own, name, length) &&
	       (strlen(own) == length || (property->grouped && length == 1 && *own));
}

static bool add_property(struct rune_set *set, const struct rune_property *property,
			 const char *name, size_t length)
{
	bool wanted[256] = { false }, found = false;
	uint32_t end;
	size_t i;

	for (i = 0; i < property->name_count; i++) {
		wanted[i] = names_value(property, i, name, length);
		found |= wanted[i];
	}
	for (i = 0; found && i < property->run_count; i++) {
		end = i + 1 < property->run_count ? property->runs[i + 1] >> 8 : RUNE_MAX + 1;
		if (!wanted[property->runs[i] & 0xff])
			continue;
		/* runs of Lu and Ll side by side are one range of L */
		if (set->count && set->items[set->count - 1].high + 1 == property->runs[i] >> 8)
			set->items[set->count - 1].high = end - 1;
		else
			rune_set_add(set, property->runs[i] >> 8, end - 1);
	}
	return found;
}

bool regex_unicode_add(struct rune_set *set, const char *name, size_t length)
{
	if (!length)
		return false;
	if (length == 3 && !memcmp(name, "Any", length)) {
		rune_set_add(set, 0, RUNE_MAX);
		return true;
	}
	return add_property(set, &regex_unicode_categories, name, length) ||
	       add_property(set, &regex_unicode_scripts, name, length);
}

const char *regex_unicode_category(uint32_t rune)
{
	const struct rune_property *property = &regex_unicode_categories;
	size_t low = 0, high = property->run_count, middle;

	while (high - low > 1) {
		middle = (low + high) / 2;
		if (property->runs[middle] >> 8 <= rune)
			low = middle;
		else
			high = middle;
	}
	return property->names[property->runs[low] & 0xff];
}

size_t regex_unicode_fold_find(uint32_t rune)
{
	size_t low = 0, high = regex_unicode_fold_count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (regex_unicode_folds[middle].high < rune)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t regex_unicode_fold(uint32_t rune)
{
	size_t i = regex_unicode_fold_find(rune);
	const struct rune_fold *fold = &regex_unicode_folds[i];

	if (i == regex_unicode_fold_count || rune < fold->low)
		return rune;
	if (fold->delta)
		return (uint32_t)((int32_t)rune + fold->delta);
	return (rune - fold->low) % 2 ? rune - 1 : rune + 1;
}
