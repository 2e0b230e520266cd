// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "objects.h"
#include "policy/address.h"

struct sample {
	const char *text;
	const char *formatted; /* NULL: not an address */
	bool v4;
};

static const struct sample samples[] = {
	{ "10.0.0.1", "10.0.0.1", true },
	{ "0.0.0.0", "0.0.0.0", true },
	{ "255.255.255.255", "255.255.255.255", true },
	{ "fd00::1", "fd00::1", false },
	{ "FD00:0:0::1", "fd00::1", false },
	{ "::", "::", false },
	{ "::1", "::1", false },
	{ "::ffff:10.1.2.3", "10.1.2.3", true },
	{ "::ffff:0a01:0203", "10.1.2.3", true },
	{ "::10.1.2.3", "::10.1.2.3", false },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  false },
	{ "", NULL, false },
	{ "10.0.0", NULL, false },
	{ "10.0.0.256", NULL, false },
	{ "010.0.0.1", NULL, false },
	{ "10.0.0.1 ", NULL, false },
	{ " 10.0.0.1", NULL, false },
	{ "10.0.0.1/24", NULL, false },
	{ "fe80::1%eth0", NULL, false },
	{ "fd00::1::2", NULL, false },
	{ "[fd00::1]", NULL, false },
	{ "localhost", NULL, false },
	{ "0x0a000001", NULL, false },
};

static void test_samples(void **state)
{
	struct weft_addr address, before;
	char text[ADDRESS_TEXT_LEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		memset(&address, 0x5a, sizeof(address));
		before = address;
		if (!samples[i].formatted) {
			assert_int_equal(address_parse(samples[i].text, &address), -EINVAL);
			assert_memory_equal(&address, &before, sizeof(address));
			continue;
		}
		assert_int_equal(address_parse(samples[i].text, &address), 0);
		assert_string_equal(address_format(&address, text), samples[i].formatted);
		assert_int_equal(address_is_v4(&address), samples[i].v4);
	}
}

static void test_zero_and_order(void **state)
{
	struct weft_addr zero = { 0 }, v4, v6;

	(void)state;
	assert_true(address_is_zero(&zero));
	assert_false(address_is_v4(&zero));
	address_parse("10.0.0.1", &v4);
	address_parse("fd00::1", &v6);
	assert_false(address_is_zero(&v4));
	assert_true(address_compare(&v4, &v6) < 0);
	assert_true(address_compare(&v6, &v4) > 0);
	assert_int_equal(address_compare(&v6, &v6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_zero_and_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
