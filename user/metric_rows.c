// SPDX-License-Identifier: Apache-2.0
#include "user/metric_rows.h"

#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"

enum { ROWS_TEXT_LEN = 1024 }; /* to begin with */

static void rows_put(struct metric_rows *rows, const char *text, size_t length)
{
	while (rows->length + length + 1 > rows->room) {
		rows->room = rows->room ? rows->room * 2 : ROWS_TEXT_LEN;
		rows->text = memory_realloc_array(rows->text, rows->room, 1);
	}
	memcpy(rows->text + rows->length, text, length);
	rows->length += length;
	rows->text[rows->length] = '\0';
}

void metric_rows_label(struct metric_rows *rows, const char *name, const char *value)
{
	size_t plain;

	if (rows->length)
		rows_put(rows, ",", 1);
	rows_put(rows, name, strlen(name));
	rows_put(rows, "=\"", 2);
	while (*value) {
		plain = strcspn(value, "\\\"\n");
		rows_put(rows, value, plain);
		value += plain;
		if (!*value)
			break;
		rows_put(rows, "\\", 1);
		rows_put(rows, *value == '\n' ? "n" : value, 1);
		value++;
	}
	rows_put(rows, "\"", 1);
}

uint64_t *metric_rows_add(struct metric_rows *rows)
{
	size_t i = memory_grow(&rows->items, &rows->count, &rows->capacity, sizeof(*rows->items));

	rows->items[i].labels = memory_strdup(rows->length ? rows->text : "");
	rows->items[i].values = memory_alloc(rows->width * sizeof(uint64_t));
	rows->length = 0;
	return rows->items[i].values;
}

static int row_compare(const void *a, const void *b)
{
	return strcmp(((const struct metric_row *)a)->labels,
		      ((const struct metric_row *)b)->labels);
}

static void row_free(struct metric_row *row)
{
	free(row->labels);
	free(row->values);
}

/* Adds a row up to another, and frees it. */
static void row_join(struct metric_row *to, struct metric_row *row, size_t width)
{
	size_t i;

	for (i = 0; i < width; i++)
		to->values[i] += row->values[i];
	row_free(row);
}

void metric_rows_merge(struct metric_rows *rows)
{
	size_t from, to = 0;

	if (rows->count)
		qsort(rows->items, rows->count, sizeof(*rows->items), row_compare);
	for (from = 0; from < rows->count; from++) {
		struct metric_row *row = &rows->items[from];

		if (to && !strcmp(rows->items[to - 1].labels, row->labels))
			row_join(&rows->items[to - 1], row, rows->width);
		else
			rows->items[to++] = *row;
	}
	rows->count = to;
}

void metric_rows_fold(struct metric_rows *rows, size_t most, const char *labels)
{
	size_t i;

	if (rows->count <= most)
		return;
	for (i = most + 1; i < rows->count; i++)
		row_join(&rows->items[most], &rows->items[i], rows->width);
	free(rows->items[most].labels);
	rows->items[most].labels = memory_strdup(labels);
	rows->count = most + 1;
}

void metric_rows_clear(struct metric_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		row_free(&rows->items[i]);
	free(rows->items);
	free(rows->text);
	memset(rows, 0, sizeof(*rows));
}

void metric_put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}
