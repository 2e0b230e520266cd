// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/telemetry/metric_admission.h"

enum { MOST = 3 };

/* Rows of these letters; which of them are kept, as text. */
static void expect(struct metric_admission *admission, const char *letters, const char *expected)
{
	struct metric_rows rows = { .width = 0 };
	bool keep[16] = { false };
	char kept[17] = "";
	size_t i;

	for (i = 0; letters[i]; i++) {
		metric_rows_label(&rows, "a", (char[]){ letters[i], '\0' });
		metric_rows_add(&rows);
	}
	metric_rows_merge(&rows);
	metric_admission_decide(admission, &rows, MOST, keep);
	for (i = 0; i < rows.count; i++)
		if (keep[i])
			strcat(kept, rows.items[i].labels.items[0].value);
	assert_string_equal(kept, expected);
	metric_rows_clear(&rows);
}

static void test_who_came_first_stays(void **state)
{
	struct metric_admission admission = { 0 };

	(void)state;
	expect(&admission, "", "");
	expect(&admission, "xz", "xz");
	expect(&admission, "xyz", "xyz");
	expect(&admission, "axyz", "xyz");
	/* a room that is free again is for those that are new: a has its place among the rest */
	expect(&admission, "axz", "xz");
	expect(&admission, "abcxz", "bxz");
	expect(&admission, "abcxz", "bxz");
	/* what was gone is new */
	expect(&admission, "bcxz", "bxz");
	expect(&admission, "bcx", "bx");
	expect(&admission, "abcx", "abx");
	metric_admission_clear(&admission);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_came_first_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
