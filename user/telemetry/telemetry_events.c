// SPDX-License-Identifier: Apache-2.0
/* Events: a ring of records, as JSON on request. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/address.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "policy/workload.h"
#include "user/telemetry/telemetry_internal.h"

/* Addresses of pods, sorted; made for one answer, when the first event needs it. */
struct pod_address {
	struct weft_addr addr;
	const struct pod *pod;
};

struct pod_index {
	bool made;
	struct pod_address *items;
	size_t count, capacity;
};

/* What an event's JSON is made from. */
struct rendering {
	const struct telemetry *telemetry;
	struct pod_index pods;
};

static double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* While requests are watched all are events: a share of them, drawn anew, would be events anyway.
 */
static bool is_for_watchers(const struct telemetry *telemetry, const struct weft_event *event)
{
	return telemetry->watched_ns && event->type == WEFT_EVENT_REQUEST &&
	       event->action == WEFT_VERDICT_ALLOW && telemetry->sample != UINT32_MAX &&
	       arc4random() >= telemetry->sample;
}

void telemetry_take_event(struct telemetry *telemetry, const struct weft_event *event)
{
	struct telemetry_event *slot = &telemetry->events[telemetry->next % TELEMETRY_EVENTS];
	double age = clock_seconds(CLOCK_MONOTONIC) - (double)event->time_ns / 1e9;

	if (event->type == WEFT_EVENT_REQUEST)
		slot->record = *(const struct weft_request_event *)event;
	else
		slot->record.event = *event;
	if (slot->record.path_len > WEFT_HTTP_PATH_LEN)
		slot->record.path_len = WEFT_HTTP_PATH_LEN;
	slot->time = clock_seconds(CLOCK_REALTIME) - (age > 0 ? age : 0);
	slot->is_watched = is_for_watchers(telemetry, event);
	slot->exported = telemetry->exported;
	telemetry->exported += !slot->is_watched;
	telemetry->next++;
}

static int pod_address_compare(const void *a, const void *b)
{
	return address_compare(&((const struct pod_address *)a)->addr,
			       &((const struct pod_address *)b)->addr);
}

static void pod_index_make(struct pod_index *index, const struct store *store)
{
	struct object *object;
	size_t i, at;

	for (object = store_first(store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		for (i = 0; i < 2; i++) {
			if (pod->host_network || pod->finished ||
			    address_is_zero(&pod->addresses[i]))
				continue;
			at = memory_grow(&index->items, &index->count, &index->capacity,
					 sizeof(*index->items));
			index->items[at] = (struct pod_address){ pod->addresses[i], pod };
		}
	}
	if (index->count)
		qsort(index->items, index->count, sizeof(*index->items), pod_address_compare);
	index->made = true;
}

static const struct pod *pod_of_address(struct rendering *rendering, const struct weft_addr *addr)
{
	struct pod_address key = { *addr, NULL }, *found = NULL;
	struct pod_index *index = &rendering->pods;

	if (!index->made)
		pod_index_make(index, rendering->telemetry->store);
	if (index->count)
		found = bsearch(&key, index->items, index->count, sizeof(key), pod_address_compare);
	return found ? found->pod : NULL;
}

static void json_add_string(struct json_object *json, const char *key, const char *value)
{
	json_object_object_add(json, key, json_object_new_string(value));
}

static void json_add_number(struct json_object *json, const char *key, uint64_t value)
{
	json_object_object_add(json, key, json_object_new_int64((int64_t)value));
}

static struct json_object *event_side(struct rendering *rendering, const struct weft_addr *addr,
				      uint16_t port, uint32_t workload_id)
{
	struct json_object *json = json_object_new_object();
	struct workload workload;
	char text[ADDRESS_TEXT_LEN];
	const struct pod *pod;

	workload_of(rendering->telemetry->names, workload_id, &workload);
	if (!address_is_zero(addr))
		json_add_string(json, "address", address_format(addr, text));
	if (port)
		json_add_number(json, "port", port);
	json_add_string(json, "namespace", workload.name_space);
	json_add_string(json, "workload", workload.name);
	json_add_string(json, "service_account", workload.service_account);
	pod = pod_of_address(rendering, addr);
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
	if (event->action == WEFT_VERDICT_WOULD_DENY)
		return "would_deny";
	return event->type == WEFT_EVENT_REQUEST && event->action == WEFT_VERDICT_ALLOW ?
		       "request" :
		       "denied";
}

/* What a peer sent is anything: bytes that are no visible ASCII are shown as \xNN. */
static void add_path(struct json_object *json, const char *path, size_t length)
{
	char text[4 * WEFT_HTTP_PATH_LEN + 1];
	size_t i, at = 0;

	if (!length)
		return;
	for (i = 0; i < length; i++) {
		if (path[i] > ' ' && path[i] <= '~')
			text[at++] = path[i];
		else
			at += (size_t)sprintf(text + at, "\\x%02x", (unsigned char)path[i]);
	}
	text[at] = '\0';
	json_add_string(json, "path", text);
}

static struct json_object *event_request(const struct telemetry *telemetry,
					 const struct weft_request_event *record)
{
	struct json_object *json = json_object_new_object();
	char target[WEFT_NAMESPACE_LEN + WEFT_NAME_LEN + 1];
	struct telemetry_rule rule;

	json_add_string(json, "method", method_name(record->method));
	add_path(json, record->path, record->path_len);
	if (record->status)
		json_add_number(json, "status", record->status);
	if (record->latency_ns)
		json_add_number(json, "latency_us", record->latency_ns / 1000);
	if (!record->rule)
		return json;
	telemetry_rule_of(telemetry, record->rule, &rule);
	snprintf(target, sizeof(target), "%s/%s", rule.name_space, rule.target);
	json_add_string(json, "traffic_target", target);
	json_add_string(json, "route_group", rule.group);
	json_add_string(json, "match", rule.match);
	return json;
}

static void add_time(struct json_object *json, double time)
{
	time_t seconds = (time_t)time;
	char date[32], text[48];
	struct tm calendar;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &calendar));
	snprintf(text, sizeof(text), "%s.%06dZ", date, (int)((time - (double)seconds) * 1e6));
	json_add_string(json, "time", text);
}

static void add_close(struct json_object *json, const struct weft_event *event)
{
	json_add_number(json, "bytes_to_destination", event->bytes_to_dst);
	json_add_number(json, "bytes_to_source", event->bytes_to_src);
	json_add_number(json, "duration_us", event->duration_us);
	json_add_number(json, "srtt_us", event->srtt_us);
	json_add_number(json, "retransmits", event->retransmits);
}

static struct json_object *event_json(struct rendering *rendering, uint64_t sequence)
{
	const struct telemetry *telemetry = rendering->telemetry;
	const struct telemetry_event *slot = &telemetry->events[sequence % TELEMETRY_EVENTS];
	const struct weft_event *event = &slot->record.event;
	struct json_object *json = json_object_new_object();

	json_add_number(json, "seq", sequence);
	add_time(json, slot->time);
	json_add_string(json, "type", event_type_name(event));
	json_add_string(json, "protocol", protocol_name(event->proto));
	json_add_string(json, "reporter", reporter_name(event->direction));
	json_object_object_add(json, "source",
			       event_side(rendering, &event->src, event->src_port,
					  event->src_workload));
	json_object_object_add(json, "destination",
			       event_side(rendering, &event->dst, event->dst_port,
					  event->dst_workload));
	event_add_service(telemetry, json, "service", event->service);
	event_add_service(telemetry, json, "backend", event->backend);
	if (event->type == WEFT_EVENT_TCP_CLOSE) {
		add_close(json, event);
		return json;
	}
	if (event->type == WEFT_EVENT_REQUEST)
		json_object_object_add(json, "request", event_request(telemetry, &slot->record));
	if (event->action == WEFT_VERDICT_ALLOW)
		return json;
	json_add_string(json, "reason", reason_name(event->reason));
	json_add_string(json, "hook", hook_name(event->hook));
	return json;
}

static uint64_t events_oldest(const struct telemetry *telemetry)
{
	return telemetry->next > TELEMETRY_EVENTS ? telemetry->next - TELEMETRY_EVENTS : 0;
}

struct json_object *telemetry_events(const struct telemetry *telemetry,
				     const struct telemetry_filter *filter, uint64_t since,
				     unsigned int limit)
{
	struct json_object *json = json_object_new_object();
	uint64_t oldest = events_oldest(telemetry);
	struct json_object *items = json_object_new_array();
	struct rendering rendering = { .telemetry = telemetry };
	uint64_t sequence = since < oldest ? oldest : since;
	struct telemetry_filter none = { 0 };
	struct telemetry_match match;

	telemetry_match_init(telemetry, filter ? filter : &none, &match);
	/* A reader of an earlier agent, or one that asks where the end is. */
	if (sequence > telemetry->next)
		sequence = telemetry->next;
	for (; sequence < telemetry->next && limit; sequence++) {
		const struct telemetry_event *slot =
			&telemetry->events[sequence % TELEMETRY_EVENTS];

		if (!telemetry_matches(telemetry, &match, &slot->record))
			continue;
		json_object_array_add(items, event_json(&rendering, sequence));
		limit--;
	}
	free(rendering.pods.items);
	json_object_object_add(json, "items", items);
	json_add_number(json, "oldest", oldest);
	json_add_number(json, "next", sequence);
	json_add_number(json, "lost", telemetry_events_lost(telemetry));
	return json;
}

uint64_t telemetry_export_waiting(const struct telemetry *telemetry,
				  const struct telemetry_cursor *cursor)
{
	return telemetry->exported - cursor->exported;
}

uint64_t telemetry_export_skip(const struct telemetry *telemetry, struct telemetry_cursor *cursor)
{
	uint64_t waiting = telemetry_export_waiting(telemetry, cursor);

	cursor->sequence = telemetry->next;
	cursor->exported = telemetry->exported;
	return waiting;
}

/* What was overwritten before the cursor came to it. */
static uint64_t export_overrun(const struct telemetry *telemetry, struct telemetry_cursor *cursor)
{
	uint64_t oldest = events_oldest(telemetry), before = cursor->exported;

	if (cursor->sequence >= oldest)
		return 0;
	cursor->sequence = oldest;
	cursor->exported = telemetry->events[oldest % TELEMETRY_EVENTS].exported;
	return cursor->exported - before;
}

uint64_t telemetry_export(const struct telemetry *telemetry, struct telemetry_cursor *cursor,
			  unsigned int limit,
			  void (*take)(void *context, struct json_object *event, uint64_t time_ns),
			  void *context)
{
	struct rendering rendering = { .telemetry = telemetry };
	uint64_t overrun = export_overrun(telemetry, cursor);

	for (; cursor->sequence < telemetry->next && limit; cursor->sequence++) {
		const struct telemetry_event *slot =
			&telemetry->events[cursor->sequence % TELEMETRY_EVENTS];
		struct json_object *event;

		if (slot->is_watched)
			continue;
		event = event_json(&rendering, cursor->sequence);
		take(context, event, (uint64_t)(slot->time * 1e9));
		json_object_put(event);
		cursor->exported++;
		limit--;
	}
	free(rendering.pods.items);
	return overrun;
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
