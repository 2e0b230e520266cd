// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/field.h"
#include "policy/memory.h"

struct field field_member(const struct field *parent, const char *name)
{
	struct field field = { .parent = parent, .name = name };

	if (json_object_is_type(parent->json, json_type_object))
		json_object_object_get_ex(parent->json, name, &field.json);
	return field;
}

struct field field_element(const struct field *list, size_t index)
{
	return (struct field){
		.parent = list,
		.index = index,
		.json = json_object_array_get_idx(list->json, index),
	};
}

const char *field_excerpt(const char *text, char excerpt[FIELD_EXCERPT_LEN])
{
	static const char more[] = "...";
	size_t length = strlen(text), i;

	if (length >= FIELD_EXCERPT_LEN) {
		length = FIELD_EXCERPT_LEN - sizeof(more);
		/* never within a UTF-8 character */
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
		memcpy(excerpt + length, more, sizeof(more));
	} else {
		excerpt[length] = '\0';
	}
	for (i = 0; i < length; i++)
		excerpt[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	return excerpt;
}

static bool is_plain_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char)*key) && *key != '_' && *key != '-')
			return false;
	return true;
}

char *field_path(const struct field *field)
{
	char excerpt[FIELD_EXCERPT_LEN], *before, *path;

	if (!field->parent)
		return memory_strdup("");
	before = field_path(field->parent);
	if (!field->name)
		path = memory_printf("%s[%zu]", before, field->index);
	else if (is_plain_key(field->name))
		path = memory_printf("%s%s%s", before, *before ? "." : "",
				     field_excerpt(field->name, excerpt));
	else
		path = memory_printf("%s[\"%s\"]", before, field_excerpt(field->name, excerpt));
	free(before);
	return path;
}

void field_finding(const struct parse *parse, const struct field *field, const char *reason,
		   const char *consequence, const char *message, ...)
{
	char *path = field_path(field), *text = NULL;
	va_list arguments;

	va_start(arguments, message);
	if (vasprintf(&text, message, arguments) < 0)
		abort();
	va_end(arguments);
	finding_add(parse->findings, parse->object, path, reason, consequence, "%s", text);
	free(text);
	free(path);
}

static const char *type_name(const struct json_object *json)
{
	switch (json_object_get_type(json)) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
	case json_type_int:
		return "a number";
	case json_type_object:
		return "a map";
	case json_type_array:
		return "a list";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static int read_type(const struct parse *parse, const struct field *field, enum json_type type,
		     const char *expected, const char *consequence)
{
	if (!field->json)
		return 0;
	if (json_object_is_type(field->json, type))
		return 1;
	field_finding(parse, field, "InvalidField", consequence, "expected %s, found %s", expected,
		      type_name(field->json));
	return -EINVAL;
}

int field_read_map(const struct parse *parse, const struct field *field, const char *consequence)
{
	return read_type(parse, field, json_type_object, "a map", consequence);
}

int field_need_map(const struct parse *parse, const struct field *field, const char *consequence)
{
	int ret = field_read_map(parse, field, consequence);

	if (!ret)
		field_finding(parse, field, "MissingField", consequence, "it is null");
	return ret == 1 ? 0 : -EINVAL;
}

int field_read_list(const struct parse *parse, const struct field *field, size_t *count,
		    const char *consequence)
{
	int ret = read_type(parse, field, json_type_array, "a list", consequence);

	if (ret == 1)
		*count = json_object_array_length(field->json);
	return ret;
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
	while (count--)
		if (!strcmp(names[count], name))
			return true;
	return false;
}

int field_check_members(const struct parse *parse, const struct field *field,
			const char *const *names, size_t count, const char *consequence)
{
	if (!json_object_is_type(field->json, json_type_object))
		return 0;
	json_object_object_foreach(field->json, key, value) {
		struct field member = { .parent = field, .name = key, .json = value };

		if (is_among(names, count, key))
			continue;
		field_finding(parse, &member, "UnknownField", consequence,
			      "there is no such field here");
		return -EINVAL;
	}
	return 0;
}

int field_read_string(const struct parse *parse, const struct field *field, const char **text,
		      const char *consequence)
{
	int ret = read_type(parse, field, json_type_string, "a string", consequence);
	const char *value;

	if (ret != 1)
		return ret;
	value = json_object_get_string(field->json);
	if (strlen(value) != (size_t)json_object_get_string_len(field->json)) {
		field_finding(parse, field, "InvalidField", consequence,
			      "the string contains a NUL character");
		return -EINVAL;
	}
	*text = value;
	return 1;
}

int field_read_bool(const struct parse *parse, const struct field *field, bool *value,
		    const char *consequence)
{
	int ret = read_type(parse, field, json_type_boolean, "a boolean", consequence);

	if (ret == 1)
		*value = json_object_get_boolean(field->json);
	return ret;
}

int field_read_integer(const struct parse *parse, const struct field *field, int64_t min,
		       int64_t max, int64_t *value, const char *consequence)
{
	int ret = read_type(parse, field, json_type_int, "a whole number", consequence);
	int64_t number;

	if (ret != 1)
		return ret;
	number = json_object_get_int64(field->json); /* saturates */
	if (number < min || number > max) {
		field_finding(parse, field, "InvalidField", consequence,
			      "%s is not between %" PRId64 " and %" PRId64,
			      json_object_to_json_string(field->json), min, max);
		return -EINVAL;
	}
	*value = number;
	return 1;
}

int field_read_address(const struct parse *parse, const struct field *field,
		       struct weft_addr *address, const char *consequence)
{
	static const struct weft_addr any_v4 = { .b = { [10] = 0xff, [11] = 0xff } };
	char excerpt[FIELD_EXCERPT_LEN];
	struct weft_addr parsed;
	const char *text;
	int ret;

	ret = field_read_string(parse, field, &text, consequence);
	if (ret != 1)
		return ret;
	if (address_parse(text, &parsed) || address_is_zero(&parsed) ||
	    !address_compare(&parsed, &any_v4)) {
		field_finding(parse, field, "InvalidAddress", consequence,
			      "\"%s\" is not the address of anything",
			      field_excerpt(text, excerpt));
		return -EINVAL;
	}
	*address = parsed;
	return 1;
}

int field_read_protocol(const struct parse *parse, const struct field *field, uint8_t *proto,
			const char *consequence)
{
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text = "TCP";

	if (field_read_string(parse, field, &text, consequence) < 0)
		return -EINVAL;
	if (!strcmp(text, "TCP")) {
		*proto = IPPROTO_TCP;
	} else if (!strcmp(text, "UDP")) {
		*proto = IPPROTO_UDP;
	} else if (!strcmp(text, "SCTP")) {
		*proto = 0;
	} else {
		field_finding(parse, field, "InvalidField", consequence,
			      "\"%s\" is not a protocol; TCP, UDP and SCTP are",
			      field_excerpt(text, excerpt));
		return -EINVAL;
	}
	return 1;
}
