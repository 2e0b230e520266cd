// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests in JSON. json-c takes the last of two equal keys and knows no limit
 * for the number of nodes, so the text is looked through for these first.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "user/source/manifest.h"
#include "user/source/manifest_format.h"

struct scan_frame {
	struct json_object *keys; /* of a map, as a set; NULL for a list */
	bool key_next;
};

struct scan {
	const char *text;
	size_t length;
	size_t at;
	size_t nodes;
	struct scan_frame frames[MANIFEST_DEPTH_MAX];
	size_t depth;
	struct manifest_error *error;
};

static int scan_fail(struct scan *scan, size_t offset, const char *message)
{
	return manifest_error_at(scan->error, scan->text, offset, message);
}

static int scan_count(struct scan *scan)
{
	if (++scan->nodes <= MANIFEST_NODES_MAX)
		return 0;
	return scan_fail(scan, scan->at, "there are more than 1000000 keys and values");
}

static int scan_open(struct scan *scan, bool map)
{
	struct scan_frame *frame;

	if (scan->depth == MANIFEST_DEPTH_MAX)
		return scan_fail(scan, scan->at, "maps and lists are nested deeper than 64");
	frame = &scan->frames[scan->depth++];
	frame->keys = map ? json_object_new_object() : NULL;
	frame->key_next = map;
	scan->at++;
	return scan_count(scan);
}

static void scan_close(struct scan *scan)
{
	if (scan->depth)
		json_object_put(scan->frames[--scan->depth].keys);
	scan->at++;
}

/* The text of a key given with its quotes; NULL when it is none, which json-c says better. */
static struct json_object *decode_key(const char *quoted, size_t length)
{
	struct json_tokener *tokener;
	struct json_object *key;

	if (!memchr(quoted, '\\', length))
		return json_object_new_string_len(quoted + 1, (int)length - 2);
	tokener = json_tokener_new();
	key = json_tokener_parse_ex(tokener, quoted, (int)length);
	json_tokener_free(tokener);
	if (json_object_is_type(key, json_type_string))
		return key;
	json_object_put(key);
	return NULL;
}

/* Remembers the key that ends here. */
static int scan_key(struct scan *scan, size_t start)
{
	struct scan_frame *frame = &scan->frames[scan->depth - 1];
	struct json_object *key = decode_key(scan->text + start, scan->at - start);
	const char *name;
	int ret = 0;

	frame->key_next = false;
	if (!key)
		return 0;
	name = json_object_get_string(key);
	if (strlen(name) != (size_t)json_object_get_string_len(key))
		ret = scan_fail(scan, start, "the key contains a NUL character");
	else if (json_object_object_get_ex(frame->keys, name, NULL))
		ret = scan_fail(scan, start, "this map has the same key before");
	else
		json_object_object_add(frame->keys, name, NULL);
	json_object_put(key);
	return ret;
}

static int scan_string(struct scan *scan)
{
	size_t start = scan->at++;

	for (; scan->at < scan->length && scan->text[scan->at] != '"'; scan->at++) {
		if ((unsigned char)scan->text[scan->at] < ' ')
			return scan_fail(scan, scan->at, "control character in a string");
		if (scan->text[scan->at] == '\\' && scan->at + 1 < scan->length)
			scan->at++;
	}
	if (scan->at == scan->length)
		return scan_fail(scan, start, "the string does not end");
	scan->at++;
	if (scan->depth && scan->frames[scan->depth - 1].key_next && scan_key(scan, start))
		return -EINVAL;
	return scan_count(scan);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '+' || c == '.';
}

/* A number or true, false, null; json-c would take NaN and Infinity too. */
static int scan_word(struct scan *scan)
{
	const char *word = scan->text + scan->at;
	size_t length = 0;

	while (scan->at + length < scan->length && is_word(word[length]))
		length++;
	if (!length)
		return scan_fail(scan, scan->at, "unexpected character");
	if (memchr(word, 'I', length) || memchr(word, 'N', length))
		return scan_fail(scan, scan->at, "this is no value of JSON");
	scan->at += length;
	return scan_count(scan);
}

static int scan_step(struct scan *scan)
{
	switch (scan->text[scan->at]) {
	case '{':
		return scan_open(scan, true);
	case '[':
		return scan_open(scan, false);
	case '}':
	case ']':
		scan_close(scan);
		return 0;
	case '"':
		return scan_string(scan);
	case ',':
		if (scan->depth)
			scan->frames[scan->depth - 1].key_next = scan->frames[scan->depth - 1].keys;
		scan->at++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ':':
		scan->at++;
		return 0;
	default:
		return scan_word(scan);
	}
}

static int scan_text(const char *text, size_t length, struct manifest_error *error)
{
	struct scan scan = { .text = text, .length = length, .error = error };
	int ret = 0;

	while (!ret && scan.at < length)
		ret = scan_step(&scan);
	while (scan.depth)
		json_object_put(scan.frames[--scan.depth].keys);
	return ret;
}

static size_t skip_space(const char *text, size_t length, size_t at)
{
	while (at < length &&
	       (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
		at++;
	return at;
}

/* One value from *at on. */
static int read_value(struct json_tokener *tokener, const char *text, size_t length, size_t *at,
		      struct json_object *documents, struct manifest_error *error)
{
	struct json_object *value;
	enum json_tokener_error result;

	if (text[*at] != '{' && text[*at] != '[')
		return manifest_error_at(error, text, *at, "expected an object");
	json_tokener_reset(tokener);
	value = json_tokener_parse_ex(tokener, text + *at, (int)(length - *at));
	result = json_tokener_get_error(tokener);
	*at += json_tokener_get_parse_end(tokener);
	if (result == json_tokener_success) {
		json_object_array_add(documents, value);
		return 0;
	}
	json_object_put(value);
	return manifest_error_at(error, text, *at,
				 result == json_tokener_continue ? "the file ends too early" :
								   json_tokener_error_desc(result));
}

int manifest_read_json(const char *text, size_t length, struct json_object *documents,
		       struct manifest_error *error)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct json_tokener *tokener;
	size_t at;
	int ret;

	if (length >= 3 && !memcmp(text, byte_order_mark, 3)) {
		text += 3;
		length -= 3;
	}
	ret = scan_text(text, length, error);
	if (ret)
		return ret;
	/* the depth is checked already; json-c counts one more for the scalars within */
	tokener = json_tokener_new_ex(MANIFEST_DEPTH_MAX + 2);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
						JSON_TOKENER_VALIDATE_UTF8);
	at = skip_space(text, length, 0);
	while (at < length && !ret) {
		ret = read_value(tokener, text, length, &at, documents, error);
		at = skip_space(text, length, at);
	}
	json_tokener_free(tokener);
	return ret;
}
