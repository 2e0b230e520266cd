// SPDX-License-Identifier: Apache-2.0
/* Names, times and quantities. */
#include <errno.h>
#include "objects.h"
#include "policy/syntax.h"

static char *repeat(char c, size_t count)
{
	char *text = malloc(count + 1);

	memset(text, c, count);
	text[count] = '\0';
	return text;
}

static void test_names(void **state)
{
	char *a63 = repeat('a', 63), *a64 = repeat('a', 64);
	char *a253 = repeat('a', 253), *a254 = repeat('a', 254);

	(void)state;
	assert_true(syntax_is_label("a", 1));
	assert_true(syntax_is_label("a-1", 3));
	assert_true(syntax_is_label("0a.b", 2));
	assert_true(syntax_is_label(a63, 63));
	assert_false(syntax_is_label(a64, 64));
	assert_false(syntax_is_label("", 0));
	assert_false(syntax_is_label("-a", 2));
	assert_false(syntax_is_label("a-", 2));
	assert_false(syntax_is_label("A", 1));
	assert_false(syntax_is_label("a.b", 3));
	assert_false(syntax_is_label("a\n", 2));

	assert_true(syntax_is_subdomain("a.b-c.1"));
	assert_true(syntax_is_subdomain(a253));
	assert_false(syntax_is_subdomain(a254));
	assert_false(syntax_is_subdomain(""));
	assert_false(syntax_is_subdomain("."));
	assert_false(syntax_is_subdomain(".."));
	assert_false(syntax_is_subdomain("a..b"));
	assert_false(syntax_is_subdomain("a.-b"));
	assert_false(syntax_is_subdomain("a-.b"));
	assert_false(syntax_is_subdomain(".a"));
	assert_false(syntax_is_subdomain("a."));
	assert_false(syntax_is_subdomain("../etc"));
	assert_false(syntax_is_subdomain("a_b"));
	free(a63);
	free(a64);
	free(a253);
	free(a254);
}

static void test_other_names(void **state)
{
	(void)state;
	assert_true(syntax_is_port_name("http"));
	assert_true(syntax_is_port_name("h2-8080"));
	assert_false(syntax_is_port_name("8080"));
	assert_false(syntax_is_port_name("a--b"));
	assert_false(syntax_is_port_name("abcdefghijklmnop"));
	assert_false(syntax_is_port_name("HTTP"));

	assert_true(syntax_is_label_key("app"));
	assert_true(syntax_is_label_key("app.kubernetes.io/Name_1"));
	assert_false(syntax_is_label_key("/name"));
	assert_false(syntax_is_label_key("a/"));
	assert_false(syntax_is_label_key("a/b/c"));
	assert_false(syntax_is_label_key(""));
	assert_true(syntax_is_label_value(""));
	assert_true(syntax_is_label_value("A.b_c-1"));
	assert_false(syntax_is_label_value("-a"));
	assert_false(syntax_is_label_value("a b"));

	assert_true(syntax_is_uid("0b5c8a10-4a1c-4d0e-9a6b-000000000001"));
	assert_false(syntax_is_uid("../x"));
	assert_false(syntax_is_uid("a.b"));
	assert_false(syntax_is_uid(""));
	assert_true(syntax_is_http_token("X-Forwarded-For"));
	assert_false(syntax_is_http_token("a b"));
	assert_false(syntax_is_http_token("a:"));
	assert_false(syntax_is_http_token(""));
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2024-02-29T12:34:56Z", 1709210096 },
		{ "2024-02-29T12:34:56.123456789Z", 1709210096 },
		{ "2024-02-29T14:34:56+02:00", 1709210096 },
		{ "2024-02-29T04:04:56.5-08:30", 1709210096 },
		{ "2000-03-01T00:00:00Z", 951868800 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "0001-01-01T00:00:00Z", -62135596800 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
	};
	static const char *const bad[] = {
		"",
		"2024-02-30T00:00:00Z",
		"2023-02-29T00:00:00Z",
		"2024-13-01T00:00:00Z",
		"2024-00-01T00:00:00Z",
		"2024-01-01",
		"2024-01-01T00:00:00",
		"2024-01-01 00:00:00Z",
		"2024-01-01T24:00:00Z",
		"2024-01-01T00:60:00Z",
		"2024-01-01T00:00:00.Z",
		"2024-01-01T00:00:00Zx",
		"2024-01-01T00:00:00+2:00",
		"2024-01-01T00:00:00+24:00",
		"-024-01-01T00:00:00Z",
	};
	int64_t seconds;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(syntax_parse_time(good[i].text, &seconds), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (syntax_parse_time(bad[i], &seconds) != -EINVAL)
			fail_msg("%s is taken as a time", bad[i]);
}

static void test_quantities(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t milli;
	} samples[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "0m", 0, 0 },
		{ "0e999999999", 0, 0 },
		{ "1", 0, 1000 },
		{ "+1", 0, 1000 },
		{ "900m", 0, 900 },
		{ "1500m", 0, 1500 },
		{ "1.5", 0, 1500 },
		{ ".5", 0, 500 },
		{ "1.", 0, 1000 },
		{ "0.0001", 0, 1 },
		{ "0.1", 0, 100 },
		{ "0.1001", 0, 101 },
		{ "1n", 0, 1 },
		{ "1u", 0, 1 },
		{ "1000u", 0, 1 },
		{ "1001u", 0, 2 },
		{ "1k", 0, 1000000 },
		{ "2Ki", 0, 2048000 },
		{ "0.5Ki", 0, 512000 },
		{ "1e3", 0, 1000000 },
		{ "1E3", 0, 1000000 },
		{ "1e-3", 0, 1 },
		{ "1e+2", 0, 100000 },
		{ "5e-1", 0, 500 },
		{ "1e-999999999", 0, 1 },
		{ "0.00000000000000000000000000000000000000000001", 0, 1 },
		{ "1.0000000000000000000000000000000000000", 0, 1000 },
		{ "1.0000000000000000000000000000000000001", 0, 1001 },
		{ "00000000000000000000000000000000001", 0, 1000 },
		{ "1P", 0, 1000000000000000000 },
		{ "1E", -ERANGE, 0 },
		{ "1Pi", -ERANGE, 0 },
		{ "1Ei", -ERANGE, 0 },
		{ "99999999999999999999Ei", -ERANGE, 0 },
		{ "99999999999999999999999999999999999", -ERANGE, 0 },
		{ "1e999999999", -ERANGE, 0 },
		{ "-1", -EDOM, 0 },
		{ "-100m", -EDOM, 0 },
		{ "", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "1e", -EINVAL, 0 },
		{ "1e+", -EINVAL, 0 },
		{ "1e3m", -EINVAL, 0 },
		{ "1 m", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1.2.3", -EINVAL, 0 },
		{ "1K", -EINVAL, 0 },
		{ "1ki", -EINVAL, 0 },
		{ "1mi", -EINVAL, 0 },
		{ "1Kim", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "NaN", -EINVAL, 0 },
		{ "50%", -EINVAL, 0 },
	};
	uint64_t milli;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		milli = 0;
		ret = syntax_parse_quantity(samples[i].text, &milli);
		if (ret != samples[i].ret || milli != samples[i].milli)
			fail_msg("%s: %d, %llu", samples[i].text, ret, (unsigned long long)milli);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_names),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_quantities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
