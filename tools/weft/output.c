// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/output.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/address.h"

enum { COLUMNS_MAX = 16 };

void output_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
}

struct json_object *json_member(struct json_object *json, const char *path)
{
	char key[64];

	while (json && *path) {
		size_t length = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		json = json_object_object_get(json, key);
		path += length + (path[length] == '.');
	}
	return json;
}

const char *json_text(struct json_object *json, const char *path)
{
	struct json_object *member = json_member(json, path);

	return member ? json_object_get_string(member) : "";
}

static const char *cell(struct json_object *row, const struct column *column)
{
	const char *text = json_text(row, column->path);

	return *text ? text : "-";
}

void output_table(struct json_object *rows, const struct column *columns)
{
	int widths[COLUMNS_MAX] = { 0 };
	size_t count = json_object_array_length(rows), i, c;

	for (c = 0; columns[c].title; c++) {
		widths[c] = (int)strlen(columns[c].title);
		for (i = 0; i < count; i++) {
			int width =
				(int)strlen(cell(json_object_array_get_idx(rows, i), &columns[c]));

			if (width > widths[c])
				widths[c] = width;
		}
	}
	for (c = 0; columns[c].title; c++)
		printf("%-*s", columns[c + 1].title ? widths[c] + 2 : 0, columns[c].title);
	putchar('\n');
	for (i = 0; i < count; i++) {
		for (c = 0; columns[c].title; c++)
			printf("%-*s", columns[c + 1].title ? widths[c] + 2 : 0,
			       cell(json_object_array_get_idx(rows, i), &columns[c]));
		putchar('\n');
	}
}

void output_heading(const char *format, ...)
{
	va_list arguments;

	putchar('\n');
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void json_put_string(struct json_object *json, const char *key, const char *value)
{
	json_object_object_add(json, key, json_object_new_string(value));
}

void json_put_number(struct json_object *json, const char *key, uint64_t value)
{
	json_object_object_add(json, key, json_object_new_int64((int64_t)value));
}

void json_put_address(struct json_object *json, const char *key, const struct weft_addr *addr)
{
	char text[ADDRESS_TEXT_LEN];

	json_put_string(json, key, address_format(addr, text));
}
