// SPDX-License-Identifier: Apache-2.0
/* Equal byte strings get one number. */
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/regex_internal.h"

enum { INTERN_FIRST_SLOTS = 64 };

static uint32_t hash_words(const void *key, size_t size)
{
	uint64_t hash = size;
	uint32_t word;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, (const char *)key + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

static void insert_slot(struct regex_intern *table, uint32_t index)
{
	size_t slot = table->entries[index].hash & (table->slot_count - 1);

	while (table->slots[slot])
		slot = (slot + 1) & (table->slot_count - 1);
	table->slots[slot] = index + 1;
}

/* At most half full, so that probing ends soon. */
static void grow_slots(struct regex_intern *table)
{
	size_t i;

	if (table->count * 2 < table->slot_count)
		return;
	free(table->slots);
	table->slot_count = table->slot_count ? table->slot_count * 2 : INTERN_FIRST_SLOTS;
	table->slots = memory_alloc(table->slot_count * sizeof(*table->slots));
	for (i = 0; i < table->count; i++)
		insert_slot(table, (uint32_t)i);
}

static size_t append_bytes(struct regex_intern *table, const void *key, size_t size)
{
	size_t offset = table->byte_count;

	if (offset + size > table->byte_capacity) {
		table->byte_capacity = (offset + size) * 2;
		table->bytes = memory_realloc_array(table->bytes, table->byte_capacity, 1);
	}
	if (size)
		memcpy(table->bytes + offset, key, size);
	table->byte_count += size;
	return offset;
}

uint32_t regex_intern(struct regex_intern *table, const void *key, size_t size)
{
	uint32_t hash = hash_words(key, size);
	struct regex_intern_entry *entry;
	size_t slot, index;

	grow_slots(table);
	for (slot = hash & (table->slot_count - 1); table->slots[slot];
	     slot = (slot + 1) & (table->slot_count - 1)) {
		entry = &table->entries[table->slots[slot] - 1];
		if (entry->hash == hash && entry->size == size &&
		    (!size || !memcmp(table->bytes + entry->offset, key, size)))
			return table->slots[slot] - 1;
	}
	index = memory_grow(&table->entries, &table->count, &table->capacity,
			    sizeof(*table->entries));
	table->entries[index] = (struct regex_intern_entry){
		.offset = append_bytes(table, key, size),
		.size = (uint32_t)size,
		.hash = hash,
	};
	table->slots[slot] = (uint32_t)index + 1;
	return (uint32_t)index;
}

const void *regex_intern_get(const struct regex_intern *table, uint32_t index, size_t *size)
{
	*size = table->entries[index].size;
	return *size ? table->bytes + table->entries[index].offset : NULL;
}

size_t regex_intern_size(const struct regex_intern *table)
{
	return table->byte_capacity + table->capacity * sizeof(*table->entries) +
	       table->slot_count * sizeof(*table->slots);
}

void regex_intern_clear(struct regex_intern *table)
{
	free(table->bytes);
	free(table->entries);
	free(table->slots);
	*table = (struct regex_intern){ 0 };
}
