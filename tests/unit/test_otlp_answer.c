// SPDX-License-Identifier: Apache-2.0
/* What a collector's answer means, and the file of headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/otlp/otlp_answer.h"
#include "user/otlp/otlp_headers.h"

static struct otlp_answer read_answer(unsigned int status, const char *body)
{
	struct otlp_answer answer;

	otlp_answer_read(status, body, strlen(body), "rejectedDataPoints", &answer);
	return answer;
}

static void test_success(void **state)
{
	static const char *const bodies[] = {
		"{}",
		"",
		"{\"partialSuccess\":{}}",
		"{\"partialSuccess\":null}",
		"{\"partialSuccess\":{\"rejectedLogRecords\":\"5\"}}", /* of another signal */
		"{\"partialSuccess\":{\"rejectedDataPoints\":\"-5\"}}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct otlp_answer answer = read_answer(200, bodies[i]);

		assert_int_equal(answer.verdict, OTLP_TAKEN);
		assert_int_equal(answer.rejected, 0);
		assert_string_equal(answer.message, "");
	}
	assert_int_equal(read_answer(202, "").verdict, OTLP_TAKEN);
}

static void test_partial_success(void **state)
{
	struct otlp_answer answer;

	(void)state;
	answer = read_answer(200, "{\"partialSuccess\":{\"rejectedDataPoints\":\"3\","
				  "\"errorMessage\":\"too old\"}}");
	assert_int_equal(answer.verdict, OTLP_TAKEN);
	assert_int_equal(answer.rejected, 3);
	assert_string_equal(answer.message, "too old");
	/* 64-bit integers may be numbers, too. */
	answer = read_answer(200, "{\"partialSuccess\":{\"rejectedDataPoints\":3}}");
	assert_int_equal(answer.rejected, 3);
	assert_string_not_equal(answer.message, "");
	/* A hint. */
	answer = read_answer(200, "{\"partialSuccess\":{\"errorMessage\":\"slower, please\"}}");
	assert_int_equal(answer.rejected, 0);
	assert_string_equal(answer.message, "slower, please");
}

static void test_no_answer_of_otlp(void **state)
{
	static const char *const bodies[] = { "<html>", "ok", "[]", "3", "{\"partialSucc", "null" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		assert_int_equal(read_answer(200, bodies[i]).verdict, OTLP_UNREADABLE);
}

static void test_failures(void **state)
{
	static const unsigned int again[] = { 429, 502, 503, 504 };
	static const unsigned int refused[] = { 301, 307, 400, 401, 404, 408, 413, 500, 501, 505 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		assert_int_equal(read_answer(again[i], "busy").verdict, OTLP_AGAIN);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(read_answer(refused[i], "{}").verdict, OTLP_REFUSED);
	assert_string_equal(read_answer(400, "{\"code\":3,\"message\":\"bad\"}").message,
			    "status 400: bad");
	assert_string_equal(read_answer(503, "<html>").message, "status 503");
}

/* What otlp_headers_read() says to a file of this text; the list's lines, each with a newline. */
static int read_headers(const char *text, size_t size, char lines[256],
			char error[OTLP_HEADERS_ERROR_LEN])
{
	char path[] = "/tmp/weft-headers-XXXXXX";
	struct curl_slist *list = NULL, *one;
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
	err = otlp_headers_read(path, &list, error);
	unlink(path);
	lines[0] = '\0';
	for (one = list; one; one = one->next) {
		strcat(lines, one->data);
		strcat(lines, "\n");
	}
	curl_slist_free_all(list);
	return err;
}

static void test_headers(void **state)
{
	static const char good[] = "# token of the collector\n"
				   "\n"
				   "Authorization: Bearer a.b=\r\n"
				   "x-tenant:\tone: two  \n"
				   "Last: line";
	char lines[256], error[OTLP_HEADERS_ERROR_LEN];

	(void)state;
	assert_int_equal(read_headers(good, strlen(good), lines, error), 0);
	assert_string_equal(lines, "Authorization: Bearer a.b=\nx-tenant:\tone: two\nLast: line\n");
	assert_int_equal(read_headers("", 0, lines, error), 0);
	assert_string_equal(lines, "");
}

static void test_headers_that_are_none(void **state)
{
	static const char *const bad[] = {
		"secret",
		": secret",
		"a b: secret",
		"a:",
		"a: \t",
		"a: b\x01",
		"content-type: secret",
		"Content-Length: 3",
		"Content-Encoding: x",
		"a: secret\rb: c",
		"transfer-encoding: secret",
		"a;",
	};
	char lines[256], error[OTLP_HEADERS_ERROR_LEN], *large = malloc(70000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error[0] = '\0';
		assert_int_equal(read_headers(bad[i], strlen(bad[i]), lines, error), -EINVAL);
		assert_non_null(strstr(error, "line 1"));
		assert_null(strstr(error, "secret"));
	}
	assert_int_equal(read_headers("a: b\0c: d", 9, lines, error), -EINVAL);
	memset(large, '#', 70000);
	assert_int_equal(read_headers(large, 70000, lines, error), -E2BIG);
	assert_int_equal(read_headers(large, 1 << 16, lines, error), 0);
	free(large);
	assert_int_equal(otlp_headers_read("/nowhere/at/all", &(struct curl_slist *){ NULL },
					   error),
			 -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success),
		cmocka_unit_test(test_partial_success),
		cmocka_unit_test(test_no_answer_of_otlp),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_headers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
