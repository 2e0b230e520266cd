// SPDX-License-Identifier: Apache-2.0
#include "user/metric_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"

enum { ROWS_TEXT_LEN = 1024 }; /* to begin with */

void metric_rows_label(struct metric_rows *rows, const char *name, const char *value)
{
	size_t length = strlen(value) + 1;

	assert(rows->label_count < METRIC_LABELS_MAX);
	rows->names[rows->label_count++] = name;
	while (rows->length + length > rows->room) {
		rows->room = rows->room ? rows->room * 2 : ROWS_TEXT_LEN;
		rows->text = memory_realloc_array(rows->text, rows->room, 1);
	}
	memcpy(rows->text + rows->length, value, length);
	rows->length += length;
}

/* One block of memory: values, labels, their text. */
static struct metric_row row_make(struct metric_rows *rows)
{
	size_t values_size = rows->width * sizeof(uint64_t), i;
	size_t labels_size = rows->label_count * sizeof(struct metric_label);
	char *block = memory_alloc(values_size + labels_size + rows->length), *at;
	struct metric_label *labels = (struct metric_label *)(block + values_size);
	struct metric_row row = {
		.labels = { labels, rows->label_count },
		.values = (uint64_t *)block,
		.text = block + values_size + labels_size,
		.length = rows->length,
	};

	if (rows->length)
		memcpy(row.text, rows->text, rows->length);
	for (i = 0, at = row.text; i < rows->label_count; i++, at += strlen(at) + 1)
		labels[i] = (struct metric_label){ rows->names[i], at };
	rows->label_count = 0;
	rows->length = 0;
	return row;
}

uint64_t *metric_rows_add(struct metric_rows *rows)
{
	size_t i = memory_grow(&rows->items, &rows->count, &rows->capacity, sizeof(*rows->items));

	rows->items[i] = row_make(rows);
	return rows->items[i].values;
}

/* By labels. As their NULs are compared, too, "a" comes before "ab". */
static int row_compare(const void *a, const void *b)
{
	const struct metric_row *x = a, *y = b;
	size_t length = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->text, y->text, length);

	return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void row_free(struct metric_row *row)
{
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

		if (to && !row_compare(&rows->items[to - 1], row))
			row_join(&rows->items[to - 1], row, rows->width);
		else
			rows->items[to++] = *row;
	}
	rows->count = to;
}

void metric_rows_fold(struct metric_rows *rows, size_t most)
{
	struct metric_row rest = row_make(rows);
	size_t i;

	if (rows->count <= most) {
		row_free(&rest);
		return;
	}
	for (i = most; i < rows->count; i++)
		row_join(&rest, &rows->items[i], rows->width);
	rows->items[most] = rest;
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
