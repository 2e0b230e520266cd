// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_api.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/smi/smi_answer.h"

enum {
	IDLE_MS = 8000,
	PAGE_MAX = 32 << 20, /* bytes: 500 objects */
	OBJECTS_MAX = 200000,
	QUESTIONS_MAX = 32,
};

/* Labels and names are enough, but of services. */
#define METADATA "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

/* A request that waits for the API server. */
struct question {
	struct smi_api *api;
	struct server_pending *pending;
	struct smi_query query;
	char *selector;
	struct kube_ask *ask;
	struct smi_objects objects;
	struct json_object **list; /* which of them is being read */
	const char *const *older;  /* versions to be tried next; NULL or a NULL: none is left */
	const char *version;	   /* that is tried; NULL = the latest */
	struct question *next;
};

struct smi_api {
	struct kube_http *http;
	const struct smi_gather *gather;
	const struct smi_auth *auth;
	struct question *questions;
	size_t question_count;
};

struct smi_api *smi_api_new(struct kube_http *http, const struct smi_gather *gather,
			    const struct smi_auth *auth)
{
	struct smi_api *api = memory_alloc(sizeof(*api));

	api->http = http;
	api->gather = gather;
	api->auth = auth;
	return api;
}

/* Takes the reference. */
static void respond(struct server_response *response, unsigned int code, struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	*response = (struct server_response){ .status = code, .content_type = "application/json" };
	response->body = memory_printf("%s\n", text);
	response->length = strlen(response->body);
	json_object_put(json);
}

static void respond_status(struct server_response *response, unsigned int code, const char *reason,
			   const char *message)
{
	respond(response, code, smi_json_status(code, reason, message));
}

static void question_free(struct question *question)
{
	struct question **at = &question->api->questions;

	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	question->api->question_count--;
	kube_ask_cancel(question->ask);
	json_object_put(question->objects.items);
	json_object_put(question->objects.pods);
	free(question->selector);
	free(question);
}

static void question_end(struct question *question, struct server_response *response)
{
	server_answer(question->pending, response);
	question_free(question);
}

void smi_api_free(struct smi_api *api)
{
	struct server_response response;

	if (!api)
		return;
	while (api->questions) {
		respond_status(&response, 503, "ServiceUnavailable", "the server stops");
		question_end(api->questions, &response);
	}
	free(api);
}

static void answer(struct question *question)
{
	const struct smi_query *query = &question->query;
	const struct smi_kind_info *info = &smi_kinds[query->kind];
	struct server_response response;
	struct smi_moment moment;
	size_t count;
	struct smi_node *nodes = smi_gather_nodes(question->api->gather, &count, &moment);
	struct smi_view *view = smi_view_new(nodes, count);
	struct json_object *json =
		smi_answer(query, question->selector, &question->objects, view, &moment);
	char message[2 * SMI_NAME_LEN];

	if (json) {
		respond(&response, 200, json);
	} else {
		snprintf(message, sizeof(message), "%s.%s \"%s\" not found", info->plural,
			 SMI_GROUP, query->name);
		respond_status(&response, 404, "NotFound", message);
	}
	smi_view_free(view);
	free(nodes);
	question_end(question, &response);
}

/* What the API server says of an object's kind or of a selector is for whoever asked. */
static void pass_on(struct question *question, const struct kube_outcome *outcome)
{
	struct server_response response;

	if (outcome->status == 400)
		respond_status(&response, 400, "BadRequest", outcome->error);
	else if (outcome->status == 404)
		respond_status(&response, 404, "NotFound", outcome->error);
	else
		respond_status(&response, 503, "ServiceUnavailable", outcome->error);
	question_end(question, &response);
}

static void ask(struct question *question, const char *token);

/* Takes the items of a page over. */
static void take_items(struct json_object *list, struct json_object *answer_json)
{
	struct json_object *items = NULL;
	size_t i, count = 0;

	if (json_object_object_get_ex(answer_json, "items", &items) &&
	    json_object_is_type(items, json_type_array))
		count = json_object_array_length(items);
	for (i = 0; i < count; i++)
		json_object_array_add(list, json_object_get(json_object_array_get_idx(items, i)));
}

static void on_page(void *context, const struct kube_outcome *outcome,
		    struct json_object *answer_json)
{
	struct question *question = context;
	struct json_object *metadata = NULL;
	const char *token;

	question->ask = NULL;
	/* Such a kind may be there in an older version. */
	if (outcome->status == 404 && question->older && *question->older) {
		question->version = *question->older++;
		ask(question, "");
		return;
	}
	if (outcome->error[0]) {
		pass_on(question, outcome);
		return;
	}
	take_items(*question->list, answer_json);
	json_object_object_get_ex(answer_json, "metadata", &metadata);
	token = json_text_of(metadata, "continue");
	if (*token && json_object_array_length(*question->list) < OBJECTS_MAX) {
		ask(question, token);
		return;
	}
	if (question->query.kind == SMI_SERVICE && !question->objects.pods) {
		question->objects.pods = json_object_new_array();
		question->list = &question->objects.pods;
		ask(question, "");
		return;
	}
	answer(question);
}

static void ask(struct question *question, const char *token)
{
	const struct smi_query *query = &question->query;
	bool of_pods = question->list == &question->objects.pods;
	struct kube_call call = { .idle_ms = IDLE_MS, .answer_max = PAGE_MAX };
	char *path;

	path = smi_query_list(of_pods ? SMI_POD : query->kind, question->version, query->name_space,
			      of_pods ? "" : query->name, of_pods ? "" : question->selector, token);
	call.path = path;
	call.accept = query->kind == SMI_SERVICE && !of_pods ? NULL : METADATA;
	question->ask = kube_ask_send(question->api->http, &call, on_page, question);
	free(path);
}

static void question_new(struct smi_api *api, const struct server_request *request,
			 const struct smi_query *query)
{
	const char *selector = server_argument(request, "labelSelector");
	struct question *question = memory_alloc(sizeof(*question));

	question->api = api;
	question->query = *query;
	question->selector = memory_strdup(selector ? selector : "");
	question->objects.items = json_object_new_array();
	question->list = &question->objects.items;
	question->older = smi_kinds[query->kind].older;
	question->next = api->questions;
	api->questions = question;
	api->question_count++;
	question->pending = server_defer(request);
	ask(question, "");
}

void smi_api_handle(struct smi_api *api, const struct server_request *request,
		    struct server_response *response)
{
	const char *path = server_path(request) + strlen(SMI_BASE);
	struct smi_query query;
	char name[SERVER_NAME_LEN];

	if (!server_peer_name(request, name) || !smi_auth_allows(api->auth, name))
		respond_status(response, 401, "Unauthorized",
			       "only the front proxy of the API server may ask");
	else if (!*path || !strcmp(path, "/"))
		respond(response, 200, smi_json_resources());
	else if (smi_query_parse(path, &query))
		respond_status(response, 404, "NotFound",
			       "the server could not find the requested resource");
	else if (api->question_count >= QUESTIONS_MAX)
		respond_status(response, 429, "TooManyRequests", "too many requests at a time");
	else
		question_new(api, request, &query);
}
