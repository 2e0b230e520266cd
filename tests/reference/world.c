// SPDX-License-Identifier: Apache-2.0
#include "reference/world.h"

#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "policy/memory.h"
#include "user/source/manifest.h"

struct paths {
	char **items;
	size_t count, capacity;
};

static int path_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void path_add(struct paths *paths, char *path)
{
	size_t i = memory_grow(&paths->items, &paths->count, &paths->capacity, sizeof(char *));

	paths->items[i] = path;
}

static bool is_manifest(const char *name)
{
	static const char *const ends[] = { ".yaml", ".yml", ".json" };
	size_t length = strlen(name), i;

	for (i = 0; *name != '.' && i < sizeof(ends) / sizeof(*ends); i++)
		if (length > strlen(ends[i]) && !strcmp(name + length - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

/* A folder's manifests in the order of their names, or the file itself. */
static void paths_take(struct paths *paths, const char *path)
{
	size_t from = paths->count;
	struct dirent *entry;
	DIR *folder = opendir(path);

	if (!folder) {
		path_add(paths, memory_strdup(path));
		return;
	}
	while ((entry = readdir(folder)))
		if (is_manifest(entry->d_name))
			path_add(paths, memory_printf("%s/%s", path, entry->d_name));
	closedir(folder);
	if (paths->count > from)
		qsort(paths->items + from, paths->count - from, sizeof(char *), path_compare);
}

static char *paths_signature(const struct paths *paths)
{
	char *text;
	size_t length, i;
	FILE *stream = open_memstream(&text, &length);
	struct stat status;

	for (i = 0; i < paths->count; i++) {
		if (stat(paths->items[i], &status))
			status = (struct stat){ 0 };
		fprintf(stream, "%s %llu %lld %lld.%09ld\n", paths->items[i],
			(unsigned long long)status.st_ino, (long long)status.st_size,
			(long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
	}
	fclose(stream);
	return text;
}

static char *file_read(const char *path, size_t *length)
{
	FILE *file = fopen(path, "r");
	char *text;

	if (!file)
		return NULL;
	text = memory_alloc(MANIFEST_SIZE_MAX);
	*length = fread(text, 1, MANIFEST_SIZE_MAX, file);
	fclose(file);
	return text;
}

/* Of the same object in two files the first counts. */
static void world_take(struct world *world, struct json_object *items)
{
	struct findings findings = { 0 };
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		struct object *object =
			object_parse(json_object_array_get_idx(items, i), NULL, &findings);

		if (object &&
		    store_find(world->store, object->kind, object->name_space, object->name))
			object_free(object);
		else if (object)
			store_put(world->store, object);
	}
	findings_clear(&findings);
}

static const char *world_read(struct world *world, const struct paths *paths)
{
	struct findings findings = { 0 };
	struct json_object *items;
	const char *error = NULL;
	size_t length, i;
	char *text;

	store_free(world->store);
	world->store = store_new();
	for (i = 0; i < paths->count && !error; i++) {
		text = file_read(paths->items[i], &length);
		items = NULL;
		if (!text)
			error = "a manifest cannot be read";
		else if (manifest_read(text, length, paths->items[i], &items, &findings))
			error = "a manifest does not parse";
		else
			world_take(world, items);
		json_object_put(items);
		free(text);
	}
	findings_clear(&findings);
	return error;
}

const char *world_follow(struct world *world, struct json_object *manifests)
{
	struct paths paths = { 0 };
	const char *error = NULL;
	char *signature;
	size_t i;

	if (json_object_is_type(manifests, json_type_array))
		for (i = 0; i < json_object_array_length(manifests); i++)
			paths_take(&paths,
				   json_object_get_string(json_object_array_get_idx(manifests, i)));
	else
		paths_take(&paths, json_object_get_string(manifests));
	signature = paths_signature(&paths);
	if (!world->signature || strcmp(signature, world->signature))
		error = world_read(world, &paths);
	free(world->signature);
	world->signature = signature;
	if (error) {
		free(world->signature);
		world->signature = NULL;
	}
	for (i = 0; i < paths.count; i++)
		free(paths.items[i]);
	free(paths.items);
	return error;
}

void world_clear(struct world *world)
{
	store_free(world->store);
	free(world->signature);
	*world = (struct world){ 0 };
}
