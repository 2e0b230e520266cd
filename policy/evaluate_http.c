// SPDX-License-Identifier: Apache-2.0
/*
 * The reference evaluator's reading of HTTPRouteGroups: each match on its own, each regex on its
 * own; see evaluate.c.
 */
#include "policy/evaluate_http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/evaluate_internal.h"
#include "policy/memory.h"
#include "policy/regex.h"

enum { EXCERPT_LEN = 80 }; /* of a path in a step, which may be as long as a head */

const struct http_route_group *evaluate_group(const struct question *q,
					      const struct traffic_target *target,
					      const struct target_rule *rule)
{
	const struct http_route_group *group;

	group = (const struct http_route_group *)store_find(q->store, OBJECT_HTTP_ROUTE_GROUP,
							    target->meta.name_space, rule->name);
	return group && !group->invalid ? group : NULL;
}

bool evaluate_rule_means(const struct target_rule *rule, const struct http_match *match)
{
	size_t i;

	for (i = 0; i < rule->match_count; i++)
		if (!strcmp(rule->matches[i], match->name))
			return true;
	return rule->all_matches;
}

static bool regex_matches(const char *pattern, enum regex_mode mode, const struct http_text *text)
{
	struct regex_accept accept;
	struct regex_error error;
	struct regex_dfa dfa;

	if (regex_compile(pattern, strlen(pattern), mode, NULL, &dfa, &error))
		return false; /* cannot be: the match would not be there */
	regex_dfa_run(&dfa, text->bytes, text->length, &accept);
	regex_dfa_clear(&dfa);
	return regex_accept_has(&accept, 0);
}

static bool method_matches(const struct http_match *match, const struct http_text *method)
{
	/* It opens a tunnel, so nothing but its own name means it. */
	bool any = !match->method_count && !http_text_is(method, "CONNECT");
	size_t i;

	for (i = 0; i < match->method_count; i++)
		if (http_text_is(method, match->methods[i]) ||
		    (!strcmp(match->methods[i], "*") && !http_text_is(method, "CONNECT")))
			return true;
	return any;
}

static bool path_matches(const struct http_route_group *group, const struct http_match *match,
			 const struct http_text *path)
{
	return !match->has_path ||
	       regex_matches(match->path_regex, group->full_paths ? REGEX_FULL : REGEX_PREFIX,
			     path);
}

enum header_answer { HEADER_ABSENT, HEADER_DIFFERS, HEADER_MATCHES };

/* One value that matches is enough. */
static enum header_answer header_matches(const struct http_header_match *wanted,
					 const struct http_request *request)
{
	enum header_answer answer = HEADER_ABSENT;
	size_t i;

	for (i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];

		if (header->name.length != strlen(wanted->name) ||
		    strncasecmp(header->name.bytes, wanted->name, header->name.length))
			continue;
		if (regex_matches(wanted->value_regex, REGEX_SEARCH, &header->value))
			return HEADER_MATCHES;
		answer = HEADER_DIFFERS;
	}
	return answer;
}

/* Why the match does not allow the request, to be freed; NULL: it does. */
static char *match_refuses(const struct http_route_group *group, const struct http_match *match,
			   const struct http_request *request)
{
	int length;
	size_t i;

	if (!method_matches(match, &request->method)) {
		length = (int)(request->method.length < EXCERPT_LEN ? request->method.length :
								      EXCERPT_LEN);
		return memory_printf(
			"method %.*s is not among its methods%s", length, request->method.bytes,
			http_text_is(&request->method, "CONNECT") ? ", by that name" : "");
	}
	if (!path_matches(group, match, &request->path)) {
		length = (int)(request->path.length < EXCERPT_LEN ? request->path.length :
								    EXCERPT_LEN);
		return memory_printf("path %.*s%s does not match its pathRegex %s%s", length,
				     request->path.bytes,
				     request->path.length > EXCERPT_LEN ? "..." : "",
				     match->path_regex,
				     group->full_paths ? " from start to end" : "");
	}
	for (i = 0; i < match->header_count; i++) {
		const struct http_header_match *wanted = &match->headers[i];

		switch (header_matches(wanted, request)) {
		case HEADER_ABSENT:
			return memory_printf("the request has no header %s", wanted->name);
		case HEADER_DIFFERS:
			return memory_printf("no header %s has a value that matches %s",
					     wanted->name, wanted->value_regex);
		case HEADER_MATCHES:
			break;
		}
	}
	return NULL;
}

/* "GET, HEAD /api, header x-user: ^alice$" */
static char *match_describe(const struct http_match *match)
{
	char *text;
	size_t length, i;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		abort(); /* as memory_alloc() */
	for (i = 0; i < match->method_count; i++)
		fprintf(stream, "%s%s", i ? ", " : "", match->methods[i]);
	if (!match->method_count)
		fputs("any method", stream);
	if (match->has_path)
		fprintf(stream, " %s", match->path_regex);
	else
		fputs(" on any path", stream);
	for (i = 0; i < match->header_count; i++)
		fprintf(stream, ", header %s: %s", match->headers[i].name,
			match->headers[i].value_regex);
	fclose(stream);
	return text;
}

static void note_rule(struct question *q, const struct traffic_target *target,
		      const struct http_route_group *group, const struct http_match *match,
		      const char *what)
{
	struct evaluation *evaluation = q->evaluation;
	char *rule;

	rule = memory_printf("%s %s/%s", target->meta.key, group->meta.name, match->name);
	evaluate_step(q, &group->meta, 1, "match %s of TrafficTarget %s allows it: %s", match->name,
		      target->meta.name, what);
	evaluation->steps[evaluation->step_count - 1].rule = rule;
	if (!q->rule)
		q->rule = memory_strdup(rule);
}

static void ask_match(struct question *q, const struct traffic_target *target,
		      const struct http_route_group *group, const struct http_match *match)
{
	char *why, *what = match_describe(match);

	if (!q->request) {
		evaluate_step(q, &group->meta, 0, "match %s of TrafficTarget %s: %s", match->name,
			      target->meta.name, what);
		free(what);
		return;
	}
	why = match_refuses(group, match, q->request);
	if (why)
		evaluate_step(q, &group->meta, 0, "match %s of TrafficTarget %s: %s", match->name,
			      target->meta.name, why);
	else
		note_rule(q, target, group, match, what);
	free(why);
	free(what);
}

void evaluate_matches(struct question *q, const struct traffic_target *target,
		      const struct target_rule *rule)
{
	const struct http_route_group *group = evaluate_group(q, target, rule);
	size_t i;

	for (i = 0; group && i < group->match_count; i++)
		if (evaluate_rule_means(rule, &group->matches[i]))
			ask_match(q, target, group, &group->matches[i]);
}

void evaluate_request(const struct store *store, const struct node_facts *facts,
		      const struct weft_addr *src, const struct weft_addr *dst, uint16_t port,
		      const struct http_request *request, struct evaluation *evaluation,
		      char **rule)
{
	struct question q = {
		.store = store,
		.facts = facts,
		.proto = IPPROTO_TCP,
		.port = port,
		.request = request,
		.evaluation = evaluation,
	};

	evaluate_question(&q, src, dst);
	*rule = q.rule;
}
