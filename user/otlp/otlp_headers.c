// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_headers.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "policy/memory.h"

enum { FILE_MAX = 1 << 16 };

/* The file's text; NULL with errno set. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	bool is_whole, is_read;
	char *text;
	size_t size;

	if (!file)
		return NULL;
	text = memory_alloc(FILE_MAX + 1);
	size = fread(text, 1, FILE_MAX, file);
	is_read = !ferror(file);
	is_whole = feof(file) || fgetc(file) == EOF;
	fclose(file);
	if (is_read && is_whole && strlen(text) == size)
		return text;
	free(text);
	errno = !is_read ? EIO : is_whole ? EINVAL : E2BIG;
	return NULL;
}

static bool is_reserved(const char *line, size_t length)
{
	static const char *const names[] = { "Content-Type", "Content-Encoding", "Content-Length",
					     "Transfer-Encoding" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !strncasecmp(names[i], line, length))
			return true;
	return false;
}

/* RFC 9110: a token, a colon, and visible characters, blanks or tabs. */
static bool is_header(const char *line)
{
	size_t length = strcspn(line, ":"), i;

	if (!length || line[length] != ':' || is_reserved(line, length))
		return false;
	for (i = 0; i < length; i++)
		if (!isalnum((unsigned char)line[i]) && !strchr("!#$%&'*+-.^_`|~", line[i]))
			return false;
	line += length + 1;
	/* libcurl would take a header away that has no value. */
	if (!line[strspn(line, " \t")])
		return false;
	for (; *line; line++)
		if ((unsigned char)*line < ' ' && *line != '\t')
			return false;
	return true;
}

static int add_lines(char *text, struct curl_slist **list, char error[OTLP_HEADERS_ERROR_LEN])
{
	unsigned int number = 0;
	char *line, *end;

	while ((line = strsep(&text, "\n"))) {
		number++;
		for (end = line + strlen(line); end > line && strchr(" \t\r", end[-1]); end--)
			;
		*end = '\0';
		if (!*line || *line == '#')
			continue;
		if (!is_header(line)) {
			snprintf(error, OTLP_HEADERS_ERROR_LEN,
				 "line %u is no 'NAME: VALUE', or is not to be set", number);
			return -EINVAL;
		}
		*list = curl_slist_append(*list, line);
	}
	return 0;
}

int otlp_headers_read(const char *path, struct curl_slist **list,
		      char error[OTLP_HEADERS_ERROR_LEN])
{
	char *text = read_file(path);
	int err;

	if (!text) {
		err = -errno;
		snprintf(error, OTLP_HEADERS_ERROR_LEN, "%s", strerror(errno));
		return err;
	}
	err = add_lines(text, list, error);
	explicit_bzero(text, FILE_MAX);
	free(text);
	return err;
}
