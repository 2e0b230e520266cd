/* SPDX-License-Identifier: Apache-2.0 */
/* The one logger: a line per record on stderr, text (logfmt) or JSON, levels. */
#ifndef WEFT_USER_LOG_H
#define WEFT_USER_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_setup(enum log_level level, enum log_format format);
int log_level_parse(const char *text, enum log_level *level); /* -EINVAL */

/*
 * log_write(LOG_LEVEL_INFO, "policy applied", "entries", "12", "us", "830", NULL):
 * a message and pairs of strings, ended by NULL.
 */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));
/* One formatted value for log_write(); valid until four more calls. */
const char *log_format_value(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__, (char *)0)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__, (char *)0)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__, (char *)0)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__, (char *)0)

#endif /* WEFT_USER_LOG_H */
