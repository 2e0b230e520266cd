// SPDX-License-Identifier: Apache-2.0
#include "user/source/source_dir_claims.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/source/utf8.h"

struct claim;

/* An item of a file. */
struct candidate {
	const char *file;  /* owned by its claim_file */
	const char *shown; /* the same */
	size_t index;	   /* in the file */
	struct json_object *json;
	struct findings findings; /* from parsing it */
	struct object *object;	  /* parsed; NULL while the sink has it */
	struct claim *claim;	  /* NULL: not an object of use */
};

struct claim_file {
	char *name;  /* hash key */
	char *shown; /* the name as UTF-8 */
	struct candidate *items;
	size_t count;
	UT_hash_handle hh;
};

/* One object, by kind and "namespace/name". */
struct claim {
	char *text; /* hash key: kind's name, space, key */
	enum object_kind kind;
	char *key;
	struct candidate **candidates; /* not owned; the first counts */
	size_t count, capacity;
	const struct candidate *delivered; /* what the sink has; gone ones only by address */
	bool in_sink;
	bool dirty;
	struct claim *next_dirty;
	UT_hash_handle hh;
};

struct claims {
	const struct source_sink *sink;
	struct claim_file *files;
	struct claim *by_text;
	struct claim *dirty;
	size_t troubled; /* candidates with findings */
	size_t rivals;	 /* candidates beyond the first of their claims */
};

struct claims *claims_new(const struct source_sink *sink)
{
	struct claims *claims = memory_alloc(sizeof(*claims));

	claims->sink = sink;
	return claims;
}

static void claim_mark(struct claims *claims, struct claim *claim)
{
	if (claim->dirty)
		return;
	claim->dirty = true;
	claim->next_dirty = claims->dirty;
	claims->dirty = claim;
}

static struct claim *claim_get(struct claims *claims, const struct object *object)
{
	char *text = memory_printf("%s %s", object_kind_name(object->kind), object->key);
	struct claim *claim;

	HASH_FIND_STR(claims->by_text, text, claim);
	if (claim) {
		free(text);
		return claim;
	}
	claim = memory_alloc(sizeof(*claim));
	claim->text = text;
	claim->kind = object->kind;
	claim->key = memory_strdup(object->key);
	HASH_ADD_KEYPTR(hh, claims->by_text, claim->text, strlen(claim->text), claim);
	return claim;
}

static void claim_free(struct claims *claims, struct claim *claim)
{
	HASH_DELETE(hh, claims->by_text, claim);
	free(claim->text);
	free(claim->key);
	free(claim->candidates);
	free(claim);
}

static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = *(struct candidate *const *)a;
	const struct candidate *y = *(struct candidate *const *)b;
	int order = strcmp(x->file, y->file);

	if (order)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Parses it, once more if the sink took the object. */
static void candidate_parse(struct claims *claims, struct candidate *candidate)
{
	if (candidate->object)
		return;
	claims->troubled -= candidate->findings.count > 0;
	findings_clear(&candidate->findings);
	candidate->object = object_parse(candidate->json, candidate->shown, &candidate->findings);
	claims->troubled += candidate->findings.count > 0;
}

static void candidate_enter(struct claims *claims, struct candidate *candidate)
{
	struct claim *claim = claim_get(claims, candidate->object);
	size_t i;

	candidate->claim = claim;
	i = memory_grow(&claim->candidates, &claim->count, &claim->capacity,
			sizeof(*claim->candidates));
	claim->candidates[i] = candidate;
	claims->rivals += i > 0;
	claim_mark(claims, claim);
}

static void candidate_leave(struct claims *claims, struct candidate *candidate)
{
	struct claim *claim = candidate->claim;
	size_t i;

	if (claim) {
		for (i = 0; claim->candidates[i] != candidate; i++)
			;
		memmove(claim->candidates + i, claim->candidates + i + 1,
			(--claim->count - i) * sizeof(*claim->candidates));
		claims->rivals -= claim->count > 0;
		if (claim->delivered == candidate)
			claim->delivered = NULL;
		claim_mark(claims, claim);
	}
	object_free(candidate->object);
	claims->troubled -= candidate->findings.count > 0;
	findings_clear(&candidate->findings);
	json_object_put(candidate->json);
}

static void file_clear(struct claims *claims, struct claim_file *file)
{
	size_t i;

	for (i = 0; i < file->count; i++)
		candidate_leave(claims, &file->items[i]);
	free(file->items);
	file->items = NULL;
	file->count = 0;
}

void claims_set_file(struct claims *claims, const char *name, struct json_object *items)
{
	struct claim_file *file;
	size_t i;

	HASH_FIND_STR(claims->files, name, file);
	if (file)
		file_clear(claims, file);
	if (!items) {
		if (file) {
			HASH_DELETE(hh, claims->files, file);
			free(file->name);
			free(file->shown);
			free(file);
		}
		return;
	}
	if (!file) {
		file = memory_alloc(sizeof(*file));
		file->name = memory_strdup(name);
		file->shown = utf8_clean(name);
		HASH_ADD_KEYPTR(hh, claims->files, file->name, strlen(file->name), file);
	}
	file->count = json_object_array_length(items);
	file->items = memory_alloc(file->count * sizeof(*file->items));
	for (i = 0; i < file->count; i++) {
		struct candidate *candidate = &file->items[i];

		candidate->file = file->name;
		candidate->shown = file->shown;
		candidate->index = i;
		candidate->json = json_object_get(json_object_array_get_idx(items, i));
		candidate_parse(claims, candidate);
		if (candidate->object)
			candidate_enter(claims, candidate);
	}
}

static void claim_deliver(struct claims *claims, struct claim *claim)
{
	const struct source_sink *sink = claims->sink;
	struct candidate *first;
	size_t i;

	claim->dirty = false;
	if (!claim->count) {
		if (claim->in_sink)
			sink->remove(sink->context, claim->kind, claim->key);
		claim_free(claims, claim);
		return;
	}
	qsort(claim->candidates, claim->count, sizeof(*claim->candidates), candidate_compare);
	for (i = 1; i < claim->count; i++)
		candidate_parse(claims, claim->candidates[i]);
	first = claim->candidates[0];
	if (claim->delivered == first)
		return;
	candidate_parse(claims, first);
	sink->put(sink->context, first->object);
	first->object = NULL;
	claim->delivered = first;
	claim->in_sink = true;
}

void claims_deliver(struct claims *claims)
{
	struct claim *claim, *next;

	for (claim = claims->dirty; claim; claim = next) {
		next = claim->next_dirty;
		claim_deliver(claims, claim);
	}
	claims->dirty = NULL;
}

void claims_report(const struct claims *claims, struct findings *findings)
{
	const struct claim_file *file;
	size_t i;

	if (!claims->troubled && !claims->rivals)
		return;
	for (file = claims->files; file; file = file->hh.next) {
		for (i = 0; i < file->count; i++) {
			const struct candidate *candidate = &file->items[i];
			const struct claim *claim = candidate->claim;

			if (!claim || claim->candidates[0] == candidate)
				findings_append(findings, &candidate->findings);
			else
				finding_add(findings, candidate->object, "", "Duplicate",
					    "This copy is ignored.",
					    "the same object is in %s, which counts because it "
					    "comes first",
					    claim->candidates[0]->shown);
		}
	}
}

void claims_free(struct claims *claims)
{
	struct claim_file *file, *next_file;
	struct claim *claim, *next;

	if (!claims)
		return;
	HASH_ITER(hh, claims->files, file, next_file) {
		file_clear(claims, file);
		HASH_DELETE(hh, claims->files, file);
		free(file->name);
		free(file->shown);
		free(file);
	}
	HASH_ITER(hh, claims->by_text, claim, next)
		claim_free(claims, claim);
	free(claims);
}
