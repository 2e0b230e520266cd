// SPDX-License-Identifier: Apache-2.0
/* What the agent answers over HTTP. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "policy/address.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "user/agent/agent_state.h"
#include "user/json_text.h"
#include "user/telemetry/metric_proto.h"
#include "user/telemetry/metric_text.h"
#include "user/traffic/traffic.h"

enum { EVENTS_DEFAULT = 1000, EVENTS_MAX = 8192 };

void answer_text(struct server_response *response, unsigned int status, char *text)
{
	response->status = status;
	response->content_type = "text/plain; charset=utf-8";
	response->body = text;
	response->length = strlen(text);
}

void answer_json(struct server_response *response, struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	response->status = 200;
	response->content_type = "application/json";
	response->body = memory_printf("%s\n", text);
	response->length = strlen(response->body);
	json_object_put(json);
}

static void add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void handle_health(const struct server_request *request, struct server_response *response,
			  void *context)
{
	(void)request;
	(void)context;
	answer_text(response, 200, memory_strdup("ok\n"));
}

static void handle_ready(const struct server_request *request, struct server_response *response,
			 void *context)
{
	const char *reason = agent_not_ready_reason(context);

	(void)request;
	answer_text(response, reason ? 503 : 200,
		    reason ? memory_printf("not ready: %s\n", reason) : memory_strdup("ok\n"));
}

static void handle_metrics(const struct server_request *request, struct server_response *response,
			   void *context)
{
	enum metric_format format = metric_format_accepted(server_header(request, "Accept"));
	struct metric_proto proto;
	struct metric_text text;

	response->status = 200;
	response->content_type = metric_format_content_type(format);
	if (format == METRIC_FORMAT_PROTOBUF) {
		metric_proto_init(&proto);
		agent_write_dense_metrics(context, &proto.sink);
		response->body = metric_proto_take(&proto, &response->length);
	} else {
		metric_text_init(&text, format);
		agent_write_metrics(context, &text.sink);
		response->body = metric_text_take(&text, &response->length);
	}
}

static struct json_object *status_pod(const struct agent *agent, const struct desired_local *local)
{
	const struct pod_place *place = agent_place(agent, local);
	struct json_object *pod = json_object_new_object();

	json_add_text(pod, "namespace", local->name_space);
	json_add_text(pod, "name", local->name);
	json_add_text(pod, "uid", local->uid);
	add_number(pod, "ifindex", place ? place->ifindex : 0);
	add_number(pod, "netns_cookie", place ? place->netns_cookie : 0);
	json_object_object_add(pod, "nsid", json_object_new_int(place ? place->nsid : -1));
	add_bool(pod, "attached", place && agent_pod_attached(agent, place));
	return pod;
}

static struct json_object *status_addresses(const struct agent *agent)
{
	struct json_object *addresses = json_object_new_array();
	char text[ADDRESS_TEXT_LEN];
	const struct weft_addr *list;
	size_t count, i;

	list = hostnet_addresses(agent->hostnet, &count);
	for (i = 0; i < count; i++)
		json_object_array_add(addresses,
				      json_object_new_string(address_format(&list[i], text)));
	return addresses;
}

static void handle_status(const struct server_request *request, struct server_response *response,
			  void *context)
{
	struct agent *agent = context;
	struct json_object *status = json_object_new_object(), *pods = json_object_new_array();
	const char *reason = agent_not_ready_reason(agent);
	size_t i;

	(void)request;
	json_add_text(status, "node", agent->config->node);
	json_add_text(status, "trust_domain", agent->config->trust_domain);
	add_number(status, "max_head", agent->config->max_head);
	/* Whose pods are counted by themselves. */
	json_add_text(status, "pod_edges", pod_edges_name(agent->pod_edges));
	add_bool(status, "telemetry", agent->config->telemetry);
	add_number(status, "pid", (uint64_t)getpid());
	json_add_text(status, "version", WEFT_VERSION);
	add_number(status, "abi", WEFT_ABI_VERSION);
	add_bool(status, "ready", !reason);
	if (reason)
		json_add_text(status, "not_ready_reason", reason);
	json_object_object_add(status, "started", json_object_new_double(agent->started));
	json_object_object_add(status, "source", agent->source->ops->status(agent->source));
	add_bool(status, "applied", agent->applied);
	if (agent->apply_error[0])
		json_add_text(status, "last_apply_error", agent->apply_error);
	add_number(status, "reconciles", agent->reconciles);
	add_number(status, "last_apply_us", agent->last_apply_us);
	/* Connections are still to be held against the policy in force. */
	add_bool(status, "sweep_pending",
		 agent->want_sweep || uv_is_active((const uv_handle_t *)&agent->settle));
	json_object_object_add(status, "host_addresses", status_addresses(agent));
	for (i = 0; i < agent->desired.local_count; i++)
		json_object_array_add(pods, status_pod(agent, &agent->desired.locals[i]));
	json_object_object_add(status, "pods", pods);
	add_number(status, "findings", agent->findings.count);
	add_number(status, "events_lost", telemetry_events_lost(agent->telemetry));
	if (agent->otlp)
		json_object_object_add(status, "otlp", otlp_status(agent->otlp));
	answer_json(response, status);
}

static void handle_objects(const struct server_request *request, struct server_response *response,
			   void *context)
{
	struct agent *agent = context;
	struct json_object *list = json_object_new_object(), *items = json_object_new_array();
	struct object *const *objects;
	size_t count, i;
	enum object_kind kind;

	(void)request;
	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		objects = store_sorted(agent->store, kind, &count);
		for (i = 0; i < count; i++)
			json_object_array_add(items, json_tokener_parse(objects[i]->text));
	}
	json_add_text(list, "kind", "List");
	json_add_text(list, "apiVersion", "v1");
	json_object_object_add(list, "items", items);
	answer_json(response, list);
}

static struct json_object *finding_json(const struct finding *finding)
{
	struct json_object *json = json_object_new_object(), *object = json_object_new_object();

	json_add_text(object, "apiVersion", finding->api_version);
	json_add_text(object, "kind", finding->kind);
	json_add_text(object, "namespace", finding->name_space);
	json_add_text(object, "name", finding->name);
	json_object_object_add(json, "object", object);
	if (finding->origin[0])
		json_add_text(json, "file", finding->origin);
	json_add_text(json, "field", finding->field);
	json_add_text(json, "reason", finding->reason);
	json_add_text(json, "message", finding->message);
	json_add_text(json, "consequence", finding->consequence);
	return json;
}

static void handle_findings(const struct server_request *request, struct server_response *response,
			    void *context)
{
	const struct agent *agent = context;
	struct json_object *answer = json_object_new_object(), *items = json_object_new_array();
	size_t i;

	(void)request;
	for (i = 0; i < agent->findings.count; i++)
		json_object_array_add(items, finding_json(&agent->findings.items[i]));
	json_object_object_add(answer, "items", items);
	answer_json(response, answer);
}

/* False when the argument is there and no number. */
static bool number_argument(const struct server_request *request, const char *name,
			    uint64_t fallback, uint64_t *number)
{
	const char *text = server_argument(request, name);
	char *end;

	*number = fallback;
	if (!text)
		return true;
	if (*text < '0' || *text > '9')
		return false;
	*number = strtoull(text, &end, 10);
	return !*end;
}

/* Takes events of this kind from `since` on; answers 400 when the arguments are not numbers. */
static void answer_events(struct agent *agent, const struct server_request *request,
			  const struct telemetry_filter *filter, struct server_response *response)
{
	struct json_object *answer;
	uint64_t since, limit;

	if (!number_argument(request, "since", 0, &since) ||
	    !number_argument(request, "limit", EVENTS_DEFAULT, &limit)) {
		answer_text(response, 400, memory_strdup("since and limit are numbers\n"));
		return;
	}
	/* What the ring buffer holds belongs to the answer. */
	maps_events_drain(agent->events);
	answer = telemetry_events(agent->telemetry, filter, since,
				  limit < EVENTS_MAX ? (unsigned int)limit : EVENTS_MAX);
	/* Says which agent numbers them: the next one begins anew. */
	json_object_object_add(answer, "started", json_object_new_double(agent->started));
	answer_json(response, answer);
}

static void handle_events(const struct server_request *request, struct server_response *response,
			  void *context)
{
	answer_events(context, request, NULL, response);
}

/* "NAMESPACE" or "NAMESPACE/NAME"; absent is fine. */
static bool is_end(const char *text)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	size_t length = slash ? (size_t)(slash - text) : text ? strlen(text) : 1;

	return length && length < WEFT_NAMESPACE_LEN && (!slash || slash[1]);
}

/* NULL, or what is wrong with it. */
static const char *tap_filter(const struct server_request *request, struct telemetry_filter *filter)
{
	const char *method = server_argument(request, "method");
	const char *status = server_argument(request, "status");

	filter->requests = true;
	filter->denied = server_argument(request, "denied");
	filter->from = server_argument(request, "from");
	filter->to = server_argument(request, "to");
	filter->path = server_argument(request, "path");
	filter->has_method = method;
	if (!is_end(filter->from) || !is_end(filter->to))
		return "an end of a request is NAMESPACE or NAMESPACE/NAME\n";
	if (method && method_parse(method, &filter->method))
		return "the method is GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH "
		       "or other\n";
	if (status && telemetry_parse_status(status, &filter->status))
		return "the status is a code such as 404, or a class such as 5xx\n";
	return NULL;
}

/* As /v1/events, of requests alone; whoever asks sees all of them for the next two seconds. */
static void handle_tap(const struct server_request *request, struct server_response *response,
		       void *context)
{
	struct telemetry_filter filter = { 0 };
	struct agent *agent = context;
	const char *wrong = tap_filter(request, &filter);

	if (wrong) {
		answer_text(response, 400, memory_strdup(wrong));
		return;
	}
	if (!agent->config->telemetry) {
		answer_text(response, 409,
			    memory_strdup("the agent runs with --telemetry off: requests are no "
					  "events\n"));
		return;
	}
	telemetry_watch(agent->telemetry);
	answer_events(agent, request, &filter, response);
}

static void handle_traffic(const struct server_request *request, struct server_response *response,
			   void *context)
{
	const struct agent *agent = context;
	struct traffic *traffic = agent_read_traffic(agent);

	(void)request;
	if (!traffic) {
		answer_text(response, 500, memory_strdup("the maps cannot be read\n"));
		return;
	}
	answer_json(response, traffic_to_json(traffic));
	traffic_free(traffic);
}

const struct server_route agent_routes[] = {
	{ "/healthz", handle_health },	   { "/readyz", handle_ready },
	{ "/metrics", handle_metrics },	   { "/v1/status", handle_status },
	{ "/v1/objects", handle_objects }, { "/v1/findings", handle_findings },
	{ "/v1/events", handle_events },   { "/v1/tap", handle_tap },
	{ "/v1/traffic", handle_traffic }, { "/v1/topology", live_handle_topology },
	{ "/ui", live_handle_ui },	   { NULL, NULL },
};
