// SPDX-License-Identifier: Apache-2.0
/*
 * TrafficTarget of SMI, all versions. v1alpha1 has destination, specs and sources at the top
 * level, later versions destination, rules and sources in `spec`; both are taken in every version.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/syntax.h"

static const char no_target[] = "the TrafficTarget grants nothing";
static const char no_source[] = "nothing is granted to this source";
static const char no_rule[] = "the rule grants nothing";

int parse_member_either(const struct parse *parse, const struct field *root,
			const struct field *spec, const char *name, const char *consequence,
			struct field *member)
{
	struct field top = field_member(root, name);

	*member = field_member(spec, name);
	if (member->json && top.json) {
		field_finding(parse, &top, "Ambiguous", consequence,
			      "it is given at the top level and in spec");
		return -EINVAL;
	}
	if (top.json)
		*member = top;
	return 0;
}

/* A name that must be there; -EINVAL with a finding otherwise. */
static int read_name(const struct parse *parse, const struct field *field, const char *consequence,
		     const char **name)
{
	char excerpt[FIELD_EXCERPT_LEN];
	int ret = field_read_string(parse, field, name, consequence);

	if (ret < 0)
		return ret;
	if (!ret) {
		field_finding(parse, field, "MissingField", consequence, "it is missing");
		return -EINVAL;
	}
	if (!syntax_is_subdomain(*name)) {
		field_finding(parse, field, "InvalidField", consequence,
			      "\"%s\" is not a legal name", field_excerpt(*name, excerpt));
		return -EINVAL;
	}
	return 0;
}

static int read_subject_kind(const struct parse *parse, const struct field *entry,
			     const char *consequence, enum subject_kind *kind)
{
	struct field field = field_member(entry, "kind");
	struct field group = field_member(entry, "group");
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text = "", *group_text = "";

	if (field_read_string(parse, &field, &text, consequence) < 0 ||
	    field_read_string(parse, &group, &group_text, consequence) < 0)
		return -EINVAL;
	if (!strcmp(text, "ServiceAccount") && !*group_text) {
		*kind = SUBJECT_SERVICE_ACCOUNT;
		return 0;
	}
	if (!strcmp(text, "IdentityBinding") &&
	    (!*group_text || !strcmp(group_text, "access.smi-spec.io"))) {
		*kind = SUBJECT_IDENTITY_BINDING;
		return 0;
	}
	field_finding(parse, &field, "UnsupportedKind", consequence,
		      "\"%s\" is neither a ServiceAccount nor an IdentityBinding",
		      field_excerpt(text, excerpt));
	return -EINVAL;
}

/* 0, or -EINVAL when the subject is of no use; then nothing is allocated. */
static int parse_subject(const struct parse *parse, const struct field *entry,
			 const char *consequence, struct subject *subject)
{
	struct field name_field = field_member(entry, "name");
	struct field namespace_field = field_member(entry, "namespace");
	const char *name, *name_space = "";
	enum subject_kind kind;

	if (field_need_map(parse, entry, consequence) ||
	    read_subject_kind(parse, entry, consequence, &kind) ||
	    read_name(parse, &name_field, consequence, &name) ||
	    field_read_string(parse, &namespace_field, &name_space, consequence) < 0)
		return -EINVAL;
	if (!*name_space)
		name_space = parse->object->name_space;
	if (!syntax_is_label(name_space, strlen(name_space))) {
		field_finding(parse, &namespace_field, "InvalidField", consequence,
			      "this is not a legal namespace name");
		return -EINVAL;
	}
	subject->kind = kind;
	subject->name = memory_strdup(name);
	subject->name_space = memory_strdup(name_space);
	return 0;
}

/* A number as text: 1 to 65535, or -EINVAL. */
static int parse_port_digits(const char *text, uint16_t *port)
{
	unsigned int value = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > UINT16_MAX)
			return -EINVAL;
	}
	*port = (uint16_t)value;
	return value ? 0 : -EINVAL;
}

/* A number, digits, or the name of a container port. */
static int parse_destination_port(const struct parse *parse, const struct field *destination)
{
	struct traffic_target *target = (struct traffic_target *)parse->object;
	struct field field = field_member(destination, "port");
	char excerpt[FIELD_EXCERPT_LEN];
	int64_t number = 0;
	const char *text;
	int ret;

	if (!json_object_is_type(field.json, json_type_string)) {
		ret = field_read_integer(parse, &field, 1, UINT16_MAX, &number, no_target);
		target->destination_port = (uint16_t)number;
		return ret < 0 ? ret : 0;
	}
	if (field_read_string(parse, &field, &text, no_target) != 1)
		return -EINVAL;
	if (syntax_is_port_name(text)) {
		free(target->destination_port_name);
		target->destination_port_name = memory_strdup(text);
		return 0;
	}
	if (!parse_port_digits(text, &target->destination_port))
		return 0;
	field_finding(parse, &field, "InvalidField", no_target,
		      "\"%s\" is neither a port number nor the name of a container port",
		      field_excerpt(text, excerpt));
	return -EINVAL;
}

static int parse_destination(const struct parse *parse, const struct field *field)
{
	struct traffic_target *target = (struct traffic_target *)parse->object;
	struct field name_space = field_member(field, "namespace");

	if (!field->json) {
		field_finding(parse, field, "MissingField", no_target, "it has no destination");
		return -EINVAL;
	}
	if (parse_subject(parse, field, no_target, &target->destination))
		return -EINVAL;
	if (strcmp(target->destination.name_space, target->meta.name_space)) {
		field_finding(parse, &name_space, "ForeignNamespace", no_target,
			      "the destination is in namespace %s, the TrafficTarget in %s",
			      target->destination.name_space, target->meta.name_space);
		return -EINVAL;
	}
	return parse_destination_port(parse, field);
}

static int read_rule_kind(const struct parse *parse, const struct field *entry,
			  enum rule_kind *kind)
{
	static const char *const names[] = {
		[RULE_TCP_ROUTE] = "TCPRoute",
		[RULE_UDP_ROUTE] = "UDPRoute",
		[RULE_HTTP_ROUTE_GROUP] = "HTTPRouteGroup",
	};
	struct field field = field_member(entry, "kind");
	char excerpt[FIELD_EXCERPT_LEN];
	const char *text = "";
	size_t i;

	if (field_read_string(parse, &field, &text, no_rule) < 0)
		return -EINVAL;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], text)) {
			*kind = (enum rule_kind)i;
			return 0;
		}
	}
	field_finding(parse, &field, "UnsupportedKind", no_rule,
		      "\"%s\" is none of TCPRoute, UDPRoute and HTTPRouteGroup",
		      field_excerpt(text, excerpt));
	return -EINVAL;
}

/* A rule names a route of its own namespace; a field `namespace` may only repeat that. */
static int check_rule_namespace(const struct parse *parse, const struct field *entry)
{
	struct field field = field_member(entry, "namespace");
	const char *text = "";

	if (field_read_string(parse, &field, &text, no_rule) < 0)
		return -EINVAL;
	if (!*text || !strcmp(text, parse->object->name_space))
		return 0;
	field_finding(parse, &field, "ForeignNamespace", no_rule,
		      "routes are looked up in the namespace of the TrafficTarget only");
	return -EINVAL;
}

/*
 * The names of an HTTPRouteGroup's matches. When none of those given is usable,
 * the rule must not become one for the whole group.
 */
static int parse_rule_matches(const struct parse *parse, const struct field *field,
			      struct target_rule *rule)
{
	static const char no_match[] = "this name of a match is left out";
	size_t count = 0, i;
	const char *text;

	if (field_read_list(parse, field, &count, no_rule) < 0)
		return -EINVAL;
	rule->all_matches = !count;
	rule->matches = memory_alloc(count * sizeof(*rule->matches));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(field, i);

		if (field_read_string(parse, &entry, &text, no_match) == 1)
			rule->matches[rule->match_count++] = memory_strdup(text);
		else if (!entry.json)
			field_finding(parse, &entry, "InvalidField", no_match, "the name is null");
	}
	return count && !rule->match_count ? -EINVAL : 0;
}

/* 0, or -EINVAL when the rule is of no use; the caller clears it then. */
static int parse_rule(const struct parse *parse, const struct field *entry,
		      struct target_rule *rule)
{
	static const char *const members[] = { "kind",	"name",	    "matches",
					       "group", "apiGroup", "namespace" };
	struct field name_field = field_member(entry, "name");
	struct field matches = field_member(entry, "matches");
	const char *name;

	if (field_need_map(parse, entry, no_rule) ||
	    field_check_members(parse, entry, members, sizeof(members) / sizeof(members[0]),
				no_rule) ||
	    read_rule_kind(parse, entry, &rule->kind) || check_rule_namespace(parse, entry) ||
	    read_name(parse, &name_field, no_rule, &name))
		return -EINVAL;
	rule->name = memory_strdup(name);
	return parse_rule_matches(parse, &matches, rule);
}

static void rule_clear(struct target_rule *rule)
{
	size_t i;

	for (i = 0; i < rule->match_count; i++)
		free(rule->matches[i]);
	free(rule->matches);
	free(rule->name);
	*rule = (struct target_rule){ 0 };
}

void target_rules_free(struct target_rule *rules, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		rule_clear(&rules[i]);
	free(rules);
}

/* The length of a list that may not be empty; 0 with a finding otherwise. */
static size_t read_needed_list(const struct parse *parse, const struct field *field,
			       const char *what)
{
	size_t count = 0;

	if (field_read_list(parse, field, &count, no_target) < 0)
		return 0;
	if (!count)
		field_finding(parse, field, "MissingField", no_target, "it has no %s", what);
	return count;
}

static int parse_rules(const struct parse *parse, const struct field *field)
{
	struct traffic_target *target = (struct traffic_target *)parse->object;
	size_t count = read_needed_list(parse, field, "rules"), i;
	bool usable = false;

	target->rules = memory_alloc(count * sizeof(*target->rules));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(field, i);
		struct target_rule *rule = &target->rules[target->rule_count++];

		if (!parse_rule(parse, &entry, rule)) {
			usable = true;
			continue;
		}
		/* It stays, as of no known kind: without it the others would grant more. */
		rule_clear(rule);
		rule->kind = RULE_OTHER;
		rule->name = memory_strdup("");
	}
	return usable ? 0 : -EINVAL;
}

static int parse_sources(const struct parse *parse, const struct field *field)
{
	struct traffic_target *target = (struct traffic_target *)parse->object;
	size_t count = read_needed_list(parse, field, "sources"), i;

	target->sources = memory_alloc(count * sizeof(*target->sources));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(field, i);

		if (!parse_subject(parse, &entry, no_source,
				   &target->sources[target->source_count]))
			target->source_count++;
	}
	return target->source_count ? 0 : -EINVAL;
}

/* `rules`, or `specs` as v1alpha1 called them. */
static int find_rules(const struct parse *parse, const struct field *root, const struct field *spec,
		      struct field *rules)
{
	struct field specs;

	if (parse_member_either(parse, root, spec, "rules", no_target, rules) ||
	    parse_member_either(parse, root, spec, "specs", no_target, &specs))
		return -EINVAL;
	if (rules->json && specs.json) {
		field_finding(parse, &specs, "Ambiguous", no_target, "it has both rules and specs");
		return -EINVAL;
	}
	if (specs.json)
		*rules = specs;
	return 0;
}

void traffic_target_parse(const struct parse *parse, const struct field *root)
{
	struct traffic_target *target = (struct traffic_target *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field destination, rules, sources;

	/* whatever the destination turns out to be */
	target->destination_port_name = memory_strdup("");
	if (field_read_map(parse, &spec, no_target) < 0 ||
	    parse_member_either(parse, root, &spec, "destination", no_target, &destination) ||
	    parse_member_either(parse, root, &spec, "sources", no_target, &sources) ||
	    find_rules(parse, root, &spec, &rules)) {
		target->invalid = true;
	} else {
		/* all three are looked at, so that one reading finds everything */
		target->invalid |= parse_destination(parse, &destination) != 0;
		target->invalid |= parse_rules(parse, &rules) != 0;
		target->invalid |= parse_sources(parse, &sources) != 0;
	}
	if (!target->destination.name) {
		target->destination.kind = SUBJECT_OTHER;
		target->destination.name = memory_strdup("");
		target->destination.name_space = memory_strdup(target->meta.name_space);
	}
}

static void subject_clear(struct subject *subject)
{
	free(subject->name);
	free(subject->name_space);
}

void traffic_target_free(struct object *object)
{
	struct traffic_target *target = (struct traffic_target *)object;
	size_t i;

	subject_clear(&target->destination);
	for (i = 0; i < target->source_count; i++)
		subject_clear(&target->sources[i]);
	free(target->sources);
	target_rules_free(target->rules, target->rule_count);
	free(target->destination_port_name);
}
