// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_discovery.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/kube/kube_ask.h"
#include "user/kube/kube_resource.h"

enum { IDLE_MS = 10000 };

static const char *const groups[] = { "access.smi-spec.io", "specs.smi-spec.io",
				      "split.smi-spec.io" };
static const char *const versions[] = { "v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1" };

enum {
	GROUPS = sizeof(groups) / sizeof(*groups),
	VERSIONS = sizeof(versions) / sizeof(*versions),
};

struct kube_discovery {
	struct kube_http *http;
	kube_discovery_done done;
	void *context;
	struct kube_ask *ask;
	size_t group, version; /* asked about; version VERSIONS: about the group */
	bool served[VERSIONS]; /* by the group */
	char **found;	       /* by resource */
};

static void discovery_free(struct kube_discovery *discovery)
{
	size_t i;

	for (i = 0; i < kube_resource_count; i++)
		free(discovery->found[i]);
	free(discovery->found);
	free(discovery);
}

static void finish(struct kube_discovery *discovery, const char *error)
{
	discovery->done(discovery->context, error ? NULL : discovery->found, error);
	discovery_free(discovery);
}

/* Does a list of objects have one of this name? */
static bool has_named(struct json_object *answer, const char *list, const char *member,
		      const char *name)
{
	struct json_object *items = NULL, *value;
	size_t i;

	if (!json_object_object_get_ex(answer, list, &items) ||
	    !json_object_is_type(items, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(items); i++)
		if (json_object_object_get_ex(json_object_array_get_idx(items, i), member,
					      &value) &&
		    json_object_is_type(value, json_type_string) &&
		    !strcmp(json_object_get_string(value), name))
			return true;
	return false;
}

static void take_group(struct kube_discovery *discovery, struct json_object *answer)
{
	size_t i;

	for (i = 0; i < VERSIONS; i++)
		discovery->served[i] = has_named(answer, "versions", "version", versions[i]);
}

/* From the latest version on: the first that has a resource counts. */
static void take_version(struct kube_discovery *discovery, struct json_object *answer)
{
	size_t i;

	for (i = 0; i < kube_resource_count; i++) {
		const struct kube_resource *resource = &kube_resources[i];

		if (!resource->version && !discovery->found[i] &&
		    !strcmp(resource->group, groups[discovery->group]) &&
		    has_named(answer, "resources", "name", resource->name))
			discovery->found[i] = memory_strdup(versions[discovery->version]);
	}
}

static void ask(struct kube_discovery *discovery);

static void next(struct kube_discovery *discovery)
{
	size_t from = discovery->version == VERSIONS ? 0 : discovery->version + 1;

	for (discovery->version = from;
	     discovery->version < VERSIONS && !discovery->served[discovery->version];
	     discovery->version++)
		;
	if (discovery->version == VERSIONS)
		discovery->group++;
	if (discovery->group == GROUPS)
		finish(discovery, NULL);
	else
		ask(discovery);
}

static void on_answer(void *context, const struct kube_outcome *outcome, struct json_object *answer)
{
	struct kube_discovery *discovery = context;

	discovery->ask = NULL;
	if (outcome->status != 404 && outcome->error[0]) {
		finish(discovery, outcome->error);
		return;
	}
	if (discovery->version == VERSIONS)
		take_group(discovery, answer);
	else
		take_version(discovery, answer);
	next(discovery);
}

static void ask(struct kube_discovery *discovery)
{
	bool group = discovery->version == VERSIONS;
	char *path = memory_printf("/apis/%s%s%s", groups[discovery->group], group ? "" : "/",
				   group ? "" : versions[discovery->version]);
	const struct kube_call call = { .path = path, .idle_ms = IDLE_MS };

	discovery->ask = kube_ask_send(discovery->http, &call, on_answer, discovery);
	free(path);
}

struct kube_discovery *kube_discovery_new(struct kube_http *http, kube_discovery_done done,
					  void *context)
{
	struct kube_discovery *discovery = memory_alloc(sizeof(*discovery));

	discovery->http = http;
	discovery->done = done;
	discovery->context = context;
	discovery->found = memory_alloc(kube_resource_count * sizeof(*discovery->found));
	discovery->version = VERSIONS;
	ask(discovery);
	return discovery;
}

void kube_discovery_cancel(struct kube_discovery *discovery)
{
	if (!discovery)
		return;
	kube_ask_cancel(discovery->ask);
	discovery_free(discovery);
}
