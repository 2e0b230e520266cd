// SPDX-License-Identifier: Apache-2.0
/* Request targets of the HTTP reference: four forms, and paths that servers read in two ways. */
#include <string.h>
#include "policy/evaluate_http_scan.h"

/* A walk through a path. */
struct path_walk {
	size_t segment; /* offset of the first byte of the segment at hand */
	int digits;	/* that are missing behind a % */
	int code;	/* of those that are there */
};

/* The byte behind what was read, unless it is none that a target may have. */
static int peek_visible(struct http_scan *scan, unsigned char *byte)
{
	int ret = http_scan_peek(scan, byte);

	if (ret <= 0 || *byte == ' ' || http_byte_is_visible(*byte))
		return ret;
	/* A line that ends here has no version: HTTP/0.9 */
	return http_scan_refuse(scan, *byte == '\r' || *byte == '\n' ?
					      WEFT_REASON_HTTP_VERSION :
					      WEFT_REASON_HTTP_REQUEST_LINE);
}

static void text_set(struct http_text *text, const struct http_scan *scan, size_t from)
{
	text->bytes = scan->bytes + from;
	text->length = scan->at - from;
}

static bool is_dots(const struct http_scan *scan, const struct path_walk *walk)
{
	struct http_text segment;

	text_set(&segment, scan, walk->segment);
	return http_text_is(&segment, ".") || http_text_is(&segment, "..");
}

/* Would a server that decodes it take it for something of the path's syntax, or for itself? */
static bool is_ambiguous_code(int code)
{
	return code < 0x20 || code == 0x7f || code == '/' || code == '\\' ||
	       (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
	       (code >= 'A' && code <= 'Z') || strchr("-._~", code);
}

/* Does the byte at hand, of a path or behind it, make the path ambiguous? */
static bool path_step(const struct http_scan *scan, struct path_walk *walk, unsigned char byte)
{
	if (walk->digits) {
		int digit = http_byte_hex(byte);

		if (digit < 0)
			return true;
		walk->code = walk->code << 4 | digit;
		return !--walk->digits && is_ambiguous_code(walk->code);
	}
	switch (byte) {
	case '%':
		walk->digits = 2;
		walk->code = 0;
		return false;
	case '/':
		if (walk->segment == scan->at || is_dots(scan, walk))
			return true;
		walk->segment = scan->at + 1;
		return false;
	case ';':
	case '?':
	case ' ':
		return is_dots(scan, walk);
	case '\\':
	case '#':
		return true;
	}
	return false;
}

/* From the path's slash to the ? or space behind it. */
static int read_path(struct http_scan *scan, bool ambiguous_paths, struct http_text *path)
{
	struct path_walk walk = { .segment = scan->at + 1 };
	size_t start = scan->at++;
	unsigned char byte;
	int ret;

	while ((ret = peek_visible(scan, &byte)) > 0) {
		if (path_step(scan, &walk, byte) && !ambiguous_paths)
			return http_scan_refuse(scan, WEFT_REASON_AMBIGUOUS_PATH);
		if (byte == '?' || byte == ' ')
			break;
		scan->at++;
	}
	if (ret > 0)
		text_set(path, scan, start);
	return ret;
}

static int read_query(struct http_scan *scan)
{
	unsigned char byte;
	int ret;

	while ((ret = peek_visible(scan, &byte)) > 0 && byte != ' ')
		scan->at++;
	return ret;
}

/* "http://" authority; what may follow is a path, a query, or a space. */
static int read_authority(struct http_scan *scan, struct http_text *authority)
{
	static const char scheme[] = "http://";
	size_t i, start;
	unsigned char byte;
	int ret;

	for (i = 0; scheme[i]; i++, scan->at++) {
		ret = http_scan_peek(scan, &byte);
		if (ret <= 0)
			return ret;
		if (http_byte_lower(byte) != (unsigned char)scheme[i])
			return http_scan_refuse(scan, WEFT_REASON_HTTP_REQUEST_LINE);
	}
	start = scan->at;
	while ((ret = peek_visible(scan, &byte)) > 0 && !strchr("/? ", byte)) {
		if (strchr("#\\@", byte))
			return http_scan_refuse(scan, WEFT_REASON_HTTP_REQUEST_LINE);
		scan->at++;
	}
	if (ret > 0 && scan->at == start)
		return http_scan_refuse(scan, WEFT_REASON_HTTP_REQUEST_LINE);
	text_set(authority, scan, start);
	return ret;
}

/* host ":" port */
static bool is_host_and_port(const struct http_text *text)
{
	size_t digits = 0, i = text->length;

	while (i && text->bytes[i - 1] >= '0' && text->bytes[i - 1] <= '9') {
		i--;
		digits++;
	}
	return digits >= 1 && digits <= 5 && i >= 2 && text->bytes[i - 1] == ':';
}

/* The target of CONNECT, which rules see as the path. */
static int read_connect(struct http_scan *scan, struct http_request *request)
{
	size_t start = scan->at;
	unsigned char byte;
	int ret;

	while ((ret = peek_visible(scan, &byte)) > 0 && byte != ' ') {
		if (strchr("/?#\\@", byte))
			return http_scan_refuse(scan, WEFT_REASON_HTTP_REQUEST_LINE);
		scan->at++;
	}
	if (ret <= 0)
		return ret;
	text_set(&request->path, scan, start);
	if (!is_host_and_port(&request->path))
		return http_scan_refuse(scan, WEFT_REASON_HTTP_REQUEST_LINE);
	return 1;
}

/* Any form but that of CONNECT. */
static int read_form(struct http_scan *scan, bool ambiguous_paths, struct http_request *request,
		     struct http_text *authority)
{
	unsigned char byte;
	int ret = http_scan_peek(scan, &byte);

	if (ret > 0 && byte == '*' && http_text_is(&request->method, "OPTIONS")) {
		text_set(&request->path, scan, scan->at++);
		request->path.length = 1;
		return 1;
	}
	if (ret > 0 && byte != '/') {
		ret = read_authority(scan, authority);
		if (ret > 0)
			ret = http_scan_peek(scan, &byte);
		request->path = (struct http_text){ "/", 1 };
	}
	if (ret > 0 && byte == '/')
		ret = read_path(scan, ambiguous_paths, &request->path);
	return ret > 0 ? read_query(scan) : ret;
}

int http_scan_target(struct http_scan *scan, bool ambiguous_paths, struct http_request *request,
		     struct http_text *authority)
{
	size_t start = scan->at;
	int ret;

	if (http_text_is(&request->method, "CONNECT"))
		ret = read_connect(scan, request);
	else
		ret = read_form(scan, ambiguous_paths, request, authority);
	if (ret <= 0)
		return ret;
	text_set(&request->target, scan, start);
	return http_scan_expect(scan, " ", WEFT_REASON_HTTP_REQUEST_LINE);
}
