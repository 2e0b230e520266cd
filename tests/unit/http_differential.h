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
#include "policy/lookup.h"
#include "policy/reason.h"
#include "unit/http_engine.h"
#include "unit/random_http.h"

/* How often something was met, so that a test can tell that its streams are worth reading. */
struct http_coverage {
	uint64_t streams, heads, allowed, bodies, incomplete, refused_rules;
	uint64_t lanes;	       /* streams that a program with lanes read */
	uint64_t reasons[128]; /* by enum weft_reason */
};

static struct http_coverage http_coverage;

/* A call of a cluster, whose requests are judged. */
struct http_call {
	struct cluster *cluster;
	struct weft_addr src, dst;
	uint16_t port;
	const struct desired_dest *dest; /* with the program */
	uint32_t mask;
	bool ambiguous;
	bool refused;	    /* some rules did not fit, and grant nothing */
	const char *stream; /* of the comparison at hand */
	size_t length;
};

static inline const struct desired_entry *http_entry(const struct desired_dest *dest,
						     uint32_t src_identity, uint16_t port)
{
	const struct desired_entry *any = NULL;
	size_t i;

	for (i = 0; i < dest->entry_count; i++) {
		const struct desired_entry *entry = &dest->entries[i];

		if (entry->src_identity != src_identity || entry->proto != IPPROTO_TCP)
			continue;
		if (entry->port == port)
			return entry;
		if (entry->port == WEFT_ANY_PORT)
			any = entry;
	}
	return any;
}

/* False: HTTP rules do not decide, in the kernel's eyes. To be called after cluster_compile(). */
static inline bool http_call_find(struct http_call *call, struct cluster *cluster,
				  const char *src_text, const char *dst_text, uint16_t port)
{
	const struct desired_entry *entry = NULL;
	struct weft_peer src, dst;
	size_t i;

	*call = (struct http_call){ .cluster = cluster,
				    .src = cluster_addr(src_text),
				    .dst = cluster_addr(dst_text),
				    .port = port };
	src = lookup_peer(&cluster->desired, &call->src);
	dst = lookup_peer(&cluster->desired, &call->dst);
	for (i = 0; i < cluster->desired.dest_count; i++)
		if (cluster->desired.dests[i].identity == dst.identity)
			call->dest = &cluster->desired.dests[i];
	if (call->dest)
		entry = http_entry(call->dest, src.identity, port);
	if (!entry || entry->action != WEFT_POLICY_HTTP)
		return false;
	call->mask = entry->mask;
	call->ambiguous = evaluate_ambiguous_paths(cluster->store, &cluster->facts, &call->dst);
	call->refused = cluster_findings(cluster, "HttpRuleRefused", NULL);
	http_coverage.refused_rules += call->refused;
	return true;
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

__attribute__((format(printf, 2, 3))) static inline bool http_differs(const struct http_call *c,
								      const char *format, ...)
{
	struct object *object;
	va_list arguments;
	int kind;

	for (kind = OBJECT_TRAFFIC_TARGET; kind < OBJECT_KIND_COUNT; kind++)
		for (object = store_first(c->cluster->store, (enum object_kind)kind); object;
		     object = store_next(object))
			fprintf(stderr, "%s\n", object->text);
	http_print_stream(c->stream, c->length);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

/* "namespace/target group/match" of a rule's number; to be freed. */
static inline char *http_rule_name(const struct http_call *c, uint32_t id)
{
	const struct weft_name *name = names_lookup(c->cluster->names, WEFT_NAME_RULE, id);

	return name ? memory_printf("%s/%s %s", name->name_space, name->name, name->detail) : NULL;
}

/*
 * The first rule of the evaluator's that allows the request, and no other; any of them, or none,
 * where the compiler refused some.
 */
static inline bool http_compare_rule(const struct http_call *c, const struct evaluation *evaluation,
				     uint32_t id)
{
	char *said = id ? http_rule_name(c, id) : NULL;
	const char *first = NULL, *found = NULL;
	bool same = true;
	size_t i;

	for (i = 0; i < evaluation->step_count; i++) {
		const char *rule = evaluation->steps[i].rule;

		if (!first)
			first = rule;
		if (rule && said && !strcmp(rule, said))
			found = rule;
	}
	http_coverage.allowed += first != NULL;
	if (c->refused)
		first = found;
	if (!first != !id || (first && (!said || strcmp(said, first))))
		same = http_differs(c, "allowed by %s, for the engine by %s",
				    first ? first : "nothing",
				    said ? said :
				    id	 ? "?" :
					   "nothing");
	free(said);
	return same;
}

static inline bool http_compare_head(const struct http_call *c, const struct http_request *request,
				     struct engine *engine, size_t end)
{
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
	evaluate_request(c->cluster->store, &c->cluster->facts, &c->src, &c->dst, c->port, request,
			 &evaluation, &rule);
	same = http_compare_rule(c, &evaluation, id);
	free(rule);
	evaluation_clear(&evaluation);
	return same;
}

/* Both refuse: for the same reason, at the same byte? */
static inline bool http_compare_refusal(const struct http_call *c, struct engine *engine,
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
static inline bool http_compare_body(const struct http_call *c, const struct http_request *request,
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
static inline bool http_compare_request(const struct http_call *c, struct engine *engine,
					size_t *at, bool *more)
{
	struct http_request request;
	enum http_event event;
	enum weft_reason reason;
	bool same;
	int ret;

	ret = http_request_read(c->stream + *at, c->length - *at, c->ambiguous,
				c->cluster->facts.max_head, &request, &reason);
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
	same = http_compare_head(c, &request, engine, *at + request.head_end);
	*at += request.head_end;
	if (same)
		same = http_compare_body(c, &request, engine, at, more);
	http_request_clear(&request);
	return same;
}

/* False, with what differs on stderr. */
static inline bool http_compare_stream(struct http_call *c, struct engine *engine,
				       const char *stream, size_t length)
{
	bool same = true, more = true;
	size_t at = 0;

	c->stream = stream;
	c->length = length;
	http_coverage.streams++;
	http_coverage.lanes += engine_has_lanes(engine);
	engine_begin(engine, c->mask, stream, length);
	while (same && more) {
		more = false;
		same = http_compare_request(c, engine, &at, &more);
		if (more)
			engine_request(engine);
	}
	return same;
}

#endif /* WEFT_TESTS_UNIT_HTTP_DIFFERENTIAL_H */
