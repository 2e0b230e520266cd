/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the tables of the HTTP compiler, run by the kernel's engine, against the reference
 * evaluator, which knows neither: what is a request and what is not, for which reason and at which
 * byte, where heads and bodies end, and which rules allow it.
 */
#ifndef WEFT_TESTS_UNIT_HTTP_DIFFERENTIAL_H
#define WEFT_TESTS_UNIT_HTTP_DIFFERENTIAL_H

#include <errno.h>
#include "policy/evaluate_http.h"
#include "policy/reason.h"
#include "unit/http_engine.h"
#include "unit/random_http.h"

/* How often something was met, so that a test can tell that its streams are worth reading. */
struct http_coverage {
	uint64_t streams, heads, allowed, bodies, incomplete, refused_rules;
	uint64_t reasons[128]; /* by enum weft_reason */
};

static struct http_coverage http_coverage;

/* Callers of shop/api, and the port they call. */
static const struct {
	const char *address, *account;
	uint16_t port;
} http_callers[] = {
	{ "10.1.0.1", "frontend", 80 },
	{ "10.1.0.1", "frontend", 81 },
	{ "10.1.0.2", "batch", 80 },
};

enum { HTTP_CALLERS = sizeof(http_callers) / sizeof(*http_callers) };

/* A random cluster's rules, as the compiler gets them. */
struct http_case {
	struct cluster *cluster;
	struct http_rule rules[WEFT_HTTP_RULES_MAX];
	char *names[WEFT_HTTP_RULES_MAX];
	size_t rule_count;
	struct http_rule_mask masks[HTTP_CALLERS];
	struct http_program program;
	bool ambiguous;
	uint32_t max_head;
	const char *stream; /* of the comparison at hand */
	size_t length;
};

static inline bool http_target_covers(const struct traffic_target *target, size_t caller)
{
	const struct target_rule *last = &target->rules[target->rule_count - 1];

	if (strcmp(target->sources[0].name, http_callers[caller].account))
		return false;
	return last->kind != RULE_TCP_ROUTE ||
	       atoi(last->name + 1) == (int)http_callers[caller].port;
}

static inline bool http_rule_means(const struct target_rule *rule, const char *match)
{
	size_t i;

	for (i = 0; i < rule->match_count; i++)
		if (!strcmp(rule->matches[i], match))
			return true;
	return rule->all_matches;
}

static inline void http_case_add(struct http_case *c, const struct traffic_target *target,
				 const struct http_route_group *group,
				 const struct http_match *match)
{
	size_t i = c->rule_count++, caller;

	c->rules[i] = (struct http_rule){ .match = match,
					  .full_paths = group->full_paths,
					  .id = (uint32_t)i + 1 };
	c->names[i] = memory_printf("%s %s/%s", target->meta.key, group->meta.name, match->name);
	for (caller = 0; caller < HTTP_CALLERS; caller++)
		if (http_target_covers(target, caller))
			c->masks[caller].bits[i / 64] |= 1ULL << i % 64;
}

static inline void http_case_rules(struct http_case *c)
{
	struct object **targets;
	size_t count, i, j;

	targets = store_sorted(c->cluster->store, OBJECT_TRAFFIC_TARGET, &count);
	for (i = 0; i < count; i++) {
		const struct traffic_target *target = (const struct traffic_target *)targets[i];
		const struct http_route_group *group = (const struct http_route_group *)store_find(
			c->cluster->store, OBJECT_HTTP_ROUTE_GROUP, "shop", target->rules[0].name);

		for (j = 0; group && j < group->match_count; j++)
			if (http_rule_means(&target->rules[0], group->matches[j].name))
				http_case_add(c, target, group, &group->matches[j]);
	}
	free(targets);
}

static inline struct http_case *http_case_new(struct dice *dice)
{
	static const uint32_t max_heads[] = { 0, 0, 0, 0, 0, 400, 200, 70 };
	struct http_case *c = memory_alloc(sizeof(*c));
	struct http_program_options options;
	struct weft_addr api = cluster_addr("10.1.0.3");

	c->cluster = random_http_cluster(dice);
	c->ambiguous = evaluate_ambiguous_paths(c->cluster->store, &c->cluster->facts, &api);
	c->max_head = DICE_PICK(dice, max_heads);
	http_case_rules(c);
	options = (struct http_program_options){ .ambiguous_paths = c->ambiguous,
						 .max_head = c->max_head };
	http_program_compile(c->rules, c->rule_count, c->masks, HTTP_CALLERS, &options,
			     &c->program);
	http_coverage.refused_rules += c->program.refusal_count;
	return c;
}

static inline void http_case_free(struct http_case *c)
{
	while (c->rule_count)
		free(c->names[--c->rule_count]);
	http_program_clear(&c->program);
	cluster_free(c->cluster);
	free(c);
}

static inline void http_print_stream(const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == '\n')
			fprintf(stderr, "\\n\n");
		else if (byte == '\r')
			fprintf(stderr, "\\r");
		else if (byte < 0x20 || byte >= 0x7f)
			fprintf(stderr, "\\x%02x", (unsigned int)byte);
		else
			fputc(byte, stderr);
	}
	fputc('\n', stderr);
}

__attribute__((format(printf, 2, 3))) static inline bool http_differs(const struct http_case *c,
								      const char *format, ...)
{
	struct object *object;
	va_list arguments;
	int kind;

	for (kind = OBJECT_TRAFFIC_TARGET; kind < OBJECT_KIND_COUNT; kind++)
		for (object = store_first(c->cluster->store, (enum object_kind)kind); object;
		     object = store_next(object))
			fprintf(stderr, "%s\n", json_object_to_json_string(object->json));
	http_print_stream(c->stream, c->length);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

/* Does the rule, which is not refused, carry this name? */
static inline bool http_rule_counts(const struct http_case *c, const char *name)
{
	size_t i, j;

	for (i = 0; i < c->rule_count; i++) {
		if (strcmp(c->names[i], name))
			continue;
		for (j = 0; j < c->program.refusal_count; j++)
			if (c->program.refusals[j].rule == i)
				break;
		if (j == c->program.refusal_count)
			return true;
	}
	return false;
}

static inline bool http_compare_rule(const struct http_case *c, const struct evaluation *evaluation,
				     uint32_t id)
{
	const char *said = id && id <= c->rule_count ? c->names[id - 1] : NULL;
	size_t i, allowing = 0, same = 0;

	for (i = 0; i < evaluation->step_count; i++) {
		const char *rule = evaluation->steps[i].rule;

		if (!rule || !http_rule_counts(c, rule))
			continue;
		allowing++;
		same += said && !strcmp(rule, said);
	}
	http_coverage.allowed += allowing > 0;
	if (id && !same)
		return http_differs(c, "the engine's rule %s allows nothing of the kind",
				    said ? said : "?");
	if (!id && allowing)
		return http_differs(c, "the engine finds no rule, there are %zu", allowing);
	return true;
}

static inline bool http_compare_head(const struct http_case *c, size_t caller,
				     const struct http_request *request, struct engine *engine,
				     size_t end)
{
	struct weft_addr src = cluster_addr(http_callers[caller].address);
	struct weft_addr dst = cluster_addr("10.1.0.3");
	struct evaluation evaluation;
	enum weft_reason reason;
	uint32_t id;
	bool same;
	char *rule;

	if (engine_at(engine) != end)
		return http_differs(c, "the head ends at %zu, for the engine at %zu", end,
				    engine_at(engine));
	reason = engine_judge(engine, &id);
	if (reason)
		return http_differs(c, "the engine refuses the head up to %zu: %s", end,
				    reason_name(reason));
	if (http_text_is(&request->method, method_name(engine->work.run.method)) ==
	    (engine->work.run.method == WEFT_HTTP_OTHER))
		return http_differs(c, "the method is %.*s, for the engine %d",
				    (int)request->method.length, request->method.bytes,
				    (int)engine->work.run.method);
	http_coverage.heads++;
	evaluate_request(c->cluster->store, &c->cluster->facts, &src, &dst,
			 http_callers[caller].port, request, &evaluation, &rule);
	same = http_compare_rule(c, &evaluation, id);
	free(rule);
	evaluation_clear(&evaluation);
	return same;
}

/* Both refuse: for the same reason, at the same byte? */
static inline bool http_compare_refusal(const struct http_case *c, struct engine *engine,
					enum http_event event, enum weft_reason reason, size_t at)
{
	enum weft_reason said = WEFT_REASON_NONE;
	uint32_t rule;

	if (event == HTTP_DENIED)
		said = engine->work.reason;
	else if (event == HTTP_HEAD)
		said = engine_judge(engine, &rule);
	http_coverage.reasons[reason]++;
	if (said != reason)
		return http_differs(c, "refused at %zu for %s, by the engine at %zu for %s", at,
				    reason_name(reason), engine_at(engine) - 1, reason_name(said));
	/* a head that is too long is told after the scan */
	if (engine_at(engine) - 1 != at && reason != WEFT_REASON_HTTP_HEAD_SIZE)
		return http_differs(c, "refused at %zu for %s, by the engine at %zu", at,
				    reason_name(reason), engine_at(engine) - 1);
	return true;
}

/* The body at `at`; *more: it is complete, another request may follow at the new `at`. */
static inline bool http_compare_body(const struct http_case *c, const struct http_request *request,
				     struct engine *engine, size_t *at, bool *more)
{
	enum http_event event = engine_body(engine);
	enum weft_reason reason;
	size_t used;
	int ret = http_body_read(request, c->stream + *at, c->length - *at, &used, &reason);

	*at += used;
	if (ret < 0)
		return http_compare_refusal(c, engine, event, reason, *at);
	if ((ret == 1 ? HTTP_HEAD : HTTP_MORE) != event)
		return http_differs(c, "the body ends at %zu (%d), for the engine event %d", *at,
				    ret, (int)event);
	if (engine_at(engine) != *at)
		return http_differs(c, "the body ends at %zu, for the engine at %zu", *at,
				    engine_at(engine));
	*more = ret;
	http_coverage.bodies += ret && request->body != HTTP_BODY_NONE;
	return true;
}

/* A request at `at`. */
static inline bool http_compare_request(const struct http_case *c, size_t caller,
					struct engine *engine, size_t *at, bool *more)
{
	struct http_request request;
	enum http_event event;
	enum weft_reason reason;
	bool same;
	int ret;

	ret = http_request_read(c->stream + *at, c->length - *at, c->ambiguous, c->max_head,
				&request, &reason);
	event = engine_next(engine);
	if (ret < 0)
		return http_compare_refusal(c, engine, event, reason, *at + request.head_end);
	if ((ret ? HTTP_HEAD : HTTP_MORE) != event) {
		http_request_clear(&request);
		return http_differs(c, "a head at %zu: %d, engine: event %d for %s at %zu", *at,
				    ret, (int)event,
				    event == HTTP_DENIED ? reason_name(engine->work.reason) : "-",
				    engine_at(engine));
	}
	http_coverage.incomplete += !ret;
	if (!ret)
		return true;
	same = http_compare_head(c, caller, &request, engine, *at + request.head_end);
	*at += request.head_end;
	if (same)
		same = http_compare_body(c, &request, engine, at, more);
	http_request_clear(&request);
	return same;
}

/* False, with what differs on stderr. */
static inline bool http_compare_stream(struct http_case *c, size_t caller, struct engine *engine,
				       const char *stream, size_t length)
{
	bool same = true, more = true;
	size_t at = 0;

	c->stream = stream;
	c->length = length;
	http_coverage.streams++;
	engine_begin(engine, c->program.masks[caller], stream, length);
	while (same && more) {
		more = false;
		same = http_compare_request(c, caller, engine, &at, &more);
		if (more)
			engine_request(engine);
	}
	return same;
}

#endif /* WEFT_TESTS_UNIT_HTTP_DIFFERENTIAL_H */
