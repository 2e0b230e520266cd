// SPDX-License-Identifier: Apache-2.0
/* Labels that several families have, as far as they are wanted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "policy/reason.h"
#include "policy/workload.h"
#include "user/telemetry/metric_rows.h"
#include "user/telemetry/telemetry_internal.h"

static void put_label(const struct telemetry *telemetry, struct metric_rows *rows,
		      enum metric_labels_group group, const char *name, const char *value)
{
	if (telemetry->options->labels & group)
		metric_rows_label(rows, name, value);
}

void telemetry_put_workload(const struct telemetry *telemetry, struct metric_rows *rows,
			    enum telemetry_side side, uint32_t id)
{
	static const struct {
		const char *name_space, *kind, *workload, *pod, *service_account;
	} names[] = {
		[TELEMETRY_SOURCE] = { "source_namespace", "source_kind", "source_workload",
				       "source_pod", "source_service_account" },
		[TELEMETRY_DESTINATION] = { "destination_namespace", "destination_kind",
					    "destination_workload", "destination_pod",
					    "destination_service_account" },
	};
	struct workload workload;

	workload_of(telemetry->names, id, &workload);
	metric_rows_label(rows, names[side].name_space, workload.name_space);
	put_label(telemetry, rows, METRIC_LABELS_KIND, names[side].kind, workload.kind);
	put_label(telemetry, rows, METRIC_LABELS_WORKLOAD, names[side].workload, workload.name);
	put_label(telemetry, rows, METRIC_LABELS_POD, names[side].pod,
		  workload.past ? WORKLOAD_GONE : workload.pod);
	put_label(telemetry, rows, METRIC_LABELS_SERVICE_ACCOUNT, names[side].service_account,
		  workload.service_account);
}

void telemetry_put_port(const struct telemetry *telemetry, struct metric_rows *rows, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	put_label(telemetry, rows, METRIC_LABELS_PORT, "destination_port", text);
}

void telemetry_put_service(const struct telemetry *telemetry, struct metric_rows *rows,
			   const char *label, uint32_t id)
{
	const struct weft_name *name = NULL;

	if (id)
		name = names_lookup(telemetry->names, WEFT_NAME_SERVICE, id);
	put_label(telemetry, rows, METRIC_LABELS_SERVICE, label, name ? name->name : "");
}

void telemetry_put_rule(const struct telemetry *telemetry, struct metric_rows *rows, uint32_t id)
{
	struct telemetry_rule rule;

	telemetry_rule_of(telemetry, id, &rule);
	put_label(telemetry, rows, METRIC_LABELS_RULE, "traffic_target", rule.target);
	put_label(telemetry, rows, METRIC_LABELS_RULE, "route_group", rule.group);
	put_label(telemetry, rows, METRIC_LABELS_RULE, "match", rule.match);
}

void telemetry_put_method(const struct telemetry *telemetry, struct metric_rows *rows,
			  uint8_t method)
{
	put_label(telemetry, rows, METRIC_LABELS_METHOD, "method", method_name(method));
}

static const char *replace(const char *name)
{
	static const struct metric_label replaced[] = {
		{ "source_namespace", "" },
		{ "source_workload", "overflow" },
		{ "source_service_account", "" },
		{ "source_kind", "" },
		{ "source_pod", "" },
		{ "destination_namespace", "" },
		{ "destination_workload", "overflow" },
		{ "destination_service_account", "" },
		{ "destination_kind", "" },
		{ "destination_pod", "" },
		{ "destination_port", "0" },
		{ "service", "" },
		{ "backend", "" },
		{ "traffic_target", "" },
		{ "route_group", "" },
		{ "match", "" },
	};
	size_t i;

	for (i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
		if (!strcmp(name, replaced[i].name))
			return replaced[i].value;
	return NULL;
}

void telemetry_bound(struct metric_admission *admission, struct metric_rows *rows, size_t most)
{
	bool *keep;

	metric_rows_merge(rows);
	keep = memory_alloc(rows->count * sizeof(*keep));
	metric_admission_decide(admission, rows, most, keep);
	metric_rows_fold(rows, keep, replace);
	free(keep);
}
