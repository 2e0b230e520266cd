// SPDX-License-Identifier: Apache-2.0
/* tests/data/manifests: good files have no finding, bad ones do, broken ones do not parse. */
#include <dirent.h>
#include <errno.h>
#include "objects.h"

static char *read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *text = malloc(1 << 20);

	assert_non_null(file);
	*length = fread(text, 1, 1 << 20, file);
	fclose(file);
	return text;
}

/* Parses everything in the file; the result of manifest_read(). */
static int check_file(const char *path, struct findings *findings, size_t *objects)
{
	struct json_object *items = NULL;
	struct object *object;
	size_t length, i;
	char *text;
	int ret;

	text = read_file(path, &length);
	ret = manifest_read(text, length, path, &items, findings);
	free(text);
	for (i = 0; !ret && i < json_object_array_length(items); i++) {
		object = object_parse(json_object_array_get_idx(items, i), path, findings);
		*objects += object != NULL;
		object_free(object);
	}
	json_object_put(items);
	return ret;
}

static size_t check_folder(const char *name, bool parses, bool clean)
{
	const char *top = getenv("WEFT_TOP");
	struct findings findings = { 0 };
	size_t objects = 0, files = 0;
	struct dirent *entry;
	char path[1024];
	DIR *folder;
	int ret;

	snprintf(path, sizeof(path), "%s/tests/data/manifests/%s", top ? top : ".", name);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/tests/data/manifests/%s/%s", top ? top : ".", name,
			 entry->d_name);
		ret = check_file(path, &findings, &objects);
		if (ret != (parses ? 0 : -EINVAL) || clean != !findings.count)
			fail_msg("%s: %d, %s", path, ret,
				 findings.count ? findings.items[0].message : "no finding");
		findings_clear(&findings);
		files++;
	}
	closedir(folder);
	assert_true(files > 0);
	return objects;
}

static void test_good(void **state)
{
	(void)state;
	assert_true(check_folder("good", true, true) > 80);
}

static void test_bad(void **state)
{
	(void)state;
	check_folder("bad", true, false);
}

static void test_broken(void **state)
{
	(void)state;
	assert_int_equal(check_folder("broken", false, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
