// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_ask.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include "policy/memory.h"

enum { DEPTH = 32, SIZE_MAX_BYTES = 4 << 20 };

struct kube_ask {
	struct kube_request *request;
	kube_ask_done done;
	void *context;
	struct json_tokener *tokener;
	struct json_object *answer;
	size_t size, size_max;
};

static void ask_free(struct kube_ask *ask)
{
	json_object_put(ask->answer);
	json_tokener_free(ask->tokener);
	free(ask);
}

static int on_data(void *context, const char *bytes, size_t size)
{
	struct kube_ask *ask = context;

	ask->size += size;
	if (ask->answer || ask->size > ask->size_max)
		return ask->size > ask->size_max;
	ask->answer = json_tokener_parse_ex(ask->tokener, bytes, (int)size);
	return json_tokener_get_error(ask->tokener) > json_tokener_continue;
}

static void on_done(void *context, const struct kube_outcome *outcome)
{
	struct kube_outcome result = *outcome;
	struct kube_ask *ask = context;

	if (!result.error[0] && !json_object_is_type(ask->answer, json_type_object)) {
		result.status = 0;
		snprintf(result.error, sizeof(result.error),
			 "what the server answers is no object");
	}
	ask->done(ask->context, &result, ask->answer);
	ask_free(ask);
}

struct kube_ask *kube_ask_send(struct kube_http *http, const struct kube_call *call,
			       kube_ask_done done, void *context)
{
	static const struct kube_request_ops ops = { NULL, on_data, on_done };
	struct kube_ask *ask = memory_alloc(sizeof(*ask));

	ask->done = done;
	ask->context = context;
	ask->size_max = call->answer_max ? call->answer_max : SIZE_MAX_BYTES;
	ask->tokener = json_tokener_new_ex(DEPTH);
	ask->request = kube_http_send(http, call, &ops, ask);
	return ask;
}

void kube_ask_cancel(struct kube_ask *ask)
{
	if (!ask)
		return;
	kube_request_cancel(ask->request);
	ask_free(ask);
}
