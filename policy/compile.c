// SPDX-License-Identifier: Apache-2.0
#include "policy/compile.h"

#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

bool compile_pod_counts(const struct pod *pod)
{
	return !pod->host_network && !pod->finished;
}

void compile_text_add(struct text_list *list, const char *text)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], text))
			return;
	i = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
	list->items[i] = text;
}

void compile_policy(const struct store *store, const struct node_facts *facts, struct names *names,
		    struct desired *desired, struct findings *findings)
{
	struct compilation c = {
		.store = store,
		.facts = facts,
		.names = names,
		.desired = desired,
		.findings = findings,
		.http_cache = facts->http_cache ? facts->http_cache : http_cache_new(),
	};

	compile_tables_begin(&c, desired);
	desired_clear(desired);
	c.pods = store_sorted(store, OBJECT_POD, &c.pod_count);
	c.targets = store_sorted(store, OBJECT_TRAFFIC_TARGET, &c.target_count);
	c.services = store_sorted(store, OBJECT_SERVICE, &c.service_count);

	compile_realms(&c);
	compile_bindings_check(&c);
	compile_uses(&c);
	compile_identities(&c);
	compile_peers(&c);
	compile_targets(&c);
	compile_services(&c);

	compile_tables_end(&c);
	http_cache_sweep(c.http_cache);
	if (!facts->http_cache)
		http_cache_free(c.http_cache);
	compile_realms_free(&c);
	free(c.addresses);
	free(c.refused_vips);
}
