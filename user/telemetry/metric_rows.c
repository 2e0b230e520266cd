// SPDX-License-Identifier: Apache-2.0
#include "user/telemetry/metric_rows.h"

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

/* Labels, values and the labels' text are one block of memory. */
static struct metric_row row_make(struct metric_rows *rows)
{
	size_t labels_size = rows->label_count * sizeof(struct metric_label), i;
	size_t values_size = rows->width * sizeof(uint64_t);
	char *block = memory_alloc(labels_size + values_size + rows->length), *at;
	struct metric_label *labels = (struct metric_label *)block;
	struct metric_row row = {
		.labels = { labels, rows->label_count },
		.values = (uint64_t *)(block + labels_size),
		.text = block + labels_size + values_size,
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
	free((void *)row->labels.items);
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

/* Adds the labels of a row that is folded. */
static void put_replaced(struct metric_rows *rows, const struct metric_row *row,
			 const char *(*replace)(const char *name))
{
	size_t i;

	for (i = 0; i < row->labels.count; i++) {
		const struct metric_label *label = &row->labels.items[i];
		const char *value = replace(label->name);

		metric_rows_label(rows, label->name, value ? value : label->value);
	}
}

void metric_rows_fold(struct metric_rows *rows, const bool *keep,
		      const char *(*replace)(const char *name))
{
	size_t i;

	for (i = 0; i < rows->count; i++) {
		struct metric_row row = rows->items[i];

		if (keep[i])
			continue;
		put_replaced(rows, &row, replace);
		rows->items[i] = row_make(rows);
		memcpy(rows->items[i].values, row.values, rows->width * sizeof(uint64_t));
		row_free(&row);
		rows->replace = replace;
	}
	if (rows->replace)
		metric_rows_merge(rows);
}

void metric_rows_widen(struct metric_rows *rows, size_t width)
{
	size_t i;

	rows->width = width;
	rows->widened = memory_alloc(rows->count * width * sizeof(uint64_t));
	for (i = 0; i < rows->count; i++)
		rows->items[i].values = rows->widened + i * width;
}

/* NULL: there is no row with these labels. */
static struct metric_row *row_find(const struct metric_rows *rows, const struct metric_row *key)
{
	return rows->count ?
		       bsearch(key, rows->items, rows->count, sizeof(*rows->items), row_compare) :
		       NULL;
}

uint64_t *metric_rows_find(struct metric_rows *rows)
{
	struct metric_row asked = row_make(rows), folded;
	const struct metric_row *found = row_find(rows, &asked);

	if (!found && rows->replace) {
		put_replaced(rows, &asked, rows->replace);
		folded = row_make(rows);
		found = row_find(rows, &folded);
		row_free(&folded);
	}
	row_free(&asked);
	return found ? found->values : NULL;
}

void metric_rows_clear(struct metric_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count; i++)
		row_free(&rows->items[i]);
	free(rows->items);
	free(rows->widened);
	free(rows->text);
	memset(rows, 0, sizeof(*rows));
}
