// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_events.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_event_queue.h"
#include "user/kube/kube_problem.h"
#include "user/http/retry.h"
#include "user/kube/kube_time.h"
#include "user/log.h"

enum {
	RETRY_FIRST_MS = 1000,
	RETRY_LAST_MS = 60000,
	FORBIDDEN_MS = 300000, /* where the agent may not write Events; spread */
	IDLE_MS = 10000,
};

struct kube_events {
	struct kube_http *http;
	const struct kube_lease *lease;
	uv_timer_t timer;
	char *node;
	struct kube_event_queue *queue;
	bool is_known;	 /* there was a report */
	bool was_holder; /* at the last one */
	size_t beyond;	 /* findings of it that nobody has looked at: there are too many */
	struct kube_ask *ask;
	char *key; /* what `ask` is about */
	char *path;
	unsigned int retry_ms;
	unsigned long sent, failed;
	struct kube_problem problem;
};

static void go_on(struct kube_events *events);

static void on_timer(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void end(struct kube_events *events)
{
	free(events->key);
	free(events->path);
	events->key = events->path = NULL;
}

/* The Event is in the API server, and was told so many seconds ago. */
static void settle(struct kube_events *events, int64_t age)
{
	struct queued_event *queued = kube_event_queue_find(events->queue, events->key);

	if (queued)
		kube_event_queue_told(queued, (uint64_t)age * KUBE_EVENT_SECOND, uv_hrtime());
	events->retry_ms = 0;
	kube_problem_set(&events->problem, "");
	end(events);
	go_on(events);
}

static void lose(struct kube_events *events)
{
	struct queued_event *queued = kube_event_queue_find(events->queue, events->key);

	if (queued)
		kube_event_queue_lost(queued, uv_hrtime());
	end(events);
	go_on(events);
}

/* This one will not be taken, whereas others may: the next try is when others are refreshed. */
static bool is_about_this_one(const struct kube_outcome *outcome)
{
	return outcome->status == 400 || outcome->status == 404 || outcome->status == 422 ||
	       !strcmp(outcome->cause, "NamespaceTerminating");
}

static void fail(struct kube_events *events, const struct kube_outcome *outcome)
{
	uint64_t ms;

	events->failed++;
	if (is_about_this_one(outcome)) {
		log_write(outcome->status == 400 || outcome->status == 422 ? LOG_LEVEL_WARN :
									     LOG_LEVEL_DEBUG,
			  "an Event is refused", "event", events->key, "error", outcome->error,
			  (char *)0);
		settle(events, 0);
		return;
	}
	kube_problem_set(&events->problem, outcome->error);
	ms = retry_in(&events->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS, outcome->retry_after);
	if (outcome->status == 403)
		ms = retry_spread(FORBIDDEN_MS);
	end(events);
	uv_timer_start(&events->timer, on_timer, ms, 0);
}

static void ask(struct kube_events *events, const char *method, struct json_object *body,
		kube_ask_done done)
{
	const struct kube_call call = {
		.method = method,
		.path = events->path,
		.body = body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL,
		.content_type = strcmp(method, "PATCH") ? NULL : "application/merge-patch+json",
		.idle_ms = IDLE_MS,
	};

	events->ask = kube_ask_send(events->http, &call, done, events);
	json_object_put(body);
}

static void on_patched(void *context, const struct kube_outcome *outcome,
		       struct json_object *answer)
{
	struct kube_events *events = context;

	(void)answer;
	events->ask = NULL;
	if (!outcome->error[0]) {
		events->sent++;
		settle(events, 0);
	} else if (outcome->status == 404) {
		lose(events);
	} else {
		fail(events, outcome);
	}
}

static struct json_object *series_of(struct json_object *event)
{
	struct json_object *series = NULL;

	json_object_object_get_ex(event, "series", &series);
	return series;
}

/* One occurrence more than it has; the first is the Event without a series. */
static struct json_object *make_series(struct json_object *event)
{
	struct json_object *patch = json_object_new_object(), *series = json_object_new_object();
	struct json_object *count = NULL;
	char now[KUBE_TIME_LEN];
	int former = 1;

	if (json_object_object_get_ex(series_of(event), "count", &count) &&
	    json_object_get_int(count) > 1)
		former = json_object_get_int(count);
	json_object_object_add(series, "count", json_object_new_int(former + (former < INT32_MAX)));
	json_add_text(series, "lastObservedTime", kube_time_now(now));
	json_object_object_add(patch, "series", series);
	return patch;
}

/*
 * Seconds since it was told last, by whichever agent, as far as the clocks of the two agree; it
 * only decides whether that is to be done again already.
 */
static int64_t age_of(struct json_object *event)
{
	const char *text = json_text_of(series_of(event), "lastObservedTime");
	int64_t then, age;

	if (!*text)
		text = json_text_of(event, "eventTime");
	if (kube_time_parse(text, &then))
		return INT32_MAX;
	age = time(NULL) - then;
	return age < 0 ? 0 : age;
}

static void on_got(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct kube_events *events = context;
	struct queued_event *queued = kube_event_queue_find(events->queue, events->key);
	int64_t age;

	events->ask = NULL;
	if (outcome->status == 404) {
		lose(events);
		return;
	}
	if (outcome->error[0] || !queued) {
		if (outcome->error[0])
			fail(events, outcome);
		else
			settle(events, 0);
		return;
	}
	age = age_of(answer);
	if ((uint64_t)age * KUBE_EVENT_SECOND < kube_event_queue_patience(queued))
		settle(events, age);
	else
		ask(events, "PATCH", make_series(answer), on_patched);
}

static char *item_path(const struct kube_event *event)
{
	return memory_printf("/apis/events.k8s.io/v1/namespaces/%s/events/%s", event->name_space,
			     event->name);
}

/* It is there already: told by another agent, or by the one before this. */
static void on_posted(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct kube_events *events = context;
	const struct queued_event *queued = kube_event_queue_find(events->queue, events->key);

	(void)answer;
	events->ask = NULL;
	if (!outcome->error[0]) {
		events->sent++;
		settle(events, 0);
	} else if (outcome->status != 409) {
		fail(events, outcome);
	} else if (!queued) {
		settle(events, 0);
	} else {
		free(events->path);
		events->path = item_path(&queued->event);
		ask(events, "GET", NULL, on_got);
	}
}

static void start(struct kube_events *events, const struct queued_event *queued)
{
	char now[KUBE_TIME_LEN];

	events->key = memory_strdup(queued->key);
	if (queued->told) {
		events->path = item_path(&queued->event);
		ask(events, "GET", NULL, on_got);
		return;
	}
	events->path = memory_printf("/apis/events.k8s.io/v1/namespaces/%s/events",
				     queued->event.name_space);
	ask(events, "POST", kube_event_json(&queued->event, events->node, kube_time_now(now)),
	    on_posted);
}

static void go_on(struct kube_events *events)
{
	const struct queued_event *queued;
	uint64_t now = uv_hrtime(), when;

	if (events->ask)
		return;
	queued = kube_event_queue_next(events->queue, !kube_lease_is_held(events->lease), now,
				       &when);
	if (queued)
		start(events, queued);
	else if (when == UINT64_MAX)
		uv_timer_stop(&events->timer);
	else
		uv_timer_start(&events->timer, on_timer, (when - now) / 1000000 + 1, 0);
}

void kube_events_report(struct kube_events *events, const struct source_report *report)
{
	bool is_holder = kube_lease_is_held(events->lease);
	const struct findings *findings = report->findings;
	struct kube_event event;
	uint64_t now = uv_hrtime();
	size_t i, count = 0;

	kube_event_queue_begin(events->queue, !events->is_known || is_holder != events->was_holder);
	for (i = 0; i < findings->count && count < KUBE_EVENT_LIMIT; i++) {
		if (!kube_event_make(&event, &findings->items[i], report->store, events->node,
				     !is_holder))
			continue;
		kube_event_queue_add(events->queue, &event, now);
		count++;
	}
	events->beyond = findings->count - i;
	kube_event_queue_end(events->queue, now);
	events->is_known = true;
	events->was_holder = is_holder;
	if (!events->retry_ms) /* what failed is tried again in its time */
		go_on(events);
}

void kube_events_state(const struct kube_events *events, struct kube_events_state *state)
{
	*state = (struct kube_events_state){
		.sent = events->sent,
		.failed = events->failed,
		.waiting = events->beyond +
			   kube_event_queue_waiting(
				   events->queue, !kube_lease_is_held(events->lease), uv_hrtime()),
		.problem = events->problem.text,
	};
}

struct kube_events *kube_events_new(struct uv_loop_s *loop, struct kube_http *http,
				    const struct kube_lease *lease, const char *node)
{
	struct kube_events *events = memory_alloc(sizeof(*events));

	events->http = http;
	events->lease = lease;
	events->node = memory_strdup(node);
	events->queue = kube_event_queue_new();
	events->problem.what = "Events cannot be written";
	uv_timer_init(loop, &events->timer);
	events->timer.data = events;
	return events;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_events_free(struct kube_events *events)
{
	if (!events)
		return;
	kube_ask_cancel(events->ask);
	end(events);
	kube_event_queue_free(events->queue);
	free(events->node);
	uv_close((uv_handle_t *)&events->timer, on_closed);
}
