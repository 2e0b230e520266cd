// SPDX-License-Identifier: Apache-2.0
/* The folder source: files that come, change and go, the folder among them. */
#include "unit/source_folder.h"

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
		test(test_the_folder_goes_and_returns),
		test(test_no_folder_at_start),
		test(test_random_changes),
		test(test_rescan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
