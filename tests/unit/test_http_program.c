// SPDX-License-Identifier: Apache-2.0
/* HTTP programs: what is well-formed, run by the kernel's engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/http_runner.h"

enum { ALLOWED = RUNNER_FIRST_ID }; /* by the one rule there is */

#define DENIED(reason) (-(int)WEFT_REASON_##reason)

static void expect(struct runner *runner, const char *bytes, size_t length, int verdict)
{
	static const size_t pieces[] = { 0, 1, 2, 7 };
	size_t i;
	int got;

	for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		runner->piece = pieces[i];
		got = runner_judge(runner, bytes, length);
		if (got != verdict)
			fail_msg("%.*s\nin pieces of %zu: %d (%s) instead of %d (%s)", (int)length,
				 bytes, pieces[i], got,
				 got < 0 ? reason_name((enum weft_reason) - got) : "", verdict,
				 verdict < 0 ? reason_name((enum weft_reason) - verdict) : "");
	}
	runner->piece = 0;
}

struct text_case {
	const char *text;
	int verdict;
};

static void expect_all(struct runner *runner, const struct text_case *cases, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		expect(runner, cases[i].text, strlen(cases[i].text), cases[i].verdict);
}

#define EXPECT_ALL(runner, cases) expect_all(runner, cases, sizeof(cases) / sizeof(*(cases)))

#define REST " HTTP/1.1\r\nHost: h\r\n\r\n"

static void test_request_lines(void **state)
{
	static const struct text_case cases[] = {
		{ "GET /" REST, ALLOWED },
		{ "GET / HTTP/1.0\r\n\r\n", ALLOWED },
		{ "get /" REST, ALLOWED },
		{ "M-SEARCH /x" REST, ALLOWED },
		{ "!#$%&'*+-.^_`|~09azAZ /x" REST, ALLOWED },
		{ "GET /?a=/../b#%zz" REST, ALLOWED },
		{ "", DENIED(HTTP_UNFINISHED) },
		{ "G", DENIED(HTTP_UNFINISHED) },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r", DENIED(HTTP_UNFINISHED) },
		{ "\r\nGET /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "\nGET /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ " GET /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET\t/" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET\r\n", DENIED(HTTP_REQUEST_LINE) },
		{ "G(T /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET  /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET x" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET *" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET /\x80" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET /?\x01" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET /\t" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "\x16\x03\x01\x02\x05\x01", DENIED(TLS) },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", DENIED(HTTP2) },
		{ "PRIX /" REST, ALLOWED },
	};
	struct runner *runner = runner_any();

	(void)state;
	EXPECT_ALL(runner, cases);
	runner_free(runner);
}

static void test_versions(void **state)
{
	static const struct text_case cases[] = {
		{ "GET /\r\n", DENIED(HTTP_VERSION) },
		{ "GET /\n", DENIED(HTTP_VERSION) },
		{ "GET /?q\r\n", DENIED(HTTP_VERSION) },
		{ "GET http://h\r\n", DENIED(HTTP_VERSION) },
		{ "GET / \r\n", DENIED(HTTP_VERSION) },
		{ "GET /a /b HTTP/1.1\r\n", DENIED(HTTP_VERSION) },
		{ "GET / HTTP/2.0\r\n", DENIED(HTTP_VERSION) },
		{ "GET / HTTP/1.2\r\n", DENIED(HTTP_VERSION) },
		{ "GET / HTTP/0.9\r\n", DENIED(HTTP_VERSION) },
		{ "GET / http/1.1\r\n", DENIED(HTTP_VERSION) },
		{ "GET / HTTP/11\r\n", DENIED(HTTP_VERSION) },
		{ "GET / HTTP/1.10\r\n", DENIED(HTTP_REQUEST_LINE) },
		{ "GET / HTTP/1.1 \r\n", DENIED(HTTP_REQUEST_LINE) },
		{ "GET / HTTP/1.1\n", DENIED(HTTP_REQUEST_LINE) },
		{ "GET / HTTP/1.1\r\r\n", DENIED(HTTP_REQUEST_LINE) },
	};
	struct runner *runner = runner_any();

	(void)state;
	EXPECT_ALL(runner, cases);
	runner_free(runner);
}

#define HEAD "GET / HTTP/1.1\r\nHost: h\r\n"

static void test_fields(void **state)
{
	static const struct text_case cases[] = {
		{ HEAD "A:\r\n\r\n", ALLOWED },
		{ HEAD "A: \t x \x80\xff y\t\r\n\r\n", ALLOWED },
		{ HEAD "a!b: \"quoted\", (x)\r\n\r\n", ALLOWED },
		{ HEAD "\n", DENIED(HTTP_FIELD) },
		{ HEAD "\rX", DENIED(HTTP_FIELD) },
		{ HEAD " folded\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "\tfolded\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "A : x\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD ": x\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "no colon\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "nocolon\r\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "A: x\n\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "A: x\ry\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "A: \x01\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "A: \x7f\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "\xe9: x\r\n", DENIED(HTTP_FIELD) },
	};
	static const char nul[] = HEAD "A: x\0y\r\n\r\n";
	struct runner *runner = runner_any();

	(void)state;
	EXPECT_ALL(runner, cases);
	expect(runner, nul, sizeof(nul) - 1, DENIED(HTTP_FIELD));
	runner_free(runner);
}

static void test_framing(void **state)
{
	static const struct text_case cases[] = {
		{ HEAD "Content-Length: 5\r\n\r\n", ALLOWED },
		{ HEAD "content-LENGTH:\t5 \t\r\n\r\n", ALLOWED },
		{ HEAD "Content-Length: 000000000000000123\r\n\r\n", ALLOWED },
		{ HEAD "Content-Length: 0000000000000000123\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: \r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: +5\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: 0x5\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: 5 5\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: 5, 5\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Content-Length: 5\n", DENIED(HTTP_FIELD) },
		{ HEAD "Content-Length: 5\r\nContent-Length: 5\r\n", DENIED(HTTP_CONTENT_LENGTH) },
		{ HEAD "Transfer-Encoding: chunked\r\n\r\n", ALLOWED },
		{ HEAD "transfer-encoding:CHUNKED  \r\n\r\n", ALLOWED },
		{ HEAD "Transfer-Encoding: gzip, chunked\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding: chunked, chunked\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding: xchunked\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding: chunke\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding: chun ked\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding:\r\n", DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Transfer-Encoding: \x0b"
		       "chunked\r\n",
		  DENIED(HTTP_FIELD) },
		{ HEAD "Transfer-Encoding : chunked\r\n", DENIED(HTTP_FIELD) },
		{ HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		  DENIED(HTTP_TRANSFER_ENCODING) },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
		  DENIED(HTTP_TRANSFER_ENCODING) },
		{ HEAD "Upgrade: websocket\r\n\r\n", ALLOWED },
		{ HEAD "UPGRADE:WebSocket\r\n\r\n", ALLOWED },
		{ HEAD "Upgrade: h2c\r\n", DENIED(HTTP_UPGRADE) },
		{ HEAD "Upgrade: websocket, h2c\r\n", DENIED(HTTP_UPGRADE) },
		{ HEAD "Upgrade: websocket\r\nUpgrade: websocket\r\n", DENIED(HTTP_UPGRADE) },
		{ "GET / HTTP/1.1\r\n\r\n", DENIED(HTTP_HOST) },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", ALLOWED },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n", DENIED(HTTP_HOST) },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", DENIED(HTTP_HOST) },
		{ "GET / HTTP/1.1\r\nhost:\t[::1]:80 \r\n\r\n", ALLOWED },
	};
	struct runner *runner = runner_any();

	(void)state;
	EXPECT_ALL(runner, cases);
	runner_free(runner);
}

static void test_targets(void **state)
{
	static const struct text_case cases[] = {
		{ "OPTIONS *" REST, ALLOWED },
		{ "OPTIONS /" REST, ALLOWED },
		{ "OPTIONS *x" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "OPTIONS *?x" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET http://h/" REST, ALLOWED },
		{ "GET HtTp://H" REST, ALLOWED },
		{ "GET http://h?q" REST, ALLOWED },
		{ "OPTIONS http://h" REST, ALLOWED },
		{ "GET http://h:80/" REST, DENIED(HTTP_HOST) },
		{ "GET http://other/" REST, DENIED(HTTP_HOST) },
		{ "GET https://h/" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET http:///x" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET http://u@h/" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET http://h\\x/" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "GET http:/x" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT /" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT h" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT :80" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT h:" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT h:123456" REST, DENIED(HTTP_REQUEST_LINE) },
		{ "CONNECT h:80" REST, DENIED(NO_HTTP_RULE) },
		{ "CONNECT [::1]:443" REST, DENIED(NO_HTTP_RULE) },
	};
	struct runner *runner = runner_any();

	(void)state;
	EXPECT_ALL(runner, cases);
	runner_free(runner);
}

static void test_ambiguous_paths(void **state)
{
	static const struct text_case cases[] = {
		{ "/%25", ALLOWED },
		{ "/%20x", ALLOWED },
		{ "/%3f%3A", ALLOWED },
		{ "/%40%60", ALLOWED },
		{ "/%5b%5D%5e", ALLOWED },
		{ "/%7b%7D", ALLOWED },
		{ "/%e2%82%ac", ALLOWED },
		{ "/a;b/c;d", ALLOWED },
		{ "/...", ALLOWED },
		{ "/.a/..b/c..", ALLOWED },
		{ "/a./b", ALLOWED },
		{ "/;x", ALLOWED },
		{ "/%252f", ALLOWED },
		{ "/?%2f//..", ALLOWED },
		{ "/%21%2c", ALLOWED },
		{ "//", 0 },
		{ "/a//b", 0 },
		{ "/%2f", 0 },
		{ "/%2F", 0 },
		{ "/%5c", 0 },
		{ "/%5C", 0 },
		{ "/%2e", 0 },
		{ "/%00", 0 },
		{ "/%1f", 0 },
		{ "/%7f", 0 },
		{ "/%41", 0 },
		{ "/%7A", 0 },
		{ "/%30", 0 },
		{ "/%2d", 0 },
		{ "/%5f", 0 },
		{ "/%7e", 0 },
		{ "/.", 0 },
		{ "/..", 0 },
		{ "/a/./b", 0 },
		{ "/a/../b", 0 },
		{ "/..;x", 0 },
		{ "/.;x/y", 0 },
		{ "/.?q", 0 },
		{ "/a/..?q", 0 },
		{ "/\\", 0 },
		{ "/a#b", 0 },
		{ "/%", 0 },
		{ "/%g0", 0 },
		{ "/%2", 0 },
		{ "/%2g", 0 },
		{ "/%/", 0 },
		{ "http://h//", 0 },
		{ "http://h/..", 0 },
	};
	struct runner *runner = runner_any();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = memory_printf("GET %s" REST, cases[i].text);

		expect(runner, text, strlen(text),
		       cases[i].verdict ? cases[i].verdict : DENIED(AMBIGUOUS_PATH));
		free(text);
	}
	runner->options.ambiguous_paths = true;
	runner_compile(runner);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = memory_printf("GET %s" REST, cases[i].text);

		expect(runner, text, strlen(text), ALLOWED);
		free(text);
	}
	runner_free(runner);
}

static void test_head_size(void **state)
{
	struct runner *runner = runner_any();
	char *head = memory_alloc(100000);
	size_t length;

	(void)state;
	runner->options.max_head = 100;
	runner_compile(runner);
	sprintf(head, HEAD "A: %0*d\r\n\r\n", (int)(100 - strlen(HEAD) - 7), 0);
	assert_int_equal(strlen(head), 100);
	expect(runner, head, 100, ALLOWED);
	runner->options.max_head = 99;
	runner_compile(runner);
	expect(runner, head, 100, DENIED(HTTP_HEAD_SIZE));
	runner->options.max_head = 1 << 20;
	runner_compile(runner);
	sprintf(head, HEAD "A: %0*d\r\n\r\n", 70000, 0);
	length = strlen(head);
	assert_int_equal(runner_judge(runner, head, length), DENIED(HTTP_HEAD_SIZE));
	assert_int_equal(runner_judge(runner, "GET /" REST, strlen("GET /" REST)), ALLOWED);
	free(head);
	runner_free(runner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_lines), cmocka_unit_test(test_versions),
		cmocka_unit_test(test_fields),	      cmocka_unit_test(test_framing),
		cmocka_unit_test(test_targets),	      cmocka_unit_test(test_ambiguous_paths),
		cmocka_unit_test(test_head_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
