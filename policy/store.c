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
	struct object *object, *next;
	int kind;

	if (!store)
		return;
	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		HASH_ITER(hh, store->kinds[kind], object, next) {
			HASH_DEL(store->kinds[kind], object);
			object_free(object);
		}
	}
	free(store);
}

static struct object *store_find_key(const struct store *store, enum object_kind kind,
				     const char *key)
{
	struct object *object;

	HASH_FIND(hh, store->kinds[kind], key, strlen(key), object);
	return object;
}

enum store_change store_put(struct store *store, struct object *object)
{
	struct object *old = store_find_key(store, object->kind, object->key);
	struct object **head = &store->kinds[object->kind];
	bool replaced = old;
	char *origin;

	if (old && !strcmp(old->text, object->text)) {
		/* the same object may have moved to another file */
		origin = old->origin;
		old->origin = object->origin;
		object->origin = origin;
		object_free(object);
		return STORE_UNCHANGED;
	}
	if (old) {
		HASH_DEL(*head, old);
		object_free(old);
	}
	HASH_ADD_KEYPTR(hh, *head, object->key, strlen(object->key), object);
	return replaced ? STORE_REPLACED : STORE_ADDED;
}

enum store_change store_remove(struct store *store, enum object_kind kind, const char *key)
{
	struct object *object = store_find_key(store, kind, key);

	if (!object)
		return STORE_UNCHANGED;
	HASH_DEL(store->kinds[kind], object);
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
	return store->kinds[kind];
}

struct object *store_next(const struct object *object)
{
	return object->hh.next;
}

size_t store_count(const struct store *store, enum object_kind kind)
{
	return HASH_COUNT(store->kinds[kind]);
}

static int store_compare(const void *a, const void *b)
{
	const struct object *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

struct object **store_sorted(const struct store *store, enum object_kind kind, size_t *count)
{
	struct object **objects, *object;
	size_t i = 0;

	*count = store_count(store, kind);
	objects = memory_realloc_array(NULL, *count, sizeof(struct object *));
	for (object = store_first(store, kind); object; object = store_next(object))
		objects[i++] = object;
	qsort(objects, *count, sizeof(struct object *), store_compare);
	return objects;
}
