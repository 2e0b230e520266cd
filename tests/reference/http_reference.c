// SPDX-License-Identifier: Apache-2.0
/*
 * http_reference: the reference evaluator for tests in other languages. Reads questions from
 * standard input, one JSON object a line, and answers each with one line on standard output.
 *
 * A question
 *	"stream"	base64 of what a client sent on one connection, from its first byte
 *	"manifests"	a folder, a file, or a list of them: the objects. Read again when a file
 *			changed. Absent: the stream is read, not judged ("allowed" is null)
 *	"source"	"namespace/pod" (its first address of "family"), or an address
 *	"destination"	as source
 *	"port"		of the destination
 *	"node"		whose view it is; default: the node of the destination's pod
 *	"family"	4 (default) or 6; "host_addresses": of the node's interfaces, a list
 *	"trust_domain"	default cluster.local
 *	"max_head"	bytes, default 16384
 *	"ambiguous_paths"	true: they are allowed; default: what the destination's namespace
 *says "upgraded"	false: the server refused upgrades and CONNECTs, so that requests go on;
 *			default: what follows one is not judged
 *	"explain"	true: requests have "steps"
 *	"id"		comes back with the answer
 * An answer
 *	"connection"	{"verdict", "reason"} at L4; reason "http": requests are judged
 *	"requests"	[{"method", "target", "path", "version": "1.1", "head_start", "head_end",
 *			"end" (of the body, null when it is not all there), "body": "none", "length"
 *			or "chunked", "allowed", "verdict": "allow", "deny" or "would_deny",
 *			"rule": "namespace/target group/match" or null, "reason"}], in order
 *			up to the first that is denied. Offsets count from the stream's start
 *	"end"		{"state", "reason", "verdict", "at"}
 *		state complete: the stream ends where a request could begin
 *		incomplete: in a head or body, which might go on well ("at": where it begins)
 *		denied: by reason; "at" is the byte to blame (the head's end when no rule allows it)
 *		opaque: what follows `at` is not judged
 * or {"error": "..."}. Reasons are those of weft_abi.h, in lower case. In a permissive namespace a
 * verdict is would_deny and "allowed" is true; what follows a malformed request is not read.
 */
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/evaluate_http.h"
#include "policy/memory.h"
#include "policy/reason.h"
#include "reference/world.h"

/* One question, understood. */
struct ask {
	struct json_object *json;
	const struct store *store; /* NULL: nothing is judged */
	struct weft_addr src, dst;
	struct weft_addr *host_addresses;
	struct node_facts facts;
	uint16_t port;
	bool ambiguous;
	uint32_t max_head;
	unsigned char *bytes;
	size_t length;
	const char *error;
};

static void put(struct json_object *json, const char *key, struct json_object *value)
{
	json_object_object_add(json, key, value);
}

static void put_text(struct json_object *json, const char *key, const char *text)
{
	put(json, key, text ? json_object_new_string(text) : NULL);
}

static void put_span(struct json_object *json, const char *key, const struct http_text *text)
{
	put(json, key, json_object_new_string_len(text->bytes, (int)text->length));
}

static void put_number(struct json_object *json, const char *key, size_t number)
{
	put(json, key, json_object_new_int64((int64_t)number));
}

static const char *get_text(struct json_object *json, const char *key)
{
	struct json_object *value = json_object_object_get(json, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool get_flag(struct json_object *json, const char *key, bool otherwise)
{
	struct json_object *value = json_object_object_get(json, key);

	return value ? json_object_get_boolean(value) : otherwise;
}

static const struct pod *find_pod(const struct ask *ask, const char *text)
{
	const char *slash = strchr(text, '/');
	const struct pod *pod;
	char *name_space;

	if (!slash)
		return NULL;
	name_space = memory_printf("%.*s", (int)(slash - text), text);
	pod = (const struct pod *)store_find(ask->store, OBJECT_POD, name_space, slash + 1);
	free(name_space);
	return pod;
}

static void take_end(struct ask *ask, const char *key, struct weft_addr *addr)
{
	struct json_object *family = json_object_object_get(ask->json, "family");
	const char *text = get_text(ask->json, key);
	bool v4 = !family || json_object_get_int(family) == 4;
	const struct pod *pod = NULL;

	if (!text || !address_parse(text, addr)) {
		if (!text)
			ask->error = "source or destination is missing";
		return;
	}
	pod = find_pod(ask, text);
	if (!pod) {
		ask->error = "there is no such pod";
		return;
	}
	*addr = pod->addresses[0];
	if (address_is_zero(addr) || address_is_v4(addr) != v4)
		*addr = pod->addresses[1];
	if (address_is_zero(addr) || address_is_v4(addr) != v4)
		ask->error = "the pod has no address of this family";
}

static const char *node_of(const struct ask *ask)
{
	const struct object *object;

	for (object = store_first(ask->store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		if (!address_compare(&pod->addresses[0], &ask->dst) ||
		    !address_compare(&pod->addresses[1], &ask->dst))
			return pod->node_name;
	}
	return "";
}

static void take_facts(struct ask *ask)
{
	struct json_object *list = json_object_object_get(ask->json, "host_addresses");
	const char *node = get_text(ask->json, "node");
	const char *domain = get_text(ask->json, "trust_domain");
	size_t i, count = list ? json_object_array_length(list) : 0;

	ask->facts.node = node ? node : node_of(ask);
	ask->facts.trust_domain = domain ? domain : "cluster.local";
	ask->host_addresses = memory_alloc((count + 1) * sizeof(*ask->host_addresses));
	for (i = 0; i < count; i++)
		if (address_parse(json_object_get_string(json_object_array_get_idx(list, i)),
				  &ask->host_addresses[i]))
			ask->error = "a host address makes no sense";
	ask->facts.host_addresses = ask->host_addresses;
	ask->facts.host_address_count = count;
}

static int base64_value(char digit)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = digit ? strchr(digits, digit) : NULL;

	return found ? (int)(found - digits) : -1;
}

static void take_stream(struct ask *ask)
{
	const char *text = get_text(ask->json, "stream");
	unsigned int bits = 0, held = 0;

	if (!text) {
		ask->error = "there is no stream";
		return;
	}
	ask->bytes = memory_alloc(strlen(text) + 1);
	for (; *text && *text != '='; text++) {
		int value = base64_value(*text);

		if (value < 0) {
			ask->error = "the stream is no base64";
			return;
		}
		held = held << 6 | (unsigned int)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			ask->bytes[ask->length++] = (unsigned char)(held >> bits);
		}
	}
}

static void put_verdict(struct json_object *json, const struct evaluation *evaluation)
{
	put_text(json, "verdict", verdict_name(evaluation->action));
	put_text(json, "reason", reason_name(evaluation->reason));
}

static void put_steps(struct json_object *json, const struct evaluation *evaluation)
{
	struct json_object *steps = json_object_new_array();
	size_t i;

	for (i = 0; i < evaluation->step_count; i++) {
		struct json_object *step = json_object_new_object();

		put_text(step, "kind", evaluation->steps[i].kind);
		put_text(step, "namespace", evaluation->steps[i].name_space);
		put_text(step, "name", evaluation->steps[i].name);
		put(step, "allows", json_object_new_boolean(evaluation->steps[i].allows));
		put_text(step, "text", evaluation->steps[i].text);
		json_object_array_add(steps, step);
	}
	put(json, "steps", steps);
}

/* Judges; true: it passes, so that the stream goes on. */
static bool judge(const struct ask *ask, const struct http_request *request,
		  struct json_object *json)
{
	struct evaluation evaluation;
	char *rule = NULL;
	bool passes;

	if (!ask->store) {
		put(json, "allowed", NULL);
		return true;
	}
	evaluate_request(ask->store, &ask->facts, &ask->src, &ask->dst, ask->port, request,
			 &evaluation, &rule);
	passes = evaluation.action != WEFT_VERDICT_DENY;
	put(json, "allowed", json_object_new_boolean(passes));
	put_text(json, "rule", rule);
	put_verdict(json, &evaluation);
	if (get_flag(ask->json, "explain", false))
		put_steps(json, &evaluation);
	evaluation_clear(&evaluation);
	free(rule);
	return passes;
}

static struct json_object *describe(const struct http_request *request, size_t start)
{
	static const char *const bodies[] = {
		[HTTP_BODY_NONE] = "none", [HTTP_BODY_LENGTH] = "length", [HTTP_BODY_CHUNKED] = "chunked"
	};
	struct json_object *json = json_object_new_object();

	put_span(json, "method", &request->method);
	put_span(json, "target", &request->target);
	put_span(json, "path", &request->path);
	put_text(json, "version", request->minor ? "1.1" : "1.0");
	put_number(json, "head_start", start);
	put_number(json, "head_end", start + request->head_end);
	put(json, "end", NULL);
	put_text(json, "body", bodies[request->body]);
	return json;
}

static void put_end(struct json_object *answer, const char *state, const char *verdict,
		    enum weft_reason reason, size_t at)
{
	struct json_object *end = json_object_new_object();

	put_text(end, "state", state);
	put_text(end, "reason", reason ? reason_name(reason) : NULL);
	put_text(end, "verdict", verdict);
	put_number(end, "at", at);
	put(answer, "end", end);
}

/* One request at `at`, and its body. True: another may follow at the new `at`. */
static bool read_one(const struct ask *ask, const char *malformed, size_t *at,
		     struct json_object *answer)
{
	const char *bytes = (const char *)ask->bytes + *at;
	size_t length = ask->length - *at, used;
	struct http_request request;
	struct json_object *json;
	enum weft_reason reason;
	bool passes, opaque;
	int ret;

	ret = http_request_read(bytes, length, ask->ambiguous, ask->max_head, &request, &reason);
	if (ret < 0)
		put_end(answer, "denied", malformed, reason, *at + request.head_end);
	else if (!ret)
		put_end(answer, length ? "incomplete" : "complete", NULL, WEFT_REASON_NONE, *at);
	if (ret <= 0)
		return false;
	json = describe(&request, *at);
	json_object_array_add(json_object_object_get(answer, "requests"), json);
	passes = judge(ask, &request, json);
	*at += request.head_end;
	opaque = (request.websocket || http_text_is(&request.method, "CONNECT")) &&
		 get_flag(ask->json, "upgraded", true);
	if (!passes) {
		put_end(answer, "denied", "deny", WEFT_REASON_NO_HTTP_RULE, *at);
	} else {
		bytes += request.head_end;
		length -= request.head_end;
		ret = http_body_read(&request, bytes, length, &used, &reason);
		if (ret < 0)
			put_end(answer, "denied", malformed, reason, *at + used);
		else if (!ret)
			put_end(answer, "incomplete", NULL, WEFT_REASON_NONE, *at);
		else
			put_number(json, "end", *at + used);
		*at += used;
		if (ret > 0 && opaque)
			put_end(answer, "opaque", NULL, WEFT_REASON_NONE, *at);
	}
	http_request_clear(&request);
	return passes && ret > 0 && !opaque;
}

/* The connection; true: its requests are judged. *malformed: the verdict on what is no request. */
static bool judge_connection(const struct ask *ask, struct json_object *answer,
			     const char **malformed)
{
	struct json_object *json = json_object_new_object();
	struct evaluation evaluation;
	bool goes_on;

	evaluate_connection(ask->store, &ask->facts, &ask->src, &ask->dst, IPPROTO_TCP, ask->port,
			    &evaluation);
	put_verdict(json, &evaluation);
	put(answer, "connection", json);
	goes_on = evaluation.reason == WEFT_REASON_HTTP;
	if (evaluation.action == WEFT_VERDICT_DENY)
		put_end(answer, "denied", "deny", evaluation.reason, 0);
	else if (!goes_on)
		put_end(answer, "opaque", verdict_name(evaluation.action), evaluation.reason, 0);
	*malformed = verdict_name(evaluate_malformed(ask->store, &ask->facts, &ask->dst));
	evaluation_clear(&evaluation);
	return goes_on;
}

static struct json_object *answer_ask(const struct ask *ask)
{
	const char *malformed = verdict_name(WEFT_VERDICT_DENY);
	struct json_object *answer = json_object_new_object();
	size_t at = 0;

	put(answer, "requests", json_object_new_array());
	if (ask->store && !judge_connection(ask, answer, &malformed))
		return answer;
	while (read_one(ask, malformed, &at, answer))
		;
	return answer;
}

static void take_question(struct ask *ask, struct world *world)
{
	struct json_object *manifests = json_object_object_get(ask->json, "manifests");
	struct json_object *port = json_object_object_get(ask->json, "port");
	struct json_object *max_head = json_object_object_get(ask->json, "max_head");

	if (manifests) {
		ask->error = world_follow(world, manifests);
		ask->store = world->store;
	}
	if (manifests && !ask->error) {
		take_end(ask, "source", &ask->src);
		take_end(ask, "destination", &ask->dst);
		take_facts(ask);
		ask->ambiguous = evaluate_ambiguous_paths(ask->store, &ask->facts, &ask->dst);
	}
	ask->port = (uint16_t)json_object_get_int(port);
	ask->max_head = (uint32_t)json_object_get_int(max_head);
	ask->ambiguous = get_flag(ask->json, "ambiguous_paths", ask->ambiguous);
	take_stream(ask);
}

static struct json_object *answer_line(struct world *world, const char *line)
{
	struct ask ask = { .json = json_tokener_parse(line) };
	struct json_object *answer, *id;

	if (!json_object_is_type(ask.json, json_type_object))
		ask.error = "a question is one JSON object";
	else
		take_question(&ask, world);
	if (ask.error) {
		answer = json_object_new_object();
		put_text(answer, "error", ask.error);
	} else {
		answer = answer_ask(&ask);
	}
	if (json_object_is_type(ask.json, json_type_object) &&
	    json_object_object_get_ex(ask.json, "id", &id))
		put(answer, "id", json_object_get(id));
	free(ask.bytes);
	free(ask.host_addresses);
	json_object_put(ask.json);
	return answer;
}

int main(void)
{
	struct world world = { 0 };
	struct json_object *answer;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		answer = answer_line(&world, line);
		puts(json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		fflush(stdout);
		json_object_put(answer);
	}
	free(line);
	world_clear(&world);
	return 0;
}
