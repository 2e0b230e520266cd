// SPDX-License-Identifier: Apache-2.0
/* The reference evaluator's reading of TrafficTargets; see evaluate.c. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/evaluate_internal.h"

/* What one target says about the question. */
enum target_answer {
	TARGET_NOTHING,
	TARGET_HTTP,
	TARGET_ALLOWS,
};

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static const char *subject_kind_name(const struct subject *subject)
{
	return subject->kind == SUBJECT_SERVICE_ACCOUNT ? "ServiceAccount" : "IdentityBinding";
}

static bool binding_covers(const struct question *q, const struct identity_binding *binding,
			   const struct pod *pod)
{
	size_t i;

	if (binding->invalid || strcmp(binding->meta.name_space, pod->meta.name_space))
		return false;
	if (*binding->service_account && !strcmp(binding->service_account, pod->service_account))
		return true;
	if (binding->has_selector && selector_matches(&binding->selector, &pod->meta.labels))
		return true;
	for (i = 0; i < binding->spiffe_count; i++) {
		const struct spiffe_identity *spiffe = &binding->spiffe[i];

		if (!spiffe->foreign && !strcmp(spiffe->trust_domain, q->facts->trust_domain) &&
		    !strcmp(spiffe->name_space, pod->meta.name_space) &&
		    !strcmp(spiffe->service_account, pod->service_account))
			return true;
	}
	return false;
}

static bool subject_covers(const struct question *q, const struct subject *subject,
			   const struct pod *pod)
{
	const struct object *binding;

	switch (subject->kind) {
	case SUBJECT_SERVICE_ACCOUNT:
		return !strcmp(subject->name_space, pod->meta.name_space) &&
		       !strcmp(subject->name, pod->service_account);
	case SUBJECT_IDENTITY_BINDING:
		binding = store_find(q->store, OBJECT_IDENTITY_BINDING, subject->name_space,
				     subject->name);
		return binding && binding_covers(q, (const struct identity_binding *)binding, pod);
	case SUBJECT_OTHER:
		break;
	}
	return false;
}

static bool sources_cover(const struct question *q, const struct traffic_target *target)
{
	size_t i;

	for (i = 0; i < target->source_count; i++)
		if (subject_covers(q, &target->sources[i], q->src.pod))
			return true;
	return false;
}

/* Is the port the one that the target's destination is narrowed to, if it is? */
static bool destination_port_is(const struct question *q, const struct traffic_target *target)
{
	const struct pod *pod = q->dst.pod;
	size_t i;

	if (target->destination_port)
		return target->destination_port == q->port;
	if (!*target->destination_port_name)
		return true;
	for (i = 0; i < pod->port_count; i++)
		if (pod->ports[i].proto == q->proto &&
		    !strcmp(pod->ports[i].name, target->destination_port_name))
			return pod->ports[i].port == q->port;
	return false;
}

/* A route that exists and is valid, and lists the port or none. */
static bool route_has_port(const struct question *q, const struct traffic_target *target,
			   const struct target_rule *rule, enum object_kind kind)
{
	const struct port_route *route;
	size_t i;

	route = (const struct port_route *)store_find(q->store, kind, target->meta.name_space,
						      rule->name);
	if (!route || route->invalid)
		return false;
	for (i = 0; i < route->port_count; i++)
		if (q->port && route->ports[i] == q->port)
			return true;
	return !route->port_count;
}

/* A group that exists and is valid, with at least one match that the rule means. */
static bool group_has_match(const struct question *q, const struct traffic_target *target,
			    const struct target_rule *rule)
{
	const struct http_route_group *group = evaluate_group(q, target, rule);
	size_t i;

	for (i = 0; group && i < group->match_count; i++)
		if (evaluate_rule_means(rule, &group->matches[i]))
			return true;
	return false;
}

static bool has_rule(const struct traffic_target *target, enum rule_kind kind)
{
	size_t i;

	for (i = 0; i < target->rule_count; i++)
		if (target->rules[i].kind == kind)
			return true;
	return false;
}

static bool some_route_has_port(const struct question *q, const struct traffic_target *target,
				enum rule_kind rule_kind, enum object_kind kind)
{
	size_t i;

	for (i = 0; i < target->rule_count; i++)
		if (target->rules[i].kind == rule_kind &&
		    route_has_port(q, target, &target->rules[i], kind))
			return true;
	return false;
}

static bool some_group_has_match(const struct question *q, const struct traffic_target *target)
{
	size_t i;

	for (i = 0; i < target->rule_count; i++)
		if (target->rules[i].kind == RULE_HTTP_ROUTE_GROUP &&
		    group_has_match(q, target, &target->rules[i]))
			return true;
	return false;
}

/* The groups, where the source and the port are settled. */
static enum target_answer ask_groups(struct question *q, const struct traffic_target *target)
{
	size_t i;

	if (!some_group_has_match(q, target)) {
		evaluate_step(q, &target->meta, 0,
			      "no HTTPRouteGroup of it has a match that exists");
		return TARGET_NOTHING;
	}
	evaluate_step(q, &target->meta, 0,
		      "its HTTPRouteGroups decide about requests on port %u/tcp",
		      (unsigned int)q->port);
	for (i = 0; i < target->rule_count; i++)
		if (target->rules[i].kind == RULE_HTTP_ROUTE_GROUP)
			evaluate_matches(q, target, &target->rules[i]);
	return TARGET_HTTP;
}

/* The rules alone: the source and the destination's port are settled. */
static enum target_answer ask_rules(struct question *q, const struct traffic_target *target)
{
	const struct object *object = &target->meta;
	unsigned int port = q->port;
	/* Of an unknown kind: may have been meant as a route or as a group; counts against both. */
	bool other = has_rule(target, RULE_OTHER);

	if (q->proto == IPPROTO_UDP) {
		if (some_route_has_port(q, target, RULE_UDP_ROUTE, OBJECT_UDP_ROUTE)) {
			evaluate_step(q, object, 1, "a UDPRoute covers port %u/udp", port);
			return TARGET_ALLOWS;
		}
		evaluate_step(q, object, 0, "no UDPRoute of it covers port %u/udp", port);
		return TARGET_NOTHING;
	}
	if ((has_rule(target, RULE_TCP_ROUTE) || other) &&
	    !some_route_has_port(q, target, RULE_TCP_ROUTE, OBJECT_TCP_ROUTE)) {
		evaluate_step(q, object, 0, "no TCPRoute of it covers port %u/tcp", port);
		return TARGET_NOTHING;
	}
	if (has_rule(target, RULE_HTTP_ROUTE_GROUP))
		return ask_groups(q, target);
	if (other || !has_rule(target, RULE_TCP_ROUTE)) {
		evaluate_step(q, object, 0, "no rule of it is for TCP");
		return TARGET_NOTHING;
	}
	evaluate_step(q, object, 1, "a TCPRoute covers port %u/tcp", port);
	return TARGET_ALLOWS;
}

static enum target_answer ask_target(struct question *q, const struct traffic_target *target)
{
	const struct pod *src = q->src.pod;

	if (target->invalid) {
		evaluate_step(q, &target->meta, 0, "it is invalid and grants nothing");
		return TARGET_NOTHING;
	}
	if (!sources_cover(q, target)) {
		evaluate_step(q, &target->meta, 0,
			      "source pod %s/%s of ServiceAccount %s is not among its sources",
			      src->meta.name_space, src->meta.name, src->service_account);
		return TARGET_NOTHING;
	}
	if (!destination_port_is(q, target)) {
		evaluate_step(q, &target->meta, 0,
			      "port %u/%s is not the port of its destination, %s %s",
			      (unsigned int)q->port, proto_name(q->proto),
			      subject_kind_name(&target->destination), target->destination.name);
		return TARGET_NOTHING;
	}
	return ask_rules(q, target);
}

/* Additive: the best answer of any target. All are asked, so that all are listed. */
enum weft_reason evaluate_targets(struct question *q)
{
	enum target_answer answer, best = TARGET_NOTHING;
	struct object *const *targets;
	size_t count, asked = 0, i;

	targets = store_sorted(q->store, OBJECT_TRAFFIC_TARGET, &count);
	for (i = 0; i < count; i++) {
		const struct traffic_target *target = (const struct traffic_target *)targets[i];

		if (strcmp(target->meta.name_space, target->destination.name_space) ||
		    !subject_covers(q, &target->destination, q->dst.pod))
			continue;
		asked++;
		answer = ask_target(q, target);
		if (answer > best)
			best = answer;
	}
	if (!asked)
		evaluate_step(
			q, &q->dst.pod->meta, 0,
			"no TrafficTarget has this pod, of ServiceAccount %s, as its destination",
			q->dst.pod->service_account);
	if (best == TARGET_ALLOWS) {
		/* what HTTP rules say does not matter then */
		free(q->rule);
		q->rule = NULL;
		return WEFT_REASON_POLICY;
	}
	if (best == TARGET_NOTHING)
		return WEFT_REASON_NO_RULE;
	return q->request && !q->rule ? WEFT_REASON_NO_HTTP_RULE : WEFT_REASON_HTTP;
}
