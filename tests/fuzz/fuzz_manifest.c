// SPDX-License-Identifier: Apache-2.0
/*
 * Any text through manifest_read(), every object through object_parse() into a
 * store. Besides what the sanitizers see: a file is refused with exactly one
 * finding, and an object's names are fit to be labels and parts of paths.
 */
#include <assert.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "policy/finding.h"
#include "policy/store.h"
#include "policy/syntax.h"
#include "user/source/manifest.h"

static void check_object(const struct object *object)
{
	const struct traffic_target *target = (const struct traffic_target *)object;
	const struct port_route *route = (const struct port_route *)object;
	const struct pod *pod = (const struct pod *)object;
	size_t i;

	assert(syntax_is_subdomain(object->name));
	assert(!*object->name_space ||
	       syntax_is_label(object->name_space, strlen(object->name_space)));
	assert(!*object->uid || syntax_is_uid(object->uid));
	switch (object->kind) {
	case OBJECT_TRAFFIC_TARGET:
		assert(target->destination.name && target->destination_port_name);
		assert(target->invalid || (target->rule_count && target->source_count));
		assert(target->invalid || target->destination.kind != SUBJECT_OTHER);
		for (i = 0; i < target->rule_count; i++)
			assert(target->rules[i].kind == RULE_OTHER ||
			       target->rules[i].all_matches || target->rules[i].match_count);
		break;
	case OBJECT_TCP_ROUTE:
	case OBJECT_UDP_ROUTE:
		for (i = 0; i < route->port_count; i++)
			assert(route->ports[i]);
		break;
	case OBJECT_POD:
		assert(!*pod->service_account || syntax_is_subdomain(pod->service_account));
		assert(syntax_is_subdomain(pod->owner_name) || strstr(pod->owner_name, "-"));
		break;
	default:
		break;
	}
}

static void check_findings(const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		assert(*findings->items[i].reason && *findings->items[i].message &&
		       *findings->items[i].consequence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size, const char *origin)
{
	struct findings findings = { 0 };
	struct json_object *items = NULL;
	struct object *object;
	struct store *store;
	size_t i;

	if (manifest_read(text, size, origin, &items, &findings)) {
		assert(findings.count == 1 && !items);
		check_findings(&findings);
		findings_clear(&findings);
		return;
	}
	assert(!findings.count);
	store = store_new();
	for (i = 0; i < json_object_array_length(items); i++) {
		object = object_parse(json_object_array_get_idx(items, i), origin, &findings);
		if (!object)
			continue;
		check_object(object);
		store_put(store, object);
	}
	json_object_to_json_string(items);
	check_findings(&findings);
	findings_sort(&findings);
	findings_clear(&findings);
	store_free(store);
	json_object_put(items);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	check_text(text, size, "fuzz.yaml");
	if (size && (*text == '{' || *text == '['))
		check_text(text, size, "fuzz.json");
	return 0;
}
