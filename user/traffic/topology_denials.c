// SPDX-License-Identifier: Apache-2.0
/* What was denied, or would be, by reason. */
#include <stdlib.h>

#include "policy/memory.h"
#include "user/traffic/topology.h"

static int compare_denials(const void *a, const void *b)
{
	const struct topology_denial *left = a, *right = b;

	if (left->action != right->action)
		return left->action < right->action ? -1 : 1;
	return left->reason < right->reason ? -1 : left->reason > right->reason;
}

void topology_add_denial(struct topology_denials *denials, const struct topology_denial *denial)
{
	size_t i;

	for (i = 0; i < denials->count; i++)
		if (!compare_denials(&denials->items[i], denial))
			break;
	if (i == denials->count) {
		i = memory_grow(&denials->items, &denials->count, &denials->capacity,
				sizeof(*denials->items));
		denials->items[i].action = denial->action;
		denials->items[i].reason = denial->reason;
	}
	denials->items[i].count += denial->count;
	qsort(denials->items, denials->count, sizeof(*denials->items), compare_denials);
}

static bool is_told(const struct topology_denials *denials, const struct topology_denial *denial)
{
	size_t i;

	for (i = 0; i < denials->count; i++)
		if (!compare_denials(&denials->items[i], denial))
			return true;
	return false;
}

void topology_add_denials(struct topology_denials *sum, const struct traffic_denials *const *list,
			  size_t count)
{
	struct topology_denials arrived = { 0 }, opened = { 0 };
	size_t i;

	for (i = 0; i < count; i++) {
		struct topology_denial denial = { list[i]->reason, list[i]->action,
						  list[i]->count };

		if (denial.action != WEFT_VERDICT_WOULD_DENY)
			topology_add_denial(sum, &denial);
		else
			topology_add_denial(list[i]->hook == WEFT_HOOK_TO_POD ? &arrived : &opened,
					    &denial);
	}
	for (i = 0; i < opened.count; i++)
		if (!is_told(&arrived, &opened.items[i]))
			topology_add_denial(sum, &opened.items[i]);
	for (i = 0; i < arrived.count; i++)
		topology_add_denial(sum, &arrived.items[i]);
	free(arrived.items);
	free(opened.items);
}
