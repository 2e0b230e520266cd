// SPDX-License-Identifier: Apache-2.0
/*
 * Thousands of samples with a dozen labels each are megabytes at every scrape: they are appended
 * to one buffer, without printf.
 */
#include "user/telemetry/metric_text.h"

#include <stdio.h>
#include <string.h>

#include "policy/memory.h"

enum {
	TEXT_ROOM = 1 << 16, /* to begin with */
	NUMBER_LEN = 24,
};

/* Text 0.0.4 knows no infos, and calls a family as its samples. */
static const struct {
	const char *plain;
	const char *open;
	const char *suffix;
} types[] = {
	[METRIC_COUNTER] = { "counter", "counter", "_total" },
	[METRIC_GAUGE] = { "gauge", "gauge", "" },
	[METRIC_HISTOGRAM] = { "histogram", "histogram", "" },
	[METRIC_INFO] = { "gauge", "info", "_info" },
};

/* Makes room for this many bytes and a NUL, and returns where they begin. */
static char *text_reserve(struct metric_text *text, size_t length)
{
	while (text->length + length + 1 > text->room) {
		text->room = text->room ? text->room * 2 : TEXT_ROOM;
		text->text = memory_realloc_array(text->text, text->room, 1);
	}
	return text->text + text->length;
}

static void text_put(struct metric_text *text, const char *bytes, size_t length)
{
	memcpy(text_reserve(text, length), bytes, length);
	text->length += length;
}

static void text_puts(struct metric_text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

static void text_put_fixed(struct metric_text *text, uint64_t number, unsigned int decimals)
{
	char digits[NUMBER_LEN], *at = digits + NUMBER_LEN;
	unsigned int i;

	for (i = 0; i < decimals; i++, number /= 10)
		*--at = (char)('0' + number % 10);
	if (decimals)
		*--at = '.';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	text_put(text, at, (size_t)(digits + NUMBER_LEN - at));
}

static void text_put_real(struct metric_text *text, double real)
{
	char digits[NUMBER_LEN + 8];

	snprintf(digits, sizeof(digits), "%.15g", real);
	text_puts(text, digits);
}

/* Copies, with backslash, quote and newline escaped; returns where it ends. */
static char *put_escaped(char *to, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			*to++ = '\\';
		*to++ = *value == '\n' ? 'n' : *value;
	}
	return to;
}

/* name="value" */
static void text_put_label(struct metric_text *text, const struct metric_label *label)
{
	size_t length = strlen(label->name);
	char *at = text_reserve(text, length + 2 * strlen(label->value) + 3);

	memcpy(at, label->name, length);
	at += length;
	*at++ = '=';
	*at++ = '"';
	at = put_escaped(at, label->value);
	*at++ = '"';
	text->length = (size_t)(at - text->text);
}

/* Without braces. */
static void text_put_labels(struct metric_text *text, const struct metric_labels *labels)
{
	size_t i;

	for (i = 0; i < labels->count; i++) {
		if (i)
			text_put(text, ",", 1);
		text_put_label(text, &labels->items[i]);
	}
}

static void text_put_meta(struct metric_text *text, const char *what, const char *value)
{
	text_puts(text, what);
	text_puts(text, text->family.name);
	if (text->format == METRIC_FORMAT_PROMETHEUS)
		text_puts(text, types[text->family.type].suffix);
	text_put(text, " ", 1);
	text_puts(text, value);
	text_put(text, "\n", 1);
}

static void text_family(void *context, const struct metric_family *family)
{
	struct metric_text *text = context;
	bool is_open = text->format == METRIC_FORMAT_OPENMETRICS;

	text->family = *family;
	text_put_meta(text, "# HELP ", family->help);
	text_put_meta(text, "# TYPE ",
		      is_open ? types[family->type].open : types[family->type].plain);
	if (is_open && family->unit)
		text_put_meta(text, "# UNIT ", family->unit);
}

static void text_put_sample(struct metric_text *text, const char *suffix,
			    const struct metric_labels *labels, const struct metric_value *value)
{
	text_puts(text, text->family.name);
	text_puts(text, suffix);
	if (labels->count) {
		text_put(text, "{", 1);
		text_put_labels(text, labels);
		text_put(text, "}", 1);
	}
	text_put(text, " ", 1);
	if (value->is_real)
		text_put_real(text, value->real);
	else
		text_put_fixed(text, value->number, value->decimals);
	text_put(text, "\n", 1);
}

static void text_sample(void *context, const struct metric_labels *labels,
			const struct metric_value *value)
{
	struct metric_text *text = context;

	text_put_sample(text, types[text->family.type].suffix, labels, value);
}

/* What each bucket's line begins with: written once, then copied from where it stands. */
struct line_start {
	size_t offset, length;
};

static struct line_start text_begin_bucket(struct metric_text *text,
					   const struct metric_labels *labels)
{
	size_t offset = text->length;

	text_puts(text, text->family.name);
	text_puts(text, "_bucket{");
	text_put_labels(text, labels);
	text_puts(text, labels->count ? ",le=\"" : "le=\"");
	return (struct line_start){ offset, text->length - offset };
}

static void text_end_bucket(struct metric_text *text, uint64_t count)
{
	text_put(text, "\"} ", 3);
	text_put_fixed(text, count, 0);
	text_put(text, "\n", 1);
}

static void text_repeat(struct metric_text *text, struct line_start start)
{
	char *to = text_reserve(text, start.length);

	memcpy(to, text->text + start.offset, start.length);
	text->length += start.length;
}

static void text_histogram(void *context, const struct metric_labels *labels,
			   const struct metric_histogram *histogram)
{
	const struct metric_value sum = { .number = histogram->sum,
					  .decimals = histogram->decimals };
	struct metric_value count = { .number = 0 };
	struct metric_text *text = context;
	struct line_start start = text_begin_bucket(text, labels);
	size_t i;

	for (i = 0; i < histogram->bound_count; i++) {
		count.number += histogram->counts[i];
		text_put_fixed(text, histogram->bounds[i], histogram->decimals);
		text_end_bucket(text, count.number);
		text_repeat(text, start);
	}
	count.number += histogram->counts[i];
	text_puts(text, "+Inf");
	text_end_bucket(text, count.number);
	text_put_sample(text, "_sum", labels, &sum);
	text_put_sample(text, "_count", labels, &count);
}

void metric_text_init(struct metric_text *text, enum metric_format format)
{
	*text = (struct metric_text){
		.sink = { text_family, text_sample, text_histogram, text },
		.format = format,
	};
}

char *metric_text_take(struct metric_text *text, size_t *length)
{
	char *taken;

	if (text->format == METRIC_FORMAT_OPENMETRICS)
		text_puts(text, "# EOF\n");
	*text_reserve(text, 0) = '\0';
	taken = text->text;
	*length = text->length;
	metric_text_init(text, text->format);
	return taken;
}
