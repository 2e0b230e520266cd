/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a family: the labels of a series and its numbers. A row is made by adding labels and then
 * metric_rows_add(), which takes them over. All rows have labels of the same names in one order.
 */
#ifndef WEFT_USER_METRIC_ROWS_H
#define WEFT_USER_METRIC_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/telemetry/metric_sink.h"

enum { METRIC_LABELS_MAX = 20 };

struct metric_row {
	struct metric_labels labels;
	uint64_t *values;
	char *text; /* the labels' values, each with its NUL */
	size_t length;
};

struct metric_rows {
	size_t width; /* values of a row; to be set before the first */
	struct metric_row *items;
	size_t count, capacity;
	const char *(*replace)(const char *name); /* of those that were folded; NULL: none was */
	uint64_t *widened;			  /* see metric_rows_widen() */
	/* labels of the row that is being made */
	const char *names[METRIC_LABELS_MAX];
	size_t label_count;
	char *text;
	size_t length, room;
};

/* `name` is a static string. */
void metric_rows_label(struct metric_rows *rows, const char *name, const char *value);
/* The values of the new row, all zero; valid as long as the row is. */
uint64_t *metric_rows_add(struct metric_rows *rows);

/*
 * Sorts by labels. Rows with equal labels (two numbers of one name, say) are added up to one:
 * Prometheus refuses duplicates.
 */
void metric_rows_merge(struct metric_rows *rows);
/*
 * After merging: of the rows i without keep[i], labels get the values that `replace` gives for
 * their names (NULL: they stay as they are), and those that are equal then are added up.
 */
void metric_rows_fold(struct metric_rows *rows, const bool *keep,
		      const char *(*replace)(const char *name));

/* For rows that are made before they have values: gives each this many, zero. */
void metric_rows_widen(struct metric_rows *rows, size_t width);
/*
 * Once merged: the values of the row with the labels that were added last, or of the one that it
 * was folded into. NULL when there is none.
 */
uint64_t *metric_rows_find(struct metric_rows *rows);
void metric_rows_clear(struct metric_rows *rows);

#endif /* WEFT_USER_METRIC_ROWS_H */
