// SPDX-License-Identifier: Apache-2.0
/* HTTP programs at their limits: many rules, many headers, patterns that need several lanes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/dice.h"
#include "unit/http_check.h"
#include "unit/http_runner.h"

enum { RULE = RUNNER_FIRST_ID, NONE = -(int)WEFT_REASON_NO_HTTP_RULE };

static void rule_add(struct runner *runner, const char *methods, const char *path,
		     const char *headers, ...) __attribute__((format(printf, 4, 5)));

/* `headers` is a format. */
static void rule_add(struct runner *runner, const char *methods, const char *path,
		     const char *headers, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, headers);
	if (vasprintf(&text, headers, arguments) < 0)
		abort();
	va_end(arguments);
	runner_rule(runner, methods, path, text);
	free(text);
}

static unsigned int lane_count(const struct runner *runner, unsigned int section)
{
	const struct weft_http_program *program =
		(const struct weft_http_program *)runner->program.bytes;
	const struct weft_http_section *sections =
		(const struct weft_http_section *)(runner->program.bytes + program->sections);
	unsigned int count = 0;

	while ((section = sections[section].lane))
		count++;
	return count;
}

static void test_256_rules(void **state)
{
	struct runner *runner = runner_new();
	char path[64];
	int i;

	(void)state;
	for (i = 0; i < 258; i++) {
		snprintf(path, sizeof(path), "/service-%d/[a-z]+$", i);
		runner_rule(runner, i % 2 ? "GET" : "", path, "");
	}
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 2);
	assert_int_equal(runner->program.refusals[0].rule, 256);
	assert_int_equal(runner->program.refusals[1].rule, 257);
	for (i = 0; i < 258; i++) {
		snprintf(path, sizeof(path), "GET /service-%d/path", i);
		assert_int_equal(runner_request(runner, path, ""), i < 256 ? RULE + i : NONE);
		snprintf(path, sizeof(path), "PUT /service-%d/path", i);
		assert_int_equal(runner_request(runner, path, ""),
				 i < 256 && i % 2 == 0 ? RULE + i : NONE);
	}
	runner_free(runner);
}

static void test_64_headers(void **state)
{
	struct runner *runner = runner_new();
	char field[64];
	int i;

	(void)state;
	for (i = 0; i < 66; i++)
		rule_add(runner, "", "", "x-%d:^v%d$", i, i);
	rule_add(runner, "", "/x", "x-0:z");
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 2);
	assert_int_equal(runner->program.refusals[0].rule, 64);
	for (i = 0; i < 66; i++) {
		snprintf(field, sizeof(field), "X-%d: v%d", i, i);
		assert_int_equal(runner_request(runner, "GET /", field), i < 64 ? RULE + i : NONE);
	}
	assert_int_equal(runner_request(runner, "GET /x", "x-0: z"), RULE + 66);
	runner_free(runner);
}

/* 8 words of 64 bits: a rule of three conditions takes four. */
static void test_bits(void **state)
{
	struct runner *runner = runner_new();
	char path[32];
	int i;

	(void)state;
	for (i = 0; i < 130; i++) {
		snprintf(path, sizeof(path), "/%d/", i);
		runner_rule(runner, "", path, "x-a:1,x-b:2,x-c:3");
	}
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 2);
	for (i = 0; i < 130; i++) {
		snprintf(path, sizeof(path), "GET /%d/", i);
		assert_int_equal(runner_request(runner, path, "x-a: 1\nx-b: 2\nx-c: 3"),
				 i < 128 ? RULE + i : NONE);
		assert_int_equal(runner_request(runner, path, "x-a: 1\nx-b: 2\nx-c: 4"), NONE);
	}
	runner_free(runner);
}

static void test_a_rule_too_large(void **state)
{
	struct runner *runner = runner_new();
	char *headers = memory_strdup("x:^0$"), *longer;
	int i;

	(void)state;
	for (i = 1; i < 63; i++) {
		longer = memory_printf("%s,x:^%d$", headers, i);
		free(headers);
		headers = longer;
	}
	runner_rule(runner, "", "", headers);
	longer = memory_printf("%s,x:^63$", headers);
	runner_rule(runner, "", "", longer);
	free(longer);
	longer = memory_alloc(5001);
	memset(longer, 'M', 5000);
	runner_rule(runner, longer, "/", "");
	memset(longer, 'x', 5000);
	rule_add(runner, "", "", "%s:1", longer);
	free(longer);
	runner_rule(runner, "", "/ok", "");
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(runner->program.refusals[i].rule, i + 1);
	longer = memory_strdup("");
	for (i = 0; i < 63; i++) {
		char *more = memory_printf("%sx: %d\n", longer, i);

		free(longer);
		longer = more;
	}
	assert_int_equal(runner_request(runner, "GET /", longer), RULE);
	assert_int_equal(runner_request(runner, "GET /", "x: 1\nx: 2"), NONE);
	assert_int_equal(runner_request(runner, "GET /ok", ""), RULE + 4);
	free(longer);
	free(headers);
	runner_free(runner);
}

/* The regexes of a runner's rules, each by itself, without anything of the program. */
struct oracle {
	struct regex_dfa dfas[RUNNER_RULES];
	size_t count;
};

static struct oracle *oracle_new(const struct runner *runner, bool path)
{
	struct oracle *oracle = memory_alloc(sizeof(*oracle));
	struct regex_error error;

	for (; oracle->count < runner->rule_count; oracle->count++) {
		const struct http_match *match = &runner->matches[oracle->count];
		const char *regex = path ? match->path_regex : match->headers[0].value_regex;

		assert_int_equal(regex_compile(regex, strlen(regex),
					       path ? REGEX_PREFIX : REGEX_SEARCH, NULL,
					       &oracle->dfas[oracle->count], &error),
				 0);
	}
	return oracle;
}

static void oracle_free(struct oracle *oracle)
{
	while (oracle->count)
		regex_dfa_clear(&oracle->dfas[--oracle->count]);
	free(oracle);
}

/* The first of the rules whose pattern matches, but for those that were refused. */
static int oracle_rule(const struct oracle *oracle, const struct runner *runner, const char *text)
{
	struct regex_accept accept;
	size_t i, j;

	for (i = 0; i < oracle->count; i++) {
		regex_dfa_run(&oracle->dfas[i], text, strlen(text), &accept);
		if (!regex_accept_has(&accept, 0))
			continue;
		for (j = 0; j < runner->program.refusal_count; j++)
			if (runner->program.refusals[j].rule == i)
				break;
		if (j == runner->program.refusal_count)
			return RULE + (int)i;
	}
	return NONE;
}

static void random_text(struct dice *dice, char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		text[i] = "abcdefx"[dice_roll(dice, 7)];
	text[length] = 0;
}

/* Each alone has some 2^6 states, two together 2^12, all of them too many. */
static const char *const explosive[] = { "a[a-x]{5}$", "b[a-x]{5}$", "c[a-x]{5}$", "d[a-x]{5}$",
					 "e[a-x]{5}$", "f[a-x]{5}$", "a[a-x]{6}$" };

enum { EXPLOSIVE = sizeof(explosive) / sizeof(*explosive) };

/* Paths in every form, and authorities, go through all lanes. */
static void test_path_lanes(void **state)
{
	static const char *const forms[] = { "GET %s", "GET http://h%s", "GET %s?q=a",
					     "CONNECT %s" };
	struct runner *runner = runner_new();
	struct dice dice = { .state = 1 };
	struct oracle *oracle;
	char path[64], start[96];
	size_t i, round;

	(void)state;
	for (i = 0; i < EXPLOSIVE; i++) {
		char *pattern = memory_printf("[^?]*%s", explosive[i]);

		runner_rule(runner, "GET,CONNECT", pattern, "");
		free(pattern);
	}
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 0);
	assert_int_equal(lane_count(runner, WEFT_HTTP_TARGET), WEFT_HTTP_LANES);
	assert_int_equal(lane_count(runner, WEFT_HTTP_TARGET_CONNECT), WEFT_HTTP_LANES);
	oracle = oracle_new(runner, true);
	for (round = 0; round < 400; round++) {
		bool connect = round % 4 == 3;

		path[0] = '/';
		random_text(&dice, path + !connect, 1 + dice_roll(&dice, 12));
		if (connect)
			strcat(path, ":1234");
		snprintf(start, sizeof(start), forms[round % 4], path);
		runner->piece = dice_roll(&dice, 4);
		assert_int_equal(runner_request(runner, start, ""),
				 oracle_rule(oracle, runner, path));
	}
	oracle_free(oracle);
	/* a path that is not there is "/" */
	assert_int_equal(runner_request(runner, "GET http://h", ""), NONE);
	runner_free(runner);
}

static void test_empty_path_in_lanes(void **state)
{
	struct runner *runner = runner_new();
	size_t i;

	(void)state;
	for (i = 0; i < EXPLOSIVE; i++) {
		char *pattern = memory_printf("/([^?]*%s|x%zu|$)", explosive[i], i);

		runner_rule(runner, i == 3 ? "POST" : "GET", pattern, "");
		free(pattern);
	}
	runner_compile(runner);
	assert_int_equal(lane_count(runner, WEFT_HTTP_TARGET), WEFT_HTTP_LANES);
	assert_int_equal(runner_request(runner, "POST http://h", ""), RULE + 3);
	assert_int_equal(runner_request(runner, "POST http://h?q", ""), RULE + 3);
	assert_int_equal(runner_request(runner, "POST /", ""), RULE + 3);
	assert_int_equal(runner_request(runner, "POST /x3", ""), RULE + 3);
	assert_int_equal(runner_request(runner, "POST http://h/x3", ""), RULE + 3);
	assert_int_equal(runner_request(runner, "GET http://h", ""), RULE);
	assert_int_equal(runner_request(runner, "GET http://h/x6", ""), RULE + 6);
	assert_int_equal(runner_request(runner, "POST /x2", ""), NONE);
	assert_int_equal(runner_request(runner, "POST *", ""), -(int)WEFT_REASON_HTTP_REQUEST_LINE);
	runner_free(runner);
}

/* Values, white space around them aside; also of a header that frames the message. */
static void test_header_lanes(void **state)
{
	static const char *const names[] = { "x-a", "host" };
	struct dice dice = { .state = 2 };
	size_t name, i, round;

	(void)state;
	for (name = 0; name < 2; name++) {
		struct runner *runner = runner_new();
		struct oracle *oracle;

		for (i = 0; i < EXPLOSIVE; i++)
			rule_add(runner, "", "", "%s:%s", names[name], explosive[i]);
		runner_compile(runner);
		runner_check(&runner->program);
		assert_int_equal(runner->program.refusal_count, 0);
		oracle = oracle_new(runner, false);
		for (round = 0; round < 200; round++) {
			char value[64], request[160];

			random_text(&dice, value, dice_roll(&dice, 14));
			snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n%s%s:%s%s%s\r\n\r\n",
				 name ? "" : "Host: h\r\n", names[name], round % 2 ? " \t" : "",
				 value, round % 3 ? " " : "");
			runner->piece = dice_roll(&dice, 4);
			assert_int_equal(runner_judge(runner, request, strlen(request)),
					 oracle_rule(oracle, runner, value));
		}
		oracle_free(oracle);
		runner_free(runner);
	}
}

/* What is too much even for lanes is refused, one by one, and the rest holds. */
static void test_too_much(void **state)
{
	struct runner *runner = runner_new();
	struct dice dice = { .state = 3 };
	struct oracle *oracle;
	char value[64], field[80];
	size_t i, round;

	(void)state;
	for (i = 0; i < 20; i++)
		rule_add(runner, "", "", "x-a:%c.{10}$", (int)('a' + i));
	runner_rule(runner, "", "/ok", "x-b:fine");
	runner_compile(runner);
	runner_check(&runner->program);
	assert_in_range(runner->program.refusal_count, 15, 19);
	assert_non_null(strstr(runner->program.refusals[0].message, "header x-a: "));
	assert_int_equal(runner_request(runner, "GET /ok", "x-b: fine"), RULE + 20);
	oracle = oracle_new(runner, false);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 16; i++)
			value[i] = (char)('a' + dice_roll(&dice, 20));
		value[i] = 0;
		snprintf(field, sizeof(field), "x-a: %s", value);
		assert_int_equal(runner_request(runner, "GET /", field),
				 oracle_rule(oracle, runner, value));
	}
	oracle_free(oracle);
	runner_free(runner);
}

/* Masks alone may be too much: then nothing is granted, and that is said of every rule. */
static void test_too_many_masks(void **state)
{
	enum { MASKS = 40000, RULES = 16 };
	struct http_rule_mask *masks = memory_alloc(MASKS * sizeof(*masks));
	struct runner *runner = runner_new();
	size_t i;

	(void)state;
	for (i = 0; i < RULES; i++)
		runner_rule(runner, "", "", "");
	for (i = 0; i < MASKS; i++)
		masks[i].bits[0] = i;
	runner->masks = masks;
	runner->mask_count = MASKS;
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, RULES);
	for (i = 0; i < MASKS; i++)
		assert_int_equal(runner->program.masks[i], 0);
	assert_int_equal(runner_request(runner, "GET /", ""), NONE);

	runner->mask_count = 1000;
	runner->mask = 999;
	runner_compile(runner);
	assert_int_equal(runner->program.refusal_count, 0);
	assert_int_equal(runner_request(runner, "GET /", ""), RULE);
	free(masks);
	runner_free(runner);
}

/* What names of methods and headers may take is bounded, and they are all told apart. */
static void test_long_names(void **state)
{
	struct runner *runner = runner_new();
	char method[64], header[64], line[200];
	int i;

	(void)state;
	for (i = 0; i < 40; i++) {
		snprintf(method, sizeof(method), "%02d-%020d", i, 0);
		snprintf(header, sizeof(header), "%02d-%040d:1", i, 0);
		runner_rule(runner, method, "/", header);
	}
	runner_compile(runner);
	runner_check(&runner->program);
	assert_int_equal(runner->program.refusal_count, 0);
	for (i = 0; i < 40; i++) {
		snprintf(method, sizeof(method), "%02d-%020d /", i, 0);
		snprintf(line, sizeof(line), "%02d-%040d: 1", i, 0);
		assert_int_equal(runner_request(runner, method, line), RULE + i);
		snprintf(line, sizeof(line), "%02d-%039d: 1", i, 0);
		assert_int_equal(runner_request(runner, method, line), NONE);
	}
	runner_free(runner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_256_rules),      cmocka_unit_test(test_64_headers),
		cmocka_unit_test(test_bits),	       cmocka_unit_test(test_a_rule_too_large),
		cmocka_unit_test(test_path_lanes),     cmocka_unit_test(test_empty_path_in_lanes),
		cmocka_unit_test(test_too_many_masks), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_header_lanes),   cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
