// SPDX-License-Identifier: Apache-2.0
/* Rules of a TrafficTarget and the routes that they name. */
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

static int port_compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

bool compile_port_set_has(const struct port_set *set, uint16_t port)
{
	return set->any ||
	       (set->count && bsearch(&port, set->items, set->count, sizeof(port), port_compare));
}

/* A list this long has as many duplicates as ports: time to drop them. */
enum { PORT_SET_SLACK = 131072 };

static void port_set_finish(struct port_set *set)
{
	size_t i, kept = 0;

	if (set->count > 1)
		qsort(set->items, set->count, sizeof(*set->items), port_compare);
	for (i = 0; i < set->count; i++)
		if (!kept || set->items[i] != set->items[kept - 1])
			set->items[kept++] = set->items[i];
	set->count = kept;
}

static void port_set_add(struct port_set *set, uint16_t port)
{
	size_t i;

	if (set->count == PORT_SET_SLACK)
		port_set_finish(set);
	i = memory_grow(&set->items, &set->count, &set->capacity, sizeof(*set->items));
	set->items[i] = port;
}

static void rule_finding(struct compilation *c, const struct traffic_target *target, size_t rule,
			 const char *reason, const char *kind, const char *what)
{
	char *field = memory_printf("spec.rules[%zu].name", rule);

	finding_add(c->findings, &target->meta, field, reason, "this rule grants nothing",
		    "%s %s/%s %s", kind, target->meta.name_space, target->rules[rule].name, what);
	free(field);
}

/* The route that a rule names; without a valid one, NULL and a finding. */
static const struct port_route *rule_port_route(struct compilation *c,
						const struct traffic_target *target, size_t rule,
						enum object_kind kind)
{
	const char *name = target->rules[rule].name;
	const struct port_route *route;

	route = (const struct port_route *)store_find(c->store, kind, target->meta.name_space,
						      name);
	if (!route)
		rule_finding(c, target, rule, "MissingRoute", object_kind_name(kind),
			     "does not exist");
	else if (route->invalid)
		rule_finding(c, target, rule, "InvalidRoute", object_kind_name(kind), "is invalid");
	return route && !route->invalid ? route : NULL;
}

/* Adds a route's ports. Port 0 would be the map's wildcard: never taken from a route. */
static void grant_port_route(struct compilation *c, const struct traffic_target *target,
			     size_t rule, const struct port_route *route, struct port_set *set)
{
	bool meets = !target->destination_port;
	char *field;
	size_t i;

	if (!route)
		return;
	if (!route->port_count) {
		set->any = true;
		return;
	}
	for (i = 0; i < route->port_count; i++) {
		if (route->ports[i])
			port_set_add(set, route->ports[i]);
		meets |= route->ports[i] == target->destination_port;
	}
	if (meets)
		return;
	field = memory_printf("spec.rules[%zu].name", rule);
	finding_add(c->findings, &target->meta, field, "DisjointPorts", "this rule grants nothing",
		    "%s does not list the destination's port %u", route->meta.key,
		    (unsigned int)target->destination_port);
	free(field);
}

static bool group_has_match(const struct http_route_group *group, const char *name)
{
	size_t i;

	for (i = 0; i < group->match_count; i++)
		if (!strcmp(group->matches[i].name, name))
			return true;
	return false;
}

static void missing_matches(struct compilation *c, const struct traffic_target *target,
			    size_t index, const struct http_route_group *group)
{
	const struct target_rule *rule = &target->rules[index];
	char *field;
	size_t i;

	for (i = 0; i < rule->match_count; i++) {
		if (group_has_match(group, rule->matches[i]))
			continue;
		field = memory_printf("spec.rules[%zu].matches[%zu]", index, i);
		finding_add(c->findings, &target->meta, field, "MissingMatch",
			    "this match grants nothing", "HTTPRouteGroup %s has no match \"%s\"",
			    group->meta.key, rule->matches[i]);
		free(field);
	}
}

static bool rule_names_match(const struct target_rule *rule, const struct http_match *match)
{
	size_t i;

	for (i = 0; i < rule->match_count; i++)
		if (!strcmp(rule->matches[i], match->name))
			return true;
	return rule->all_matches;
}

/* The same group may be listed twice, and a match in both. */
static bool granted_before(const struct traffic_target *target, size_t index,
			   const struct http_match *match)
{
	size_t i;

	for (i = 0; i < index; i++)
		if (target->rules[i].kind == RULE_HTTP_ROUTE_GROUP &&
		    !strcmp(target->rules[i].name, target->rules[index].name) &&
		    rule_names_match(&target->rules[i], match))
			return true;
	return false;
}

/* Adds the matches that a rule names; findings when that fails. */
static void grant_matches(struct compilation *c, const struct traffic_target *target, size_t index,
			  struct match_list *list)
{
	const struct target_rule *rule = &target->rules[index];
	struct granted_match granted = { .rule = index };
	const struct http_route_group *group;
	size_t i, at;

	group = (const struct http_route_group *)store_find(c->store, OBJECT_HTTP_ROUTE_GROUP,
							    target->meta.name_space, rule->name);
	if (!group || group->invalid) {
		rule_finding(c, target, index, group ? "InvalidRoute" : "MissingRoute",
			     "HTTPRouteGroup", group ? "is invalid" : "does not exist");
		return;
	}
	missing_matches(c, target, index, group);
	granted.group = group;
	for (i = 0; i < group->match_count; i++) {
		granted.match = &group->matches[i];
		if (!rule_names_match(rule, granted.match) ||
		    granted_before(target, index, granted.match))
			continue;
		at = memory_grow(&list->items, &list->count, &list->capacity, sizeof(*list->items));
		list->items[at] = granted;
	}
}

/*
 * TCPRoutes alone grant at L4; beside HTTP rules they say on which ports those
 * hold. What decides is that a rule of a kind is listed, not that it is valid: a
 * route that is missing must not turn HTTP into L4, nor some ports into all. A
 * rule of an unknown kind may have been meant as either.
 */
void compile_target_grants(struct compilation *c, const struct traffic_target *target,
			   struct target_grants *grants)
{
	bool http_listed = false, tcp_listed = false;
	struct port_set tcp = { 0 };
	size_t i;

	for (i = 0; i < target->rule_count; i++) {
		switch (target->rules[i].kind) {
		case RULE_TCP_ROUTE:
			tcp_listed = true;
			grant_port_route(c, target, i,
					 rule_port_route(c, target, i, OBJECT_TCP_ROUTE), &tcp);
			break;
		case RULE_UDP_ROUTE:
			grant_port_route(c, target, i,
					 rule_port_route(c, target, i, OBJECT_UDP_ROUTE),
					 &grants->udp);
			break;
		case RULE_HTTP_ROUTE_GROUP:
			http_listed = true;
			grant_matches(c, target, i, &grants->matches);
			break;
		case RULE_OTHER:
			http_listed = true;
			tcp_listed = true;
			break;
		}
	}
	port_set_finish(&tcp);
	port_set_finish(&grants->udp);
	if (!http_listed) {
		grants->tcp = tcp;
		return;
	}
	if (!grants->matches.count) {
		free(tcp.items);
		return;
	}
	grants->http = tcp;
	grants->http.any |= !tcp_listed;
}

void compile_grants_free(struct target_grants *grants)
{
	free(grants->tcp.items);
	free(grants->http.items);
	free(grants->udp.items);
	free(grants->matches.items);
}
