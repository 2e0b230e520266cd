/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of Prometheus text: the labels of a series and its numbers. A row is made by adding labels
 * and then metric_rows_add(), which takes them over.
 */
#ifndef WEFT_USER_METRIC_ROWS_H
#define WEFT_USER_METRIC_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct metric_row {
	char *labels; /* without braces */
	uint64_t *values;
};

struct metric_rows {
	size_t width; /* values of a row; to be set before the first */
	struct metric_row *items;
	size_t count, capacity;
	char *text; /* labels of the row that is being made */
	size_t length, room;
};

/* Backslash, quote and newline of the value are escaped. */
void metric_rows_label(struct metric_rows *rows, const char *name, const char *value);
/* The values of the new row, all zero; valid as long as the row is. */
uint64_t *metric_rows_add(struct metric_rows *rows);

/*
 * Sorts by labels. Rows with equal labels (two numbers of one name, say) are added up to one:
 * Prometheus refuses duplicates.
 */
void metric_rows_merge(struct metric_rows *rows);
/* After merging: adds up what is beyond the first `most` rows to one row with these labels. */
void metric_rows_fold(struct metric_rows *rows, size_t most, const char *labels);
void metric_rows_clear(struct metric_rows *rows);

/* HELP and TYPE of a family. */
void metric_put_head(FILE *out, const char *name, const char *type, const char *help);

#endif /* WEFT_USER_METRIC_ROWS_H */
