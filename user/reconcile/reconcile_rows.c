// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_rows.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

static size_t rows_stride(const struct rows *rows)
{
	return rows->key_size + rows->value_size;
}

const unsigned char *rows_key(const struct rows *rows, size_t index)
{
	return rows->items + index * rows_stride(rows);
}

const unsigned char *rows_value(const struct rows *rows, size_t index)
{
	return rows_key(rows, index) + rows->key_size;
}

static int rows_compare(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

void rows_init(struct rows *rows, enum map_id id, size_t key_size, size_t value_size)
{
	memset(rows, 0, sizeof(*rows));
	rows->id = id;
	rows->key_size = key_size;
	rows->value_size = value_size;
}

void rows_clear(struct rows *rows)
{
	free(rows->items);
	rows->items = NULL;
	rows->count = rows->capacity = 0;
}

void rows_add(struct rows *rows, const void *key, const void *value)
{
	size_t i = memory_grow(&rows->items, &rows->count, &rows->capacity, rows_stride(rows));
	unsigned char *item = rows->items + i * rows_stride(rows);

	memcpy(item, key, rows->key_size);
	memcpy(item + rows->key_size, value, rows->value_size);
}

static bool rows_are_sorted(const struct rows *rows)
{
	size_t i;

	for (i = 1; i < rows->count; i++)
		if (memcmp(rows_key(rows, i - 1), rows_key(rows, i), rows->key_size) >= 0)
			return false;
	return true;
}

void rows_sort(struct rows *rows)
{
	size_t i, kept = 1, stride = rows_stride(rows);

	if (rows_are_sorted(rows))
		return;
	qsort_r(rows->items, rows->count, stride, rows_compare, &rows->key_size);
	for (i = 1; i < rows->count; i++) {
		if (!memcmp(rows_key(rows, i), rows_key(rows, kept - 1), rows->key_size))
			continue;
		memmove(rows->items + kept++ * stride, rows_key(rows, i), stride);
	}
	rows->count = kept;
}

static int rows_take(const void *key, const void *value, void *context)
{
	rows_add(context, key, value);
	return 0;
}

int rows_load(struct rows *rows, const struct maps *maps)
{
	int err = maps_each(maps, rows->id, rows_take, rows);

	if (!err)
		rows_sort(rows);
	return err;
}

const unsigned char *rows_find(const struct rows *rows, const void *key)
{
	size_t low = 0, high = rows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(key, rows_key(rows, middle), rows->key_size);

		if (!order)
			return rows_value(rows, middle);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool rows_has(const struct rows *rows, const void *key)
{
	return rows_find(rows, key) != NULL;
}

bool rows_put(struct rows *applied, const struct rows *wanted, struct writer *writer,
	      const char *consequence)
{
	size_t i = 0, j, known = applied->count;
	bool changed = false;
	int order, err;

	for (j = 0; j < wanted->count; j++) {
		const unsigned char *key = rows_key(wanted, j), *value = rows_value(wanted, j);

		order = 1;
		while (i < known &&
		       (order = memcmp(rows_key(applied, i), key, applied->key_size)) < 0)
			i++;
		if (i < known && !order &&
		    !memcmp(rows_value(applied, i), value, applied->value_size))
			continue;
		err = writer_set(writer, applied->id, key, value);
		if (err) {
			writer_fail(writer, applied->id, err, "%s", consequence);
			continue;
		}
		changed = true;
		if (i < known && !order)
			memcpy(applied->items + i * rows_stride(applied) + applied->key_size, value,
			       applied->value_size);
		else
			rows_add(applied, key, value);
	}
	if (applied->count > known)
		rows_sort(applied);
	return changed;
}

bool rows_prune(struct rows *applied, const struct rows *wanted, struct writer *writer)
{
	size_t i, j = 0, kept = 0, stride = rows_stride(applied);
	bool changed = false;
	int order, err;

	for (i = 0; i < applied->count; i++) {
		const unsigned char *key = rows_key(applied, i);

		order = 1;
		while (j < wanted->count &&
		       (order = memcmp(rows_key(wanted, j), key, applied->key_size)) < 0)
			j++;
		if (j >= wanted->count || order) {
			err = writer_delete(writer, applied->id, key);
			if (!err) {
				changed = true;
				continue;
			}
			writer_fail(writer, applied->id, err, "a stale entry stays");
		}
		if (kept != i)
			memcpy(applied->items + kept * stride, key, stride);
		kept++;
	}
	applied->count = kept;
	return changed;
}
