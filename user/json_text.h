/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON that may be anything, and texts in and out of it. */
#ifndef WEFT_USER_JSON_TEXT_H
#define WEFT_USER_JSON_TEXT_H

#include <json-c/json.h>

/* The member of an object; NULL when there is none, or it is no object. */
static inline struct json_object *json_member_of(struct json_object *object, const char *name)
{
	struct json_object *member = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &member);
	return member;
}

/* Items of a list; what is no list has none. */
static inline size_t json_length_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

/* The text of a member; "" when there is none. Owned by the object, which may be anything. */
static inline const char *json_text_of(struct json_object *object, const char *name)
{
	struct json_object *member = json_member_of(object, name);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : "";
}

static inline void json_add_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

#endif /* WEFT_USER_JSON_TEXT_H */
