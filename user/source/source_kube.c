// SPDX-License-Identifier: Apache-2.0
/* The API server as a source: a reflector per resource. */
#include "user/source/source_kube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_definitions.h"
#include "user/kube/kube_feedback.h"
#include "user/kube/kube_reflector.h"
#include "user/kube/kube_resource.h"
#include "user/kube/kube_spaces.h"
#include "user/kube/kube_streams.h"
#include "user/kube/kube_troubles.h"
#include "user/log.h"

enum {
	BATCH_MS = 2,	   /* without news before they are delivered... */
	BATCH_MAX_MS = 50, /* ...but no later than this after the first */
};

struct source_kube;

struct followed {
	struct source_kube *kube;
	const struct kube_resource *resource;
	struct json_object *mask;
	char *version; /* NULL: it is not served */
	struct kube_reflector *reflector;
	struct kube_troubles troubles;
};

struct source_kube {
	struct source source;
	uv_loop_t *loop;
	struct source_sink sink;
	struct kube_http *http;
	struct followed *followed; /* by resource */
	struct kube_spaces *spaces;
	struct kube_definitions *definitions;
	const char *feedback_node; /* NULL = no feedback is wanted */
	struct kube_feedback *feedback;
	uv_timer_t batch;
	uint64_t first_news; /* uv_now() of the first that is not delivered, 0 = none */
	bool is_started;
	bool is_synced;
	bool is_news; /* something was put or removed that is not delivered */
	struct findings findings;
};

static struct source_kube *from_source(const struct source *source)
{
	return (struct source_kube *)source;
}

static bool is_synced(const struct source_kube *kube)
{
	struct kube_reflector_state state;
	size_t i;

	if (!kube_definitions_are_known(kube->definitions))
		return false;
	for (i = 0; i < kube_resource_count; i++) {
		if (!kube->followed[i].reflector)
			continue;
		kube_reflector_state(kube->followed[i].reflector, &state);
		if (!state.is_listed)
			return false;
	}
	return true;
}

/* A Namespace that says what is assumed: everything is denied that no rule allows. */
static struct json_object *make_namespace(const char *name)
{
	struct json_object *json = json_object_new_object(), *metadata = json_object_new_object();
	struct json_object *labels = json_object_new_object();

	json_add_text(json, "apiVersion", "v1");
	json_add_text(json, "kind", "Namespace");
	json_add_text(labels, "weft.dev/mesh", "enforce");
	json_add_text(metadata, "name", name);
	json_object_object_add(metadata, "labels", labels);
	json_object_object_add(json, "metadata", metadata);
	return json;
}

static struct followed *find_followed(struct source_kube *kube, enum object_kind kind)
{
	size_t i;

	for (i = 0; i < kube_resource_count - 1 && kube_resources[i].kind != kind; i++)
		;
	return &kube->followed[i];
}

static void on_assume(void *context, const char *name, bool needed)
{
	struct source_kube *kube = context;
	struct followed *namespaces = find_followed(kube, OBJECT_NAMESPACE);
	char *key = memory_printf("/%s", name);
	struct findings findings = { 0 };
	struct json_object *json;
	struct object *object;

	kube_troubles_forget(&namespaces->troubles, key);
	if (needed) {
		json = make_namespace(name);
		object = object_parse(json, NULL, &findings);
		json_object_put(json);
		finding_add(&findings, object, "", "UnknownNamespace",
			    "its pods count as enforced until it is known",
			    "it has pods, but the API server has not told of it");
		kube_troubles_note(&namespaces->troubles, key, &findings);
		kube->sink.put(kube->sink.context, object);
	} else {
		kube->sink.remove(kube->sink.context, OBJECT_NAMESPACE, key);
	}
	free(key);
}

static void deliver(struct source_kube *kube)
{
	size_t i;

	kube->first_news = 0;
	kube->is_news = false;
	uv_timer_stop(&kube->batch);
	/* Once it was complete it stays so: what is new later is a change like others. */
	kube->is_synced = kube->is_synced || is_synced(kube);
	if (kube->is_synced)
		kube_spaces_settle(kube->spaces, on_assume, kube);
	findings_clear(&kube->findings);
	for (i = 0; i < kube_resource_count; i++)
		kube_troubles_append(&kube->followed[i].troubles, &kube->findings);
	kube->sink.commit(kube->sink.context, kube->is_synced);
}

static void on_batch(uv_timer_t *timer)
{
	deliver(timer->data);
}

static void deliver_soon(struct source_kube *kube)
{
	uint64_t now = uv_now(kube->loop), waited;

	if (!kube->first_news)
		kube->first_news = now ? now : 1;
	waited = now - kube->first_news;
	if (waited + BATCH_MS <= BATCH_MAX_MS)
		uv_timer_start(&kube->batch, on_batch, BATCH_MS, 0);
}

/* Most events are about what weft does not read. */
static void deliver_news(struct source_kube *kube)
{
	if (kube->is_news || !kube->is_synced)
		deliver_soon(kube);
}

/* Items of a list do not say what they are. */
static void name_kind(const struct followed *followed, struct json_object *object)
{
	char *version;

	if (json_object_object_get_ex(object, "kind", NULL))
		return;
	version = memory_printf("%s%s%s", followed->resource->group,
				*followed->resource->group ? "/" : "", followed->version);
	json_add_text(object, "apiVersion", version);
	json_add_text(object, "kind", object_kind_name(followed->resource->kind));
	free(version);
}

static void on_put(void *context, struct json_object *json)
{
	struct followed *followed = context;
	struct json_object *kept = kube_resource_keep(json, followed->mask);
	struct source_kube *kube = followed->kube;
	enum object_kind kind = followed->resource->kind;
	struct findings findings = { 0 };
	enum store_change change;
	struct object *object;
	char *key;

	name_kind(followed, kept);
	object = object_parse(kept, NULL, &findings);
	json_object_put(kept);
	if (object && object->kind == kind) {
		key = memory_strdup(object->key);
		kube_troubles_note(&followed->troubles, key, &findings);
		change = kube->sink.put(kube->sink.context, object);
		kube->is_news |= change != STORE_UNCHANGED;
		if (kind == OBJECT_POD && change == STORE_ADDED)
			kube_spaces_add_pod(kube->spaces, key);
		if (kind == OBJECT_NAMESPACE)
			kube_spaces_set_known(kube->spaces, key, true);
		free(key);
	} else {
		object_free(object);
	}
	findings_clear(&findings);
}

static void on_remove(void *context, const char *key)
{
	struct followed *followed = context;
	struct source_kube *kube = followed->kube;
	enum object_kind kind = followed->resource->kind;

	kube_troubles_forget(&followed->troubles, key);
	kube->sink.remove(kube->sink.context, kind, key);
	kube->is_news = true;
	if (kind == OBJECT_POD)
		kube_spaces_remove_pod(kube->spaces, key);
	if (kind == OBJECT_NAMESPACE)
		kube_spaces_set_known(kube->spaces, key, false);
}

static void on_commit(void *context)
{
	const struct followed *followed = context;

	deliver_news(followed->kube);
}

static void on_missing(void *context)
{
	const struct followed *followed = context;

	if (!followed->resource->version)
		kube_definitions_doubt(followed->kube->definitions);
}

static const struct kube_reflector_ops follow_ops = { on_put, on_remove, on_commit, on_missing };

static void follow(struct followed *followed, const char *version)
{
	const struct kube_resource *resource = followed->resource;
	struct source_kube *kube = followed->kube;
	char *path;

	free(followed->version);
	followed->version = memory_strdup(version);
	path = memory_printf("/%s%s/%s/%s", *resource->group ? "apis/" : "api", resource->group,
			     version, resource->name);
	if (followed->reflector)
		kube_reflector_move(followed->reflector, path);
	else
		followed->reflector = kube_reflector_new(kube->loop, kube->http, path, false,
							 &follow_ops, followed);
	free(path);
}

static void unfollow(struct followed *followed, bool remove)
{
	if (followed->reflector && remove)
		log_info("the API server does not serve this any more", "resource",
			 followed->resource->name);
	kube_reflector_free(followed->reflector, remove);
	followed->reflector = NULL;
	free(followed->version);
	followed->version = NULL;
}

static void on_discovered(void *context, char *const *versions, const char *error)
{
	struct source_kube *kube = context;
	size_t i;

	(void)error;
	for (i = 0; versions && i < kube_resource_count; i++) {
		struct followed *followed = &kube->followed[i];

		if (followed->resource->version)
			continue;
		if (versions[i])
			follow(followed, versions[i]);
		else
			unfollow(followed, true);
	}
	deliver_news(kube);
}

static int source_kube_start(struct source *source)
{
	struct source_kube *kube = from_source(source);
	size_t i;

	uv_timer_init(kube->loop, &kube->batch);
	kube->batch.data = kube;
	kube->is_started = true;
	log_info("objects come from the API server", "server", kube_http_server(kube->http));
	kube->definitions = kube_definitions_new(kube->loop, kube->http, on_discovered, kube);
	for (i = 0; i < kube_resource_count; i++)
		if (kube->followed[i].resource->version)
			follow(&kube->followed[i], kube->followed[i].resource->version);
	if (kube->feedback_node) {
		kube->feedback = kube_feedback_new(kube->loop, kube->http, kube->feedback_node,
						   kube_http_name_space(kube->http), &kube->sink);
		kube_feedback_news(kube->feedback, false);
	}
	return 0;
}

static void source_kube_rescan(struct source *source)
{
	struct source_kube *kube = from_source(source);
	size_t i;

	for (i = 0; i < kube_resource_count; i++)
		if (kube->followed[i].reflector)
			kube_reflector_relist(kube->followed[i].reflector);
	kube_definitions_rescan(kube->definitions);
}

/* What is followed; to be freed. */
static struct kube_stream *list_streams(const struct source_kube *kube, size_t *count)
{
	struct kube_stream *streams = memory_alloc((kube_resource_count + 1) * sizeof(*streams));
	size_t i, at = 0;

	for (i = 0; i < kube_resource_count; i++) {
		const struct followed *followed = &kube->followed[i];

		if (!followed->reflector)
			continue;
		streams[at].resource = followed->resource->name;
		streams[at].version = followed->version;
		kube_reflector_state(followed->reflector, &streams[at++].state);
	}
	if (kube->definitions) {
		streams[at].resource = "customresourcedefinitions";
		streams[at].version = "v1";
		kube_reflector_state(kube_definitions_reflector(kube->definitions),
				     &streams[at++].state);
	}
	*count = at;
	return streams;
}

static struct json_object *source_kube_status(const struct source *source)
{
	const struct source_kube *kube = from_source(source);
	struct json_object *status = json_object_new_object();
	struct kube_stream *streams;
	size_t count;

	json_add_text(status, "kind", "kube");
	json_add_text(status, "server", kube_http_server(kube->http));
	json_object_object_add(status, "synced", json_object_new_boolean(kube->is_synced));
	if (kube->definitions && *kube_definitions_problem(kube->definitions))
		json_add_text(status, "problem", kube_definitions_problem(kube->definitions));
	streams = list_streams(kube, &count);
	json_object_object_add(status, "resources", kube_streams_status(streams, count));
	free(streams);
	if (kube->feedback)
		json_object_object_add(status, "feedback", kube_feedback_status(kube->feedback));
	return status;
}

static void source_kube_applied(struct source *source)
{
	(void)source;
}

static const struct findings *source_kube_findings(const struct source *source)
{
	return &from_source(source)->findings;
}

/* The API server has parsed everything. */
static const char *source_kube_unread(const struct source *source)
{
	(void)source;
	return NULL;
}

static void source_kube_reported(struct source *source)
{
	struct source_kube *kube = from_source(source);

	if (kube->feedback)
		kube_feedback_news(kube->feedback, kube->is_synced);
}

static void source_kube_count(const struct source *source, struct source_counts *counts)
{
	const struct source_kube *kube = from_source(source);

	if (kube->feedback)
		kube_feedback_count(kube->feedback, counts);
}

static void source_kube_write_metrics(const struct source *source, const struct metric_sink *sink)
{
	struct kube_stream *streams;
	size_t count;

	streams = list_streams(from_source(source), &count);
	kube_streams_write_metrics(streams, count, sink);
	free(streams);
}

static bool source_kube_leave(struct source *source)
{
	struct source_kube *kube = from_source(source);

	return kube->feedback && kube_feedback_leave(kube->feedback);
}

static void release(struct source_kube *kube)
{
	size_t i;

	for (i = 0; i < kube_resource_count; i++)
		json_object_put(kube->followed[i].mask);
	free(kube->followed);
	kube_spaces_free(kube->spaces);
	findings_clear(&kube->findings);
	free(kube);
}

static void on_closed(uv_handle_t *handle)
{
	release(handle->data);
}

static void source_kube_free(struct source *source)
{
	struct source_kube *kube = from_source(source);
	size_t i;

	kube_feedback_free(kube->feedback);
	kube_definitions_free(kube->definitions);
	for (i = 0; i < kube_resource_count; i++) {
		unfollow(&kube->followed[i], false);
		kube_troubles_clear(&kube->followed[i].troubles);
	}
	kube_http_free(kube->http);
	if (!kube->is_started) {
		release(kube);
		return;
	}
	uv_close((uv_handle_t *)&kube->batch, on_closed);
}

static const struct source_ops source_kube_ops = {
	.tells_all_pods = true,
	.start = source_kube_start,
	.rescan = source_kube_rescan,
	.status = source_kube_status,
	.applied = source_kube_applied,
	.findings = source_kube_findings,
	.unread = source_kube_unread,
	.reported = source_kube_reported,
	.count = source_kube_count,
	.write_metrics = source_kube_write_metrics,
	.leave = source_kube_leave,
	.free = source_kube_free,
};

int source_kube_new(struct uv_loop_s *loop, struct kube_config *config, const char *feedback_node,
		    const struct source_sink *sink, struct source **source)
{
	struct source_kube *kube = memory_alloc(sizeof(*kube));
	size_t i;
	int err;

	err = kube_http_new(loop, config, &kube->http);
	if (err) {
		free(kube);
		return err;
	}
	kube->source.ops = &source_kube_ops;
	kube->loop = loop;
	kube->sink = *sink;
	kube->feedback_node = feedback_node;
	kube->spaces = kube_spaces_new();
	kube->followed = memory_alloc(kube_resource_count * sizeof(*kube->followed));
	for (i = 0; i < kube_resource_count; i++) {
		kube->followed[i].kube = kube;
		kube->followed[i].resource = &kube_resources[i];
		kube->followed[i].mask = json_tokener_parse(kube_resources[i].mask);
	}
	*source = &kube->source;
	return 0;
}
