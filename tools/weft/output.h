/* SPDX-License-Identifier: Apache-2.0 */
/* Every command makes JSON; one writer shows it as JSON or as tables. */
#ifndef WEFT_TOOLS_OUTPUT_H
#define WEFT_TOOLS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/weft_abi.h"

struct json_object;

enum column_style {
	COLUMN_TEXT = 0,
	COLUMN_NUMBER,	/* aligned to the right */
	COLUMN_PERCENT, /* a share of 1; aligned to the right */
};

struct column {
	const char *title;
	const char *path; /* member, nested ones by '.': "source.pod" */
	enum column_style style;
};

void output_json(struct json_object *json);
/*
 * Rows (an array of objects) with a head line; absent members are "-". Columns end with a NULL
 * title. Control characters, which objects' texts may hold, are shown as '?'.
 */
void output_table(struct json_object *rows, const struct column *columns);
/* A heading between tables. */
void output_heading(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text of an object as a terminal may get it: no control characters. */
void output_text(const char *text);

/* Small builders; all take over no reference and copy their text. */
void json_put_string(struct json_object *json, const char *key, const char *value);
void json_put_number(struct json_object *json, const char *key, uint64_t value);
void json_put_share(struct json_object *json, const char *key, double share);
void json_put_address(struct json_object *json, const char *key, const struct weft_addr *addr);
/* Members are named by their path, nested ones by '.'; "" is the value itself. All take NULL. */
struct json_object *json_member(struct json_object *json, const char *path);
/* "" when the member is missing; numbers as text. */
const char *json_text(struct json_object *json, const char *path);
/* NULL when the member is missing or no array. */
struct json_object *json_list(struct json_object *json, const char *path);
size_t json_list_length(struct json_object *list);

#endif /* WEFT_TOOLS_OUTPUT_H */
