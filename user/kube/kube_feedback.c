// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_feedback.h"

#include <stdlib.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_events.h"
#include "user/kube/kube_lease.h"
#include "user/kube/kube_node.h"

enum { GATHER_MS = 1000 }; /* changes come in numbers, and looking through findings takes time */

struct kube_feedback {
	uv_timer_t timer;
	struct source_sink sink;
	bool is_synced;
	struct kube_lease *lease;
	struct kube_events *events;
	struct kube_node *node;
};

static void on_timer(uv_timer_t *timer)
{
	struct kube_feedback *feedback = timer->data;
	struct source_report report;

	feedback->sink.report(feedback->sink.context, &report);
	kube_node_report(feedback->node, &report);
	if (feedback->is_synced)
		kube_events_report(feedback->events, &report);
}

void kube_feedback_news(struct kube_feedback *feedback, bool is_synced)
{
	feedback->is_synced = is_synced;
	if (!uv_is_active((const uv_handle_t *)&feedback->timer))
		uv_timer_start(&feedback->timer, on_timer, GATHER_MS, 0);
}

static void on_lease(void *context)
{
	struct kube_feedback *feedback = context;

	kube_feedback_news(feedback, feedback->is_synced);
}

struct kube_feedback *kube_feedback_new(struct uv_loop_s *loop, struct kube_http *http,
					const char *node, const char *name_space,
					const struct source_sink *sink)
{
	struct kube_feedback *feedback = memory_alloc(sizeof(*feedback));

	feedback->sink = *sink;
	uv_timer_init(loop, &feedback->timer);
	feedback->timer.data = feedback;
	feedback->lease = kube_lease_new(loop, http, name_space, "weftd", node, on_lease, feedback);
	feedback->events = kube_events_new(loop, http, feedback->lease, node);
	feedback->node = kube_node_new(loop, http, node);
	return feedback;
}

static void add_problem(struct json_object *problems, const char *name, const char *text)
{
	if (*text)
		json_add_text(problems, name, text);
}

struct json_object *kube_feedback_status(const struct kube_feedback *feedback)
{
	struct json_object *status = json_object_new_object(), *problems = json_object_new_object();
	struct kube_events_state events;

	kube_events_state(feedback->events, &events);
	json_object_object_add(status, "leader",
			       json_object_new_boolean(kube_lease_is_held(feedback->lease)));
	json_add_text(status, "holder", kube_lease_holder(feedback->lease));
	json_object_object_add(status, "events_sent", json_object_new_uint64(events.sent));
	json_object_object_add(status, "events_failed", json_object_new_uint64(events.failed));
	json_object_object_add(status, "events_waiting", json_object_new_uint64(events.waiting));
	add_problem(problems, "lease", kube_lease_problem(feedback->lease));
	add_problem(problems, "events", events.problem);
	add_problem(problems, "node", kube_node_problem(feedback->node));
	json_object_object_add(status, "problems", problems);
	return status;
}

void kube_feedback_count(const struct kube_feedback *feedback, struct source_counts *counts)
{
	struct kube_events_state events;

	kube_events_state(feedback->events, &events);
	counts->events_sent = events.sent;
	counts->events_failed = events.failed;
	counts->is_leader = kube_lease_is_held(feedback->lease);
}

bool kube_feedback_leave(struct kube_feedback *feedback)
{
	return kube_lease_leave(feedback->lease);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_feedback_free(struct kube_feedback *feedback)
{
	if (!feedback)
		return;
	kube_events_free(feedback->events);
	kube_node_free(feedback->node);
	kube_lease_free(feedback->lease);
	uv_close((uv_handle_t *)&feedback->timer, on_closed);
}
