/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of OTLP 1.x: names in lowerCamelCase, 64-bit integers as texts, enums as numbers, texts
 * in UTF-8.
 */
#ifndef WEFT_USER_OTLP_JSON_H
#define WEFT_USER_OTLP_JSON_H

#include <json-c/json.h>
#include <stdint.h>

/* Adds a member of a 64-bit field: a time in nanoseconds since 1970, or a count. */
void otlp_json_add_number(struct json_object *object, const char *name, uint64_t number);

/* Add an attribute to an array of KeyValue. Empty texts are left out. */
void otlp_json_add_text(struct json_object *attributes, const char *key, const char *text);
void otlp_json_add_integer(struct json_object *attributes, const char *key, int64_t number);

/* An AnyValue. New reference. */
struct json_object *otlp_json_text_value(const char *text);

/* What a request begins and ends with; the names of OTLP's messages for the signal. */
struct otlp_envelope {
	char *head, *tail;
};

/* `resource`: attributes, the reference is taken. "resourceLogs", "scopeLogs", "logRecords" */
void otlp_envelope_make(struct otlp_envelope *envelope, struct json_object *resource,
			const char *resources, const char *scopes, const char *items);
void otlp_envelope_clear(struct otlp_envelope *envelope);

#endif /* WEFT_USER_OTLP_JSON_H */
