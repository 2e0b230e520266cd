// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <json-c/json.h>
#include <cmocka.h>
#include "user/log.h"

static char output[65536];
static int saved_stderr, pipes[2];

static void capture(void)
{
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe(pipes), 0);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
}

static const char *captured(void)
{
	ssize_t got;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	got = read(pipes[0], output, sizeof(output) - 1);
	output[got > 0 ? got : 0] = '\0';
	close(pipes[0]);
	return output;
}

static void test_text(void **state)
{
	const char *line;

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	capture();
	log_info("policy applied", "entries", "12", "why", "two words", "empty", "", "quote",
		 "a\"b\\c", "newline", "x\ny=z");
	line = captured();
	assert_int_equal(strncmp(line, "time=20", 7), 0);
	assert_non_null(strstr(line, " level=info msg=\"policy applied\" entries=12 "
				     "why=\"two words\" empty=\"\" quote=\"a\\\"b\\\\c\" "
				     "newline=\"x\\u000ay=z\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_threshold(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	capture();
	log_debug("one");
	log_info("two");
	log_warn("three");
	log_error("four");
	captured();
	assert_null(strstr(output, "one"));
	assert_null(strstr(output, "two"));
	assert_non_null(strstr(output, "level=warn msg=three"));
	assert_non_null(strstr(output, "level=error msg=four"));
}

static void test_json(void **state)
{
	/* Well-formed, overlong, surrogate, truncated, lone and forbidden bytes. */
	static const char bytes[] =
		"\xc3\xa9 \xc0\xaf \xed\xa0\x80 \xe2\x82 \x80 \xff \xf4\x90\x80\x80"
		" \x01\x1f\x7f \xf0\x9f\x98\x80";
	struct json_object *json, *value;

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture();
	log_info("a \"message\"", "bytes", bytes);
	json = json_tokener_parse(captured());
	assert_non_null(json);
	assert_true(json_object_object_get_ex(json, "bytes", &value));
	assert_non_null(strstr(json_object_get_string(value), "\xc3\xa9 \xef\xbf\xbd"));
	assert_non_null(strstr(json_object_get_string(value), "\xf0\x9f\x98\x80"));
	assert_true(json_object_object_get_ex(json, "msg", &value));
	assert_string_equal(json_object_get_string(value), "a \"message\"");
	json_object_put(json);
}

static void test_long_lines_stay_well_formed(void **state)
{
	char *text = malloc(20001);
	struct json_object *json;
	size_t len;

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (len = 7900; len < 8300; len++) {
		memset(text, len % 2 ? 'a' : '"', len);
		text[len] = '\0';
		capture();
		log_info("long", "first", text, "second", text, "third", "x");
		json = json_tokener_parse(captured());
		assert_non_null(json);
		json_object_put(json);
	}
	free(text);
}

static void test_values(void **state)
{
	const char *a = log_format_value("%d", 1), *b = log_format_value("%s", "two");
	const char *c = log_format_value("%d", 3), *d = log_format_value("%d", 4);

	(void)state;
	assert_string_equal(a, "1");
	assert_string_equal(b, "two");
	assert_string_equal(c, "3");
	assert_string_equal(d, "4");
}

static void test_level_names(void **state)
{
	enum log_level level;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("Info", &level), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),   cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_long_lines_stay_well_formed),
		cmocka_unit_test(test_values), cmocka_unit_test(test_level_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
