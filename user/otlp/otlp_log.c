// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/otlp/otlp_json.h"

/* SeverityNumber of OTLP */
enum { SEVERITY_INFO = 9, SEVERITY_WARN = 13 };

/*
 * From the names of /v1/events to the attributes of OpenTelemetry's semantic conventions; what
 * these do not know has weft's names, after "weft.". k8s.* belong to a resource there, which has
 * one: here are two ends.
 */
static const struct attribute {
	const char *part; /* NULL: the event itself */
	const char *name;
	const char *key;
} attributes[] = {
	{ NULL, "protocol", "network.transport" },
	{ NULL, "reporter", "weft.reporter" },
	{ NULL, "service", "weft.service" },
	{ NULL, "backend", "weft.backend" },
	{ NULL, "reason", "weft.reason" },
	{ NULL, "hook", "weft.hook" },
	{ NULL, "bytes_to_destination", "weft.bytes_to_destination" },
	{ NULL, "bytes_to_source", "weft.bytes_to_source" },
	{ NULL, "duration_us", "weft.duration_us" },
	{ NULL, "srtt_us", "weft.srtt_us" },
	{ NULL, "retransmits", "weft.retransmits" },
	{ "source", "address", "source.address" },
	{ "source", "port", "source.port" },
	{ "source", "namespace", "source.k8s.namespace.name" },
	{ "source", "workload", "source.k8s.workload.name" },
	{ "source", "service_account", "source.k8s.serviceaccount.name" },
	{ "source", "pod", "source.k8s.pod.name" },
	{ "destination", "address", "destination.address" },
	{ "destination", "port", "destination.port" },
	{ "destination", "namespace", "destination.k8s.namespace.name" },
	{ "destination", "workload", "destination.k8s.workload.name" },
	{ "destination", "service_account", "destination.k8s.serviceaccount.name" },
	{ "destination", "pod", "destination.k8s.pod.name" },
	{ "request", "path", "url.path" },
	{ "request", "status", "http.response.status_code" },
	{ "request", "latency_us", "weft.latency_us" },
	{ "request", "traffic_target", "weft.traffic_target" },
	{ "request", "route_group", "weft.route_group" },
	{ "request", "match", "weft.match" },
};

/* NULL when there is none. */
static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *found = NULL;

	if (object)
		json_object_object_get_ex(object, name, &found);
	return found;
}

static struct json_object *part_of(struct json_object *event, const char *part)
{
	return part ? member(event, part) : event;
}

/* A method that is none of HTTP's own has this name in the conventions. */
static const char *method_of(struct json_object *request)
{
	const char *method = json_text_of(request, "method");

	return strcmp(method, "other") ? method : "_OTHER";
}

static struct json_object *attributes_of(struct json_object *event)
{
	struct json_object *array = json_object_new_array();
	size_t i;

	otlp_json_add_text(array, "http.request.method", method_of(member(event, "request")));
	for (i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		const struct attribute *attribute = &attributes[i];
		struct json_object *value =
			member(part_of(event, attribute->part), attribute->name);

		if (json_object_is_type(value, json_type_int))
			otlp_json_add_integer(array, attribute->key, json_object_get_int64(value));
		else if (value)
			otlp_json_add_text(array, attribute->key, json_object_get_string(value));
	}
	return array;
}

/* "shop/web", or an address that nobody has. */
static char *end_text(struct json_object *end)
{
	const char *space = json_text_of(end, "namespace"), *address = json_text_of(end, "address");

	if (!*space && *address)
		return memory_strdup(address);
	return memory_printf("%s%s%s", space, *space ? "/" : "", json_text_of(end, "workload"));
}

/* "GET /basket 200", or the protocol. */
static char *subject_text(struct json_object *event)
{
	struct json_object *request = member(event, "request");
	struct json_object *status = member(request, "status");

	if (!request)
		return memory_strdup(json_text_of(event, "protocol"));
	return memory_printf("%s %s%s%s", json_text_of(request, "method"),
			     json_text_of(request, "path"), status ? " " : "",
			     status ? json_object_get_string(status) : "");
}

/* One line for people: "denied tcp from shop/web to shop/db port 5432: no_rule" */
static struct json_object *body_of(struct json_object *event)
{
	struct json_object *destination = member(event, "destination"), *body;
	struct json_object *port = member(destination, "port");
	char *from = end_text(member(event, "source")), *to = end_text(destination);
	const char *reason = json_text_of(event, "reason");
	char *subject = subject_text(event);
	char *text = memory_printf("%s %s from %s to %s port %s%s%s", json_text_of(event, "type"),
				   subject, from, to, port ? json_object_get_string(port) : "0",
				   *reason ? ": " : "", reason);

	body = otlp_json_text_value(text);
	free(text);
	free(subject);
	free(from);
	free(to);
	return body;
}

struct json_object *otlp_log_record(struct json_object *event, uint64_t time_ns,
				    uint64_t observed_ns)
{
	struct json_object *record = json_object_new_object();
	const char *type = json_text_of(event, "type");
	bool is_denial = !strcmp(type, "denied") || !strcmp(type, "would_deny");
	char *name = memory_printf("weft.%s", type);

	otlp_json_add_number(record, "timeUnixNano", time_ns);
	otlp_json_add_number(record, "observedTimeUnixNano", observed_ns);
	json_object_object_add(record, "severityNumber",
			       json_object_new_int(is_denial ? SEVERITY_WARN : SEVERITY_INFO));
	json_add_text(record, "severityText", is_denial ? "WARN" : "INFO");
	json_add_text(record, "eventName", name);
	json_object_object_add(record, "body", body_of(event));
	json_object_object_add(record, "attributes", attributes_of(event));
	free(name);
	return record;
}
