// SPDX-License-Identifier: Apache-2.0
/* TCPRoute, UDPRoute and HTTPRouteGroup of SMI, all versions. */
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "policy/parse.h"
#include "policy/regex.h"
#include "policy/store.h"
#include "policy/syntax.h"

static const char no_route[] = "the route grants nothing";
static const char no_match[] = "the match grants nothing";

#define PATH_MATCH_KEY "weft.dev/path-match"

/* What the regexes of one object may cost together: that of ten hostile ones. */
enum { GROUP_REGEX_STEPS = 50000000 };

/* How the regexes of a group are meant, and what checking them may still cost. */
struct regex_check {
	enum regex_mode path_mode;
	uint64_t steps;
};

/*
 * No port listed means every port, so that a list of which nothing is left
 * must not look like one that never was there.
 */
static int parse_ports(const struct parse *parse, const struct field *list)
{
	struct port_route *route = (struct port_route *)parse->object;
	static const char consequence[] = "the port is left out";
	size_t count = 0, i;
	int64_t port;
	int ret;

	if (field_read_list(parse, list, &count, no_route) < 0)
		return -EINVAL;
	route->ports = memory_alloc(count * sizeof(*route->ports));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		ret = field_read_integer(parse, &entry, 1, UINT16_MAX, &port, consequence);
		if (ret == 1)
			route->ports[route->port_count++] = (uint16_t)port;
		else if (!ret)
			field_finding(parse, &entry, "InvalidField", consequence,
				      "the port is null");
	}
	if (!count || route->port_count)
		return 0;
	field_finding(parse, list, "InvalidField", no_route, "none of its ports is usable");
	return -EINVAL;
}

void port_route_parse(const struct parse *parse, const struct field *root)
{
	static const char *const spec_members[] = { "matches" };
	static const char *const match_members[] = { "ports", "name" };
	struct port_route *route = (struct port_route *)parse->object;
	struct field spec = field_member(root, "spec");
	struct field matches, ports;

	if (field_read_map(parse, &spec, no_route) < 0 ||
	    field_check_members(parse, &spec, spec_members, 1, no_route) ||
	    parse_member_either(parse, root, &spec, "matches", no_route, &matches) ||
	    field_read_map(parse, &matches, no_route) < 0 ||
	    field_check_members(parse, &matches, match_members, 2, no_route)) {
		route->invalid = true;
		return;
	}
	ports = field_member(&matches, "ports");
	route->invalid = parse_ports(parse, &ports) != 0;
}

void port_route_free(struct object *object)
{
	free(((struct port_route *)object)->ports);
}

/* A method left out would widen the match when it was the only one. */
static int parse_methods(const struct parse *parse, const struct field *list,
			 struct http_match *match)
{
	char excerpt[FIELD_EXCERPT_LEN];
	size_t count = 0, i;
	const char *text;

	if (field_read_list(parse, list, &count, no_match) < 0)
		return -EINVAL;
	match->methods = memory_alloc(count * sizeof(*match->methods));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(list, i);

		text = "";
		if (field_read_string(parse, &entry, &text, no_match) < 0)
			return -EINVAL;
		if (!syntax_is_http_token(text)) {
			field_finding(parse, &entry, "InvalidField", no_match,
				      "\"%s\" is no HTTP method", field_excerpt(text, excerpt));
			return -EINVAL;
		}
		match->methods[match->method_count++] = memory_strdup(text);
	}
	return 0;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/*
 * A regex that does not compile makes its match useless. It is compiled here, once for every
 * version of the object, and not whenever policy is compiled.
 */
static int check_regex(const struct parse *parse, const struct field *field, const char *text,
		       enum regex_mode mode, struct regex_check *check)
{
	char excerpt[FIELD_EXCERPT_LEN];
	struct regex_error error;
	int ret = regex_compile(text, strlen(text), mode, &check->steps, NULL, &error);

	if (ret == -E2BIG)
		field_finding(parse, field, "InvalidRegex", no_match,
			      "\"%s\" cannot be compiled within the budget: %s",
			      field_excerpt(text, excerpt), error.message);
	else if (ret)
		field_finding(parse, field, "InvalidRegex", no_match,
			      "\"%s\" is no RE2 syntax: at position %zu: %s",
			      field_excerpt(text, excerpt), error.offset + 1, error.message);
	return ret;
}

/* One map of header name to regex. */
static int parse_header_map(const struct parse *parse, const struct field *map,
			    struct regex_check *check, struct http_match *match, size_t *capacity)
{
	struct http_header_match *header;
	const char *text;
	size_t i;

	if (field_read_map(parse, map, no_match) < 0)
		return -EINVAL;
	if (!map->json)
		return 0;
	json_object_object_foreach(map->json, key, value) {
		struct field member = { .parent = map, .name = key, .json = value };

		if (!syntax_is_http_token(key)) {
			field_finding(parse, &member, "InvalidField", no_match,
				      "this is no name of an HTTP header");
			return -EINVAL;
		}
		if (!value) {
			field_finding(parse, &member, "InvalidField", no_match,
				      "the regular expression is null");
			return -EINVAL;
		}
		if (field_read_string(parse, &member, &text, no_match) != 1 ||
		    check_regex(parse, &member, text, REGEX_SEARCH, check))
			return -EINVAL;
		i = memory_grow(&match->headers, &match->header_count, capacity,
				sizeof(*match->headers));
		header = &match->headers[i];
		header->name = memory_strdup(key);
		header->value_regex = memory_strdup(text);
		lower(header->name);
	}
	return 0;
}

/* A map, or a list of maps as some tools write it; all of them must match. */
static int parse_headers(const struct parse *parse, const struct field *field,
			 struct regex_check *check, struct http_match *match)
{
	size_t capacity = 0, count, i;

	if (!json_object_is_type(field->json, json_type_array))
		return parse_header_map(parse, field, check, match, &capacity);
	count = json_object_array_length(field->json);
	for (i = 0; i < count; i++) {
		struct field entry = field_element(field, i);

		if (parse_header_map(parse, &entry, check, match, &capacity))
			return -EINVAL;
	}
	return 0;
}

/* 0, or -EINVAL when the match is of no use; the caller clears it then. */
static int parse_match(const struct parse *parse, const struct field *entry,
		       struct regex_check *check, struct http_match *match)
{
	static const char *const members[] = { "name", "pathRegex", "methods", "headers" };
	struct field name_field = field_member(entry, "name");
	struct field path_field = field_member(entry, "pathRegex");
	struct field methods = field_member(entry, "methods");
	struct field headers = field_member(entry, "headers");
	const char *name = "", *path = "";

	if (field_need_map(parse, entry, no_match) ||
	    field_check_members(parse, entry, members, 4, no_match) ||
	    field_read_string(parse, &name_field, &name, no_match) < 0 ||
	    field_read_string(parse, &path_field, &path, no_match) < 0)
		return -EINVAL;
	if (!*name) {
		field_finding(parse, &name_field, "MissingField", no_match, "it has no name");
		return -EINVAL;
	}
	match->name = memory_strdup(name);
	match->has_path = *path;
	match->path_regex = memory_strdup(path);
	if ((*path && check_regex(parse, &path_field, path, check->path_mode, check)) ||
	    parse_methods(parse, &methods, match) || parse_headers(parse, &headers, check, match))
		return -EINVAL;
	return 0;
}

static void match_clear(struct http_match *match)
{
	size_t i;

	for (i = 0; i < match->method_count; i++)
		free(match->methods[i]);
	for (i = 0; i < match->header_count; i++) {
		free(match->headers[i].name);
		free(match->headers[i].value_regex);
	}
	free(match->methods);
	free(match->headers);
	free(match->path_regex);
	free(match->name);
	*match = (struct http_match){ 0 };
}

/* A value that nobody knows must not widen what was meant to be narrow. */
static bool parse_path_match(const struct parse *parse)
{
	const char *value = labels_get(&parse->object->annotations, PATH_MATCH_KEY);
	char excerpt[FIELD_EXCERPT_LEN];

	if (!value || !strcmp(value, "prefix"))
		return false;
	if (strcmp(value, "full"))
		finding_add(parse->findings, parse->object,
			    "metadata.annotations[" PATH_MATCH_KEY "]", "InvalidValue",
			    "paths are matched in full", "\"%s\" is neither full nor prefix",
			    field_excerpt(value, excerpt));
	return true;
}

void http_route_group_parse(const struct parse *parse, const struct field *root)
{
	struct http_route_group *group = (struct http_route_group *)parse->object;
	struct regex_check check = { .steps = GROUP_REGEX_STEPS };
	struct field spec = field_member(root, "spec");
	struct field list;
	size_t count = 0, i;

	group->full_paths = parse_path_match(parse);
	check.path_mode = group->full_paths ? REGEX_FULL : REGEX_PREFIX;
	group->invalid = true;
	if (field_read_map(parse, &spec, no_route) < 0 ||
	    parse_member_either(parse, root, &spec, "matches", no_route, &list) ||
	    field_read_list(parse, &list, &count, no_route) < 0)
		return;
	if (!count)
		field_finding(parse, &list, "MissingField", no_route, "it has no matches");
	group->matches = memory_alloc(count * sizeof(*group->matches));
	for (i = 0; i < count; i++) {
		struct field entry = field_element(&list, i);
		struct http_match *match = &group->matches[group->match_count];

		if (parse_match(parse, &entry, &check, match))
			match_clear(match);
		else
			group->match_count++;
	}
	group->invalid = !group->match_count;
}

void http_route_group_free(struct object *object)
{
	struct http_route_group *group = (struct http_route_group *)object;
	size_t i;

	for (i = 0; i < group->match_count; i++)
		match_clear(&group->matches[i]);
	free(group->matches);
}
