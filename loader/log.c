// SPDX-License-Identifier: Apache-2.0
/*
 * libbpf speaks through a print callback. Its messages go to the agent one level down; its
 * debug output (a line per relocation) goes nowhere. The first warning of an operation is
 * kept: it names the cause, the later ones only what did not happen because of it. Programs
 * are loaded by several threads, whose messages come one by one.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>
#include "loader/log.h"

static void (*log_callback)(int level, const char *text);
static char log_cause[LOADER_ERROR_LEN / 2];
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void loader_set_log(void (*log)(int level, const char *text))
{
	log_callback = log;
	log_forget();
}

void log_tell(enum loader_log_level level, const char *format, ...)
{
	char text[LOADER_ERROR_LEN];
	va_list args;

	if (!log_callback)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_callback((int)level, text);
}

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[1024];
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vsnprintf(text, sizeof(text), format, args);
	if (length < 0)
		return length;
	text[strcspn(text, "\n")] = '\0';
	pthread_mutex_lock(&log_mutex);
	if (level == LIBBPF_WARN && !log_cause[0])
		snprintf(log_cause, sizeof(log_cause), "%.*s", (int)sizeof(log_cause) - 1, text);
	log_tell(level == LIBBPF_WARN ? LOADER_LOG_INFO : LOADER_LOG_DEBUG, "%s", text);
	pthread_mutex_unlock(&log_mutex);
	return length;
}

void log_forget(void)
{
	log_cause[0] = '\0';
	libbpf_set_print(log_libbpf);
}

int log_fail(char error[LOADER_ERROR_LEN], int code, const char *format, ...)
{
	va_list args;
	int length;

	if (!error)
		return code;
	va_start(args, format);
	length = vsnprintf(error, LOADER_ERROR_LEN, format, args);
	va_end(args);
	if (length >= 0 && length < LOADER_ERROR_LEN && log_cause[0])
		snprintf(error + length, LOADER_ERROR_LEN - (size_t)length, " (%s)", log_cause);
	return code;
}
