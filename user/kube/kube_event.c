// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_event.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/json_text.h"

enum { HASH_BYTES = 8 }; /* of a name: told apart well enough within a namespace */

/* At most so many bytes, and no part of a character. */
static size_t cut_length(const char *text, size_t max)
{
	size_t length = strlen(text);

	if (length <= max)
		return length;
	while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static char *make_note(const struct finding *finding)
{
	char *whole = memory_printf("%s%s%s; %s", finding->field, *finding->field ? ": " : "",
				    finding->message, finding->consequence);
	char *note = memory_printf("%.*s", (int)cut_length(whole, KUBE_EVENT_NOTE_MAX), whole);

	free(whole);
	return note;
}

/* The object's name, as far as there is room for it, and what tells this finding from others. */
static char *make_name(const struct kube_event *event)
{
	char *text = memory_printf("%s\n%s\n%s", event->uid, event->reason, event->note);
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	size_t length = cut_length(event->object_name, KUBE_EVENT_NAME_MAX - 1 - 2 * HASH_BYTES), i;
	char hash[2 * HASH_BYTES + 1];

	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	free(text);
	for (i = 0; i < HASH_BYTES; i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	while (length && strchr(".-", event->object_name[length - 1]))
		length--;
	return memory_printf("%.*s.%s", (int)length, event->object_name, hash);
}

static const struct object *find_object(const struct finding *finding, const struct store *store,
					const char *node)
{
	enum object_kind kind;

	if (!*finding->kind)
		return store_find(store, OBJECT_NODE, "", node);
	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		if (!strcmp(object_kind_name(kind), finding->kind))
			return store_find(store, kind, finding->name_space, finding->name);
	return NULL;
}

static bool is_local(const struct finding *finding, const struct object *object, const char *node)
{
	if (!*finding->kind)
		return true;
	return object->kind == OBJECT_POD && !strcmp(((const struct pod *)object)->node_name, node);
}

bool kube_event_is_local(const struct finding *finding, const struct store *store, const char *node)
{
	const struct object *object = find_object(finding, store, node);

	return object && is_local(finding, object, node);
}

bool kube_event_make(struct kube_event *event, const struct finding *finding,
		     const struct store *store, const char *node, bool only_local)
{
	const struct object *object = find_object(finding, store, node), *space;
	bool local;

	if (!object || !*object->uid)
		return false;
	local = is_local(finding, object, node);
	if (only_local && !local)
		return false;
	if (*object->name_space) {
		space = store_find(store, OBJECT_NAMESPACE, "", object->name_space);
		if (space && space->deleting)
			return false;
	}
	*event = (struct kube_event){
		.name_space = memory_strdup(*object->name_space ? object->name_space : "default"),
		.api_version = memory_strdup(object->api_version),
		.kind = memory_strdup(object_kind_name(object->kind)),
		.object_space = memory_strdup(object->name_space),
		.object_name = memory_strdup(object->name),
		.uid = memory_strdup(object->uid),
		.reason = memory_strdup(finding->reason),
		.note = make_note(finding),
		.is_local = local,
	};
	event->name = make_name(event);
	return true;
}

void kube_event_clear(struct kube_event *event)
{
	free(event->name);
	free(event->name_space);
	free(event->api_version);
	free(event->kind);
	free(event->object_space);
	free(event->object_name);
	free(event->uid);
	free(event->reason);
	free(event->note);
	*event = (struct kube_event){ 0 };
}

struct json_object *kube_event_json(const struct kube_event *event, const char *node,
				    const char *time)
{
	struct json_object *json = json_object_new_object(), *metadata = json_object_new_object();
	struct json_object *regarding = json_object_new_object();
	char instance[KUBE_EVENT_INSTANCE_MAX + 1];

	json_add_text(metadata, "name", event->name);
	json_add_text(metadata, "namespace", event->name_space);
	json_add_text(regarding, "apiVersion", event->api_version);
	json_add_text(regarding, "kind", event->kind);
	if (*event->object_space)
		json_add_text(regarding, "namespace", event->object_space);
	json_add_text(regarding, "name", event->object_name);
	json_add_text(regarding, "uid", event->uid);
	snprintf(instance, sizeof(instance), "%s", node);
	json_add_text(json, "apiVersion", "events.k8s.io/v1");
	json_add_text(json, "kind", "Event");
	json_object_object_add(json, "metadata", metadata);
	json_object_object_add(json, "regarding", regarding);
	json_add_text(json, "type", "Warning");
	json_add_text(json, "reason", event->reason);
	json_add_text(json, "action", "Enforce");
	json_add_text(json, "note", event->note);
	json_add_text(json, "eventTime", time);
	json_add_text(json, "reportingController", "weft.dev/weftd");
	json_add_text(json, "reportingInstance", instance);
	return json;
}
