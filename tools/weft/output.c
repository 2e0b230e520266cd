// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/output.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/address.h"

enum { COLUMNS_MAX = 16, CELL_NUMBER_LEN = 32 };

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

struct json_object *json_list(struct json_object *json, const char *path)
{
	struct json_object *member = json_member(json, path);

	return json_object_is_type(member, json_type_array) ? member : NULL;
}

size_t json_list_length(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

/* Text of one cell; `number` is room for one that is not stored as text. */
static const char *cell(struct json_object *row, const struct column *column,
			char number[CELL_NUMBER_LEN])
{
	struct json_object *member = json_member(row, column->path);

	if (member && column->style == COLUMN_PERCENT) {
		snprintf(number, CELL_NUMBER_LEN, "%.3f %%", 100 * json_object_get_double(member));
		return number;
	}
	return member && *json_object_get_string(member) ? json_object_get_string(member) : "-";
}

/* Columns that a text takes: UTF-8 continuation bytes take none. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void output_text(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void print_cell(const char *text, const struct column *column, int width)
{
	int fill = width - text_width(text);

	if (column->style != COLUMN_TEXT)
		printf("%*s", fill, "");
	output_text(text);
	if (!column[1].title)
		return;
	if (column->style == COLUMN_TEXT)
		printf("%*s", fill, "");
	printf("  ");
}

void output_table(struct json_object *rows, const struct column *columns)
{
	size_t count = json_list_length(rows), i, c;
	int widths[COLUMNS_MAX] = { 0 }, width;
	char number[CELL_NUMBER_LEN];

	for (c = 0; columns[c].title; c++) {
		widths[c] = text_width(columns[c].title);
		for (i = 0; i < count; i++) {
			width = text_width(
				cell(json_object_array_get_idx(rows, i), &columns[c], number));
			if (width > widths[c])
				widths[c] = width;
		}
	}
	for (c = 0; columns[c].title; c++)
		print_cell(columns[c].title, &columns[c], widths[c]);
	putchar('\n');
	for (i = 0; i < count; i++) {
		for (c = 0; columns[c].title; c++)
			print_cell(cell(json_object_array_get_idx(rows, i), &columns[c], number),
				   &columns[c], widths[c]);
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
	json_object_object_add(json, key, json_object_new_uint64(value));
}

void json_put_share(struct json_object *json, const char *key, double share)
{
	char text[32];

	snprintf(text, sizeof(text), "%.9g", share);
	json_object_object_add(json, key, json_object_new_double_s(share, text));
}

void json_put_address(struct json_object *json, const char *key, const struct weft_addr *addr)
{
	char text[ADDRESS_TEXT_LEN];

	json_put_string(json, key, address_format(addr, text));
}
