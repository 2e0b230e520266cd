// SPDX-License-Identifier: Apache-2.0
/* What the agent was told and what is wrong with it, as families of metrics. */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/memory.h"
#include "user/telemetry/metric_rows.h"
#include "user/telemetry/telemetry_internal.h"

static void write_counts(const struct store *store, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_objects",
		.type = METRIC_GAUGE,
		.help = "Objects that the agent knows, by kind.",
	};
	enum object_kind kind;

	sink->family(sink->context, &family);
	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		const struct metric_label label = { "kind", object_kind_name(kind) };

		metric_put_number(sink, &(struct metric_labels){ &label, 1 },
				  store_count(store, kind));
	}
}

static void write_findings(const struct findings *findings, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_findings",
		.type = METRIC_GAUGE,
		.help = "Objects and fields that are wrong, by kind of object and reason.",
	};
	struct metric_rows rows = { .width = 1 };
	size_t i;

	for (i = 0; i < findings->count; i++) {
		metric_rows_label(&rows, "kind", findings->items[i].kind);
		metric_rows_label(&rows, "reason", findings->items[i].reason);
		*metric_rows_add(&rows) = 1;
	}
	metric_rows_merge(&rows);
	sink->family(sink->context, &family);
	for (i = 0; i < rows.count; i++)
		metric_put_number(sink, &rows.items[i].labels, *rows.items[i].values);
	metric_rows_clear(&rows);
}

/* By service; of one service that first which is in force. */
static int split_compare(const void *a, const void *b)
{
	const struct traffic_split *x = *(const struct traffic_split *const *)a;
	const struct traffic_split *y = *(const struct traffic_split *const *)b;
	int order = strcmp(x->meta.name_space, y->meta.name_space);

	if (!order)
		order = strcmp(x->service, y->service);
	if (!order)
		order = compile_split_is_older(x, y) ? -1 : compile_split_is_older(y, x);
	return order;
}

static bool is_same_service(const struct traffic_split *a, const struct traffic_split *b)
{
	return !strcmp(a->meta.name_space, b->meta.name_space) && !strcmp(a->service, b->service);
}

/* Those that are valid, sorted; to be freed. */
static const struct traffic_split **sort_splits(const struct store *store, size_t *count)
{
	size_t room = store_count(store, OBJECT_TRAFFIC_SPLIT);
	const struct traffic_split **splits = memory_alloc(room * sizeof(struct traffic_split *));
	const struct object *object;

	*count = 0;
	for (object = store_first(store, OBJECT_TRAFFIC_SPLIT); object; object = store_next(object))
		if (!((const struct traffic_split *)object)->invalid)
			splits[(*count)++] = (const struct traffic_split *)object;
	if (*count)
		qsort(splits, *count, sizeof(struct traffic_split *), split_compare);
	return splits;
}

static void add_backends(struct metric_rows *rows, const struct traffic_split *split)
{
	size_t i;

	for (i = 0; i < split->backend_count; i++) {
		if (split->backends[i].invalid)
			continue;
		metric_rows_label(rows, "destination_namespace", split->meta.name_space);
		metric_rows_label(rows, "service", split->service);
		metric_rows_label(rows, "backend", split->backends[i].service);
		metric_rows_label(rows, "split", split->meta.name);
		*metric_rows_add(rows) = split->backends[i].weight_milli;
	}
}

/* Labels as those of the connections that they are to be held against. */
static void write_splits(const struct store *store, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_split_backend_weight",
		.type = METRIC_GAUGE,
		.help = "Weight of a service's backend in the TrafficSplit that is in force.",
	};
	struct metric_rows rows = { .width = 1 };
	const struct traffic_split **splits;
	size_t i, count;

	splits = sort_splits(store, &count);
	for (i = 0; i < count; i++)
		if ((!i || !is_same_service(splits[i - 1], splits[i])) && !splits[i]->match_count)
			add_backends(&rows, splits[i]);
	free(splits);
	metric_rows_merge(&rows);
	sink->family(sink->context, &family);
	for (i = 0; i < rows.count; i++)
		metric_put_real(sink, &rows.items[i].labels, (double)*rows.items[i].values / 1000);
	metric_rows_clear(&rows);
}

void telemetry_write_objects(const struct store *store, const struct findings *findings,
			     const struct metric_sink *sink)
{
	write_counts(store, sink);
	write_findings(findings, sink);
	write_splits(store, sink);
}
