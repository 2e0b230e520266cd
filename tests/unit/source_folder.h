/* SPDX-License-Identifier: Apache-2.0 */
/* A real folder with its source on a real loop, and what the source has delivered. */
#ifndef WEFT_TESTS_UNIT_SOURCE_FOLDER_H
#define WEFT_TESTS_UNIT_SOURCE_FOLDER_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>
#include <uv.h>
#include <cmocka.h>
#include "user/log.h"
#include "user/source/source.h"

enum { PATH_LEN = 512, WAIT_MS = 5000, SETTLE_MS = 60 };

struct fixture {
	char base[PATH_LEN], folder[PATH_LEN + 8];
	uv_loop_t loop;
	uv_timer_t guard;
	bool late;
	struct source *source;
	struct store *store;
	unsigned int commits, puts, removes;
	bool synced;
};

static inline enum store_change on_put(void *context, struct object *object)
{
	struct fixture *f = context;

	f->puts++;
	return store_put(f->store, object);
}

static inline void on_remove(void *context, enum object_kind kind, const char *key)
{
	struct fixture *f = context;

	f->removes++;
	assert_int_equal(store_remove(f->store, kind, key), STORE_REMOVED);
}

static inline void on_commit(void *context, bool synced)
{
	struct fixture *f = context;

	f->commits++;
	f->synced = synced;
}

static inline void run_command(const char *format, ...)
{
	char command[4 * PATH_LEN];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	strcpy(f->base, "/tmp/weft-source-XXXXXX");
	assert_non_null(mkdtemp(f->base));
	snprintf(f->folder, sizeof(f->folder), "%s/m", f->base);
	assert_int_equal(mkdir(f->folder, 0755), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	uv_timer_init(&f->loop, &f->guard);
	f->store = store_new();
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->source)
		f->source->ops->free(f->source);
	uv_close((uv_handle_t *)&f->guard, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	store_free(f->store);
	run_command("chmod -R u+rwX %s; rm -rf %s", f->base, f->base);
	free(f);
	return 0;
}

static inline void start(struct fixture *f)
{
	struct source_sink sink = {
		.put = on_put, .remove = on_remove, .commit = on_commit, .context = f
	};

	assert_int_equal(source_dir_new(&f->loop, f->folder, &sink, &f->source), 0);
	assert_int_equal(f->source->ops->start(f->source), 0);
}

/* Stops and begins anew, as a restarted agent does. */
static inline void restart(struct fixture *f)
{
	f->source->ops->free(f->source);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	store_free(f->store);
	f->store = store_new();
	f->commits = 0;
	start(f);
}

static inline void on_guard(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->late = true;
	uv_stop(timer->loop);
}

static inline void run_for(struct fixture *f, unsigned int ms)
{
	f->guard.data = f;
	uv_update_time(&f->loop);
	uv_timer_start(&f->guard, on_guard, ms, 0);
	for (f->late = false; !f->late;)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_timer_stop(&f->guard);
}

#define wait_until(f, condition)                                     \
	do {                                                         \
		(f)->guard.data = (f);                               \
		uv_update_time(&(f)->loop);                          \
		uv_timer_start(&(f)->guard, on_guard, WAIT_MS, 0);   \
		for ((f)->late = false; !(condition) && !(f)->late;) \
			uv_run(&(f)->loop, UV_RUN_ONCE);             \
		uv_timer_stop(&(f)->guard);                          \
		if (!(condition))                                    \
			fail_msg("did not happen: %s", #condition);  \
	} while (0)

static inline void write_below(const char *folder, const char *name, const char *text)
{
	char path[2 * PATH_LEN];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void write_file(struct fixture *f, const char *name, const char *text)
{
	write_below(f->folder, name, text);
}

static inline void replace_file(struct fixture *f, const char *name, const char *text)
{
	write_file(f, ".new.tmp", text);
	run_command("mv %s/.new.tmp %s/%s", f->folder, f->folder, name);
}

/* A Namespace, the simplest of objects; its label says which version it is. */
static inline const char *text_of(const char *name, const char *version)
{
	static char texts[4][512];
	static unsigned int next;
	char *text = texts[next++ % 4];

	snprintf(
		text, sizeof(texts[0]),
		"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n    v: \"%s\"\n",
		name, version);
	return text;
}

/* Version of a namespace in the store, "" when it is not there. */
static inline const char *version(struct fixture *f, const char *name)
{
	struct object *object = store_find(f->store, OBJECT_NAMESPACE, "", name);
	const char *value = object ? labels_get(&object->labels, "v") : NULL;

	return value ? value : "";
}

#define is(f, name, wanted) (!strcmp(version(f, name), wanted))

static inline const struct finding *find(struct fixture *f, const char *reason)
{
	const struct findings *findings = f->source->ops->findings(f->source);
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (!strcmp(findings->items[i].reason, reason))
			return &findings->items[i];
	return NULL;
}

static inline size_t finding_count(struct fixture *f)
{
	return f->source->ops->findings(f->source)->count;
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif /* WEFT_TESTS_UNIT_SOURCE_FOLDER_H */
