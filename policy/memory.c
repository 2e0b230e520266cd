// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

enum { MEMORY_FIRST_CAPACITY = 8 };

static void memory_exhausted(size_t size) __attribute__((noreturn));

static void memory_exhausted(size_t size)
{
	fprintf(stderr, "out of memory: %zu bytes wanted\n", size);
	abort();
}

void *memory_alloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		memory_exhausted(size);
	return memory;
}

void *memory_realloc_array(void *old, size_t count, size_t size)
{
	size_t bytes;
	void *memory;

	if (__builtin_mul_overflow(count, size, &bytes))
		memory_exhausted(SIZE_MAX);
	memory = realloc(old, bytes ? bytes : 1);
	if (!memory)
		memory_exhausted(bytes);
	return memory;
}

char *memory_strdup(const char *text)
{
	size_t size;
	char *copy;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	copy = memory_alloc(size);
	memcpy(copy, text, size);
	return copy;
}

char *memory_printf(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		memory_exhausted(strlen(format));
	va_end(arguments);
	return text;
}

size_t memory_grow(void *items_pointer, size_t *count, size_t *capacity, size_t size)
{
	size_t index = *count, wanted;
	void *items;

	/* items_pointer is a T **, which may not be read as a void ** */
	memcpy(&items, items_pointer, sizeof(items));
	if (index >= *capacity) {
		wanted = *capacity ? *capacity : MEMORY_FIRST_CAPACITY / 2;
		if (__builtin_mul_overflow(wanted, (size_t)2, &wanted))
			memory_exhausted(SIZE_MAX);
		items = memory_realloc_array(items, wanted, size);
		*capacity = wanted;
		memcpy(items_pointer, &items, sizeof(items));
	}
	memset((char *)items + index * size, 0, size);
	*count = index + 1;
	return index;
}
