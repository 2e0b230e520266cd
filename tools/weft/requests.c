// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/requests.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "loader/requests.h"
#include "tools/weft/end.h"
#include "tools/weft/kernel.h"

enum { STATUS_CLASSES = 6 }; /* 0: unanswered */

const struct column request_columns[] = {
	{ "SOURCE", "source", COLUMN_TEXT },
	{ "SOURCE-POD", "source_pod", COLUMN_TEXT },
	{ "DESTINATION", "destination", COLUMN_TEXT },
	{ "DEST-POD", "destination_pod", COLUMN_TEXT },
	{ "PORT", "port", COLUMN_NUMBER },
	{ "TRAFFICTARGET", "traffic_target", COLUMN_TEXT },
	{ "ROUTE", "route", COLUMN_TEXT },
	{ "REQUESTS", "requests", COLUMN_NUMBER },
	{ "SUCCESS", "success", COLUMN_PERCENT },
	{ "4XX", "status_4xx", COLUMN_NUMBER },
	{ "5XX", "status_5xx", COLUMN_NUMBER },
	{ "P50-US", "p50_us", COLUMN_NUMBER },
	{ "P99-US", "p99_us", COLUMN_NUMBER },
	{ 0 },
};

void request_put_rule(struct json_object *row, const struct names *names, uint32_t id)
{
	const struct weft_name *name = names_lookup(names, WEFT_NAME_RULE, id);
	char text[KERNEL_NAME_LEN];

	if (!id)
		return;
	if (name)
		snprintf(text, sizeof(text), "%s/%s", name->name_space, name->name);
	else
		snprintf(text, sizeof(text), "#%u", id);
	json_put_string(row, "traffic_target", text);
	if (name)
		json_put_string(row, "route", name->detail);
}

static void put_statuses(struct json_object *row, const struct request_edge *edge)
{
	uint64_t classes[STATUS_CLASSES] = { 0 }, total = 0;
	char key[16];
	size_t i;

	for (i = 0; i < edge->count_count; i++) {
		const struct request_count *count = &edge->counts[i];

		total += count->sum.count;
		if (count->key.status < STATUS_CLASSES)
			classes[count->key.status] += count->sum.count;
	}
	json_put_number(row, "requests", total);
	if (total)
		json_put_share(row, "success",
			       (double)(total - classes[0] - classes[5]) / (double)total);
	for (i = 1; i < STATUS_CLASSES; i++) {
		snprintf(key, sizeof(key), "status_%zuxx", i);
		json_put_number(row, key, classes[i]);
	}
	json_put_number(row, "unanswered", classes[0]);
}

static void put_latencies(struct json_object *row, const struct request_edge *edge)
{
	static const struct {
		const char *key;
		double share;
	} quantiles[] = { { "p50_us", 0.5 }, { "p90_us", 0.9 }, { "p99_us", 0.99 } };
	size_t i;

	for (i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]) && edge->bucket_count; i++)
		json_put_number(row, quantiles[i].key,
				request_edge_quantile(edge, quantiles[i].share) / 1000);
}

int requests_add_rows(const struct maps *maps, const struct names *names, struct json_object *rows)
{
	struct requests requests = { 0 };
	struct request_edge edge = { 0 };
	struct json_object *row;
	int err = requests_read(maps, &requests);

	while (!err && requests_next(&requests, &edge)) {
		row = json_object_new_object();
		end_put(row, names, END_SOURCE, edge.src_workload);
		end_put(row, names, END_DESTINATION, edge.dst_workload);
		json_put_number(row, "port", edge.port);
		request_put_rule(row, names, edge.rule);
		put_statuses(row, &edge);
		put_latencies(row, &edge);
		json_object_array_add(rows, row);
	}
	requests_clear(&requests);
	return err;
}
