// SPDX-License-Identifier: Apache-2.0
/* What every object has: its kind, its name, its metadata. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/field.h"
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/store.h"
#include "policy/syntax.h"

/* SMI versions are v1alpha1 to v1alpha4 */
enum { SMI_LAST_VERSION = 4 };

struct object_type {
	const char *kind;
	const char *group; /* SMI: without version; others: whole apiVersion */
	int first_version; /* SMI: of v1alphaN; 0 = not SMI */
	bool cluster_scoped;
	bool label_name; /* name is a label, not a subdomain */
	size_t size;
	void (*parse)(const struct parse *parse, const struct field *root);
	void (*free)(struct object *object);
};

static const struct object_type object_types[OBJECT_KIND_COUNT] = {
	[OBJECT_NAMESPACE] = {
		.kind = "Namespace",
		.group = "v1",
		.cluster_scoped = true,
		.label_name = true,
		.size = sizeof(struct namespace),
	},
	[OBJECT_NODE] = {
		.kind = "Node",
		.group = "v1",
		.cluster_scoped = true,
		.size = sizeof(struct node),
		.parse = node_parse,
		.free = node_free,
	},
	[OBJECT_SERVICE_ACCOUNT] = {
		.kind = "ServiceAccount",
		.group = "v1",
		.size = sizeof(struct service_account),
	},
	[OBJECT_POD] = {
		.kind = "Pod",
		.group = "v1",
		.size = sizeof(struct pod),
		.parse = pod_parse,
		.free = pod_free,
	},
	[OBJECT_SERVICE] = {
		.kind = "Service",
		.group = "v1",
		.label_name = true,
		.size = sizeof(struct service),
		.parse = service_parse,
		.free = service_free,
	},
	[OBJECT_ENDPOINT_SLICE] = {
		.kind = "EndpointSlice",
		.group = "discovery.k8s.io/v1",
		.size = sizeof(struct endpoint_slice),
		.parse = endpoint_slice_parse,
		.free = endpoint_slice_free,
	},
	[OBJECT_TRAFFIC_TARGET] = {
		.kind = "TrafficTarget",
		.group = "access.smi-spec.io",
		.first_version = 1,
		.size = sizeof(struct traffic_target),
		.parse = traffic_target_parse,
		.free = traffic_target_free,
	},
	[OBJECT_IDENTITY_BINDING] = {
		.kind = "IdentityBinding",
		.group = "access.smi-spec.io",
		.first_version = 4,
		.size = sizeof(struct identity_binding),
		.parse = identity_binding_parse,
		.free = identity_binding_free,
	},
	[OBJECT_TCP_ROUTE] = {
		.kind = "TCPRoute",
		.group = "specs.smi-spec.io",
		.first_version = 1,
		.size = sizeof(struct port_route),
		.parse = port_route_parse,
		.free = port_route_free,
	},
	[OBJECT_UDP_ROUTE] = {
		.kind = "UDPRoute",
		.group = "specs.smi-spec.io",
		.first_version = 4,
		.size = sizeof(struct port_route),
		.parse = port_route_parse,
		.free = port_route_free,
	},
	[OBJECT_HTTP_ROUTE_GROUP] = {
		.kind = "HTTPRouteGroup",
		.group = "specs.smi-spec.io",
		.first_version = 1,
		.size = sizeof(struct http_route_group),
		.parse = http_route_group_parse,
		.free = http_route_group_free,
	},
	[OBJECT_TRAFFIC_SPLIT] = {
		.kind = "TrafficSplit",
		.group = "split.smi-spec.io",
		.first_version = 1,
		.size = sizeof(struct traffic_split),
		.parse = traffic_split_parse,
		.free = traffic_split_free,
	},
};

/* What an object says it is; texts belong to its JSON, "" where missing or of the wrong type. */
struct object_claim {
	const char *api_version;
	const char *kind;
	const char *name_space;
	const char *name;
	const char *field; /* what is wrong with it */
	const char *message;
};

const char *object_kind_name(enum object_kind kind)
{
	return object_types[kind].kind;
}

/* The text of a member that must be a non-empty string if it is there; "" otherwise. */
static const char *claim_text(struct json_object *json, const char *name)
{
	struct json_object *member;
	const char *text;

	if (!json_object_is_type(json, json_type_object) ||
	    !json_object_object_get_ex(json, name, &member) ||
	    !json_object_is_type(member, json_type_string))
		return "";
	text = json_object_get_string(member);
	return strlen(text) == (size_t)json_object_get_string_len(member) ? text : "";
}

/* Is a member there at all? An empty string is as good as none. */
static bool claim_has(struct json_object *json, const char *name)
{
	struct json_object *member;

	if (!json_object_is_type(json, json_type_object) ||
	    !json_object_object_get_ex(json, name, &member) || !member)
		return false;
	return !json_object_is_type(member, json_type_string) || json_object_get_string_len(member);
}

static int claim_refuse(struct object_claim *claim, int error, const char *field,
			const char *message)
{
	claim->field = field;
	claim->message = message;
	return error;
}

/* The N of v1alphaN, 0 when it is something else. */
static int smi_version(const char *version)
{
	static const char prefix[] = "v1alpha";
	size_t length = sizeof(prefix) - 1;

	if (strncmp(version, prefix, length) || version[length] < '1' ||
	    version[length] > '0' + SMI_LAST_VERSION || version[length + 1])
		return 0;
	return version[length] - '0';
}

/* Is it a kind of SMI, of this group or (length 0) of whatever group? */
static bool is_smi(const char *kind, const char *group, size_t length)
{
	size_t i;

	for (i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (!object_types[i].first_version)
			continue;
		if (length ? strlen(object_types[i].group) == length &&
				     !strncmp(object_types[i].group, group, length) :
			     !strcmp(object_types[i].kind, kind))
			return true;
	}
	return false;
}

static int claim_kind_smi(struct object_claim *claim, size_t group_length, enum object_kind *kind)
{
	int version = smi_version(claim->api_version + group_length + 1);
	const struct object_type *type;
	size_t i;

	for (i = 0; i < OBJECT_KIND_COUNT; i++) {
		type = &object_types[i];
		if (!type->first_version || strcmp(type->kind, claim->kind) ||
		    strlen(type->group) != group_length ||
		    strncmp(type->group, claim->api_version, group_length))
			continue;
		if (!version || version < type->first_version)
			return claim_refuse(claim, -EPROTONOSUPPORT, "apiVersion",
					    "SMI defines no such version of this kind");
		*kind = (enum object_kind)i;
		return 0;
	}
	return claim_refuse(claim, -EPROTONOSUPPORT, "kind",
			    "this API group of SMI has no such kind");
}

static int claim_kind(struct object_claim *claim, enum object_kind *kind)
{
	const char *slash = strchr(claim->api_version, '/');
	size_t length = slash ? (size_t)(slash - claim->api_version) : 0, i;

	if (slash && length && is_smi(claim->kind, claim->api_version, length))
		return claim_kind_smi(claim, length, kind);
	for (i = 0; i < OBJECT_KIND_COUNT; i++) {
		if (!object_types[i].first_version && !strcmp(object_types[i].kind, claim->kind) &&
		    !strcmp(object_types[i].group, claim->api_version)) {
			*kind = (enum object_kind)i;
			return 0;
		}
	}
	/* "v1alpha1" alone, as in some examples of the specification */
	if (!slash && is_smi(claim->kind, NULL, 0))
		return claim_refuse(claim, -EPROTONOSUPPORT, "apiVersion",
				    "the API group is missing");
	return -ENOENT;
}

static int claim_name(struct object_claim *claim, struct json_object *metadata,
		      const struct object_type *type)
{
	if (!*claim->name)
		return claim_refuse(claim, -EINVAL, "metadata.name",
				    "the name is missing or no string");
	if (type->label_name ? !syntax_is_label(claim->name, strlen(claim->name)) :
			       !syntax_is_subdomain(claim->name))
		return claim_refuse(claim, -EINVAL, "metadata.name",
				    "this is not a legal name (RFC 1123)");
	if (type->cluster_scoped)
		claim->name_space = "";
	else if (!claim_has(metadata, "namespace"))
		claim->name_space = "default";
	else if (!syntax_is_label(claim->name_space, strlen(claim->name_space)))
		return claim_refuse(claim, -EINVAL, "metadata.namespace",
				    "this is not a legal namespace name (RFC 1123 label)");
	return 0;
}

static int object_claim(struct json_object *json, struct object_claim *claim,
			enum object_kind *kind)
{
	struct json_object *metadata = NULL;
	int ret;

	if (json_object_is_type(json, json_type_object))
		json_object_object_get_ex(json, "metadata", &metadata);
	*claim = (struct object_claim){
		.api_version = claim_text(json, "apiVersion"),
		.kind = claim_text(json, "kind"),
		.name_space = claim_text(metadata, "namespace"),
		.name = claim_text(metadata, "name"),
	};
	if (!json_object_is_type(json, json_type_object))
		return claim_refuse(claim, -EINVAL, "", "this is not an object");
	if (!*claim->api_version)
		return claim_refuse(claim, -EINVAL, "apiVersion",
				    "apiVersion is missing or no string");
	if (!*claim->kind)
		return claim_refuse(claim, -EINVAL, "kind", "kind is missing or no string");
	ret = claim_kind(claim, kind);
	return ret ? ret : claim_name(claim, metadata, &object_types[*kind]);
}

int object_identify(struct json_object *json, enum object_kind *kind)
{
	struct object_claim claim;

	return object_claim(json, &claim, kind);
}

/* A finding about something that did not become an object. */
static void object_refuse(const struct object_claim *claim, int error, const char *origin,
			  struct findings *findings)
{
	char excerpt[FIELD_EXCERPT_LEN];
	struct finding *finding;

	finding_add_file(findings, origin,
			 error == -EPROTONOSUPPORT ? "UnknownVersion" : "InvalidObject",
			 "the object is left out", "%s", claim->message);
	finding = &findings->items[findings->count - 1];
	free(finding->api_version);
	free(finding->kind);
	free(finding->name_space);
	free(finding->name);
	free(finding->field);
	finding->api_version = memory_strdup(field_excerpt(claim->api_version, excerpt));
	finding->kind = memory_strdup(field_excerpt(claim->kind, excerpt));
	finding->name_space = memory_strdup(field_excerpt(claim->name_space, excerpt));
	finding->name = memory_strdup(field_excerpt(claim->name, excerpt));
	finding->field = memory_strdup(claim->field);
}

static void meta_parse_labels(const struct parse *parse, const struct field *field,
			      struct labels *labels)
{
	static const char consequence[] = "counts as absent";
	const char *text;
	struct label *label;
	size_t count = 0;

	if (field_read_map(parse, field, consequence) != 1)
		return;
	count = (size_t)json_object_object_length(field->json);
	labels->items = memory_alloc(count * sizeof(*labels->items));
	json_object_object_foreach(field->json, key, value) {
		struct field member = { .parent = field, .name = key, .json = value };

		if (field_read_string(parse, &member, &text, consequence) != 1)
			continue;
		label = &labels->items[labels->count++];
		label->key = memory_strdup(key);
		label->value = memory_strdup(text);
	}
}

static void meta_parse_created(const struct parse *parse, const struct field *metadata)
{
	static const char consequence[] = "counts as the youngest of its kind";
	struct field field = field_member(metadata, "creationTimestamp");
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text;

	parse->object->created = INT64_MAX;
	if (field_read_string(parse, &field, &text, consequence) == 1 &&
	    syntax_parse_time(text, &parse->object->created))
		field_finding(parse, &field, "InvalidField", consequence,
			      "\"%s\" is not a time in the form of RFC 3339",
			      field_excerpt(text, excerpt));
}

static void meta_parse(const struct parse *parse, const struct field *root)
{
	static const char consequence[] = "counts as absent";
	struct object *object = parse->object;
	struct field metadata = field_member(root, "metadata");
	struct field uid = field_member(&metadata, "uid");
	struct field labels = field_member(&metadata, "labels");
	struct field annotations = field_member(&metadata, "annotations");
	const char *text = "";

	if (field_read_string(parse, &uid, &text, consequence) == 1 && *text &&
	    !syntax_is_uid(text)) {
		field_finding(parse, &uid, "InvalidField", consequence, "this is not a legal uid");
		text = "";
	}
	object->uid = memory_strdup(text);
	object->deleting = field_member(&metadata, "deletionTimestamp").json;
	meta_parse_created(parse, &metadata);
	meta_parse_labels(parse, &labels, &object->labels);
	meta_parse_labels(parse, &annotations, &object->annotations);
}

struct object *object_parse(struct json_object *json, const char *origin, struct findings *findings)
{
	struct field root = { .json = json };
	struct parse parse = { .findings = findings };
	struct object_claim claim;
	enum object_kind kind;
	struct object *object;
	int ret;

	ret = object_claim(json, &claim, &kind);
	if (ret) {
		if (ret != -ENOENT)
			object_refuse(&claim, ret, origin, findings);
		return NULL;
	}
	object = memory_alloc(object_types[kind].size);
	object->kind = kind;
	object->api_version = memory_strdup(claim.api_version);
	object->name_space = memory_strdup(claim.name_space);
	object->name = memory_strdup(claim.name);
	object->key = memory_printf("%s/%s", claim.name_space, claim.name);
	object->origin = memory_strdup(origin ? origin : "");
	object->text = memory_strdup(json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	parse.object = object;
	meta_parse(&parse, &root);
	if (object_types[kind].parse)
		object_types[kind].parse(&parse, &root);
	return object;
}

static void labels_free(struct labels *labels)
{
	size_t i;

	for (i = 0; i < labels->count; i++) {
		free(labels->items[i].key);
		free(labels->items[i].value);
	}
	free(labels->items);
}

void object_free(struct object *object)
{
	if (!object)
		return;
	if (object_types[object->kind].free)
		object_types[object->kind].free(object);
	labels_free(&object->labels);
	labels_free(&object->annotations);
	free(object->api_version);
	free(object->name_space);
	free(object->name);
	free(object->uid);
	free(object->origin);
	free(object->key);
	free(object->text);
	free(object);
}
