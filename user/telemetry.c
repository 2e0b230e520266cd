// SPDX-License-Identifier: Apache-2.0
/* Life of the telemetry, and the events: a ring of records, as JSON on request. */
#include "user/telemetry.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/address.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "user/telemetry_internal.h"

struct telemetry *telemetry_new(const struct maps *maps, const struct names *names,
				const struct store *store)
{
	struct telemetry *telemetry = memory_alloc(sizeof(*telemetry));

	telemetry->maps = maps;
	telemetry->names = names;
	telemetry->store = store;
	telemetry->events = memory_alloc(TELEMETRY_EVENTS * sizeof(*telemetry->events));
	return telemetry;
}

void telemetry_free(struct telemetry *telemetry)
{
	if (!telemetry)
		return;
	free(telemetry->events);
	free(telemetry);
}

void telemetry_workload_of(const struct telemetry *telemetry, uint32_t id,
			   struct telemetry_workload *workload)
{
	const struct weft_name *name = names_lookup(telemetry->names, WEFT_NAME_WORKLOAD, id);
	const char *slash;

	workload->name_space = name ? name->name_space : "";
	workload->name = name ? name->name : "unknown";
	workload->kind[0] = '\0';
	workload->service_account[0] = '\0';
	slash = name ? strchr(name->detail, '/') : NULL;
	if (!slash)
		return;
	snprintf(workload->kind, sizeof(workload->kind), "%.*s", (int)(slash - name->detail),
		 name->detail);
	snprintf(workload->service_account, sizeof(workload->service_account), "%s", slash + 1);
}

static double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void telemetry_take_event(struct telemetry *telemetry, const struct weft_event *event)
{
	struct telemetry_event *slot = &telemetry->events[telemetry->next % TELEMETRY_EVENTS];
	double age = clock_seconds(CLOCK_MONOTONIC) - (double)event->time_ns / 1e9;

	slot->event = *event;
	slot->time = clock_seconds(CLOCK_REALTIME) - (age > 0 ? age : 0);
	telemetry->next++;
}

static const struct pod *pod_of_address(const struct store *store, const struct weft_addr *addr)
{
	struct object *object;
	size_t i;

	for (object = store_first(store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		for (i = 0; i < 2; i++)
			if (!pod->host_network && !pod->finished &&
			    !address_is_zero(&pod->addresses[i]) &&
			    !address_compare(&pod->addresses[i], addr))
				return pod;
	}
	return NULL;
}

static void json_add_string(struct json_object *json, const char *key, const char *value)
{
	json_object_object_add(json, key, json_object_new_string(value));
}

static void json_add_number(struct json_object *json, const char *key, uint64_t value)
{
	json_object_object_add(json, key, json_object_new_int64((int64_t)value));
}

static struct json_object *event_side(const struct telemetry *telemetry,
				      const struct weft_addr *addr, uint16_t port,
				      uint32_t workload_id)
{
	struct json_object *json = json_object_new_object();
	struct telemetry_workload workload;
	char text[ADDRESS_TEXT_LEN];
	const struct pod *pod;

	telemetry_workload_of(telemetry, workload_id, &workload);
	if (!address_is_zero(addr))
		json_add_string(json, "address", address_format(addr, text));
	if (port)
		json_add_number(json, "port", port);
	json_add_string(json, "namespace", workload.name_space);
	json_add_string(json, "workload", workload.name);
	json_add_string(json, "service_account", workload.service_account);
	pod = pod_of_address(telemetry->store, addr);
	if (pod)
		json_add_string(json, "pod", pod->meta.name);
	return json;
}

static void event_add_service(const struct telemetry *telemetry, struct json_object *json,
			      const char *key, uint32_t id)
{
	const struct weft_name *name = names_lookup(telemetry->names, WEFT_NAME_SERVICE, id);
	char text[WEFT_NAMESPACE_LEN + WEFT_NAME_LEN + 1];

	if (!id || !name)
		return;
	snprintf(text, sizeof(text), "%s/%s", name->name_space, name->name);
	json_add_string(json, key, text);
}

static const char *event_type_name(const struct weft_event *event)
{
	if (event->type == WEFT_EVENT_TCP_CLOSE)
		return "tcp_close";
	return event->action == WEFT_VERDICT_WOULD_DENY ? "would_deny" : "denied";
}

static struct json_object *event_json(const struct telemetry *telemetry, uint64_t sequence)
{
	const struct telemetry_event *slot = &telemetry->events[sequence % TELEMETRY_EVENTS];
	const struct weft_event *event = &slot->event;
	struct json_object *json = json_object_new_object();
	time_t seconds = (time_t)slot->time;
	char date[32], text[48];
	struct tm calendar;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &calendar));
	snprintf(text, sizeof(text), "%s.%06dZ", date, (int)((slot->time - (double)seconds) * 1e6));
	json_add_number(json, "seq", sequence);
	json_add_string(json, "time", text);
	json_add_string(json, "type", event_type_name(event));
	json_add_string(json, "protocol", protocol_name(event->proto));
	json_add_string(json, "reporter", reporter_name(event->direction));
	json_object_object_add(json, "source",
			       event_side(telemetry, &event->src, event->src_port,
					  event->src_workload));
	json_object_object_add(json, "destination",
			       event_side(telemetry, &event->dst, event->dst_port,
					  event->dst_workload));
	event_add_service(telemetry, json, "service", event->service);
	event_add_service(telemetry, json, "backend", event->backend);
	if (event->type == WEFT_EVENT_VERDICT) {
		json_add_string(json, "reason", reason_name(event->reason));
		json_add_string(json, "hook", hook_name(event->hook));
		return json;
	}
	json_add_number(json, "bytes_to_destination", event->bytes_to_dst);
	json_add_number(json, "bytes_to_source", event->bytes_to_src);
	json_add_number(json, "duration_us", event->duration_us);
	json_add_number(json, "srtt_us", event->srtt_us);
	json_add_number(json, "retransmits", event->retransmits);
	return json;
}

struct json_object *telemetry_events(const struct telemetry *telemetry, uint64_t since,
				     unsigned int limit)
{
	uint64_t oldest = telemetry->next > TELEMETRY_EVENTS ? telemetry->next - TELEMETRY_EVENTS :
							       0;
	struct json_object *json = json_object_new_object();
	struct json_object *items = json_object_new_array();
	uint64_t sequence = since < oldest ? oldest : since;

	/* A reader of an earlier agent, or one that asks where the end is. */
	if (sequence > telemetry->next)
		sequence = telemetry->next;
	for (; sequence < telemetry->next && limit; sequence++, limit--)
		json_object_array_add(items, event_json(telemetry, sequence));
	json_object_object_add(json, "items", items);
	json_add_number(json, "oldest", oldest);
	json_add_number(json, "next", sequence);
	json_add_number(json, "lost", telemetry_events_lost(telemetry));
	return json;
}

uint64_t telemetry_events_lost(const struct telemetry *telemetry)
{
	uint64_t *values = memory_alloc(telemetry->maps->cpus * sizeof(*values));
	__u32 index = WEFT_STAT_EVENTS_LOST;
	uint64_t sum = 0;
	unsigned int cpu;

	if (!maps_get(telemetry->maps, MAP_STAT, &index, values))
		for (cpu = 0; cpu < telemetry->maps->cpus; cpu++)
			sum += values[cpu];
	free(values);
	return sum;
}
