/* SPDX-License-Identifier: Apache-2.0 */
/* Every command makes JSON; one writer shows it as JSON or as tables. */
#ifndef WEFT_TOOLS_OUTPUT_H
#define WEFT_TOOLS_OUTPUT_H

#include <stdint.h>
#include "bpf/weft_abi.h"

struct json_object;

struct column {
	const char *title;
	const char *path; /* member, nested ones by '.': "source.pod" */
};

void output_json(struct json_object *json);
/* Rows (an array of objects) with a head line; absent members are "-". Columns end with a NULL
 * title. */
void output_table(struct json_object *rows, const struct column *columns);
/* A heading between tables. */
void output_heading(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Small builders; all take over no reference and copy their text. */
void json_put_string(struct json_object *json, const char *key, const char *value);
void json_put_number(struct json_object *json, const char *key, uint64_t value);
void json_put_address(struct json_object *json, const char *key, const struct weft_addr *addr);
/* "" when the member is missing or no string. Nested by '.'. */
const char *json_text(struct json_object *json, const char *path);
struct json_object *json_member(struct json_object *json, const char *path);

#endif /* WEFT_TOOLS_OUTPUT_H */
