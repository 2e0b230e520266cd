// SPDX-License-Identifier: Apache-2.0
/* The folder source: what files may be and say. */
#include "unit/source_folder.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_what_is_no_file),
		test(test_names_that_are_no_text),
		test(test_garbage_keeps_the_last_good_content),
		test(test_strange_contents),
		test(test_duplicates),
		test(test_configmap_volume),
		test(test_link_to_a_file_elsewhere),
		test(test_status_tells_what_is_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
