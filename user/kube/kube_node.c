// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_node.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_event.h"
#include "user/kube/kube_problem.h"
#include "user/http/retry.h"

enum {
	SOON_MS = 2000,	   /* a start that takes no longer is one change */
	LATER_MS = 60000,  /* spread */
	SURE_MS = 3600000, /* somebody may have removed it; spread. No change when it is there */
	RETRY_FIRST_MS = 1000,
	RETRY_LAST_MS = 60000,
	REFUSED_MS = 300000, /* there is no such Node, or the agent may not write it; spread */
	IDLE_MS = 10000,
};

static const char annotation[] = "weft.dev/agent";

struct kube_node {
	struct kube_http *http;
	uv_timer_t timer;
	char *name;
	char *path;
	struct kube_ask *ask;
	char *state, *text;	 /* to be written: what is wrong, and the whole annotation */
	char *sent_state, *sent; /* under way, or written if there is no `ask`; NULL = unknown */
	unsigned int retry_ms;
	struct kube_problem problem;
};

static size_t count_local(const struct kube_node *node, const struct source_report *report)
{
	size_t count = 0, i;

	for (i = 0; i < report->findings->count; i++)
		count +=
			kube_event_is_local(&report->findings->items[i], report->store, node->name);
	return count;
}

static char *describe(const struct source_report *report, size_t findings)
{
	struct json_object *json = json_object_new_object();
	char *text;

	json_object_object_add(json, "ready", json_object_new_boolean(!report->not_ready));
	json_add_text(json, "reason", report->not_ready ? report->not_ready : "");
	json_add_text(json, "version", WEFT_VERSION);
	json_object_object_add(json, "pods", json_object_new_uint64(report->pods));
	json_object_object_add(json, "attached", json_object_new_uint64(report->pods_attached));
	json_object_object_add(json, "findings", json_object_new_uint64(findings));
	text = memory_strdup(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	return text;
}

static bool is_text(const char *one, const char *other)
{
	return one && other && !strcmp(one, other);
}

static void on_timer(uv_timer_t *timer);

static void plan(struct kube_node *node)
{
	uint64_t ms = is_text(node->state, node->sent_state) ? retry_spread(LATER_MS) : SOON_MS;

	if (node->ask || node->retry_ms)
		return; /* comes again */
	if (is_text(node->text, node->sent))
		uv_timer_start(&node->timer, on_timer, retry_spread(SURE_MS), 0);
	else if (!uv_is_active((const uv_handle_t *)&node->timer) ||
		 uv_timer_get_due_in(&node->timer) > ms)
		uv_timer_start(&node->timer, on_timer, ms, 0);
}

static void forget_sent(struct kube_node *node)
{
	free(node->sent);
	free(node->sent_state);
	node->sent = node->sent_state = NULL;
}

static void on_done(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct kube_node *node = context;
	uint64_t ms;

	(void)answer;
	node->ask = NULL;
	kube_problem_set(&node->problem, outcome->error);
	if (!outcome->error[0]) {
		node->retry_ms = 0;
		plan(node);
		return;
	}
	forget_sent(node);
	ms = retry_in(&node->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS, outcome->retry_after);
	if (outcome->status == 403 || outcome->status == 404)
		ms = retry_spread(REFUSED_MS);
	uv_timer_start(&node->timer, on_timer, ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct kube_node *node = timer->data;
	struct json_object *patch = json_object_new_object(), *metadata = json_object_new_object();
	struct json_object *annotations = json_object_new_object();
	struct kube_call call = {
		.method = "PATCH",
		.path = node->path,
		.content_type = "application/merge-patch+json",
		/* Nodes are large, and nobody reads the answer. */
		.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
			  "application/json",
		.idle_ms = IDLE_MS,
	};

	json_add_text(annotations, annotation, node->text);
	json_object_object_add(metadata, "annotations", annotations);
	json_object_object_add(patch, "metadata", metadata);
	call.body = json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN);
	forget_sent(node);
	node->sent = memory_strdup(node->text);
	node->sent_state = memory_strdup(node->state);
	node->ask = kube_ask_send(node->http, &call, on_done, node);
	json_object_put(patch);
}

void kube_node_report(struct kube_node *node, const struct source_report *report)
{
	size_t findings = count_local(node, report);

	free(node->text);
	free(node->state);
	node->text = describe(report, findings);
	node->state = memory_printf("%zu %s", findings, report->not_ready ? report->not_ready : "");
	plan(node);
}

const char *kube_node_problem(const struct kube_node *node)
{
	return node->problem.text;
}

struct kube_node *kube_node_new(struct uv_loop_s *loop, struct kube_http *http, const char *name)
{
	struct kube_node *node = memory_alloc(sizeof(*node));

	node->http = http;
	node->name = memory_strdup(name);
	node->path = memory_printf("/api/v1/nodes/%s", name);
	node->problem.what = "the Node cannot be annotated";
	uv_timer_init(loop, &node->timer);
	node->timer.data = node;
	return node;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_node_free(struct kube_node *node)
{
	if (!node)
		return;
	kube_ask_cancel(node->ask);
	forget_sent(node);
	free(node->text);
	free(node->state);
	free(node->path);
	free(node->name);
	uv_close((uv_handle_t *)&node->timer, on_closed);
}
