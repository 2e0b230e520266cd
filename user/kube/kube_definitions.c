// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_reflector.h"
#include "user/log.h"

enum {
	SETTLE_MS = 100,     /* after a change of a CustomResourceDefinition */
	RETRY_MS = 2000,     /* after a discovery that failed */
	MISSING_MS = 1000,   /* after a resource was found to be missing */
	PERIODIC_MS = 60000, /* where CustomResourceDefinitions may not be watched */
};

static const char path[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

struct kube_definitions {
	struct kube_http *http;
	kube_discovery_done found;
	void *context;
	struct kube_reflector *reflector;
	struct kube_discovery *discovery;
	uv_timer_t timer;
	bool is_known;
	bool is_again; /* something changed while a discovery was under way */
	char problem[KUBE_ERROR_LEN];
};

static void on_timer(uv_timer_t *timer);

static void discover_in(struct kube_definitions *definitions, uint64_t ms)
{
	if (definitions->discovery)
		definitions->is_again = true;
	else if (!uv_is_active((const uv_handle_t *)&definitions->timer) ||
		 uv_timer_get_due_in(&definitions->timer) > ms)
		uv_timer_start(&definitions->timer, on_timer, ms, 0);
}

static void on_discovered(void *context, char *const *versions, const char *error)
{
	struct kube_definitions *definitions = context;

	definitions->discovery = NULL;
	snprintf(definitions->problem, sizeof(definitions->problem), "%s", error ? error : "");
	if (error)
		log_warn("the API server does not say what it serves", "error", error);
	definitions->is_known |= !error;
	definitions->found(definitions->context, versions, error);
	if (definitions->is_again || error)
		discover_in(definitions, error ? RETRY_MS : SETTLE_MS);
	definitions->is_again = false;
}

static void on_timer(uv_timer_t *timer)
{
	struct kube_definitions *definitions = timer->data;
	struct kube_reflector_state state;

	definitions->discovery = kube_discovery_new(definitions->http, on_discovered, definitions);
	kube_reflector_state(definitions->reflector, &state);
	if (!state.is_watching)
		uv_timer_start(&definitions->timer, on_timer, PERIODIC_MS, 0);
}

static bool is_smi(const char *definition)
{
	static const char suffix[] = ".smi-spec.io";
	size_t length = strlen(definition), end = sizeof(suffix) - 1;

	return length > end && !strcmp(definition + length - end, suffix);
}

static void on_put(void *context, struct json_object *json)
{
	struct json_object *metadata;

	if (json_object_object_get_ex(json, "metadata", &metadata) &&
	    is_smi(json_text_of(metadata, "name")))
		discover_in(context, SETTLE_MS);
}

static void on_remove(void *context, const char *key)
{
	if (is_smi(key))
		discover_in(context, SETTLE_MS);
}

static void ignore(void *context)
{
	(void)context;
}

struct kube_definitions *kube_definitions_new(struct uv_loop_s *loop, struct kube_http *http,
					      kube_discovery_done found, void *context)
{
	static const struct kube_reflector_ops ops = { on_put, on_remove, ignore, ignore };
	struct kube_definitions *definitions = memory_alloc(sizeof(*definitions));

	definitions->http = http;
	definitions->found = found;
	definitions->context = context;
	uv_timer_init(loop, &definitions->timer);
	definitions->timer.data = definitions;
	definitions->reflector = kube_reflector_new(loop, http, path, true, &ops, definitions);
	discover_in(definitions, 0);
	return definitions;
}

void kube_definitions_doubt(struct kube_definitions *definitions)
{
	discover_in(definitions, MISSING_MS);
}

void kube_definitions_rescan(struct kube_definitions *definitions)
{
	kube_reflector_relist(definitions->reflector);
	discover_in(definitions, 0);
}

bool kube_definitions_are_known(const struct kube_definitions *definitions)
{
	return definitions->is_known;
}

const char *kube_definitions_problem(const struct kube_definitions *definitions)
{
	return definitions->problem;
}

const struct kube_reflector *kube_definitions_reflector(const struct kube_definitions *definitions)
{
	return definitions->reflector;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_definitions_free(struct kube_definitions *definitions)
{
	if (!definitions)
		return;
	kube_discovery_cancel(definitions->discovery);
	kube_reflector_free(definitions->reflector, false);
	uv_close((uv_handle_t *)&definitions->timer, on_closed);
}
