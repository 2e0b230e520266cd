// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_auth.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_problem.h"

enum { LOOK_MS = 60000, LOOK_AGAIN_MS = 1000, IDLE_MS = 5000 };

#define CONFIG_PATH "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"

struct smi_auth {
	struct kube_http *http;
	uv_timer_t timer;
	struct kube_ask *ask;
	void (*changed)(void *context);
	void *context;
	char *authority;
	struct json_object *names; /* array of texts; empty: any */
	struct kube_problem problem;
};

/* The names are JSON in a text. NULL when it is no array: then nobody may. */
static struct json_object *names_parse(const char *text)
{
	struct json_object *names = json_tokener_parse(text);

	if (json_object_is_type(names, json_type_array))
		return names;
	json_object_put(names);
	return NULL;
}

static const char *take(struct smi_auth *auth, struct json_object *answer)
{
	struct json_object *data = NULL, *names;
	const char *authority;

	json_object_object_get_ex(answer, "data", &data);
	authority = json_text_of(data, "requestheader-client-ca-file");
	names = names_parse(json_text_of(data, "requestheader-allowed-names"));
	if (!*authority || !names) {
		json_object_put(names);
		return "the API server has no front proxy (--requestheader-client-ca-file)";
	}
	json_object_put(auth->names);
	auth->names = names;
	if (!auth->authority || strcmp(auth->authority, authority)) {
		free(auth->authority);
		auth->authority = memory_strdup(authority);
		auth->changed(auth->context);
	}
	return "";
}

static void on_timer(uv_timer_t *timer);

static void on_answer(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct smi_auth *auth = context;
	const char *error = outcome->error;

	auth->ask = NULL;
	if (!*error)
		error = take(auth, answer);
	kube_problem_set(&auth->problem, error);
	uv_timer_start(&auth->timer, on_timer, *error ? LOOK_AGAIN_MS : LOOK_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	static const struct kube_call call = { .path = CONFIG_PATH, .idle_ms = IDLE_MS };
	struct smi_auth *auth = timer->data;

	auth->ask = kube_ask_send(auth->http, &call, on_answer, auth);
}

struct smi_auth *smi_auth_new(struct uv_loop_s *loop, struct kube_http *http,
			      void (*changed)(void *context), void *context)
{
	struct smi_auth *auth = memory_alloc(sizeof(*auth));

	auth->http = http;
	auth->changed = changed;
	auth->context = context;
	auth->problem.what = "the front proxy's authority cannot be read";
	uv_timer_init(loop, &auth->timer);
	auth->timer.data = auth;
	uv_timer_start(&auth->timer, on_timer, 0, 0);
	return auth;
}

static void on_closed(uv_handle_t *handle)
{
	struct smi_auth *auth = handle->data;

	free(auth->authority);
	json_object_put(auth->names);
	free(auth);
}

void smi_auth_free(struct smi_auth *auth)
{
	if (!auth)
		return;
	kube_ask_cancel(auth->ask);
	uv_close((uv_handle_t *)&auth->timer, on_closed);
}

const char *smi_auth_authority(const struct smi_auth *auth)
{
	return auth->authority;
}

bool smi_auth_allows(const struct smi_auth *auth, const char *name)
{
	size_t i, count = auth->names ? json_object_array_length(auth->names) : 0;

	for (i = 0; i < count; i++) {
		struct json_object *one = json_object_array_get_idx(auth->names, i);

		if (json_object_is_type(one, json_type_string) &&
		    !strcmp(json_object_get_string(one), name))
			return true;
	}
	return auth->names && !count;
}
