// SPDX-License-Identifier: Apache-2.0
/* The folder source on a real folder, with a real loop. */
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

static enum store_change on_put(void *context, struct object *object)
{
	struct fixture *f = context;

	f->puts++;
	return store_put(f->store, object);
}

static void on_remove(void *context, enum object_kind kind, const char *key)
{
	struct fixture *f = context;

	f->removes++;
	assert_int_equal(store_remove(f->store, kind, key), STORE_REMOVED);
}

static void on_commit(void *context, bool synced)
{
	struct fixture *f = context;

	f->commits++;
	f->synced = synced;
}

static void run_command(const char *format, ...)
{
	char command[4 * PATH_LEN];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void start(struct fixture *f)
{
	struct source_sink sink = {
		.put = on_put, .remove = on_remove, .commit = on_commit, .context = f
	};

	assert_int_equal(source_dir_new(&f->loop, f->folder, &sink, &f->source), 0);
	assert_int_equal(f->source->ops->start(f->source), 0);
}

/* Stops and begins anew, as a restarted agent does. */
static void restart(struct fixture *f)
{
	f->source->ops->free(f->source);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	store_free(f->store);
	f->store = store_new();
	f->commits = 0;
	start(f);
}

static void on_guard(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->late = true;
	uv_stop(timer->loop);
}

static void run_for(struct fixture *f, unsigned int ms)
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

static void write_below(const char *folder, const char *name, const char *text)
{
	char path[2 * PATH_LEN];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	write_below(f->folder, name, text);
}

static void replace_file(struct fixture *f, const char *name, const char *text)
{
	write_file(f, ".new.tmp", text);
	run_command("mv %s/.new.tmp %s/%s", f->folder, f->folder, name);
}

/* A Namespace, the simplest of objects; its label says which version it is. */
static const char *text_of(const char *name, const char *version)
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
static const char *version(struct fixture *f, const char *name)
{
	struct object *object = store_find(f->store, OBJECT_NAMESPACE, "", name);
	const char *value = object ? labels_get(&object->labels, "v") : NULL;

	return value ? value : "";
}

#define is(f, name, wanted) (!strcmp(version(f, name), wanted))

static const struct finding *find(struct fixture *f, const char *reason)
{
	const struct findings *findings = f->source->ops->findings(f->source);
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (!strcmp(findings->items[i].reason, reason))
			return &findings->items[i];
	return NULL;
}

static size_t finding_count(struct fixture *f)
{
	return f->source->ops->findings(f->source)->count;
}

static void test_first_read(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.yaml", text_of("a", "1"));
	write_file(f, "b.yml", text_of("b", "1"));
	write_file(f, "c.json",
		   "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"c\"}}");
	write_file(f, ".hidden.yaml", text_of("hidden", "1"));
	write_file(f, "editor.yaml~", text_of("hidden", "1"));
	write_file(f, ".a.yaml.swp", text_of("hidden", "1"));
	write_file(f, "upload.yaml.tmp", text_of("hidden", "1"));
	write_file(f, "README.md", "# not a manifest");
	run_command("mkdir %s/folder", f->folder);
	start(f);
	assert_int_equal(f->commits, 1);
	assert_true(f->synced);
	assert_int_equal(store_count(f->store, OBJECT_NAMESPACE), 3);
	assert_int_equal(finding_count(f), 0);
	run_for(f, SETTLE_MS);
	assert_int_equal(f->commits, 1);
}

static void test_an_empty_folder_is_synced(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(f->commits, 1);
	assert_true(f->synced);
}

static void test_write_replace_remove(void **state)
{
	struct fixture *f = *state;

	start(f);
	write_file(f, "a.yaml", text_of("a", "1"));
	wait_until(f, is(f, "a", "1"));
	write_file(f, "a.yaml", text_of("a", "2"));
	wait_until(f, is(f, "a", "2"));
	replace_file(f, "a.yaml", text_of("a", "3"));
	wait_until(f, is(f, "a", "3"));
	run_command("mv %s/a.yaml %s/b.yaml", f->folder, f->folder);
	wait_until(f, f->commits >= 5);
	assert_true(is(f, "a", "3"));
	run_command("rm %s/b.yaml", f->folder);
	wait_until(f, is(f, "a", ""));
	assert_int_equal(store_count(f->store, OBJECT_NAMESPACE), 0);
	/* The same size and, on a coarse clock, the same time. */
	write_file(f, "a.yaml", text_of("a", "4"));
	write_file(f, "a.yaml", text_of("a", "5"));
	wait_until(f, is(f, "a", "5"));
}

static void test_only_what_changed_is_delivered(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.yaml", text_of("a", "1"));
	write_file(f, "b.yaml", text_of("b", "1"));
	start(f);
	assert_int_equal(f->puts, 2);
	replace_file(f, "b.yaml", text_of("b", "2"));
	wait_until(f, is(f, "b", "2"));
	assert_int_equal(f->puts, 3);
	assert_int_equal(f->removes, 0);
}

static void test_half_written(void **state)
{
	struct fixture *f = *state;
	char path[2 * PATH_LEN];
	int fd;

	write_file(f, "a.yaml", text_of("a", "1"));
	start(f);
	snprintf(path, sizeof(path), "%s/a.yaml", f->folder);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	run_for(f, SETTLE_MS);
	assert_true(is(f, "a", "1"));
	/* This much parses, and says something else. */
	assert_int_equal(dprintf(fd, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: b\n"),
			 51);
	run_for(f, SETTLE_MS);
	assert_true(is(f, "a", "1"));
	assert_null(store_find(f->store, OBJECT_NAMESPACE, "", "b"));
	assert_int_equal(f->commits, 1);
	dprintf(fd, "  labels: {v: \"2\"}\n");
	close(fd);
	wait_until(f, is(f, "b", "2"));
	assert_true(is(f, "a", ""));
}

static void test_a_writer_that_does_not_close(void **state)
{
	struct fixture *f = *state;
	char path[2 * PATH_LEN];
	struct timespec begin, end;
	double seconds;
	int fd;

	start(f);
	snprintf(path, sizeof(path), "%s/a.yaml", f->folder);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	dprintf(fd, "%s", text_of("a", "1"));
	wait_until(f, is(f, "a", "1"));
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	assert_true(seconds > 1.9 && seconds < 3);
	close(fd);
}

/* Every write begins the two seconds anew: half of a file that is copied slowly is not read. */
static void test_a_slow_writer(void **state)
{
	static const char *const pieces[] = { "apiVersion: v1\nkind: Namespace\n",
					      "metadata:\n  name: b\n", "  labels:\n",
					      "    v: \"2\"\n" };
	struct fixture *f = *state;
	char path[2 * PATH_LEN];
	size_t i;
	int fd;

	write_file(f, "a.yaml", text_of("a", "1"));
	start(f);
	snprintf(path, sizeof(path), "%s/a.yaml", f->folder);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		dprintf(fd, "%s", pieces[i]);
		run_for(f, 700);
		assert_true(is(f, "a", "1"));
		assert_int_equal(f->commits, 1);
	}
	close(fd);
	wait_until(f, is(f, "b", "2"));
	assert_true(is(f, "a", ""));
}

/* {inode, mtime_ns, size, ok} of a file in status(); false when it is not listed. */
static bool status_file(struct fixture *f, const char *name, struct stat *stat, bool *ok)
{
	struct json_object *status = f->source->ops->status(f->source), *files, *file, *value;
	bool found;

	assert_true(json_object_object_get_ex(status, "files", &files));
	found = json_object_object_get_ex(files, name, &file);
	if (found) {
		json_object_object_get_ex(file, "inode", &value);
		stat->st_ino = json_object_get_uint64(value);
		json_object_object_get_ex(file, "mtime_ns", &value);
		stat->st_mtim.tv_sec = json_object_get_int64(value) / 1000000000;
		stat->st_mtim.tv_nsec = json_object_get_int64(value) % 1000000000;
		json_object_object_get_ex(file, "size", &value);
		stat->st_size = json_object_get_int64(value);
		json_object_object_get_ex(file, "ok", &value);
		*ok = json_object_get_boolean(value);
	}
	json_object_put(status);
	return found;
}

/* What is no file is told, is not opened, and does not count as a version of a manifest. */
static void test_what_is_no_file(void **state)
{
	struct fixture *f = *state;
	struct stat stat;
	bool ok;

	write_file(f, "a.yaml", text_of("a", "1"));
	start(f);
	run_command("mkfifo %s/b.yaml; ln -s /dev/zero %s/c.yaml; ln -s no %s/d.yaml; "
		    "mkdir %s/e.yaml",
		    f->folder, f->folder, f->folder, f->folder);
	wait_until(f, finding_count(f) == 4);
	assert_false(status_file(f, "b.yaml", &stat, &ok));
	assert_false(status_file(f, "c.yaml", &stat, &ok));
	assert_false(status_file(f, "d.yaml", &stat, &ok));
	assert_false(status_file(f, "e.yaml", &stat, &ok));
	assert_string_equal(f->source->ops->unread(f->source), "d.yaml");
	run_command("rm %s/a.yaml; mkdir %s/a.yaml; rm %s/d.yaml", f->folder, f->folder, f->folder);
	wait_until(f, !f->source->ops->unread(f->source));
	assert_int_equal(finding_count(f), 4);
	run_command("rm -r %s/?.yaml", f->folder);
	wait_until(f, is(f, "a", ""));
	assert_int_equal(finding_count(f), 0);
}

/* Names may hold any byte; what is told is UTF-8. */
static void test_names_that_are_no_text(void **state)
{
	struct fixture *f = *state;

	start(f);
	write_file(f, "x\xff\xfe.yaml", "kind: [");
	write_file(f, "x\xff\xfd.yaml", text_of("a", "1"));
	wait_until(f, is(f, "a", "1") && finding_count(f) == 1);
	assert_string_equal(find(f, "InvalidManifest")->origin, "x\xef\xbf\xbd\xef\xbf\xbd.yaml");
}

static void test_garbage_keeps_the_last_good_content(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.yaml", text_of("a", "1"));
	write_file(f, "z.yaml", "{ never: [ good");
	start(f);
	assert_true(f->synced);
	assert_non_null(find(f, "InvalidManifest"));
	assert_string_equal(find(f, "InvalidManifest")->origin, "z.yaml");
	replace_file(f, "a.yaml", "kind: [");
	wait_until(f, finding_count(f) == 2);
	assert_true(is(f, "a", "1"));
	replace_file(f, "a.yaml", text_of("a", "2"));
	wait_until(f, is(f, "a", "2"));
	assert_int_equal(finding_count(f), 1);
	run_command("rm %s/z.yaml", f->folder);
	wait_until(f, finding_count(f) == 0);
	replace_file(f, "a.yaml", "kind: [");
	wait_until(f, finding_count(f) == 1);
	run_command("rm %s/a.yaml", f->folder);
	wait_until(f, is(f, "a", ""));
	assert_int_equal(finding_count(f), 0);
}

static void test_strange_contents(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {
		"",
		"---\n---\n",
		"null",
		"[]",
		"[1, null, {}]",
		"42",
		"kind: Namespace",
		"{}",
		"apiVersion: v1\nkind: List\nitems: [null, 3, {kind: Pod}]",
		"apiVersion: v1\nkind: Pod\nmetadata: []",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: {}}",
		"\xff\xfe\x00",
		"apiVersion: [v1]\nkind: {a: b}",
		"kind: Unknown\napiVersion: x/v1",
	};
	char name[32];
	size_t i;

	start(f);
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		snprintf(name, sizeof(name), "s%zu.yaml", i);
		write_file(f, name, texts[i]);
	}
	write_file(f, "zz.yaml", text_of("a", "1"));
	wait_until(f, is(f, "a", "1"));
	/* Too large, deeply nested, not readable, not a file. */
	run_command("head -c 10000000 /dev/zero | tr '\\0' '#' > %s/big.yaml", f->folder);
	run_command("head -c 100000 /dev/zero | tr '\\0' '[' > %s/deep.yaml", f->folder);
	run_command("mkfifo %s/fifo.yaml; ln -s /dev/zero %s/dev.yaml; ln -s nowhere %s/lost.yaml",
		    f->folder, f->folder, f->folder);
	wait_until(f, find(f, "Unreadable"));
	replace_file(f, "zz.yaml", text_of("a", "2"));
	wait_until(f, is(f, "a", "2"));
	run_command("rm %s/*", f->folder);
	wait_until(f, is(f, "a", ""));
	assert_int_equal(finding_count(f), 0);
}

static void test_duplicates(void **state)
{
	struct fixture *f = *state;
	char both[1024];

	write_file(f, "b.yaml", text_of("x", "b"));
	write_file(f, "c.yaml", text_of("x", "c"));
	start(f);
	assert_true(is(f, "x", "b"));
	assert_non_null(find(f, "Duplicate"));
	assert_string_equal(find(f, "Duplicate")->origin, "c.yaml");
	/* An earlier name takes over, and gives back. */
	write_file(f, "a.yaml", text_of("x", "a"));
	wait_until(f, is(f, "x", "a"));
	assert_int_equal(finding_count(f), 2);
	run_command("rm %s/a.yaml", f->folder);
	wait_until(f, is(f, "x", "b"));
	run_command("rm %s/b.yaml", f->folder);
	wait_until(f, is(f, "x", "c"));
	assert_int_equal(finding_count(f), 0);
	/* Twice in one file: the first document. */
	snprintf(both, sizeof(both), "%s---\n%s", text_of("x", "first"), text_of("x", "second"));
	replace_file(f, "c.yaml", both);
	wait_until(f, is(f, "x", "first"));
	assert_int_equal(finding_count(f), 1);
	/* While the first does not parse, its last good object counts. */
	write_file(f, "d.yaml", text_of("x", "d"));
	wait_until(f, finding_count(f) == 2);
	replace_file(f, "c.yaml", "[");
	wait_until(f, find(f, "InvalidManifest"));
	assert_true(is(f, "x", "first"));
	run_command("rm %s/c.yaml", f->folder);
	wait_until(f, is(f, "x", "d"));
	assert_int_equal(f->removes, 0);
	run_command("rm %s/d.yaml", f->folder);
	wait_until(f, is(f, "x", ""));
	assert_int_equal(f->removes, 1);
}

static void test_configmap_volume(void **state)
{
	struct fixture *f = *state;

	run_command("cd %s && mkdir ..1 ..2", f->folder);
	write_file(f, "..1/a.yaml", text_of("a", "1"));
	write_file(f, "..1/b.yaml", text_of("b", "1"));
	write_file(f, "..2/a.yaml", text_of("a", "2"));
	run_command("cd %s && ln -s ..1 ..data && ln -s ..data/a.yaml a.yaml && "
		    "ln -s ..data/b.yaml b.yaml",
		    f->folder);
	start(f);
	assert_true(is(f, "a", "1") && is(f, "b", "1"));
	run_command(
		"cd %s && ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data && rm b.yaml && rm -r ..1",
		f->folder);
	wait_until(f, is(f, "a", "2") && is(f, "b", ""));
	assert_int_equal(finding_count(f), 0);
}

static void test_link_to_a_file_elsewhere(void **state)
{
	struct fixture *f = *state;

	write_below(f->base, "outside", text_of("a", "1"));
	run_command("ln -s ../outside %s/a.yaml", f->folder);
	start(f);
	assert_true(is(f, "a", "1"));
	write_below(f->base, "outside", text_of("a", "2"));
	wait_until(f, is(f, "a", "2"));
}

static void test_the_folder_goes_and_returns(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.yaml", text_of("a", "1"));
	write_file(f, "b.yaml", text_of("b", "1"));
	start(f);
	run_command("mv %s %s/away", f->folder, f->base);
	wait_until(f, find(f, "FolderUnreadable"));
	assert_true(is(f, "a", "1") && is(f, "b", "1"));
	/* Back, but empty: not filled yet. */
	run_command("mkdir %s", f->folder);
	run_for(f, 300);
	assert_non_null(find(f, "FolderUnreadable"));
	assert_true(is(f, "a", "1") && is(f, "b", "1"));
	write_file(f, "a.yaml", text_of("a", "2"));
	wait_until(f, is(f, "a", "2"));
	assert_null(find(f, "FolderUnreadable"));
	assert_true(is(f, "b", ""));
	/* It is watched again. */
	write_file(f, "a.yaml", text_of("a", "3"));
	wait_until(f, is(f, "a", "3"));
	/* Removed with all that is in it, at once. */
	run_command("rm -r %s", f->folder);
	run_for(f, 300);
	assert_non_null(find(f, "FolderUnreadable"));
	/* Replaced by another one that has files. */
	run_command("mkdir %s/next", f->base);
	write_below(f->base, "next/b.yaml", text_of("b", "4"));
	run_command("mv %s/next %s", f->base, f->folder);
	wait_until(f, is(f, "b", "4"));
	assert_int_equal(finding_count(f), 0);
}

static void test_no_folder_at_start(void **state)
{
	struct fixture *f = *state;

	run_command("rmdir %s", f->folder);
	start(f);
	assert_false(f->synced);
	assert_non_null(find(f, "FolderUnreadable"));
	run_command("mkdir %s/next && echo > %s/next/a.yaml", f->base, f->base);
	write_below(f->base, "next/a.yaml", text_of("a", "1"));
	run_command("mv %s/next %s", f->base, f->folder);
	wait_until(f, is(f, "a", "1"));
	assert_true(f->synced);
}

static void test_status_tells_what_is_applied(void **state)
{
	struct fixture *f = *state;
	struct stat told, is;
	char path[2 * PATH_LEN];
	bool ok;

	write_file(f, "a.yaml", text_of("a", "1"));
	write_file(f, "bad.yaml", "[");
	start(f);
	assert_false(status_file(f, "a.yaml", &told, &ok));
	f->source->ops->applied(f->source);
	assert_true(status_file(f, "a.yaml", &told, &ok));
	assert_true(ok);
	snprintf(path, sizeof(path), "%s/a.yaml", f->folder);
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(told.st_ino, is.st_ino);
	assert_int_equal(told.st_size, is.st_size);
	assert_int_equal(told.st_mtim.tv_sec, is.st_mtim.tv_sec);
	assert_int_equal(told.st_mtim.tv_nsec, is.st_mtim.tv_nsec);
	assert_true(status_file(f, "bad.yaml", &told, &ok));
	assert_false(ok);
	replace_file(f, "a.yaml", "kind: [");
	run_command("rm %s/bad.yaml", f->folder);
	wait_until(f, !find(f, "InvalidManifest") ||
			      strcmp(find(f, "InvalidManifest")->origin, "bad.yaml"));
	run_for(f, SETTLE_MS);
	assert_true(status_file(f, "a.yaml", &told, &ok));
	assert_true(ok && told.st_ino == is.st_ino);
	assert_true(status_file(f, "bad.yaml", &told, &ok));
	f->source->ops->applied(f->source);
	assert_false(status_file(f, "bad.yaml", &told, &ok));
	assert_true(status_file(f, "a.yaml", &told, &ok));
	assert_int_equal(stat(path, &is), 0);
	assert_true(!ok && told.st_ino == is.st_ino);
	/* Only the times change: that is a version too. */
	run_command("touch %s", path);
	assert_int_equal(stat(path, &is), 0);
	for (int i = 0; i < 100 && told.st_mtim.tv_nsec != is.st_mtim.tv_nsec; i++) {
		run_for(f, 20);
		f->source->ops->applied(f->source);
		status_file(f, "a.yaml", &told, &ok);
	}
	assert_int_equal(told.st_mtim.tv_nsec, is.st_mtim.tv_nsec);
}

/* Whatever order events come in, the end is what a fresh look finds. */
static void test_random_changes(void **state)
{
	static const char *const names[] = { "a.yaml", "b.yaml", "c.yml", "d.json" };
	static const char *const objects[] = { "x", "y", "z" };
	struct fixture *f = *state;
	char number[16], want[3][16];
	unsigned int seed = 3;
	int step, i;

	start(f);
	for (step = 0; step < 300; step++) {
		const char *name = names[rand_r(&seed) % 4];
		const char *text;

		snprintf(number, sizeof(number), "%d", step);
		text = rand_r(&seed) % 8 ? text_of(objects[rand_r(&seed) % 3], number) : "{[";
		switch (rand_r(&seed) % 4) {
		case 0:
			run_command("rm -f %s/%s", f->folder, name);
			break;
		case 1:
			write_file(f, name, text);
			break;
		default:
			replace_file(f, name, text);
		}
		if (rand_r(&seed) % 4 == 0)
			run_for(f, (unsigned int)rand_r(&seed) % 8);
	}
	/* What does not parse would depend on the past. */
	replace_file(f, "a.yaml", text_of("x", "end"));
	replace_file(f, "b.yaml", text_of("x", "not this"));
	replace_file(f, "c.yml", text_of("y", "end"));
	run_command("rm -f %s/d.json", f->folder);
	run_for(f, 200);
	for (i = 0; i < 3; i++)
		snprintf(want[i], sizeof(want[i]), "%s", version(f, objects[i]));
	assert_string_equal(want[0], "end");
	restart(f);
	for (i = 0; i < 3; i++)
		assert_string_equal(version(f, objects[i]), want[i]);
}

static void test_rescan(void **state)
{
	struct fixture *f = *state;

	write_file(f, "a.yaml", text_of("a", "1"));
	start(f);
	replace_file(f, "a.yaml", text_of("a", "2"));
	/* Without the loop having had a chance to see an event. */
	f->source->ops->rescan(f->source);
	assert_true(is(f, "a", "2"));
	assert_int_equal(f->commits, 2);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_first_read),
		test(test_an_empty_folder_is_synced),
		test(test_write_replace_remove),
		test(test_only_what_changed_is_delivered),
		test(test_half_written),
		test(test_a_writer_that_does_not_close),
		test(test_a_slow_writer),
		test(test_what_is_no_file),
		test(test_names_that_are_no_text),
		test(test_garbage_keeps_the_last_good_content),
		test(test_strange_contents),
		test(test_duplicates),
		test(test_configmap_volume),
		test(test_link_to_a_file_elsewhere),
		test(test_the_folder_goes_and_returns),
		test(test_no_folder_at_start),
		test(test_status_tells_what_is_applied),
		test(test_random_changes),
		test(test_rescan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
