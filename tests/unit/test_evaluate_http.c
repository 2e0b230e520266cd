// SPDX-License-Identifier: Apache-2.0
/* The HTTP reference's verdicts: SMI's matches, and steps that a person can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/evaluate_http.h"
#include "policy/reason.h"
#include "unit/cluster.h"

static int setup(void **state)
{
	struct cluster *c = cluster_new();

	cluster_put_namespace(c, "shop", "enforce");
	cluster_put_namespace(c, "lab", "permissive");
	cluster_put_pod(c, "shop", "web", "frontend", "10.1.0.1", "");
	cluster_put_pod(c, "shop", "api", "api", "10.1.0.2", "");
	cluster_put_pod(c, "shop", "batch", "batch", "10.1.0.3", "");
	cluster_put_pod(c, "lab", "exp", "exp", "10.1.0.4", "");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'p80','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80]}}");
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cluster_free(*state);
	return 0;
}

static void put_group(struct cluster *c, const char *name, const char *matches)
{
	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'%s','namespace':'shop'},'spec':{'matches':[%s]}", name,
		    matches);
}

/* "GET /path" and header lines; from web to api on port 80. */
static enum weft_reason ask_from(struct cluster *c, const char *src, const char *dst, uint16_t port,
				 const char *line, const char *headers,
				 enum weft_verdict_action *action, char **rule)
{
	struct weft_addr from = cluster_addr(src), to = cluster_addr(dst);
	char *head = memory_printf("%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
	struct evaluation evaluation;
	struct http_request request;
	enum weft_reason reason;

	if (http_request_read(head, strlen(head), true, 0, &request, &reason) != 1)
		fail_msg("%s: %s", head, reason_name(reason));
	evaluate_request(c->store, &c->facts, &from, &to, port, &request, &evaluation, rule);
	reason = evaluation.reason;
	*action = evaluation.action;
	evaluation_clear(&evaluation);
	http_request_clear(&request);
	free(head);
	return reason;
}

/* `rule`: NULL = denied. */
static void assert_rule(struct cluster *c, const char *line, const char *headers,
			const char *expected)
{
	enum weft_verdict_action action;
	enum weft_reason reason;
	char *rule;

	reason = ask_from(c, "10.1.0.1", "10.1.0.2", 80, line, headers, &action, &rule);
	if (!expected != !rule || (rule && strcmp(rule, expected)))
		fail_msg("%s: %s", line, rule ? rule : "denied");
	assert_int_equal(reason, rule ? WEFT_REASON_HTTP : WEFT_REASON_NO_HTTP_RULE);
	assert_int_equal(action, rule ? WEFT_VERDICT_ALLOW : WEFT_VERDICT_DENY);
	free(rule);
}

static void test_methods(void **state)
{
	struct cluster *c = *state;

	put_group(c, "g",
		  "{'name':'read','methods':['GET','HEAD'],'pathRegex':'/r'},"
		  "{'name':'star','methods':['POST','*'],'pathRegex':'/s'},"
		  "{'name':'any','pathRegex':'/a'},"
		  "{'name':'tunnel','methods':['CONNECT','get']}");
	cluster_put_target(c, "t", "{'kind':'HTTPRouteGroup','name':'g'}");
	assert_rule(c, "GET /r", "", "shop/t g/read");
	assert_rule(c, "HEAD /r", "", "shop/t g/read");
	assert_rule(c, "POST /r", "", NULL);
	assert_rule(c, "get /x", "", "shop/t g/tunnel");
	assert_rule(c, "GETX /r", "", NULL);
	assert_rule(c, "DELETE /s", "", "shop/t g/star");
	assert_rule(c, "M-SEARCH /a", "", "shop/t g/any");
	assert_rule(c, "CONNECT a:1", "", "shop/t g/tunnel");
	put_group(c, "g",
		  "{'name':'star','methods':['*']},{'name':'any'},"
		  "{'name':'path','methods':['CONNECT'],'pathRegex':'b:44'}");
	assert_rule(c, "CONNECT a:1", "", NULL);
	assert_rule(c, "CONNECT b:443", "", "shop/t g/path");
}

static void test_paths(void **state)
{
	struct cluster *c = *state;

	put_group(c, "g", "{'name':'m','pathRegex':'/api|/v[0-9]+$'}");
	cluster_put_target(c, "t", "{'kind':'HTTPRouteGroup','name':'g'}");
	assert_rule(c, "GET /api", "", "shop/t g/m");
	assert_rule(c, "GET /api/v1?x=/", "", "shop/t g/m");
	assert_rule(c, "GET /apis", "", "shop/t g/m");
	assert_rule(c, "GET /xapi", "", NULL);
	assert_rule(c, "GET /?/api", "", NULL);
	assert_rule(c, "GET /v12?x", "", "shop/t g/m");
	assert_rule(c, "GET /v12/", "", NULL);
	assert_rule(c, "GET http://a/api", "", "shop/t g/m");
	assert_rule(c, "GET /%61pi", "", NULL);
	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'g','namespace':'shop','annotations':"
		    "{'weft.dev/path-match':'full'}},"
		    "'spec':{'matches':[{'name':'m','pathRegex':'/api|/'},"
		    "{'name':'all','methods':['OPTIONS'],'pathRegex':'\\\\*'}]}");
	assert_rule(c, "GET /api?x", "", "shop/t g/m");
	assert_rule(c, "GET /api/v1", "", NULL);
	assert_rule(c, "GET http://a", "", "shop/t g/m");
	assert_rule(c, "OPTIONS *", "", "shop/t g/all");
	assert_rule(c, "OPTIONS /*", "", NULL);
}

static void test_headers(void **state)
{
	struct cluster *c = *state;

	put_group(c, "g",
		  "{'name':'one','headers':{'X-User':'^al'}},"
		  "{'name':'two','headers':{'x-a':'.*','x-b':'b$'}},"
		  "{'name':'twice','headers':[{'x-c':'1'},{'x-c':'2'}]},"
		  "{'name':'host','headers':{'host':'^b'}}");
	cluster_put_target(c, "t", "{'kind':'HTTPRouteGroup','name':'g'}");
	assert_rule(c, "GET /", "x-uSER: \talice \r\n", "shop/t g/one");
	assert_rule(c, "GET /", "x-user: bob\r\nX-User: al\r\n", "shop/t g/one");
	assert_rule(c, "GET /", "x-user: bob al\r\n", NULL);
	assert_rule(c, "GET /", "x-users: al\r\nx-use: al\r\n", NULL);
	assert_rule(c, "GET /", "x-b: xb \r\n", NULL);
	assert_rule(c, "GET /", "x-a:\r\nx-b: xb \r\n", "shop/t g/two");
	assert_rule(c, "GET /", "x-a:\r\nx-b: bx\r\n", NULL);
	assert_rule(c, "GET /", "x-c: 1\r\n", NULL);
	assert_rule(c, "GET /", "x-c: 12\r\n", "shop/t g/twice");
	assert_rule(c, "GET /", "x-c: 1\r\nx-c: 2\r\n", "shop/t g/twice");
	assert_rule(c, "GET /",
		    "x-user: \xff"
		    "al\r\n",
		    NULL);
}

/* A rule never lends its port, source or route to another target's. */
static void test_targets(void **state)
{
	enum weft_verdict_action action;
	struct cluster *c = *state;
	char *rule;

	put_group(c, "g", "{'name':'r','pathRegex':'/r'},{'name':'w','pathRegex':'/w'}");
	cluster_put_target(c, "t1",
			   "{'kind':'HTTPRouteGroup','name':'g','matches':['r']},"
			   "{'kind':'TCPRoute','name':'p80'}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t2','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'ServiceAccount','name':'batch'}],"
		    "'rules':[{'kind':'HTTPRouteGroup','name':'g','matches':['w','none']}]}");
	assert_rule(c, "GET /r", "", "shop/t1 g/r");
	assert_rule(c, "GET /w", "", NULL);
	assert_int_equal(ask_from(c, "10.1.0.1", "10.1.0.2", 81, "GET /r", "", &action, &rule),
			 WEFT_REASON_NO_RULE);
	assert_null(rule);
	assert_int_equal(ask_from(c, "10.1.0.3", "10.1.0.2", 81, "GET /w", "", &action, &rule),
			 WEFT_REASON_HTTP);
	assert_string_equal(rule, "shop/t2 g/w");
	free(rule);
	assert_int_equal(ask_from(c, "10.1.0.3", "10.1.0.2", 80, "GET /r", "", &action, &rule),
			 WEFT_REASON_NO_HTTP_RULE);
	/* what L4 allows is not looked into */
	cluster_put_target(c, "t3", "{'kind':'TCPRoute','name':'p80'}");
	assert_int_equal(ask_from(c, "10.1.0.1", "10.1.0.2", 80, "GET /r", "", &action, &rule),
			 WEFT_REASON_POLICY);
	assert_null(rule);
	assert_int_equal(ask_from(c, "10.1.0.1", "10.1.0.2", 80, "GET /w", "", &action, &rule),
			 WEFT_REASON_POLICY);
	assert_int_equal(action, WEFT_VERDICT_ALLOW);
	assert_null(rule);
}

static void test_permissive(void **state)
{
	struct weft_addr exp = cluster_addr("10.1.0.4"), api = cluster_addr("10.1.0.2");
	enum weft_verdict_action action;
	struct cluster *c = *state;
	char *rule;

	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'g','namespace':'lab'},"
		    "'spec':{'matches':[{'name':'m','pathRegex':'/m'}]}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'lab'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'exp'},"
		    "'sources':[{'kind':'ServiceAccount','name':'api','namespace':'shop'}],"
		    "'rules':[{'kind':'HTTPRouteGroup','name':'g'}]}");
	assert_int_equal(ask_from(c, "10.1.0.2", "10.1.0.4", 1, "GET /m", "", &action, &rule),
			 WEFT_REASON_HTTP);
	assert_int_equal(action, WEFT_VERDICT_ALLOW);
	free(rule);
	assert_int_equal(ask_from(c, "10.1.0.2", "10.1.0.4", 1, "GET /", "", &action, &rule),
			 WEFT_REASON_NO_HTTP_RULE);
	assert_int_equal(action, WEFT_VERDICT_WOULD_DENY);
	assert_null(rule);
	assert_int_equal(evaluate_malformed(c->store, &c->facts, &exp), WEFT_VERDICT_WOULD_DENY);
	assert_int_equal(evaluate_malformed(c->store, &c->facts, &api), WEFT_VERDICT_DENY);
}

static void test_ambiguous_paths_are_a_matter_of_the_namespace(void **state)
{
	struct weft_addr api = cluster_addr("10.1.0.2"), none = cluster_addr("10.8.8.8");
	struct cluster *c = *state;

	assert_false(evaluate_ambiguous_paths(c->store, &c->facts, &api));
	assert_false(evaluate_ambiguous_paths(c->store, &c->facts, &none));
	cluster_put(c, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/ambiguous-paths':'allow'}}");
	assert_true(evaluate_ambiguous_paths(c->store, &c->facts, &api));
}

static const char *step_text(const struct evaluation *evaluation, const char *start)
{
	size_t i;

	for (i = 0; i < evaluation->step_count; i++)
		if (!strncmp(evaluation->steps[i].text, start, strlen(start)) &&
		    !strcmp(evaluation->steps[i].kind, "HTTPRouteGroup"))
			return evaluation->steps[i].text + strlen(start);
	fail_msg("no step %s", start);
	return NULL;
}

static void test_steps_tell_why(void **state)
{
	static const char head[] = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nx: 1\r\n\r\n";
	struct weft_addr web = cluster_addr("10.1.0.1"), api = cluster_addr("10.1.0.2");
	struct cluster *c = *state;
	struct evaluation evaluation;
	struct http_request request;
	enum weft_reason reason;
	char *rule;

	put_group(c, "g",
		  "{'name':'m1','methods':['GET','HEAD']},"
		  "{'name':'m2','methods':['CONNECT'],'pathRegex':'/b'},"
		  "{'name':'m3','methods':['CONNECT'],'headers':{'y':'.'}},"
		  "{'name':'m4','methods':['CONNECT'],'headers':{'x':'2'}},"
		  "{'name':'m5','methods':['CONNECT'],'pathRegex':'a','headers':{'x':'1'}}");
	cluster_put_target(c, "t", "{'kind':'HTTPRouteGroup','name':'g'}");
	assert_int_equal(http_request_read(head, sizeof(head) - 1, false, 0, &request, &reason), 1);
	evaluate_request(c->store, &c->facts, &web, &api, 80, &request, &evaluation, &rule);
	assert_string_equal(rule, "shop/t g/m5");
	assert_string_equal(step_text(&evaluation, "match m1 of TrafficTarget t: "),
			    "method CONNECT is not among its methods, by that name");
	assert_string_equal(step_text(&evaluation, "match m2 of TrafficTarget t: "),
			    "path a:1 does not match its pathRegex /b");
	assert_string_equal(step_text(&evaluation, "match m3 of TrafficTarget t: "),
			    "the request has no header y");
	assert_string_equal(step_text(&evaluation, "match m4 of TrafficTarget t: "),
			    "no header x has a value that matches 2");
	assert_string_equal(step_text(&evaluation, "match m5 of TrafficTarget t allows it: "),
			    "CONNECT a, header x: 1");
	free(rule);
	evaluation_clear(&evaluation);
	http_request_clear(&request);

	evaluate_connection(c->store, &c->facts, &web, &api, IPPROTO_TCP, 80, &evaluation);
	assert_int_equal(evaluation.reason, WEFT_REASON_HTTP);
	assert_string_equal(step_text(&evaluation, "match m1 of TrafficTarget t: "),
			    "GET, HEAD on any path");
	assert_string_equal(step_text(&evaluation, "match m3 of TrafficTarget t: "),
			    "CONNECT on any path, header y: .");
	evaluation_clear(&evaluation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permissive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ambiguous_paths_are_a_matter_of_the_namespace,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps_tell_why, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
