// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/telemetry/metric_rows.h"

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

static const char *replace(const char *name)
{
	return !strcmp(name, "a") ? "rest" : NULL;
}

static void test_some_are_folded(void **state)
{
	static const bool all[8] = { true, true, true, true, true, true, true, true };
	static const bool one[8] = { true, true, true, true, true, true, true, false };
	static const bool many[8] = { true, false, true, false, false, false, false, false };
	struct metric_rows rows = { .width = 2 };
	char name[2] = "a";

	(void)state;
	for (; name[0] <= 'h'; name[0]++)
		add(&rows, name, (uint64_t)(name[0] - 'a'));
	metric_rows_merge(&rows);
	metric_rows_fold(&rows, all, replace);
	assert_int_equal(rows.count, 8);
	metric_rows_fold(&rows, one, replace);
	assert_int_equal(rows.count, 8);
	expect_row(&rows, 7, "rest");
	assert_int_equal(rows.items[7].values[0], 7);
	metric_rows_fold(&rows, many, replace);
	assert_int_equal(rows.count, 3);
	expect_row(&rows, 0, "a");
	expect_row(&rows, 1, "c");
	expect_row(&rows, 2, "rest");
	assert_int_equal(rows.items[2].values[0], 1 + 3 + 4 + 5 + 6 + 7);
	assert_int_equal(rows.items[2].values[1], 6);
	metric_rows_clear(&rows);
}

/* What is not replaced still tells rows apart. */
static void test_folded_rows_keep_other_labels(void **state)
{
	static const bool keep[10] = { true, true, true };
	struct metric_rows rows = { .width = 1 };
	size_t i;

	(void)state;
	for (i = 0; i < 10; i++) {
		metric_rows_label(&rows, "a", (char[]){ (char)('a' + i), '\0' });
		metric_rows_label(&rows, "b", i % 2 ? "odd" : "even");
		*metric_rows_add(&rows) = i;
	}
	metric_rows_merge(&rows);
	metric_rows_fold(&rows, keep, replace);
	assert_int_equal(rows.count, 5);
	assert_string_equal(rows.items[3].labels.items[0].value, "rest");
	assert_string_equal(rows.items[3].labels.items[1].value, "even");
	assert_int_equal(*rows.items[3].values, 4 + 6 + 8);
	assert_string_equal(rows.items[4].labels.items[1].value, "odd");
	assert_int_equal(*rows.items[4].values, 3 + 5 + 7 + 9);
	metric_rows_clear(&rows);
}

static uint64_t *find(struct metric_rows *rows, const char *value)
{
	metric_rows_label(rows, "a", value);
	metric_rows_label(rows, "b", "");
	return metric_rows_find(rows);
}

static void test_rows_are_found_and_widened(void **state)
{
	static const bool keep[5] = { true, true };
	struct metric_rows rows = { .width = 0 };
	char name[2] = "a";

	(void)state;
	assert_null(find(&rows, "a"));
	for (; name[0] <= 'e'; name[0]++) {
		metric_rows_label(&rows, "a", name);
		metric_rows_label(&rows, "b", "");
		metric_rows_add(&rows);
	}
	metric_rows_merge(&rows);
	metric_rows_widen(&rows, 3);
	assert_ptr_equal(find(&rows, "c"), rows.items[2].values);
	assert_null(find(&rows, "cc")); /* for nothing was folded */
	metric_rows_clear(&rows);
	for (name[0] = 'a'; name[0] <= 'e'; name[0]++) {
		metric_rows_label(&rows, "a", name);
		metric_rows_label(&rows, "b", "");
		metric_rows_add(&rows);
	}
	metric_rows_merge(&rows);
	metric_rows_fold(&rows, keep, replace);
	metric_rows_widen(&rows, 3);
	assert_int_equal(rows.count, 3);
	assert_ptr_equal(find(&rows, "b"), rows.items[1].values);
	assert_ptr_equal(find(&rows, "c"), rows.items[2].values);
	rows.items[2].values[2] = 7;
	assert_int_equal(find(&rows, "e")[2], 7);
	metric_rows_clear(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_of_any_length),
		cmocka_unit_test(test_equal_labels_are_added_up),
		cmocka_unit_test(test_some_are_folded),
		cmocka_unit_test(test_folded_rows_keep_other_labels),
		cmocka_unit_test(test_rows_are_found_and_widened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
