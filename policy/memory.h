/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that does not return without memory: a policy compiled from half
 * of the objects would be a hole, so the process ends with a message instead;
 * the kernel keeps enforcing the last policy.
 */
#ifndef WEFT_POLICY_MEMORY_H
#define WEFT_POLICY_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size);				  /* zeroed */
void *memory_realloc_array(void *old, size_t count, size_t size); /* overflow checked */
char *memory_strdup(const char *text);				  /* NULL gives NULL */
char *memory_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes room for one more element of a growing array and returns its index:
 *	i = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
 * The new element is zeroed.
 */
size_t memory_grow(void *items_pointer, size_t *count, size_t *capacity, size_t size);

#endif /* WEFT_POLICY_MEMORY_H */
