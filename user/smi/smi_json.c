// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_json.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "policy/memory.h"
#include "user/json_text.h"

const char *smi_quantity(uint64_t ns, char text[SMI_QUANTITY_LEN])
{
	uint64_t us = (ns + 500) / 1000;

	if (us % 1000)
		snprintf(text, SMI_QUANTITY_LEN, "%" PRIu64 "u", us);
	else if (us % 1000000)
		snprintf(text, SMI_QUANTITY_LEN, "%" PRIu64 "m", us / 1000);
	else
		snprintf(text, SMI_QUANTITY_LEN, "%" PRIu64, us / 1000000);
	return text;
}

static struct json_object *typed(const char *version, const char *kind)
{
	struct json_object *json = json_object_new_object();

	json_add_text(json, "kind", kind);
	json_add_text(json, "apiVersion", version);
	return json;
}

static void add_resource(struct json_object *list, const char *name, bool is_namespaced,
			 bool can_list)
{
	struct json_object *resource = json_object_new_object(), *verbs = json_object_new_array();

	json_add_text(resource, "name", name);
	json_add_text(resource, "singularName", "");
	json_object_object_add(resource, "namespaced", json_object_new_boolean(is_namespaced));
	json_add_text(resource, "kind", "TrafficMetrics");
	json_object_array_add(verbs, json_object_new_string("get"));
	if (can_list)
		json_object_array_add(verbs, json_object_new_string("list"));
	json_object_object_add(resource, "verbs", verbs);
	json_object_array_add(list, resource);
}

struct json_object *smi_json_resources(void)
{
	struct json_object *json = typed("v1", "APIResourceList"), *list = json_object_new_array();
	char edges[64];
	size_t i;

	json_add_text(json, "groupVersion", SMI_GROUP "/" SMI_VERSION);
	for (i = 0; i < SMI_KIND_COUNT; i++) {
		const struct smi_kind_info *info = &smi_kinds[i];

		snprintf(edges, sizeof(edges), "%s/edges", info->plural);
		add_resource(list, info->plural, info->is_namespaced, true);
		add_resource(list, edges, info->is_namespaced, false);
	}
	json_object_object_add(json, "resources", list);
	return json;
}

struct json_object *smi_json_reference(const char *kind, const char *name_space, const char *name)
{
	struct json_object *json = json_object_new_object();

	if (kind && *kind)
		json_add_text(json, "kind", kind);
	if (name_space && *name_space)
		json_add_text(json, "namespace", name_space);
	if (name && *name)
		json_add_text(json, "name", name);
	return json;
}

static void add_metric(struct json_object *list, const char *name, const char *unit,
		       const char *value)
{
	struct json_object *metric = json_object_new_object();

	json_add_text(metric, "name", name);
	if (unit)
		json_add_text(metric, "unit", unit);
	json_add_text(metric, "value", value);
	json_object_array_add(list, metric);
}

static void add_count(struct json_object *list, const char *name, uint64_t count)
{
	char text[SMI_QUANTITY_LEN];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	add_metric(list, name, NULL, text);
}

static struct json_object *metrics_of(const struct smi_sum *sum)
{
	static const struct {
		const char *name;
		double share;
	} latencies[] = {
		{ "p99_response_latency", 0.99 },
		{ "p90_response_latency", 0.9 },
		{ "p50_response_latency", 0.5 },
	};
	static const struct smi_sum nothing = { 0 };
	struct json_object *list = json_object_new_array();
	char text[SMI_QUANTITY_LEN];
	size_t i;

	if (!sum)
		sum = &nothing;
	for (i = 0; i < sizeof(latencies) / sizeof(*latencies); i++)
		add_metric(list, latencies[i].name, "seconds",
			   smi_quantity(traffic_quantile(&sum->latencies, latencies[i].share),
					text));
	add_count(list, "success_count", sum->success);
	add_count(list, "failure_count", sum->failure);
	return list;
}

static void add_moment(struct json_object *json, const struct smi_moment *moment)
{
	time_t seconds = (time_t)moment->time;
	char text[sizeof("2019-04-08T22:25:55Z") + 16];
	struct tm parts;

	gmtime_r(&seconds, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	json_add_text(json, "timestamp", text);
	snprintf(text, sizeof(text), "%ds", (int)(moment->window + 0.5));
	json_add_text(json, "window", text);
}

struct json_object *smi_json_metrics(struct json_object *subject, const struct smi_edge *edge,
				     const struct smi_sum *sum, const struct smi_moment *moment)
{
	struct json_object *json = typed(SMI_GROUP "/" SMI_VERSION, "TrafficMetrics");
	struct json_object *side = json_object_new_object();

	json_object_object_add(json, "resource", subject);
	json_add_text(side, "direction", edge && edge->is_outbound ? "to" : "from");
	/* Requests are counted where they are answered, whoever asks for the edge. */
	json_add_text(side, "side", "server");
	json_object_object_add(side, "resource",
			       edge ? smi_json_reference(edge->peer.kind, edge->peer.name_space,
							 edge->peer.name) :
				      json_object_new_object());
	json_object_object_add(json, "edge", side);
	add_moment(json, moment);
	json_object_object_add(json, "metrics", metrics_of(sum));
	return json;
}

/* Terms of equality as matchLabels; others are in the question alone. */
static struct json_object *selector_of(const char *text)
{
	struct json_object *selector = json_object_new_object();
	struct json_object *labels = json_object_new_object();
	char *copy = memory_strdup(text), *rest = copy, *term, *value;

	while ((term = strsep(&rest, ","))) {
		value = strchr(term, '=');
		if (!value || value == term || value[-1] == '!' || strchr(term, ' '))
			continue;
		*value++ = '\0';
		json_add_text(labels, term, *value == '=' ? value + 1 : value);
	}
	free(copy);
	json_object_object_add(selector, "matchLabels", labels);
	return selector;
}

struct json_object *smi_json_list(struct json_object *subject, const char *selector)
{
	struct json_object *json = typed(SMI_GROUP "/" SMI_VERSION, "TrafficMetricsList");

	json_object_object_add(json, "resource", subject);
	if (selector && *selector)
		json_object_object_add(json, "selector", selector_of(selector));
	json_object_object_add(json, "items", json_object_new_array());
	return json;
}

struct json_object *smi_json_status(unsigned int code, const char *reason, const char *message)
{
	struct json_object *json = typed("v1", "Status");

	json_object_object_add(json, "metadata", json_object_new_object());
	json_add_text(json, "status", "Failure");
	json_add_text(json, "message", message);
	json_add_text(json, "reason", reason);
	json_object_object_add(json, "code", json_object_new_int((int)code));
	return json;
}
