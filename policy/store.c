// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/store.h"

struct store *store_new(void)
{
	return memory_alloc(sizeof(struct store));
}

void store_free(struct store *store)
{
	struct store_kind *objects;
	size_t i;
	int kind;

	if (!store)
		return;
	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		objects = &store->kinds[kind];
		HASH_CLEAR(hh, objects->by_key);
		for (i = 0; i < objects->count; i++)
			object_free(objects->sorted[i]);
		free(objects->sorted);
	}
	free(store);
}

struct object *store_find_key(const struct store *store, enum object_kind kind, const char *key)
{
	struct object *object;

	HASH_FIND(hh, store->kinds[kind].by_key, key, strlen(key), object);
	return object;
}

/* Where the key is in the sorted array, or would be. */
static size_t sorted_place(const struct store_kind *objects, const char *key)
{
	size_t low = 0, high = objects->count, middle;

	/* A list comes sorted. */
	if (high && strcmp(objects->sorted[high - 1]->key, key) < 0)
		return high;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(objects->sorted[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void sorted_insert(struct store_kind *objects, size_t place, struct object *object)
{
	size_t last = memory_grow(&objects->sorted, &objects->count, &objects->capacity,
				  sizeof(struct object *));

	memmove(&objects->sorted[place + 1], &objects->sorted[place],
		(last - place) * sizeof(struct object *));
	objects->sorted[place] = object;
}

/* Counts on over all stores: what was made of one's objects is not taken for another's. */
static uint64_t next_revision(void)
{
	static uint64_t last;

	return ++last;
}

enum store_change store_put(struct store *store, struct object *object)
{
	struct object *old = store_find_key(store, object->kind, object->key);
	struct store_kind *objects = &store->kinds[object->kind];
	bool replaced = old;
	size_t place;
	char *origin;

	if (old && !strcmp(old->text, object->text)) {
		/* the same object may have moved to another file */
		origin = old->origin;
		old->origin = object->origin;
		object->origin = origin;
		object_free(object);
		return STORE_UNCHANGED;
	}
	object->revision = next_revision();
	place = sorted_place(objects, object->key);
	if (old) {
		HASH_DEL(objects->by_key, old);
		objects->sorted[place] = object;
		object_free(old);
	} else {
		sorted_insert(objects, place, object);
	}
	HASH_ADD_KEYPTR(hh, objects->by_key, object->key, strlen(object->key), object);
	return replaced ? STORE_REPLACED : STORE_ADDED;
}

enum store_change store_remove(struct store *store, enum object_kind kind, const char *key)
{
	struct object *object = store_find_key(store, kind, key);
	struct store_kind *objects = &store->kinds[kind];
	size_t place;

	if (!object)
		return STORE_UNCHANGED;
	place = sorted_place(objects, key);
	objects->count--;
	memmove(&objects->sorted[place], &objects->sorted[place + 1],
		(objects->count - place) * sizeof(struct object *));
	HASH_DEL(objects->by_key, object);
	object_free(object);
	return STORE_REMOVED;
}

struct object *store_find(const struct store *store, enum object_kind kind, const char *name_space,
			  const char *name)
{
	char *key = memory_printf("%s/%s", name_space, name);
	struct object *object = store_find_key(store, kind, key);

	free(key);
	return object;
}

struct object *store_first(const struct store *store, enum object_kind kind)
{
	return store->kinds[kind].by_key;
}

struct object *store_next(const struct object *object)
{
	return object->hh.next;
}

size_t store_count(const struct store *store, enum object_kind kind)
{
	return store->kinds[kind].count;
}

struct object *const *store_sorted(const struct store *store, enum object_kind kind, size_t *count)
{
	*count = store->kinds[kind].count;
	return store->kinds[kind].sorted;
}
