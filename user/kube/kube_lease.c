// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_problem.h"
#include "user/http/retry.h"
#include "user/kube/kube_time.h"
#include "user/log.h"

enum {
	LEASE_S = 15,	 /* unchanged for so long, it is free */
	DEADLINE_S = 10, /* so long after its last renewal the holder counts itself as one */
	RENEW_MS = 5000, /* by the holder */
	LOOK_MS = 10000, /* by the others, at most; spread */
	AGAIN_MS = 500,	 /* after somebody else was faster, spread */
	RETRY_FIRST_MS = 1000,
	RETRY_LAST_MS = 4000,
	REFUSED_MS = 300000, /* there is no namespace for it, or the agent may not have it; spread
			      */
	IDLE_MS = 4000,	     /* without an answer */
	SUFFIX_BYTES = 4,
};

#define SECOND_NS UINT64_C(1000000000)

struct kube_lease {
	struct kube_http *http;
	uv_timer_t timer;
	uv_timer_t deadline; /* runs out when the agent stops to be the holder */
	char *collection;
	char *path;
	char *name, *name_space;
	char *identity;
	void (*changed)(void *context);
	void *context;

	struct kube_ask *ask;
	uint64_t asked_ns;
	struct json_object *object; /* as last seen, NULL = not known */
	uint64_t seen_ns;	    /* when its spec was seen to change last */
	uint64_t end_ns;	    /* from then on we are not the holder */
	bool is_held;
	bool is_leaving;
	unsigned int open_handles;
	unsigned int retry_ms;
	struct kube_problem problem;
};

static void on_timer(uv_timer_t *timer);

static struct json_object *spec_of(struct json_object *object)
{
	struct json_object *spec = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, "spec", &spec);
	return spec;
}

static const char *holder_of(const struct kube_lease *lease)
{
	return json_text_of(spec_of(lease->object), "holderIdentity");
}

static bool is_ours(const struct kube_lease *lease)
{
	return !strcmp(holder_of(lease), lease->identity);
}

static void set_held(struct kube_lease *lease, bool held)
{
	if (lease->is_held == held)
		return;
	lease->is_held = held;
	log_info(held ? "holds the lease: tells findings for all nodes" : "the lease is lost",
		 "lease", lease->name, "identity", lease->identity);
	lease->changed(lease->context);
}

static void on_deadline(uv_timer_t *timer)
{
	set_held(timer->data, false);
}

static void wait_ms(struct kube_lease *lease, uint64_t ms)
{
	uv_timer_start(&lease->timer, on_timer, ms, 0);
}

static void fail(struct kube_lease *lease, const struct kube_outcome *outcome)
{
	kube_problem_set(&lease->problem, outcome->error);
	if (outcome->status == 403 || outcome->status == 404)
		wait_ms(lease, retry_spread(REFUSED_MS));
	else
		wait_ms(lease, retry_in(&lease->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS,
					outcome->retry_after));
}

/* What there is now; a record that is not the one from before counts from now on. */
static void see(struct kube_lease *lease, struct json_object *object)
{
	if (!lease->object || !json_object_equal(spec_of(object), spec_of(lease->object)))
		lease->seen_ns = uv_hrtime();
	json_object_get(object);
	json_object_put(lease->object);
	lease->object = object;
	lease->retry_ms = 0;
	kube_problem_set(&lease->problem, "");
}

static void on_written(void *context, const struct kube_outcome *outcome,
		       struct json_object *answer)
{
	struct kube_lease *lease = context;
	uint64_t now = uv_hrtime();

	lease->ask = NULL;
	/* Somebody else was faster, or has deleted it; else it is the namespace that is not there.
	 */
	if (outcome->status == 409 || (outcome->status == 404 && lease->object)) {
		wait_ms(lease, retry_spread(AGAIN_MS));
		json_object_put(lease->object);
		lease->object = NULL;
		return;
	}
	if (outcome->error[0]) {
		fail(lease, outcome);
		return;
	}
	see(lease, answer);
	lease->end_ns = lease->asked_ns + DEADLINE_S * SECOND_NS;
	if (lease->is_leaving || lease->end_ns <= now) {
		set_held(lease, false);
	} else {
		uv_timer_start(&lease->deadline, on_deadline, (lease->end_ns - now) / 1000000, 0);
		set_held(lease, true);
	}
	wait_ms(lease, RENEW_MS);
}

static void ask(struct kube_lease *lease, const char *method, struct json_object *body,
		kube_ask_done done)
{
	const struct kube_call call = {
		.method = method,
		.path = method && !strcmp(method, "POST") ? lease->collection : lease->path,
		.body = body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL,
		.idle_ms = IDLE_MS,
	};

	lease->asked_ns = uv_hrtime();
	lease->ask = kube_ask_send(lease->http, &call, done, lease);
}

/* Writes into `spec`, which may be another's, that the agent holds the lease from now on. */
static void sign(const struct kube_lease *lease, struct json_object *spec)
{
	struct json_object *transitions = NULL;
	char now[KUBE_TIME_LEN];

	kube_time_now(now);
	if (!is_ours(lease)) {
		json_object_object_get_ex(spec, "leaseTransitions", &transitions);
		json_object_object_add(
			spec, "leaseTransitions",
			json_object_new_int(lease->object ? json_object_get_int(transitions) + 1 :
							    0));
		json_add_text(spec, "acquireTime", now);
	}
	json_add_text(spec, "holderIdentity", lease->is_leaving ? "" : lease->identity);
	json_object_object_add(spec, "leaseDurationSeconds",
			       json_object_new_int(lease->is_leaving ? 1 : LEASE_S));
	json_add_text(spec, "renewTime", now);
}

static void create(struct kube_lease *lease)
{
	struct json_object *object = json_object_new_object(), *spec = json_object_new_object();
	struct json_object *metadata = json_object_new_object();

	json_object_put(lease->object);
	lease->object = NULL;
	json_add_text(object, "apiVersion", "coordination.k8s.io/v1");
	json_add_text(object, "kind", "Lease");
	json_add_text(metadata, "name", lease->name);
	json_add_text(metadata, "namespace", lease->name_space);
	json_object_object_add(object, "metadata", metadata);
	sign(lease, spec);
	json_object_object_add(object, "spec", spec);
	ask(lease, "POST", object, on_written);
	json_object_put(object);
}

/* What others have written into the object stays; its version makes sure that nothing is missed. */
static void update(struct kube_lease *lease)
{
	struct json_object *object = NULL, *spec;

	json_object_deep_copy(lease->object, &object, NULL);
	spec = spec_of(object);
	if (!json_object_is_type(spec, json_type_object)) {
		spec = json_object_new_object();
		json_object_object_add(object, "spec", spec);
	}
	sign(lease, spec);
	ask(lease, "PUT", object, on_written);
	json_object_put(object);
}

static void on_seen(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct kube_lease *lease = context;
	uint64_t wait, end, now;

	lease->ask = NULL;
	if (outcome->status == 404) {
		create(lease);
		return;
	}
	if (outcome->error[0]) {
		fail(lease, outcome);
		return;
	}
	see(lease, answer);
	if (!is_ours(lease))
		set_held(lease, false);
	now = uv_hrtime();
	end = lease->seen_ns + LEASE_S * SECOND_NS;
	if (is_ours(lease) || !*holder_of(lease) || now >= end) {
		update(lease);
		return;
	}
	wait = retry_spread(LOOK_MS);
	wait_ms(lease, wait < (end - now) / 1000000 ? wait : (end - now) / 1000000 + 1);
}

/* The holder knows the record's version, if nobody else has written it. */
static void on_timer(uv_timer_t *timer)
{
	struct kube_lease *lease = timer->data;

	if (lease->ask || lease->is_leaving)
		return;
	if (lease->object && is_ours(lease))
		update(lease);
	else
		ask(lease, NULL, NULL, on_seen);
}

bool kube_lease_is_held(const struct kube_lease *lease)
{
	return lease->is_held && uv_hrtime() < lease->end_ns;
}

const char *kube_lease_holder(const struct kube_lease *lease)
{
	return holder_of(lease);
}

const char *kube_lease_problem(const struct kube_lease *lease)
{
	return lease->problem.text;
}

bool kube_lease_leave(struct kube_lease *lease)
{
	if (lease->is_leaving)
		return lease->ask != NULL;
	lease->is_leaving = true;
	uv_timer_stop(&lease->timer);
	kube_ask_cancel(lease->ask);
	lease->ask = NULL;
	if (!lease->is_held || !lease->object || !is_ours(lease))
		return false;
	update(lease);
	return true;
}

static char *make_identity(const char *node)
{
	unsigned char random[SUFFIX_BYTES] = { 0 };

	uv_random(NULL, NULL, random, sizeof(random), 0, NULL);
	return memory_printf("%s_%02x%02x%02x%02x", node, random[0], random[1], random[2],
			     random[3]);
}

struct kube_lease *kube_lease_new(struct uv_loop_s *loop, struct kube_http *http,
				  const char *name_space, const char *name, const char *node,
				  void (*changed)(void *context), void *context)
{
	struct kube_lease *lease = memory_alloc(sizeof(*lease));

	lease->http = http;
	lease->collection =
		memory_printf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", name_space);
	lease->path = memory_printf("%s/%s", lease->collection, name);
	lease->name = memory_strdup(name);
	lease->name_space = memory_strdup(name_space);
	lease->identity = make_identity(node);
	lease->changed = changed;
	lease->context = context;
	lease->problem.what = "the lease can be neither kept nor got";
	uv_timer_init(loop, &lease->timer);
	uv_timer_init(loop, &lease->deadline);
	lease->timer.data = lease->deadline.data = lease;
	wait_ms(lease, retry_spread(AGAIN_MS));
	return lease;
}

static void on_closed(uv_handle_t *handle)
{
	struct kube_lease *lease = handle->data;

	if (!--lease->open_handles)
		free(lease);
}

void kube_lease_free(struct kube_lease *lease)
{
	if (!lease)
		return;
	kube_ask_cancel(lease->ask);
	json_object_put(lease->object);
	free(lease->collection);
	free(lease->path);
	free(lease->name);
	free(lease->name_space);
	free(lease->identity);
	lease->open_handles = 2;
	uv_close((uv_handle_t *)&lease->deadline, on_closed);
	uv_close((uv_handle_t *)&lease->timer, on_closed);
}
