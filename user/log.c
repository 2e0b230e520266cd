// SPDX-License-Identifier: Apache-2.0
#include "user/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "user/source/utf8.h"

enum {
	LINE_MAX_LEN = 8192,
	LINE_TAIL_LEN = 8, /* closing quote, brace, newline: always fit */
	VALUES = 8,
	VALUE_LEN = 1024,
};

struct line {
	char text[LINE_MAX_LEN];
	size_t used;
};

static enum log_level threshold = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

void log_setup(enum log_level level, enum log_format format)
{
	threshold = level;
	line_format = format;
}

int log_level_parse(const char *text, enum log_level *level)
{
	size_t i;

	for (i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
		if (!strcmp(text, level_names[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static void line_add(struct line *line, const char *bytes, size_t len)
{
	if (line->used + len + LINE_TAIL_LEN > LINE_MAX_LEN)
		return;
	memcpy(line->text + line->used, bytes, len);
	line->used += len;
}

static void line_add_text(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

/* What closes a line may use the room that line_add() leaves. */
static void line_close(struct line *line, const char *text)
{
	size_t len = strlen(text);

	memcpy(line->text + line->used, text, len);
	line->used += len;
}

/* A JSON string; also how the text format quotes. File names and error texts may hold any byte. */
static void line_add_quoted(struct line *line, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char escape[8];
	size_t len;

	line_add(line, "\"", 1);
	for (; *s; s += len) {
		len = utf8_length(s);
		if (!len) {
			line_add_text(line, "\\ufffd");
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			escape[0] = '\\';
			escape[1] = (char)*s;
			line_add(line, escape, 2);
		} else if (*s < 0x20 || *s == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)*s);
			line_add_text(line, escape);
		} else {
			line_add(line, (const char *)s, len);
		}
	}
	line_close(line, "\"");
}

static bool is_plain(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '"' || *s == '=' || *s == '\\')
			return false;
	return true;
}

static void line_add_pair(struct line *line, const char *key, const char *value)
{
	/* A pair that does not fit is left out whole. */
	if (line->used + strlen(key) + 16 + LINE_TAIL_LEN > LINE_MAX_LEN)
		return;
	if (line_format == LOG_FORMAT_JSON) {
		line_add_text(line, line->used ? "," : "{");
		line_add_quoted(line, key);
		line_add(line, ":", 1);
		line_add_quoted(line, value);
		return;
	}
	if (line->used)
		line_add(line, " ", 1);
	line_add_text(line, key);
	line_add(line, "=", 1);
	if (is_plain(value))
		line_add_text(line, value);
	else
		line_add_quoted(line, value);
}

static void line_add_time(struct line *line)
{
	struct timespec now;
	struct tm utc;
	char seconds[32], text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%06ldZ", seconds, now.tv_nsec / 1000);
	line_add_pair(line, "time", text);
}

void log_write(enum log_level level, const char *message, ...)
{
	struct line line = { .used = 0 };
	const char *key, *value;
	va_list pairs;
	ssize_t sent;

	if (level < threshold)
		return;
	line_add_time(&line);
	line_add_pair(&line, "level", level_names[level]);
	line_add_pair(&line, "msg", message);
	va_start(pairs, message);
	while ((key = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		line_add_pair(&line, key, value ? value : "");
		if (!value)
			break;
	}
	va_end(pairs);
	line_close(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
	/* One write, so that lines of several processes on one terminal stay whole. */
	sent = write(STDERR_FILENO, line.text, line.used);
	(void)sent;
}

const char *log_format_value(const char *format, ...)
{
	static char values[VALUES][VALUE_LEN];
	static unsigned int next;
	char *value = values[next++ % VALUES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, VALUE_LEN, format, arguments);
	va_end(arguments);
	return value;
}
