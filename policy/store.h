/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that a source delivered, by kind and "namespace/name". Pure. */
#ifndef WEFT_POLICY_STORE_H
#define WEFT_POLICY_STORE_H

#include "policy/finding.h"
#include "policy/model.h"

struct json_object;

struct store_kind {
	struct object *by_key; /* uthash head, keyed by object.key */
	struct object **sorted;
	size_t count, capacity;
};

struct store {
	struct store_kind kinds[OBJECT_KIND_COUNT];
};

enum store_change { STORE_UNCHANGED = 0, STORE_ADDED, STORE_REPLACED, STORE_REMOVED };

struct store *store_new(void);
void store_free(struct store *store);

/*
 * What kind an object has, by apiVersion (group and version) and kind.
 * Returns the kind, -ENOENT when weft does not use that kind or API version
 * (reason to ignore: not a mistake), -EINVAL when apiVersion, kind or
 * metadata.name is missing, of the wrong type, or not a legal name. An SMI
 * group with an unknown version is -EPROTONOSUPPORT.
 */
int object_identify(struct json_object *json, enum object_kind *kind);

/*
 * Parses one object (no List) into its typed form. Never fails for a bad
 * field: the field is a finding and the object is `invalid` where that could
 * grant too much. NULL only when object_identify() fails; then a finding says
 * why (none for -ENOENT).
 * `origin` may be NULL. Keeps no reference on json.
 */
struct object *object_parse(struct json_object *json, const char *origin,
			    struct findings *findings);
void object_free(struct object *object);
const char *object_kind_name(enum object_kind kind); /* "TrafficTarget" */

/*
 * Puts an object in; the store owns it then. One with the same kind and key is
 * replaced and freed. STORE_UNCHANGED when the text is equal (the new one is freed).
 */
enum store_change store_put(struct store *store, struct object *object);
enum store_change store_remove(struct store *store, enum object_kind kind, const char *key);

/* NULL when absent. */
struct object *store_find_key(const struct store *store, enum object_kind kind, const char *key);
struct object *store_find(const struct store *store, enum object_kind kind, const char *name_space,
			  const char *name);

/* Iterates one kind in no particular order: for (o = store_first(s, k); o; o = store_next(o)) */
struct object *store_first(const struct store *store, enum object_kind kind);
struct object *store_next(const struct object *object);
size_t store_count(const struct store *store, enum object_kind kind);

/* The objects of one kind sorted by key; the array is the store's, and good until it changes. */
struct object *const *store_sorted(const struct store *store, enum object_kind kind, size_t *count);

/* Value of a label or annotation, NULL when absent. */
const char *labels_get(const struct labels *labels, const char *key);
bool selector_matches(const struct label_selector *selector, const struct labels *labels);

#endif /* WEFT_POLICY_STORE_H */
