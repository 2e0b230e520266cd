// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_reflector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/http/retry.h"
#include "user/log.h"

enum {
	PAGE = 250,		   /* objects of a list that are asked for at once */
	DEPTH = 64,		   /* of JSON */
	PAGE_SIZE_MAX = 256 << 20, /* bytes of what is read as one value */
	LIST_IDLE_MS = 30000,
	WATCH_S = 290, /* asked for, and as much again at random: not all at the same time */
	WATCH_IDLE_MS = 150000, /* bookmarks come about every minute */
	RETRY_FIRST_MS = 100,
	RETRY_LAST_MS = 10000,
	GONE = 410,
};

/* Of lists and of watches: a server that knows no other form sends whole objects. */
#define METADATA_OF(kind) "application/json;as=" kind ";g=meta.k8s.io;v=v1,application/json"

struct known {
	char *key;
	unsigned int list; /* number of the list that had it last */
	UT_hash_handle hh;
};

struct kube_reflector {
	uv_loop_t *loop;
	struct kube_http *http;
	char *path;
	bool metadata_only;
	const struct kube_reflector_ops *ops;
	void *context;

	struct kube_request *request;
	struct json_tokener *tokener;
	size_t read;		  /* bytes of the value that is being read */
	struct json_object *page; /* of a list */
	bool is_watch;		  /* `request` is */
	bool is_broken;		  /* what came cannot be read on */
	bool is_gone;		  /* the version that it goes on from is not to be had any more */
	uv_timer_t timer;
	unsigned int retry_ms;

	struct known *known;
	unsigned int list;
	bool is_listed;
	char *version;
	char *next; /* continue token of the list, NULL = its end */
	unsigned long lists, watches, events, list_errors, watch_errors;
	struct timespec heard;
	char problem[KUBE_ERROR_LEN];
};

static void go_on(struct kube_reflector *reflector);

static struct json_object *metadata_of(struct json_object *object)
{
	struct json_object *metadata = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, "metadata", &metadata);
	return metadata;
}

static void set_text(char **text, const char *value)
{
	char *copy = *value ? memory_strdup(value) : NULL;

	free(*text);
	*text = copy;
}

static void set_problem(struct kube_reflector *reflector, const char *problem)
{
	if (!strcmp(problem, reflector->problem))
		return;
	if (*problem)
		log_warn("the API server's objects cannot be followed", "path", reflector->path,
			 "error", problem);
	else
		log_info("the API server's objects are followed again", "path", reflector->path);
	snprintf(reflector->problem, sizeof(reflector->problem), "%s", problem);
}

/* NULL: it has no name, and is no object. */
static char *key_of(struct json_object *object)
{
	struct json_object *metadata = metadata_of(object);
	const char *name = json_text_of(metadata, "name");

	return *name ? memory_printf("%s/%s", json_text_of(metadata, "namespace"), name) : NULL;
}

static void put(struct kube_reflector *reflector, struct json_object *object)
{
	char *key = key_of(object);
	struct known *known;

	if (!key)
		return;
	HASH_FIND_STR(reflector->known, key, known);
	if (!known) {
		known = memory_alloc(sizeof(*known));
		known->key = key;
		HASH_ADD_KEYPTR(hh, reflector->known, known->key, strlen(known->key), known);
	} else {
		free(key);
	}
	known->list = reflector->list;
	reflector->ops->put(reflector->context, object);
}

static void forget(struct kube_reflector *reflector, struct known *known)
{
	HASH_DELETE(hh, reflector->known, known);
	free(known->key);
	free(known);
}

static void remove_known(struct kube_reflector *reflector, struct known *known)
{
	reflector->ops->remove(reflector->context, known->key);
	forget(reflector, known);
}

static void remove_object(struct kube_reflector *reflector, struct json_object *object)
{
	char *key = key_of(object);
	struct known *known = NULL;

	if (key)
		HASH_FIND_STR(reflector->known, key, known);
	if (known)
		remove_known(reflector, known);
	free(key);
}

static void request_end(struct kube_reflector *reflector)
{
	reflector->request = NULL;
	reflector->is_watch = false;
	json_tokener_reset(reflector->tokener);
	json_object_put(reflector->page);
	reflector->page = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void retry(struct kube_reflector *reflector, bool was_watch,
		  const struct kube_outcome *outcome)
{
	uint64_t ms;

	set_problem(reflector, outcome->error);
	*(was_watch ? &reflector->watch_errors : &reflector->list_errors) += 1;
	if (outcome->status == 404)
		reflector->ops->missing(reflector->context);
	ms = retry_in(&reflector->retry_ms, RETRY_FIRST_MS, RETRY_LAST_MS, outcome->retry_after);
	uv_timer_start(&reflector->timer, on_timer, ms, 0);
}

static void is_well(struct kube_reflector *reflector)
{
	reflector->retry_ms = 0;
	set_problem(reflector, "");
}

/* Reads values out of the stream. False: it cannot be read. */
static bool read_values(struct kube_reflector *reflector, const char *bytes, size_t size,
			void (*take)(struct kube_reflector *reflector, struct json_object *value))
{
	struct json_object *value;
	size_t at = 0;

	clock_gettime(CLOCK_REALTIME, &reflector->heard);
	reflector->read += size;
	while (at < size) {
		value = json_tokener_parse_ex(reflector->tokener, bytes + at, (int)(size - at));
		at += json_tokener_get_parse_end(reflector->tokener);
		switch (json_tokener_get_error(reflector->tokener)) {
		case json_tokener_success:
			reflector->read = size - at;
			take(reflector, value);
			json_object_put(value);
			continue;
		case json_tokener_continue:
			return reflector->read <= PAGE_SIZE_MAX;
		default:
			return false;
		}
	}
	return true;
}

static void take_page(struct kube_reflector *reflector, struct json_object *value)
{
	if (reflector->page)
		reflector->is_broken = true;
	else
		reflector->page = json_object_get(value);
}

static int on_list_data(void *context, const char *bytes, size_t size)
{
	struct kube_reflector *reflector = context;

	reflector->is_broken |= !read_values(reflector, bytes, size, take_page);
	return reflector->is_broken;
}

static void list_end(struct kube_reflector *reflector)
{
	struct known *known, *following;

	HASH_ITER(hh, reflector->known, known, following)
		if (known->list != reflector->list)
			remove_known(reflector, known);
	reflector->is_listed = true;
	reflector->lists++;
	reflector->ops->commit(reflector->context);
}

/* False: it is no list. */
static bool list_page(struct kube_reflector *reflector)
{
	struct json_object *metadata = metadata_of(reflector->page), *items;
	size_t i;

	if (!*json_text_of(metadata, "resourceVersion") ||
	    !json_object_object_get_ex(reflector->page, "items", &items) ||
	    !(json_object_is_type(items, json_type_array) || !items))
		return false;
	for (i = 0; items && i < json_object_array_length(items); i++)
		put(reflector, json_object_array_get_idx(items, i));
	set_text(&reflector->version, json_text_of(metadata, "resourceVersion"));
	set_text(&reflector->next, json_text_of(metadata, "continue"));
	return true;
}

static void on_list_done(void *context, const struct kube_outcome *outcome)
{
	struct kube_reflector *reflector = context;
	struct kube_outcome failure = *outcome;
	bool was_broken = reflector->is_broken;

	if (failure.status == 200 && (was_broken || !list_page(reflector))) {
		failure.status = 0;
		was_broken = true;
	}
	if (was_broken)
		snprintf(failure.error, sizeof(failure.error),
			 "what the server answers is no list");
	request_end(reflector);
	if (failure.status != 200) {
		/* Also of a list that was begun: its continuation may have expired. */
		set_text(&reflector->next, "");
		set_text(&reflector->version, "");
		retry(reflector, false, &failure);
		return;
	}
	is_well(reflector);
	if (!reflector->next)
		list_end(reflector);
	go_on(reflector);
}

static void take_error(struct kube_reflector *reflector, struct json_object *status)
{
	struct json_object *code = NULL;

	if (json_object_is_type(status, json_type_object))
		json_object_object_get_ex(status, "code", &code);
	reflector->is_gone = json_object_get_int(code) == GONE;
	if (!reflector->is_gone)
		set_problem(reflector, *json_text_of(status, "message") ?
					       json_text_of(status, "message") :
					       "the watch ended with an error");
	reflector->is_broken = true;
}

/* An API server whose storage was restored counts on from before. */
static bool is_older(const char *version, const char *than)
{
	return strtoull(version, NULL, 10) < strtoull(than, NULL, 10);
}

static void take_event(struct kube_reflector *reflector, struct json_object *event)
{
	const char *type = json_text_of(event, "type"), *version;
	struct json_object *object = NULL;

	if (reflector->is_broken)
		return;
	if (json_object_is_type(event, json_type_object))
		json_object_object_get_ex(event, "object", &object);
	version = json_text_of(metadata_of(object), "resourceVersion");
	if (!strcmp(type, "ERROR")) {
		take_error(reflector, object);
		return;
	}
	if (!*version) {
		reflector->is_broken = true;
		return;
	}
	if (is_older(version, reflector->version)) {
		reflector->is_broken = reflector->is_gone = true;
		return;
	}
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED")) {
		put(reflector, object);
	} else if (!strcmp(type, "DELETED")) {
		remove_object(reflector, object);
	} else if (strcmp(type, "BOOKMARK")) {
		reflector->is_broken = true;
		return;
	}
	reflector->events++;
	set_text(&reflector->version, version);
	is_well(reflector);
}

/* But what ends at once is no success: only an event makes the next failure the first again. */
static void on_watch_begun(void *context)
{
	struct kube_reflector *reflector = context;

	clock_gettime(CLOCK_REALTIME, &reflector->heard);
	set_problem(reflector, "");
}

static int on_watch_data(void *context, const char *bytes, size_t size)
{
	struct kube_reflector *reflector = context;
	unsigned long events = reflector->events;

	reflector->is_broken |= !read_values(reflector, bytes, size, take_event);
	if (reflector->events != events)
		reflector->ops->commit(reflector->context);
	return reflector->is_broken;
}

static void on_watch_done(void *context, const struct kube_outcome *outcome)
{
	struct kube_reflector *reflector = context;
	struct kube_outcome failure = *outcome;
	bool gone = reflector->is_gone || outcome->status == GONE;

	if (reflector->is_broken && !reflector->is_gone)
		snprintf(failure.error, sizeof(failure.error), "%s",
			 reflector->problem[0] ? reflector->problem :
						 "what the server sends cannot be read");
	request_end(reflector);
	if (gone || outcome->status == 404 || outcome->status == 400) {
		/* From here on nothing can be watched: only a list tells. */
		set_text(&reflector->version, "");
	}
	if (outcome->status == 200 || gone) {
		/* Not faster than it takes to be told nothing again and again. */
		uv_timer_start(&reflector->timer, on_timer, retry_spread(RETRY_FIRST_MS), 0);
		return;
	}
	retry(reflector, true, &failure);
}

static void start_list(struct kube_reflector *reflector)
{
	static const struct kube_request_ops ops = { NULL, on_list_data, on_list_done };
	struct kube_call call = { .idle_ms = LIST_IDLE_MS };
	char *path;

	if (!reflector->next)
		reflector->list++;
	path = memory_printf("%s?limit=%d%s%s", reflector->path, PAGE,
			     reflector->next ? "&continue=" : "",
			     reflector->next ? reflector->next : "");
	call.path = path;
	if (reflector->metadata_only)
		call.accept = METADATA_OF("PartialObjectMetadataList");
	reflector->request = kube_http_send(reflector->http, &call, &ops, reflector);
	free(path);
}

static void start_watch(struct kube_reflector *reflector)
{
	static const struct kube_request_ops ops = { on_watch_begun, on_watch_data, on_watch_done };
	struct kube_call call = { .idle_ms = WATCH_IDLE_MS };
	char *path;

	path = memory_printf(
		"%s?watch=true&allowWatchBookmarks=true&timeoutSeconds=%llu&resourceVersion=%s",
		reflector->path, (unsigned long long)retry_spread(WATCH_S * 2), reflector->version);
	reflector->is_watch = true;
	reflector->watches++;
	call.path = path;
	if (reflector->metadata_only)
		call.accept = METADATA_OF("PartialObjectMetadata");
	reflector->request = kube_http_send(reflector->http, &call, &ops, reflector);
	free(path);
}

static void go_on(struct kube_reflector *reflector)
{
	reflector->is_broken = reflector->is_gone = false;
	reflector->read = 0;
	if (reflector->version && !reflector->next)
		start_watch(reflector);
	else
		start_list(reflector);
}

struct kube_reflector *kube_reflector_new(struct uv_loop_s *loop, struct kube_http *http,
					  const char *path, bool metadata_only,
					  const struct kube_reflector_ops *ops, void *context)
{
	struct kube_reflector *reflector = memory_alloc(sizeof(*reflector));

	reflector->loop = loop;
	reflector->http = http;
	reflector->path = memory_strdup(path);
	reflector->metadata_only = metadata_only;
	reflector->ops = ops;
	reflector->context = context;
	reflector->tokener = json_tokener_new_ex(DEPTH);
	json_tokener_set_flags(reflector->tokener, JSON_TOKENER_STRICT |
							   JSON_TOKENER_ALLOW_TRAILING_CHARS |
							   JSON_TOKENER_VALIDATE_UTF8);
	uv_timer_init(loop, &reflector->timer);
	reflector->timer.data = reflector;
	go_on(reflector);
	return reflector;
}

void kube_reflector_relist(struct kube_reflector *reflector)
{
	kube_request_cancel(reflector->request);
	request_end(reflector);
	uv_timer_stop(&reflector->timer);
	set_text(&reflector->version, "");
	set_text(&reflector->next, "");
	reflector->retry_ms = 0;
	go_on(reflector);
}

void kube_reflector_move(struct kube_reflector *reflector, const char *path)
{
	if (!strcmp(path, reflector->path))
		return;
	set_text(&reflector->path, path);
	kube_reflector_relist(reflector);
}

void kube_reflector_state(const struct kube_reflector *reflector,
			  struct kube_reflector_state *state)
{
	*state = (struct kube_reflector_state){
		.is_listed = reflector->is_listed,
		.is_watching = reflector->is_watch,
		.objects = HASH_COUNT(reflector->known),
		.lists = reflector->lists,
		.watches = reflector->watches,
		.events = reflector->events,
		.list_errors = reflector->list_errors,
		.watch_errors = reflector->watch_errors,
		.heard = (double)reflector->heard.tv_sec + (double)reflector->heard.tv_nsec / 1e9,
		.version = reflector->version ? reflector->version : "",
		.problem = reflector->problem,
	};
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void kube_reflector_free(struct kube_reflector *reflector, bool remove)
{
	struct known *known, *following;

	if (!reflector)
		return;
	kube_request_cancel(reflector->request);
	request_end(reflector);
	HASH_ITER(hh, reflector->known, known, following) {
		if (remove)
			remove_known(reflector, known);
		else
			forget(reflector, known);
	}
	if (remove)
		reflector->ops->commit(reflector->context);
	json_tokener_free(reflector->tokener);
	free(reflector->path);
	free(reflector->version);
	free(reflector->next);
	uv_close((uv_handle_t *)&reflector->timer, on_closed);
}
