// SPDX-License-Identifier: Apache-2.0
/* HTTP programs: which rule allows a request, run by the kernel's engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/http_check.h"
#include "unit/http_runner.h"

#define DENIED(reason) (-(int)WEFT_REASON_##reason)

/* Rule n is RULE + n; NONE: no rule allows it. */
enum { RULE = RUNNER_FIRST_ID, NONE = -(int)WEFT_REASON_NO_HTTP_RULE };

struct request_case {
	const char *start, *fields;
	int verdict;
};

static void expect(struct runner *runner, const struct request_case *cases, size_t count)
{
	static const size_t pieces[] = { 0, 1, 5 };
	size_t i, j;
	int got;

	runner_check(&runner->program);
	for (i = 0; i < count; i++)
		for (j = 0; j < sizeof(pieces) / sizeof(*pieces); j++) {
			runner->piece = pieces[j];
			got = runner_request(runner, cases[i].start, cases[i].fields);
			if (got != cases[i].verdict)
				fail_msg("%s\n%s\nin pieces of %zu: %d instead of %d",
					 cases[i].start, cases[i].fields, pieces[j], got,
					 cases[i].verdict);
		}
	runner->piece = 0;
}

#define EXPECT(runner, cases) expect(runner, cases, sizeof(cases) / sizeof(*(cases)))

static void test_methods(void **state)
{
	static const struct request_case cases[] = {
		{ "GET /a", "", RULE },	       { "HEAD /a", "", RULE },
		{ "get /a", "", NONE },	       { "GETS /a", "", NONE },
		{ "GE /a", "", NONE },	       { "POST /a", "", NONE },
		{ "CUSTOM /b", "", RULE + 1 }, { "CUSTOM2 /b", "", NONE },
		{ "POST /c", "", RULE + 2 },   { "WHATEVER /c", "", RULE + 2 },
		{ "POST /d", "", RULE + 3 },   { "OPTIONS /d", "", RULE + 3 },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "GET,HEAD", "/a", "");
	runner_rule(runner, "CUSTOM", "/b", "");
	runner_rule(runner, "", "/c", "");
	runner_rule(runner, "PUT,*", "/d", "");
	runner_compile(runner);
	EXPECT(runner, cases);
	runner_free(runner);
}

/* CONNECT opens a tunnel: only its own name means it. Its target is what rules see as the path. */
static void test_connect(void **state)
{
	static const struct request_case cases[] = {
		{ "CONNECT db:5432", "", RULE + 2 },
		{ "CONNECT db2:5432", "", NONE },
		{ "CONNECT x:443", "", RULE + 3 },
		{ "CONNECT y:443", "", NONE },
		{ "GET /", "", RULE },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "", "", "");
	runner_rule(runner, "*", ".*", "");
	runner_rule(runner, "GET,CONNECT", "db:", "");
	runner->rules[3].full_paths = true;
	runner_rule(runner, "CONNECT", "x:443", "");
	runner->rules[3].full_paths = true;
	runner_compile(runner);
	EXPECT(runner, cases);
	runner_free(runner);
}

static void test_paths(void **state)
{
	static const struct request_case cases[] = {
		{ "GET /api", "", RULE },
		{ "GET /api/v1?x=/full", "", RULE },
		{ "GET /xapi", "", NONE },
		{ "GET /full", "", RULE + 1 },
		{ "GET /full?x", "", RULE + 1 },
		{ "GET /full/x", "", NONE },
		{ "GET /?/api", "", RULE + 2 },
		{ "OPTIONS *", "", RULE + 3 },
		{ "OPTIONS /*", "", NONE },
		{ "GET http://h/api", "", RULE },
		{ "GET http://H/full?q", "", RULE + 1 },
		{ "GET http://h", "", RULE + 2 },
		{ "GET http://h?q", "", RULE + 2 },
		{ "GET http://h/", "", RULE + 2 },
		{ "GET http://h/none", "", NONE },
		{ "GET /\xc3\xa9", "", DENIED(HTTP_REQUEST_LINE) },
		{ "GET /%c3%a9", "", RULE + 4 },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "", "/api", "");
	runner_rule(runner, "", "/full", "");
	runner_rule(runner, "", "/$", "");
	runner_rule(runner, "", "\\*", "");
	runner_rule(runner, "", "/%c3", "");
	runner->rules[1].full_paths = true;
	runner_compile(runner);
	EXPECT(runner, cases);
	runner_free(runner);
}

static void test_headers(void **state)
{
	static const struct request_case cases[] = {
		{ "GET /", "", NONE },
		{ "GET /", "x-a: 1", RULE },
		{ "GET /", "X-A:\t 1 \t ", RULE },
		{ "GET /", "x-a: 1 1", NONE },
		{ "GET /", "x-a: 12", NONE },
		{ "GET /", "x-a: 2\nX-a: 1", RULE },
		{ "GET /", "x-ab: 1", NONE },
		{ "GET /", "x-b: some needle here", NONE },
		{ "GET /", "x-b: some needle here\nx-c: end   ", RULE + 1 },
		{ "GET /", "x-c: end\nx-b: needle", RULE + 1 },
		{ "GET /", "x-c: end.\nx-b: needle", NONE },
		{ "GET /", "x-c: en\nx-b: needle", NONE },
		{ "GET /", "x-d:", RULE + 2 },
		{ "GET /", "x-d: \t ", RULE + 2 },
		{ "GET /", "x-d: x", NONE },
		{ "GET /", "x-e:", RULE + 3 },
		{ "GET /", "x-f: a \t b  ", RULE + 4 },
		{ "GET /", "x-f: a \t b  c", NONE },
		{ "GET /", "x-g: \xe2\x82\xac", RULE + 5 },
		{ "GET /", "x-a: 1\nbad", DENIED(HTTP_FIELD) },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "", "", "x-a:^1$");
	runner_rule(runner, "", "", "x-b:needle,x-c:end$");
	runner_rule(runner, "", "", "x-d:^$");
	runner_rule(runner, "", "", "x-e:.*");
	runner_rule(runner, "", "", "x-f:[[:blank:]]b$");
	runner_rule(runner, "", "", "x-g:^.$");
	runner_compile(runner);
	EXPECT(runner, cases);
	runner_free(runner);
}

/* Two conditions about one header may be met by two values of it. */
static void test_header_twice_in_a_rule(void **state)
{
	static const struct request_case cases[] = {
		{ "GET /", "x-a: 1", NONE },	     { "GET /", "x-a: 12", RULE },
		{ "GET /", "x-a: 1\nx-a: 2", RULE }, { "GET /", "x-a: 2\nx-b: 1", NONE },
		{ "GET /b", "x-b: 3", RULE + 1 },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "", "/", "x-a:1,x-a:2");
	runner_rule(runner, "", "/b", "x-b:3,x-b:3");
	runner_compile(runner);
	EXPECT(runner, cases);
	runner_free(runner);
}

/* Headers that frame the message and that rules are about. */
static void test_framing_in_rules(void **state)
{
	static const struct request_case cases[] = {
		{ "GET /1", "", RULE },
		{ "GET /2", "", NONE },
		{ "GET /3", "Content-Length: 12", RULE + 2 },
		{ "GET /3", "Content-Length: 012 ", NONE },
		{ "GET /3", "Content-Length: 1x", DENIED(HTTP_CONTENT_LENGTH) },
		{ "GET /4", "Transfer-Encoding: chunked", RULE + 3 },
		{ "GET /4", "Transfer-Encoding: CHUNKED ", NONE },
		{ "GET /4", "Transfer-Encoding: gzip", DENIED(HTTP_TRANSFER_ENCODING) },
		{ "GET /5", "Upgrade: WebSocket", RULE + 4 },
		{ "GET /5", "Upgrade: h2c", DENIED(HTTP_UPGRADE) },
		{ "GET http://h/1", "", RULE },
		{ "GET http://i/1", "", DENIED(HTTP_HOST) },
	};
	struct runner *runner = runner_new();

	(void)state;
	runner_rule(runner, "", "/1", "host:^h$");
	runner_rule(runner, "", "/2", "host:x");
	runner_rule(runner, "", "/3", "content-length:^12$");
	runner_rule(runner, "", "/4", "transfer-encoding:^chunked$");
	runner_rule(runner, "", "/5", "upgrade:(?i)^websocket$");
	runner_compile(runner);
	EXPECT(runner, cases);
	assert_int_equal(runner_request(runner, "GET /3", "Content-Length: 12"), RULE + 2);
	assert_int_equal(runner->work.run.length, 12);
	runner_free(runner);
}

/* A target lends nothing to another: a rule's mask, path, methods and headers go together. */
static void test_masks(void **state)
{
	static const struct http_rule_mask masks[] = {
		{ { 1 } }, { { 2 | 4 } }, { { 0 } }, { { 1 | 2 | 4 } }, { { 2 | 4 } }
	};
	static const int allowed[][3] = { { RULE, NONE, NONE },
					  { NONE, RULE + 1, RULE + 2 },
					  { NONE, NONE, NONE },
					  { RULE, RULE + 1, RULE + 2 } };
	struct runner *runner = runner_new();
	size_t i;

	(void)state;
	runner_rule(runner, "", "/0", "");
	runner_rule(runner, "", "/1", "x-a:1,x-b:1,x-c:1");
	runner_rule(runner, "", "/2", "x-a:1");
	runner->masks = masks;
	runner->mask_count = sizeof(masks) / sizeof(*masks);
	runner_compile(runner);
	assert_int_equal(runner->program.masks[2], 0);
	assert_int_equal(runner->program.masks[1], runner->program.masks[4]);
	for (i = 0; i < 4; i++) {
		runner->mask = (uint32_t)i;
		assert_int_equal(runner_request(runner, "GET /0", ""), allowed[i][0]);
		assert_int_equal(runner_request(runner, "GET /1", "x-c: 1\nx-a: 1\nx-b: 1"),
				 allowed[i][1]);
		assert_int_equal(runner_request(runner, "GET /1", "x-a: 1\nx-b: 1"), NONE);
		assert_int_equal(runner_request(runner, "GET /2", "x-a: 1"), allowed[i][2]);
	}
	runner_free(runner);
}

/* A request finds the first of the rules that allow it, wherever their bits have room. */
static void test_first_rule(void **state)
{
	struct runner *runner = runner_new();
	char fields[256] = "";
	int i;

	(void)state;
	for (i = 0; i < 30; i++)
		runner_rule(runner, i == 7 || i == 20 ? "GET" : "PUT", "/",
			    i % 3 ? "x-a:1,x-b:2,x-c:3,x-d:4,x-e:5" : "");
	runner_compile(runner);
	for (i = 0; i < 5; i++)
		sprintf(fields + strlen(fields), "x-%c: %d\n", 'a' + i, i + 1);
	assert_int_equal(runner_request(runner, "GET /", fields), RULE + 7);
	assert_int_equal(runner_request(runner, "PUT /", fields), RULE);
	runner_free(runner);
}

static void test_no_rules(void **state)
{
	struct runner *runner = runner_new();

	(void)state;
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner_request(runner, "GET /", ""), NONE);
	assert_int_equal(runner_request(runner, "GET //", ""), DENIED(AMBIGUOUS_PATH));
	runner_free(runner);
}

static void test_same_rules_same_bytes(void **state)
{
	struct runner *runners[2];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		runners[i] = runner_new();
		runner_rule(runners[i], "GET,FOO", "/a.*[0-9]{3}", "x-a:1,host:h");
		runner_rule(runners[i], "", "/b|/c", "x-a:^2,x-b:3$,x-c:4");
		runner_rule(runners[i], "CONNECT", "", "content-length:1");
		runner_compile(runners[i]);
	}
	assert_int_equal(runners[0]->program.size, runners[1]->program.size);
	assert_memory_equal(runners[0]->program.bytes, runners[1]->program.bytes,
			    runners[0]->program.size);
	runner_free(runners[0]);
	runner_free(runners[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_header_twice_in_a_rule),
		cmocka_unit_test(test_framing_in_rules),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_first_rule),
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_same_rules_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
