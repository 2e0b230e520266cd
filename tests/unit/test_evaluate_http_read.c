// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP reference's reading: what is well-formed, and of what is not, which byte is to blame
 * for which reason. Every prefix of every text is read as well.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/evaluate_http.h"
#include "policy/memory.h"
#include "policy/reason.h"

/* In its own memory, so that a read beyond the end is found. */
static int read_prefix(const char *text, size_t length, bool ambiguous, uint32_t max_head,
		       struct http_request *request, enum weft_reason *reason, char **copy)
{
	*copy = memory_alloc(length ? length : 1);
	memcpy(*copy, text, length);
	return http_request_read(*copy, length, ambiguous, max_head, request, reason);
}

static void assert_incomplete(const char *text, size_t length, bool ambiguous)
{
	struct http_request request;
	enum weft_reason reason;
	char *copy;
	int ret = read_prefix(text, length, ambiguous, 0, &request, &reason, &copy);

	if (ret)
		fail_msg("%.*s: %d %s", (int)length, text, ret, reason_name(reason));
	free(copy);
}

static void assert_refused_at(const char *text, size_t total, bool ambiguous, size_t at,
			      enum weft_reason expected)
{
	struct http_request request;
	enum weft_reason reason;
	size_t length;
	char *copy;
	int ret;

	assert_in_range(at, 0, total - 1);
	for (length = 0; length <= at; length++)
		assert_incomplete(text, length, ambiguous);
	for (; length <= total; length++) {
		ret = read_prefix(text, length, ambiguous, 0, &request, &reason, &copy);
		free(copy);
		if (ret != -EINVAL || reason != expected || request.head_end != at)
			fail_msg("%.*s: %d %s at %zu, not %s at %zu", (int)length, text, ret,
				 reason_name(reason), request.head_end, reason_name(expected), at);
	}
}

/* The text up to the mark | is fine, the byte behind it is to blame. */
static void assert_refused(const char *marked, bool ambiguous, enum weft_reason expected)
{
	size_t at = (size_t)(strchr(marked, '|') - marked);
	char *text = memory_printf("%.*s%s", (int)at, marked, marked + at + 1);

	assert_refused_at(text, strlen(text), ambiguous, at, expected);
	free(text);
}

static const struct {
	const char *text; /* behind | is to blame */
	enum weft_reason reason;
} refusals[] = {
	/* what stands before a request, or is none */
	{ "|\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "|\nGET / HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "| GET / HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "|\x16\x03\x01\x02", WEFT_REASON_TLS },
	{ "|\x80\x2e\x01", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "PRI| * HTTP/2.0\r\n\r\nSM\r\n\r\n", WEFT_REASON_HTTP2 },
	{ "PR|(I", WEFT_REASON_HTTP_REQUEST_LINE },
	/* methods */
	{ "GET|\t/ HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GE|\x01T / HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "G|:T / HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET|\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	/* targets */
	{ "GET | / HTTP/1.1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET /|\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET /a?b|\n", WEFT_REASON_HTTP_VERSION },
	{ "GET /a|\tb HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET /|\xc3\xa4 HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET /a?b|\x7f HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET |a HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET |?a HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET |* HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "options |* HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "OPTIONS *|/ HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http|s://a/ HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http:/|a HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://|/a HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://| HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://u|@a/ HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://a|\\b/ HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://a|# HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET http://a|\r\n", WEFT_REASON_HTTP_VERSION },
	{ "CONNECT |/x HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT | a:1 HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT a| HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT a:| HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT :1| HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT a:123456| HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT a:1|/ HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT http:|//a:1 HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "CONNECT u|@a:1 HTTP/1.1", WEFT_REASON_HTTP_REQUEST_LINE },
	/* versions */
	{ "GET /a |/b HTTP/1.1\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / |\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / | HTTP/1.1\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / |http/1.1\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / HTTP/|2.0\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / HTTP/|0.9\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / HTTP/1.|2\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / HTTP/1|,1\r\n", WEFT_REASON_HTTP_VERSION },
	{ "GET / HTTP/1.1|1\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET / HTTP/1.1| \r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET / HTTP/1.1|\n", WEFT_REASON_HTTP_REQUEST_LINE },
	{ "GET / HTTP/1.1\r|\r\n", WEFT_REASON_HTTP_REQUEST_LINE },
	/* fields */
	{ "GET / HTTP/1.1\r\n|\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\n| a: b\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nHost: a\r\n|\tb\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r|a", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nHost| : a\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nHost|\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\n|: a\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na|@b: a\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na: b|\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na: b\r|c\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na: b\r|\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na: b|\x01\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\na: b|\x7f\r\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nContent-Length: 1|\n", WEFT_REASON_HTTP_FIELD },
	{ "GET / HTTP/1.1\r\nHost: a|\x0b", WEFT_REASON_HTTP_FIELD },
	/* Host */
	{ "GET / HTTP/1.1\r\n\r|\n", WEFT_REASON_HTTP_HOST },
	{ "GET / HTTP/1.1\r\nHost: a\r\nhOST|: a\r\n", WEFT_REASON_HTTP_HOST },
	{ "GET / HTTP/1.0\r\nHost: a\r\nHost|: a\r\n", WEFT_REASON_HTTP_HOST },
	{ "GET / HTTP/1.1\r\nHost: a |b\r\n", WEFT_REASON_HTTP_HOST },
	{ "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r|\n", WEFT_REASON_HTTP_HOST },
	{ "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r|\n", WEFT_REASON_HTTP_HOST },
	{ "GET http://a HTTP/1.0\r\nHost:\r\n\r|\n", WEFT_REASON_HTTP_HOST },
	{ "GET http://a?b HTTP/1.1\r\n\r|\n", WEFT_REASON_HTTP_HOST },
	/* framing */
	{ "P / HTTP/1.1\r\nContent-Length:|\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: |+1\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: |-1\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 1|, 1\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 1 |1\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 0|x1\r\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 123456789012345678|9\r\n",
	  WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 1\r\nCONTENT-LENGTH|: 1\r\n",
	  WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r|\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\nHost: a\r\n\r|\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: |x\r\n",
	  WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding|: chunked\r\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.0\r\nTransfer-Encoding|: chunked\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: |gzip\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunked|, chunked\r\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: |\"chunked\"\r\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunke|\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: ch| unked\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding: chunked |x\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	{ "P / HTTP/1.1\r\nTransfer-Encoding:|\r\n", WEFT_REASON_HTTP_TRANSFER_ENCODING },
	/* upgrades */
	{ "GET / HTTP/1.1\r\nUpgrade: |h2c\r\n", WEFT_REASON_HTTP_UPGRADE },
	{ "GET / HTTP/1.1\r\nUpgrade: websocket|, h2c\r\n", WEFT_REASON_HTTP_UPGRADE },
	{ "GET / HTTP/1.1\r\nUpgrade: websocket|/13\r\n", WEFT_REASON_HTTP_UPGRADE },
	{ "GET / HTTP/1.1\r\nUpgrade: websocket\r\nUpgrade|: websocket\r\n",
	  WEFT_REASON_HTTP_UPGRADE },
	{ "GET / HTTP/1.1\r\nUpgrade: |\r\n", WEFT_REASON_HTTP_UPGRADE },
	{ "GET / HTTP/1.0\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r|\n",
	  WEFT_REASON_HTTP_UPGRADE },
	{ "CONNECT a:1 HTTP/1.0\r\nContent-Length: 1\r\n\r|\n", WEFT_REASON_HTTP_CONTENT_LENGTH },
	{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r|\n",
	  WEFT_REASON_HTTP_TRANSFER_ENCODING },
};

static void test_refusals(void **state)
{
	static const char nul[] = "GET / HTTP/1.1\r\na: b\0c\r\n\r\n";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		assert_refused(refusals[i].text, false, refusals[i].reason);
		assert_refused(refusals[i].text, true, refusals[i].reason);
	}
	assert_refused_at(nul, sizeof(nul) - 1, false, 20, WEFT_REASON_HTTP_FIELD);
}

/* Paths that some server reads as another one; the byte behind | tells. */
static const char *const ambiguous_paths[] = {
	"/|/",	  "/.|/",   "/.|?",   "/.|",	"/..|/",       "/a/..|",     "/..|;x",
	"/a/.|;", "/a|\\b", "/a|#b",  "/%2|f",	"/%2|F",       "/a%2|ea",    "/%5|c",
	"/%0|0",  "/%1|f",  "/%7|f",  "/%4|1",	"/%7|a",       "/%3|0",	     "/%2|d",
	"/%5|F",  "/%7|e",  "/%|zz",  "/%4|z",	"/%|",	       "/%2|",	     "/%2|/",
	"/%7|0",  "/%|u00", "/%2|%2", "/a/|/b", "/a%20b/..|/", "/a;b/..|?c",
};

static void test_ambiguous_paths(void **state)
{
	static const char *const others[] = {
		"/a;b/c", "/...",	 "/..a",       "/.a/b.",  "/a?/../b", "/a?//%2f#\\",
		"/%25",	  "/%252e%252e", "/%3f%3b%23", "/%C3%A4", "/%20%40",  "/a|b^{c}\"<>`",
		"/",	  "/a/;..",	 "/?",	       "/%80",	  "/a.b",     "/~u/-_.txt",
	};
	char *text, *unmarked;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ambiguous_paths) / sizeof(*ambiguous_paths); i++) {
		const char *mark = strchr(ambiguous_paths[i], '|');
		int length = (int)(mark - ambiguous_paths[i]);

		text = memory_printf("GET %s HTTP/1.1\r\n", ambiguous_paths[i]);
		assert_refused(text, false, WEFT_REASON_AMBIGUOUS_PATH);
		free(text);
		text = memory_printf("GET http://a%s HTTP/1.1\r\n", ambiguous_paths[i]);
		assert_refused(text, false, WEFT_REASON_AMBIGUOUS_PATH);
		free(text);
		unmarked = memory_printf("GET %.*s%s HTTP/1.1\r\n", length, ambiguous_paths[i],
					 mark + 1);
		assert_incomplete(unmarked, strlen(unmarked), true);
		free(unmarked);
	}
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		text = memory_printf("GET %s HTTP/1.1\r\n", others[i]);
		assert_incomplete(text, strlen(text), false);
		free(text);
	}
}

/* All of it is one head, and no less of it. */
static struct http_request read_whole(const char *text)
{
	struct http_request request;
	enum weft_reason reason;
	size_t i;
	int ret;

	for (i = 0; i < strlen(text); i++)
		assert_incomplete(text, i, false);
	ret = http_request_read(text, strlen(text), false, 0, &request, &reason);
	if (ret != 1)
		fail_msg("%s: %d %s at %zu", text, ret, reason_name(reason), request.head_end);
	assert_int_equal(request.head_start, 0);
	assert_int_equal(request.head_end, strlen(text));
	return request;
}

static void assert_text(const struct http_text *text, const char *expected)
{
	assert_int_equal(text->length, strlen(expected));
	assert_memory_equal(text->bytes, expected, text->length);
}

static void test_targets(void **state)
{
	static const struct {
		const char *head, *target, *path;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", "/" },
		{ "GET /a/b?c=d&e=/../ HTTP/1.1\r\nHost: x\r\n\r\n", "/a/b?c=d&e=/../", "/a/b" },
		{ "GET /? HTTP/1.0\r\n\r\n", "/?", "/" },
		{ "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "*", "*" },
		{ "OPTIONS /* HTTP/1.1\r\nHost: x\r\n\r\n", "/*", "/*" },
		{ "GET http://X.y:80/a?b HTTP/1.1\r\nHost: x.Y:80\r\n\r\n", "http://X.y:80/a?b",
		  "/a" },
		{ "GET HtTp://x HTTP/1.1\r\nHost: x \r\n\r\n", "HtTp://x", "/" },
		{ "GET http://[::1]?a HTTP/1.1\r\nHost: [::1]\r\n\r\n", "http://[::1]?a", "/" },
		{ "GET http://x/ HTTP/1.0\r\n\r\n", "http://x/", "/" },
		{ "CONNECT x:443 HTTP/1.1\r\nHost: y\r\n\r\n", "x:443", "x:443" },
		{ "CONNECT [::1]:8080 HTTP/1.0\r\n\r\n", "[::1]:8080", "[::1]:8080" },
		{ "CONNECTS /a HTTP/1.0\r\n\r\n", "/a", "/a" },
		{ "PRIX /a HTTP/1.0\r\n\r\n", "/a", "/a" },
	};
	struct http_request request;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		request = read_whole(cases[i].head);
		assert_text(&request.target, cases[i].target);
		assert_text(&request.path, cases[i].path);
		http_request_clear(&request);
	}
}

static void test_fields(void **state)
{
	struct http_request request = read_whole("!#$%&'*+-.^_`|~09azAZ /x HTTP/1.1\r\n"
						 "HOST: \t a.b:8080\t \r\n"
						 "a:\r\n"
						 "b:  \t\r\n"
						 "C_d: \xc3\xa4 \t\"x, y\" \r\n"
						 "Expect:100-continue\r\n"
						 "uPGRADE: WebSocket\r\n"
						 "Transfer: chunked\r\n"
						 "content-length:  000000000000000000 \r\n"
						 "\r\n");

	(void)state;
	assert_text(&request.method, "!#$%&'*+-.^_`|~09azAZ");
	assert_int_equal(request.minor, 1);
	assert_int_equal(request.header_count, 8);
	assert_text(&request.headers[0].name, "HOST");
	assert_text(&request.headers[0].value, "a.b:8080");
	assert_text(&request.headers[1].value, "");
	assert_text(&request.headers[2].value, "");
	assert_text(&request.headers[3].name, "C_d");
	assert_text(&request.headers[3].value, "\xc3\xa4 \t\"x, y\"");
	assert_true(request.websocket);
	assert_int_equal(request.body, HTTP_BODY_LENGTH);
	assert_int_equal(request.length, 0);
	http_request_clear(&request);

	request = read_whole("GET / HTTP/1.0\r\nContent-Length: 999999999999999999\r\n\r\n");
	assert_int_equal(request.minor, 0);
	assert_true(request.length == 999999999999999999);
	http_request_clear(&request);

	request = read_whole("GET / HTTP/1.1\r\nTransfer-encoding: CHUNKED\t\r\nHost: a\r\n\r\n");
	assert_int_equal(request.body, HTTP_BODY_CHUNKED);
	assert_false(request.websocket);
	http_request_clear(&request);

	request = read_whole("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(request.body, HTTP_BODY_NONE);
	http_request_clear(&request);
}

static void test_the_limit_of_a_head(void **state)
{
	static const char start[] = "GET / HTTP/1.0\r\na: ", end[] = "\r\n\r\n";
	enum { LIMIT = 100 };
	struct http_request request;
	enum weft_reason reason;
	char text[LIMIT + 1];
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, start, sizeof(start) - 1);
	for (i = 0; i <= LIMIT; i++)
		assert_int_equal(http_request_read(text, i, false, LIMIT, &request, &reason), 0);
	assert_int_equal(http_request_read(text, i, false, LIMIT, &request, &reason), -EINVAL);
	assert_int_equal(reason, WEFT_REASON_HTTP_HEAD_SIZE);
	assert_int_equal(request.head_end, LIMIT);
	memcpy(text + LIMIT - 4, end, 4);
	assert_int_equal(http_request_read(text, LIMIT, false, LIMIT, &request, &reason), 1);
	http_request_clear(&request);
	assert_int_equal(http_request_read(text, LIMIT, false, LIMIT - 1, &request, &reason),
			 -EINVAL);
	assert_int_equal(reason, WEFT_REASON_HTTP_HEAD_SIZE);
}

static void test_what_follows_a_request_is_left(void **state)
{
	static const char text[] = "GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
	struct http_request request;
	enum weft_reason reason;
	size_t used;

	(void)state;
	assert_int_equal(http_request_read(text, sizeof(text) - 1, false, 0, &request, &reason), 1);
	assert_int_equal(request.head_end, 19);
	assert_int_equal(http_body_read(&request, text + 19, 5, &used, &reason), 1);
	assert_int_equal(used, 0);
	http_request_clear(&request);
}

static void test_bodies_by_length(void **state)
{
	struct http_request request = { .body = HTTP_BODY_LENGTH, .length = 3 };
	enum weft_reason reason;
	size_t used;

	(void)state;
	assert_int_equal(http_body_read(&request, "ab", 2, &used, &reason), 0);
	assert_int_equal(used, 2);
	assert_int_equal(http_body_read(&request, "abcd", 4, &used, &reason), 1);
	assert_int_equal(used, 3);
	request.length = 0;
	assert_int_equal(http_body_read(&request, NULL, 0, &used, &reason), 1);
	assert_int_equal(used, 0);
	request.length = 999999999999999999;
	assert_int_equal(http_body_read(&request, "abcd", 4, &used, &reason), 0);
	assert_int_equal(used, 4);
}

static void test_chunks(void **state)
{
	static const struct {
		const char *text; /* | where it ends, or the byte before the one to blame */
		int ret;
		enum weft_reason reason;
	} cases[] = {
		{ "0\r\n\r\n|GET", 1, 0 },
		{ "5\r\nabcde\r\n0\r\n\r\n|", 1, 0 },
		{ "0000000000000005\r\nabcde\r\n0000000000000000\r\n\r\n|x", 1, 0 },
		{ "aF;x=y;z=\"q\"\r\n1234567890"
		  "1234567890123456789012345678901234567890123456789012345678901234567890"
		  "1234567890123456789012345678901234567890123456789012345678901234567890"
		  "1234567890123456789012345\r\n0;\r\na: b\r\nContent-Length: x\r\n\r\n|",
		  1, 0 },
		{ "5\r\nab\r\n|", 0, 0 },
		{ "0fffffffffffffff\r\nab|", 0, 0 },
		{ "100000000000000|0\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "|\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "| 5\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "0|x5\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "|-5\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "|;a\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5| \r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5|\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5\r|a", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5;a| b\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5;a|\xff\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5;a|\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "0000000000000000|5\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5\r\nabcde|f\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5\r\nabcde|\n0\r\n\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "5\r\nabcde\r|0\r\n\r\n", -EINVAL, WEFT_REASON_HTTP_CHUNK },
		{ "0\r\n|\n", -EINVAL, WEFT_REASON_HTTP_FIELD },
		{ "0\r\nGET| /x HTTP/1.1\r\n", -EINVAL, WEFT_REASON_HTTP_FIELD },
		{ "0\r\na: b|\n\r\n", -EINVAL, WEFT_REASON_HTTP_FIELD },
		{ "0\r\n\r|a", -EINVAL, WEFT_REASON_HTTP_FIELD },
	};
	struct http_request request = { .body = HTTP_BODY_CHUNKED };
	size_t i, at, length, total, used;
	enum weft_reason reason;
	char *text;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		at = (size_t)(strchr(cases[i].text, '|') - cases[i].text);
		text = memory_printf("%.*s%s", (int)at, cases[i].text, cases[i].text + at + 1);
		total = strlen(text);
		for (length = 0; length < at + (cases[i].ret <= 0); length++) {
			ret = http_body_read(&request, text, length, &used, &reason);
			if (ret || used != length)
				fail_msg("%.*s: %d", (int)length, text, ret);
		}
		ret = http_body_read(&request, text, total, &used, &reason);
		if (ret != cases[i].ret || used != at)
			fail_msg("%s: %d, %zu", text, ret, used);
		if (ret < 0)
			assert_int_equal(reason, cases[i].reason);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_ambiguous_paths),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_the_limit_of_a_head),
		cmocka_unit_test(test_what_follows_a_request_is_left),
		cmocka_unit_test(test_bodies_by_length),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
