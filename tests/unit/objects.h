/* SPDX-License-Identifier: Apache-2.0 */
/* Objects for unit tests, written as YAML. */
#ifndef WEFT_TESTS_UNIT_OBJECTS_H
#define WEFT_TESTS_UNIT_OBJECTS_H

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/finding.h"
#include "policy/store.h"
#include "user/source/manifest.h"

/* The objects of a text that must parse, as a JSON array. The caller puts it. */
static inline struct json_object *objects_read(const char *yaml)
{
	struct findings findings = { 0 };
	struct json_object *items = NULL;

	if (manifest_read(yaml, strlen(yaml), NULL, &items, &findings))
		fail_msg("%s\n%s", findings.items[0].message, yaml);
	return items;
}

/* The one object of a text; findings are appended. NULL when it is not accepted. */
static inline struct object *object_from(const char *yaml, struct findings *findings)
{
	struct json_object *items = objects_read(yaml);
	struct object *object;

	assert_int_equal(json_object_array_length(items), 1);
	object = object_parse(json_object_array_get_idx(items, 0), "test.yaml", findings);
	json_object_put(items);
	return object;
}

/* All objects of a text in a new store; `findings` may be NULL when none are expected. */
static inline struct store *store_from(const char *yaml, struct findings *findings)
{
	struct json_object *items = objects_read(yaml);
	struct store *store = store_new();
	struct findings own = { 0 };
	struct object *object;
	size_t i;

	for (i = 0; i < json_object_array_length(items); i++) {
		object = object_parse(json_object_array_get_idx(items, i), "test.yaml",
				      findings ? findings : &own);
		if (object)
			store_put(store, object);
	}
	json_object_put(items);
	if (own.count)
		fail_msg("%s: %s", own.items[0].field, own.items[0].message);
	return store;
}

/* The first finding about a field ("" = any) with a reason; NULL when there is none. */
static inline const struct finding *finding_about(const struct findings *findings,
						  const char *field, const char *reason)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		if ((!*field || !strcmp(findings->items[i].field, field)) &&
		    !strcmp(findings->items[i].reason, reason))
			return &findings->items[i];
	return NULL;
}

/* Exactly one finding, and about this. */
static inline void assert_finding(struct findings *findings, const char *field, const char *reason)
{
	size_t i;

	if (findings->count != 1 || strcmp(findings->items[0].field, field) ||
	    strcmp(findings->items[0].reason, reason)) {
		for (i = 0; i < findings->count; i++)
			print_error("found: %s %s: %s\n", findings->items[i].field,
				    findings->items[i].reason, findings->items[i].message);
		fail_msg("expected one finding: %s %s", field, reason);
	}
	findings_clear(findings);
}

static inline void assert_no_finding(struct findings *findings)
{
	if (findings->count)
		fail_msg("%s %s: %s", findings->items[0].field, findings->items[0].reason,
			 findings->items[0].message);
}

#endif /* WEFT_TESTS_UNIT_OBJECTS_H */
