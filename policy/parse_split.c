// SPDX-License-Identifier: Apache-2.0
/* TrafficSplit of SMI, all versions: weights are quantities in v1alpha1, numbers later. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/syntax.h"

static const char no_split[] = "the TrafficSplit has no effect";
static const char no_backend[] = "the backend gets no connections";

/*
 * The name of a service of this namespace, also written as name.namespace,
 * name.namespace.svc or with a cluster domain after that. NULL with a finding otherwise.
 */
static char *read_service(const struct parse *parse, const struct field *field,
			  const char *consequence)
{
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text = "", *dot, *rest;
	const char *own = parse->object->name_space;
	size_t length;

	if (field_read_string(parse, field, &text, consequence) < 0)
		return NULL;
	if (!*text) {
		field_finding(parse, field, "MissingField", consequence, "it names no service");
		return NULL;
	}
	dot = strchrnul(text, '.');
	if (!syntax_is_label(text, (size_t)(dot - text)) || !syntax_is_subdomain(text)) {
		field_finding(parse, field, "InvalidField", consequence,
			      "\"%s\" is not a legal name of a service",
			      field_excerpt(text, excerpt));
		return NULL;
	}
	if (!*dot)
		return memory_strdup(text);
	length = strlen(own);
	rest = dot + 1;
	if (strncmp(rest, own, length) || (rest[length] && rest[length] != '.')) {
		field_finding(parse, field, "ForeignNamespace", consequence,
			      "\"%s\" is not in namespace %s", field_excerpt(text, excerpt), own);
		return NULL;
	}
	rest += length;
	if (*rest && (strncmp(rest, ".svc", 4) || (rest[4] && rest[4] != '.'))) {
		field_finding(parse, field, "InvalidField", consequence,
			      "\"%s\" is not of the form name.namespace.svc",
			      field_excerpt(text, excerpt));
		return NULL;
	}
	return memory_printf("%.*s", (int)(dot - text), text);
}

/* A number, or a quantity as text. */
static int read_weight(const struct parse *parse, const struct field *field, uint64_t *milli)
{
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text = "", *problem;

	switch (json_object_get_type(field->json)) {
	case json_type_null:
		field_finding(parse, field, "MissingField", no_backend, "it has no weight");
		return -EINVAL;
	case json_type_int:
	case json_type_double:
		/* the text as it was written, so that nothing is lost on the way */
		text = json_object_to_json_string(field->json);
		break;
	default:
		if (field_read_string(parse, field, &text, no_backend) != 1)
			return -EINVAL;
	}
	switch (syntax_parse_quantity(text, milli)) {
	case 0:
		return 0;
	case -EDOM:
		problem = "is negative";
		break;
	case -ERANGE:
		problem = "is too large";
		break;
	default:
		problem = "is no quantity";
	}
	field_finding(parse, field, "InvalidWeight", no_backend, "the weight \"%s\" %s",
		      field_excerpt(text, excerpt), problem);
	return -EINVAL;
}

static void parse_backend(const struct parse *parse, const struct field *entry,
			  struct split_backend *backend)
{
	struct field service = field_member(entry, "service");
	struct field weight = field_member(entry, "weight");

	if (!field_need_map(parse, entry, no_backend)) {
		backend->service = read_service(parse, &service, no_backend);
		backend->invalid = read_weight(parse, &weight, &backend->weight_milli) != 0;
	}
	if (!backend->service) {
		backend->service = memory_strdup("");
		backend->invalid = true;
	}
}

static int parse_backends(const struct parse *parse, const struct field *list)
{
	struct traffic_split *split = (struct traffic_split *)parse->object;
	size_t count = 0, i;

	if (field_read_list(parse, list, &count, no_split) < 0)
		return -EINVAL;
	if (!count) {
		field_finding(parse, list, "MissingField", no_split, "it has no backends");
		return -EINVAL;
	}
	split->backends = memory_alloc(count * sizeof(*split->backends));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		parse_backend(parse, &entry, &split->backends[i]);
	}
	split->backend_count = count;
	return 0;
}

/* 0, or -EINVAL when the entry is of no use. */
static int parse_match(const struct parse *parse, const struct field *entry,
		       struct target_rule *rule)
{
	static const char consequence[] = "this entry selects no requests";
	struct field kind_field = field_member(entry, "kind");
	struct field name_field = field_member(entry, "name");
	const char *kind = "", *name = "";

	if (field_need_map(parse, entry, consequence) ||
	    field_read_string(parse, &kind_field, &kind, consequence) < 0 ||
	    field_read_string(parse, &name_field, &name, consequence) < 0)
		return -EINVAL;
	if (strcmp(kind, "HTTPRouteGroup")) {
		field_finding(parse, &kind_field, "UnsupportedKind", consequence,
			      "HTTPRouteGroup is the only kind there is");
		return -EINVAL;
	}
	if (!syntax_is_subdomain(name)) {
		field_finding(parse, &name_field, "InvalidField", consequence,
			      "this is not the name of a route group");
		return -EINVAL;
	}
	rule->kind = RULE_HTTP_ROUTE_GROUP;
	rule->name = memory_strdup(name);
	rule->all_matches = true;
	return 0;
}

/* A list of which nothing is left must not split all requests. */
static int parse_matches(const struct parse *parse, const struct field *list)
{
	struct traffic_split *split = (struct traffic_split *)parse->object;
	size_t count = 0, i;

	if (field_read_list(parse, list, &count, no_split) < 0)
		return -EINVAL;
	split->matches = memory_alloc(count * sizeof(*split->matches));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		if (!parse_match(parse, &entry, &split->matches[split->match_count]))
			split->match_count++;
	}
	if (!count || split->match_count)
		return 0;
	field_finding(parse, list, "InvalidField", no_split, "none of its matches is usable");
	return -EINVAL;
}

void traffic_split_parse(const struct parse *parse, const struct field *root)
{
	struct traffic_split *split = (struct traffic_split *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field service = field_member(&spec, "service");
	struct field backends = field_member(&spec, "backends");
	struct field matches = field_member(&spec, "matches");

	if (field_read_map(parse, &spec, no_split) >= 0) {
		split->service = read_service(parse, &service, no_split);
		split->invalid |= parse_backends(parse, &backends) != 0;
		split->invalid |= parse_matches(parse, &matches) != 0;
	}
	if (!split->service) {
		split->service = memory_strdup("");
		split->invalid = true;
	}
}

void traffic_split_free(struct object *object)
{
	struct traffic_split *split = (struct traffic_split *)object;
	size_t i;

	for (i = 0; i < split->backend_count; i++)
		free(split->backends[i].service);
	free(split->backends);
	target_rules_free(split->matches, split->match_count);
	free(split->service);
}
