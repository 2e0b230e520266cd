// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/source/utf8.h"

#define SCOPE "weft.dev/weftd"

enum { NUMBER_LEN = 24 };

void otlp_json_add_number(struct json_object *object, const char *name, uint64_t number)
{
	char text[NUMBER_LEN];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	json_add_text(object, name, text);
}

static bool is_clean(const char *text)
{
	size_t length;

	for (; *text; text += length) {
		length = utf8_length((const unsigned char *)text);
		if (!length)
			return false;
	}
	return true;
}

struct json_object *otlp_json_text_value(const char *text)
{
	struct json_object *value = json_object_new_object();
	char *clean = is_clean(text) ? NULL : utf8_clean(text);

	json_add_text(value, "stringValue", clean ? clean : text);
	free(clean);
	return value;
}

/* Takes the reference of the value. */
static void add_attribute(struct json_object *attributes, const char *key,
			  struct json_object *value)
{
	struct json_object *attribute = json_object_new_object();

	json_add_text(attribute, "key", key);
	json_object_object_add(attribute, "value", value);
	json_object_array_add(attributes, attribute);
}

void otlp_json_add_text(struct json_object *attributes, const char *key, const char *text)
{
	if (*text)
		add_attribute(attributes, key, otlp_json_text_value(text));
}

void otlp_json_add_integer(struct json_object *attributes, const char *key, int64_t number)
{
	struct json_object *value = json_object_new_object();
	char text[NUMBER_LEN];

	snprintf(text, sizeof(text), "%" PRId64, number);
	json_add_text(value, "intValue", text);
	add_attribute(attributes, key, value);
}

void otlp_envelope_make(struct otlp_envelope *envelope, struct json_object *resource,
			const char *resources, const char *scopes, const char *items)
{
	const char *text = json_object_to_json_string_ext(
		resource, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	envelope->head =
		memory_printf("{\"%s\":[{\"resource\":{\"attributes\":%s},\"%s\":[{\"scope\":"
			      "{\"name\":\"" SCOPE "\",\"version\":\"" WEFT_VERSION "\"},\"%s\":[",
			      resources, text, scopes, items);
	envelope->tail = memory_strdup("]}]}]}");
	json_object_put(resource);
}

void otlp_envelope_clear(struct otlp_envelope *envelope)
{
	free(envelope->head);
	free(envelope->tail);
}
