/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in and out of JSON objects. */
#ifndef WEFT_USER_JSON_TEXT_H
#define WEFT_USER_JSON_TEXT_H

#include <json-c/json.h>

/* The text of a member; "" when there is none. Owned by the object, which may be anything. */
static inline const char *json_text_of(struct json_object *object, const char *name)
{
	struct json_object *member;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &member) ||
	    !json_object_is_type(member, json_type_string))
		return "";
	return json_object_get_string(member);
}

static inline void json_add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

#endif /* WEFT_USER_JSON_TEXT_H */
