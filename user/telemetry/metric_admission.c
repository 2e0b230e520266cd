// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/metric_admission.h"

#include <stdlib.h>
#include "policy/memory.h"

/* Of rows that are equal in this, which is not to be expected, the same is decided. */
struct admitted {
	uint64_t hash; /* of the labels' values */
	bool is_kept;
};

static uint64_t hash_of(const struct metric_row *row)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	size_t i;

	for (i = 0; i < row->length; i++)
		hash = (hash ^ (unsigned char)row->text[i]) * 0x100000001b3;
	return hash;
}

static int admitted_compare(const void *a, const void *b)
{
	const struct admitted *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

static const struct admitted *find(const struct metric_admission *admission,
				   const struct admitted *key)
{
	return admission->count ? bsearch(key, admission->items, admission->count, sizeof(*key),
					  admitted_compare) :
				  NULL;
}

void metric_admission_decide(struct metric_admission *admission, const struct metric_rows *rows,
			     size_t most, bool *keep)
{
	struct admitted *items = memory_alloc(rows->count * sizeof(*items));
	bool *is_new = memory_alloc(rows->count * sizeof(*is_new));
	const struct admitted *before;
	size_t kept = 0, i;

	for (i = 0; i < rows->count; i++) {
		items[i].hash = hash_of(&rows->items[i]);
		before = find(admission, &items[i]);
		items[i].is_kept = before && before->is_kept;
		is_new[i] = !before;
		kept += items[i].is_kept;
	}
	for (i = 0; i < rows->count; i++) {
		if (is_new[i] && kept < most) {
			items[i].is_kept = true;
			kept++;
		}
		keep[i] = items[i].is_kept;
	}
	free(is_new);
	metric_admission_clear(admission);
	if (rows->count)
		qsort(items, rows->count, sizeof(*items), admitted_compare);
	admission->items = items;
	admission->count = rows->count;
}

void metric_admission_clear(struct metric_admission *admission)
{
	free(admission->items);
	*admission = (struct metric_admission){ NULL, 0 };
}
