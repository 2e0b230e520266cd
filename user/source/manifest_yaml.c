// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests in YAML: libyaml's events become JSON values. An alias shares the
 * value of its anchor, so that a small text cannot ask for much memory; that
 * it is not walked for ever later, depth and number of nodes are counted as if it was copied.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <yaml.h>
#include "policy/memory.h"
#include "user/source/manifest.h"
#include "user/source/manifest_format.h"
#include "user/source/manifest_scalar.h"

/* A value and what it costs. */
struct node {
	struct json_object *json; /* owned */
	size_t nodes;		  /* in it, itself included */
	unsigned int height;	  /* maps and lists within each other; 0 for a scalar */
};

struct anchor {
	char *name;
	struct node node;
	bool open; /* its value is still being read */
	UT_hash_handle hh;
};

struct reader {
	yaml_parser_t parser;
	const char *text;
	struct anchor *anchors; /* of this document */
	size_t nodes;
	struct manifest_error *error;
};

static int reader_fail(struct reader *reader, const yaml_mark_t *mark, const char *message)
{
	reader->error->line = mark->line + 1;
	reader->error->column = mark->column + 1;
	snprintf(reader->error->text, sizeof(reader->error->text), "%s", message);
	return -EINVAL;
}

static int reader_fail_parser(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "out of memory";
	char message[sizeof(reader->error->text)];

	/* not yet divided into lines: bytes that are no text */
	if (parser->error == YAML_READER_ERROR)
		return manifest_error_at(reader->error, reader->text, parser->problem_offset,
					 problem);
	if (!parser->context)
		return reader_fail(reader, &parser->problem_mark, problem);
	snprintf(message, sizeof(message), "%s %s", problem, parser->context);
	return reader_fail(reader, &parser->problem_mark, message);
}

static int reader_next(struct reader *reader, yaml_event_t *event)
{
	return yaml_parser_parse(&reader->parser, event) ? 0 : reader_fail_parser(reader);
}

static int reader_count(struct reader *reader, const yaml_mark_t *mark, size_t nodes)
{
	reader->nodes += nodes;
	if (reader->nodes <= MANIFEST_NODES_MAX)
		return 0;
	return reader_fail(reader, mark, "there are more than 1000000 keys and values");
}

static int reader_check_depth(struct reader *reader, const yaml_mark_t *mark, unsigned int depth)
{
	if (depth <= MANIFEST_DEPTH_MAX)
		return 0;
	return reader_fail(reader, mark, "maps and lists are nested deeper than 64");
}

static struct anchor *anchor_find(struct reader *reader, const char *name)
{
	struct anchor *anchor;

	HASH_FIND_STR(reader->anchors, name, anchor);
	return anchor;
}

/* The latest anchor of a name counts. Returns NULL without a name. */
static struct anchor *anchor_open(struct reader *reader, const yaml_char_t *name)
{
	struct anchor *anchor;

	if (!name)
		return NULL;
	anchor = anchor_find(reader, (const char *)name);
	if (!anchor) {
		anchor = memory_alloc(sizeof(*anchor));
		anchor->name = memory_strdup((const char *)name);
		HASH_ADD_KEYPTR(hh, reader->anchors, anchor->name, strlen(anchor->name), anchor);
	}
	json_object_put(anchor->node.json);
	anchor->node = (struct node){ 0 };
	anchor->open = true;
	return anchor;
}

static void anchor_close(struct anchor *anchor, const struct node *node)
{
	/* opened again within its own value: then that one was the latest */
	if (!anchor || !anchor->open)
		return;
	anchor->node = *node;
	json_object_get(anchor->node.json);
	anchor->open = false;
}

static void anchors_clear(struct reader *reader)
{
	struct anchor *anchor, *next;

	HASH_ITER(hh, reader->anchors, anchor, next) {
		HASH_DEL(reader->anchors, anchor);
		json_object_put(anchor->node.json);
		free(anchor->name);
		free(anchor);
	}
}

static int read_alias(struct reader *reader, const yaml_event_t *event, unsigned int depth,
		      struct node *node)
{
	const yaml_mark_t *mark = &event->start_mark;
	struct anchor *anchor = anchor_find(reader, (const char *)event->data.alias.anchor);

	if (!anchor)
		return reader_fail(reader, mark, "there is no such anchor");
	if (anchor->open)
		return reader_fail(reader, mark, "the value of this anchor contains itself");
	if (reader_count(reader, mark, anchor->node.nodes) ||
	    reader_check_depth(reader, mark, depth + anchor->node.height))
		return -EINVAL;
	*node = anchor->node;
	json_object_get(node->json);
	return 0;
}

/* Is it this tag of YAML's own, tag:yaml.org,2002:...? */
static bool tag_is(const yaml_char_t *tag, const char *name)
{
	static const char prefix[] = "tag:yaml.org,2002:";
	size_t length = sizeof(prefix) - 1;

	return !strncmp((const char *)tag, prefix, length) &&
	       !strcmp((const char *)tag + length, name);
}

/* Does a value of this type do for the tag? */
static bool tag_allows(const yaml_char_t *tag, enum manifest_scalar_type type)
{
	switch (type) {
	case MANIFEST_SCALAR_STRING:
		return !strcmp((const char *)tag, "!") || tag_is(tag, "str") ||
		       tag_is(tag, "timestamp");
	case MANIFEST_SCALAR_NULL:
		return tag_is(tag, "null");
	case MANIFEST_SCALAR_BOOLEAN:
		return tag_is(tag, "bool");
	case MANIFEST_SCALAR_INTEGER:
		return tag_is(tag, "int") || tag_is(tag, "float");
	case MANIFEST_SCALAR_FLOAT:
		return tag_is(tag, "float");
	default:
		return false;
	}
}

static int read_scalar(struct reader *reader, const yaml_event_t *event,
		       enum manifest_scalar_type *type, struct json_object **json)
{
	const yaml_char_t *tag = event->data.scalar.tag;
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;

	*json = NULL;
	*type = MANIFEST_SCALAR_STRING;
	if (tag ? strcmp((const char *)tag, "!") && !tag_is(tag, "str") :
		  event->data.scalar.plain_implicit)
		*type = manifest_scalar_resolve(text, length, json);
	if (tag && !tag_allows(tag, *type)) {
		json_object_put(*json);
		*json = NULL;
		return reader_fail(reader, &event->start_mark,
				   "the tag does not fit the value, or is not supported");
	}
	if (*type == MANIFEST_SCALAR_NOT_JSON)
		return reader_fail(reader, &event->start_mark, "JSON has no such number");
	/* as a value, << is a string like any other */
	if (*type == MANIFEST_SCALAR_STRING || *type == MANIFEST_SCALAR_MERGE)
		*json = json_object_new_string_len(text, (int)length);
	return 0;
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned int depth,
		     struct node *node);

static int read_next_node(struct reader *reader, unsigned int depth, struct node *node)
{
	yaml_event_t event;
	int ret = reader_next(reader, &event);

	if (ret)
		return ret;
	ret = read_node(reader, &event, depth, node);
	yaml_event_delete(&event);
	return ret;
}

/* A value within a map or list. */
static void node_add_height(struct node *parent, const struct node *child)
{
	if (parent->height < child->height + 1)
		parent->height = child->height + 1;
}

static int read_list(struct reader *reader, unsigned int depth, struct node *node)
{
	struct node child;
	yaml_event_t event;
	bool end;
	int ret;

	node->json = json_object_new_array();
	for (;;) {
		ret = reader_next(reader, &event);
		if (ret)
			return ret;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		child = (struct node){ 0 };
		ret = end ? 0 : read_node(reader, &event, depth + 1, &child);
		yaml_event_delete(&event);
		if (ret || end)
			return ret;
		node_add_height(node, &child);
		json_object_array_add(node->json, child.json);
	}
}

/* Keys that the map has itself, or has from an earlier merge, stay. */
static int merge_map(struct reader *reader, const yaml_mark_t *mark, struct json_object *map,
		     struct json_object *from)
{
	if (!json_object_is_type(from, json_type_object))
		return reader_fail(reader, mark, "<< needs a map or a list of maps");
	json_object_object_foreach(from, key, value)
		if (!json_object_object_get_ex(map, key, NULL))
			json_object_object_add(map, key, json_object_get(value));
	return 0;
}

static int merge_all(struct reader *reader, const yaml_mark_t *mark, struct json_object *map,
		     struct json_object *from)
{
	size_t i;

	if (!json_object_is_type(from, json_type_array))
		return merge_map(reader, mark, map, from);
	for (i = 0; i < json_object_array_length(from); i++)
		if (merge_map(reader, mark, map, json_object_array_get_idx(from, i)))
			return -EINVAL;
	return 0;
}

/* The key of an entry; `merge` for a plain <<. */
static int read_key(struct reader *reader, const yaml_event_t *event, struct json_object *map,
		    struct json_object **key, bool *merge)
{
	const yaml_mark_t *mark = &event->start_mark;
	enum manifest_scalar_type type;
	char message[96];

	*key = NULL;
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor)
		return reader_fail(reader, mark, "a key must be a string");
	if (read_scalar(reader, event, &type, key))
		return -EINVAL;
	*merge = type == MANIFEST_SCALAR_MERGE;
	if (!*merge && type != MANIFEST_SCALAR_STRING) {
		snprintf(message, sizeof(message), "a key must be a string: quote \"%.40s\"",
			 (const char *)event->data.scalar.value);
		return reader_fail(reader, mark, message);
	}
	if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
		return reader_fail(reader, mark, "the key contains a NUL character");
	if (!*merge && json_object_object_get_ex(map, json_object_get_string(*key), NULL))
		return reader_fail(reader, mark, "this map has the same key before");
	return reader_count(reader, mark, 1);
}

/* One entry, given its key; what << refers to is collected in `merges`. */
static int read_entry(struct reader *reader, const yaml_event_t *event, unsigned int depth,
		      struct node *node, struct json_object *merges)
{
	struct node child = { 0 };
	struct json_object *key;
	bool merge = false;
	int ret;

	ret = read_key(reader, event, node->json, &key, &merge);
	if (!ret)
		ret = read_next_node(reader, depth + 1, &child);
	if (ret) {
		json_object_put(child.json);
	} else {
		node_add_height(node, &child);
		if (merge)
			json_object_array_add(merges, child.json);
		else
			json_object_object_add(node->json, json_object_get_string(key), child.json);
	}
	json_object_put(key);
	return ret;
}

static int read_map(struct reader *reader, const yaml_mark_t *mark, unsigned int depth,
		    struct node *node)
{
	struct json_object *merges = json_object_new_array();
	yaml_event_t event;
	bool end = false;
	size_t i;
	int ret = 0;

	node->json = json_object_new_object();
	while (!end && !ret) {
		ret = reader_next(reader, &event);
		if (ret)
			break;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			ret = read_entry(reader, &event, depth, node, merges);
		yaml_event_delete(&event);
	}
	for (i = 0; !ret && i < json_object_array_length(merges); i++)
		ret = merge_all(reader, mark, node->json, json_object_array_get_idx(merges, i));
	json_object_put(merges);
	return ret;
}

static int read_collection(struct reader *reader, const yaml_event_t *event, unsigned int depth,
			   struct node *node)
{
	bool map = event->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag = map ? event->data.mapping_start.tag :
				       event->data.sequence_start.tag;

	if (reader_check_depth(reader, &event->start_mark, depth + 1))
		return -EINVAL;
	if (tag && strcmp((const char *)tag, "!") && !tag_is(tag, map ? "map" : "seq"))
		return reader_fail(reader, &event->start_mark, "the tag is not supported");
	node->height = 1;
	return map ? read_map(reader, &event->start_mark, depth, node) :
		     read_list(reader, depth, node);
}

/*
 * The value that starts with this event, `depth` maps and lists around it.
 * On failure node->json is freed and NULL.
 */
static int read_node(struct reader *reader, const yaml_event_t *event, unsigned int depth,
		     struct node *node)
{
	size_t before = reader->nodes;
	enum manifest_scalar_type type;
	struct anchor *anchor;
	int ret;

	*node = (struct node){ 0 };
	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(reader, event, depth, node);
	if (reader_count(reader, &event->start_mark, 1))
		return -EINVAL;
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = anchor_open(reader, event->data.scalar.anchor);
		ret = read_scalar(reader, event, &type, &node->json);
	} else {
		anchor = anchor_open(reader, event->type == YAML_MAPPING_START_EVENT ?
						     event->data.mapping_start.anchor :
						     event->data.sequence_start.anchor);
		ret = read_collection(reader, event, depth, node);
	}
	if (ret) {
		json_object_put(node->json);
		node->json = NULL;
		return ret;
	}
	node->nodes = reader->nodes - before;
	anchor_close(anchor, node);
	return 0;
}

static int read_stream(struct reader *reader, struct json_object *documents)
{
	struct node node;
	yaml_event_t event;
	yaml_event_type_t type;
	int ret;

	do {
		ret = reader_next(reader, &event);
		if (ret)
			return ret;
		type = event.type;
		yaml_event_delete(&event);
		if (type != YAML_DOCUMENT_START_EVENT)
			continue;
		ret = read_next_node(reader, 0, &node);
		anchors_clear(reader);
		if (ret)
			return ret;
		json_object_array_add(documents, node.json);
	} while (type != YAML_STREAM_END_EVENT);
	return 0;
}

int manifest_read_yaml(const char *text, size_t length, struct json_object *documents,
		       struct manifest_error *error)
{
	struct reader reader = { .text = text, .error = error };
	int ret;

	if (!yaml_parser_initialize(&reader.parser)) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -EINVAL;
	}
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	ret = read_stream(&reader, documents);
	yaml_parser_delete(&reader.parser);
	return ret;
}
