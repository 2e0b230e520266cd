// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "user/source/manifest.h"
#include "user/source/manifest_format.h"

int manifest_error_at(struct manifest_error *error, const char *text, size_t offset,
		      const char *message)
{
	size_t i;

	error->line = 1;
	error->column = 1;
	for (i = 0; i < offset; i++) {
		/* characters, not bytes of UTF-8 */
		if (text[i] == '\n') {
			error->line++;
			error->column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			error->column++;
		}
	}
	snprintf(error->text, sizeof(error->text), "%s", message);
	return -EINVAL;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t end_length = strlen(end);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

static bool looks_like_json(const char *text, size_t length)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	size_t i = 0;

	if (length >= 3 && !memcmp(text, byte_order_mark, 3))
		i = 3;
	while (i < length && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i < length && (text[i] == '{' || text[i] == '[');
}

static const char *kind_of(struct json_object *object)
{
	struct json_object *kind;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, "kind", &kind) ||
	    !json_object_is_type(kind, json_type_string))
		return "";
	return json_object_get_string(kind);
}

/* The items of a list of objects; false when it is something else. */
static bool list_items(struct json_object *object, struct json_object **items)
{
	const char *kind = kind_of(object);

	*items = NULL;
	if (!ends_with(kind, strlen(kind), "List"))
		return false;
	json_object_object_get_ex(object, "items", items);
	/* a List without items is empty; an AllowList without items is no list */
	return *items ? json_object_is_type(*items, json_type_array) : !strcmp(kind, "List");
}

/*
 * The items of a PodList, as an API server writes it, do not say that they are
 * Pods of version v1: the list's kind and version do. Returns a new reference.
 */
static struct json_object *item_with_kind(struct json_object *list, struct json_object *item)
{
	const char *kind = kind_of(list);
	size_t length = strlen(kind) - strlen("List");
	struct json_object *result, *version;

	if (!length || !json_object_is_type(item, json_type_object) ||
	    json_object_object_get_ex(item, "kind", NULL) ||
	    json_object_object_get_ex(item, "apiVersion", NULL) ||
	    !json_object_object_get_ex(list, "apiVersion", &version))
		return json_object_get(item);
	result = json_object_new_object();
	json_object_object_add(result, "apiVersion", json_object_get(version));
	json_object_object_add(result, "kind", json_object_new_string_len(kind, (int)length));
	json_object_object_foreach(item, key, value)
		json_object_object_add(result, key, json_object_get(value));
	return result;
}

static int flatten(struct json_object *items, struct json_object *object, unsigned int depth,
		   struct manifest_error *error)
{
	struct json_object *list;
	size_t i, count;
	int ret = 0;

	if (!list_items(object, &list)) {
		json_object_array_add(items, json_object_get(object));
		return 0;
	}
	if (depth >= MANIFEST_LIST_DEPTH_MAX) {
		snprintf(error->text, sizeof(error->text), "lists are nested deeper than %d",
			 MANIFEST_LIST_DEPTH_MAX);
		return -EINVAL;
	}
	count = list ? json_object_array_length(list) : 0;
	for (i = 0; i < count && !ret; i++) {
		struct json_object *item =
			item_with_kind(object, json_object_array_get_idx(list, i));

		ret = flatten(items, item, depth + 1, error);
		json_object_put(item);
	}
	return ret;
}

static int read_documents(const char *text, size_t length, const char *origin,
			  struct json_object **documents, struct manifest_error *error)
{
	bool json_only = ends_with(origin, strlen(origin), ".json");
	int ret = -EINVAL;

	if (length > MANIFEST_SIZE_MAX) {
		snprintf(error->text, sizeof(error->text), "the file is larger than %d bytes",
			 MANIFEST_SIZE_MAX);
		return -EINVAL;
	}
	if (json_only || looks_like_json(text, length))
		ret = manifest_read_json(text, length, *documents, error);
	if (ret && !json_only) {
		/* {a: b} is YAML; and what JSON refused for good, YAML refuses too */
		json_object_put(*documents);
		*documents = json_object_new_array();
		memset(error, 0, sizeof(*error));
		ret = manifest_read_yaml(text, length, *documents, error);
	}
	return ret;
}

int manifest_read(const char *text, size_t length, const char *origin, struct json_object **items,
		  struct findings *findings)
{
	static const char consequence[] =
		"Its objects stay as they were read last; nothing new is taken over.";
	struct json_object *documents = json_object_new_array();
	struct json_object *result = json_object_new_array();
	struct manifest_error error = { 0 };
	size_t i;
	int ret;

	ret = read_documents(text, length, origin ? origin : "", &documents, &error);
	for (i = 0; !ret && i < json_object_array_length(documents); i++) {
		struct json_object *document = json_object_array_get_idx(documents, i);

		if (document)
			ret = flatten(result, document, 0, &error);
	}
	json_object_put(documents);
	if (!ret) {
		*items = result;
		return 0;
	}
	json_object_put(result);
	if (error.line)
		finding_add_file(findings, origin, "InvalidManifest", consequence,
				 "line %zu, column %zu: %s", error.line, error.column, error.text);
	else
		finding_add_file(findings, origin, "InvalidManifest", consequence, "%s",
				 error.text);
	return -EINVAL;
}
