// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/metric_rows.h"

static void add(struct metric_rows *rows, const char *value, uint64_t number)
{
	uint64_t *values;

	metric_rows_label(rows, "a", value);
	metric_rows_label(rows, "b", "");
	values = metric_rows_add(rows);
	values[0] = number;
	values[1] = 1;
}

static void expect_row(const struct metric_rows *rows, size_t i, const char *value)
{
	const struct metric_labels *labels = &rows->items[i].labels;

	assert_int_equal(labels->count, 2);
	assert_string_equal(labels->items[0].name, "a");
	assert_string_equal(labels->items[0].value, value);
	assert_string_equal(labels->items[1].name, "b");
	assert_string_equal(labels->items[1].value, "");
}

static void test_labels_of_any_length(void **state)
{
	struct metric_rows rows = { .width = 2 };
	char value[3000];

	(void)state;
	memset(value, '"', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	add(&rows, value, 1);
	add(&rows, "x", 1);
	add(&rows, "", 1);
	metric_rows_merge(&rows);
	expect_row(&rows, 0, "");
	expect_row(&rows, 1, value);
	expect_row(&rows, 2, "x");
	metric_rows_clear(&rows);
}

static void test_equal_labels_are_added_up(void **state)
{
	struct metric_rows rows = { .width = 2 };

	(void)state;
	metric_rows_merge(&rows);
	add(&rows, "c", 1);
	add(&rows, "a", 2);
	add(&rows, "c", 3);
	add(&rows, "b", 4);
	add(&rows, "c", 5);
	metric_rows_merge(&rows);
	assert_int_equal(rows.count, 3);
	expect_row(&rows, 0, "a");
	assert_int_equal(rows.items[0].values[0], 2);
	assert_int_equal(rows.items[1].values[0], 4);
	assert_int_equal(rows.items[2].values[0], 9);
	assert_int_equal(rows.items[2].values[1], 3);
	metric_rows_clear(&rows);
}

static void fold(struct metric_rows *rows, size_t most)
{
	metric_rows_label(rows, "a", "rest");
	metric_rows_label(rows, "b", "");
	metric_rows_fold(rows, most);
}

static void test_the_last_are_folded(void **state)
{
	struct metric_rows rows = { .width = 2 };
	char name[2] = "a";

	(void)state;
	for (; name[0] <= 'h'; name[0]++)
		add(&rows, name, (uint64_t)(name[0] - 'a'));
	metric_rows_merge(&rows);
	fold(&rows, 8);
	assert_int_equal(rows.count, 8);
	fold(&rows, 7);
	assert_int_equal(rows.count, 8);
	expect_row(&rows, 7, "rest");
	assert_int_equal(rows.items[7].values[0], 7);
	fold(&rows, 2);
	assert_int_equal(rows.count, 3);
	expect_row(&rows, 1, "b");
	expect_row(&rows, 2, "rest");
	assert_int_equal(rows.items[2].values[0], 2 + 3 + 4 + 5 + 6 + 7);
	assert_int_equal(rows.items[2].values[1], 6);
	metric_rows_clear(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_of_any_length),
		cmocka_unit_test(test_equal_labels_are_added_up),
		cmocka_unit_test(test_the_last_are_folded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
