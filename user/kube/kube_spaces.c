// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_spaces.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "policy/memory.h"

struct space {
	char *name; /* hash key */
	unsigned long pods;
	bool is_known;
	bool is_assumed; /* it was told that it is needed */
	UT_hash_handle hh;
};

struct kube_spaces {
	struct space *by_name;
};

struct kube_spaces *kube_spaces_new(void)
{
	return memory_alloc(sizeof(struct kube_spaces));
}

static struct space *space_get(struct kube_spaces *spaces, const char *name, size_t length)
{
	struct space *space;

	HASH_FIND(hh, spaces->by_name, name, length, space);
	if (space)
		return space;
	space = memory_alloc(sizeof(*space));
	space->name = memory_printf("%.*s", (int)length, name);
	HASH_ADD_KEYPTR(hh, spaces->by_name, space->name, length, space);
	return space;
}

static void space_free(struct kube_spaces *spaces, struct space *space)
{
	HASH_DELETE(hh, spaces->by_name, space);
	free(space->name);
	free(space);
}

static struct space *space_of_pod(struct kube_spaces *spaces, const char *key)
{
	return space_get(spaces, key, strcspn(key, "/"));
}

void kube_spaces_add_pod(struct kube_spaces *spaces, const char *key)
{
	space_of_pod(spaces, key)->pods++;
}

void kube_spaces_remove_pod(struct kube_spaces *spaces, const char *key)
{
	struct space *space = space_of_pod(spaces, key);

	if (space->pods)
		space->pods--;
}

void kube_spaces_set_known(struct kube_spaces *spaces, const char *key, bool known)
{
	struct space *space = space_get(spaces, key + 1, strlen(key + 1));

	space->is_known = known;
	space->is_assumed = false; /* what there was of it has been replaced or removed */
}

void kube_spaces_settle(struct kube_spaces *spaces,
			void (*assume)(void *context, const char *name, bool needed), void *context)
{
	struct space *space, *following;
	bool needed;

	HASH_ITER(hh, spaces->by_name, space, following) {
		needed = space->pods && !space->is_known;
		if (needed != space->is_assumed)
			assume(context, space->name, needed);
		space->is_assumed = needed;
		if (!space->pods && !space->is_known)
			space_free(spaces, space);
	}
}

void kube_spaces_free(struct kube_spaces *spaces)
{
	struct space *space, *following;

	HASH_ITER(hh, spaces->by_name, space, following)
		space_free(spaces, space);
	free(spaces);
}
