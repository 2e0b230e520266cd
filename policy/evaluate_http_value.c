// SPDX-License-Identifier: Apache-2.0
/* Field values of the HTTP reference: what any may be, and those that frame a message. */
#include <string.h>
#include "policy/evaluate_http_scan.h"

enum { LENGTH_DIGITS = 18 };

/* A value as far as it was read. */
struct value_walk {
	enum http_value_form form;
	size_t length; /* without white space around it */
	bool over;     /* white space behind it: nothing else may follow, where it has a form */
};

static bool is_blank(unsigned char byte)
{
	return byte == ' ' || byte == '\t';
}

static const char *keyword(enum http_value_form form)
{
	return form == HTTP_VALUE_CODING ? "chunked" : "websocket";
}

/* May the byte, which is none of white space, follow? */
static bool value_takes(const struct value_walk *walk, unsigned char byte)
{
	if (walk->form == HTTP_VALUE_ANY)
		return true;
	if (walk->over)
		return false;
	switch (walk->form) {
	case HTTP_VALUE_LENGTH:
		return walk->length < LENGTH_DIGITS && byte >= '0' && byte <= '9';
	case HTTP_VALUE_CODING:
	case HTTP_VALUE_UPGRADE:
		return walk->length < strlen(keyword(walk->form)) &&
		       http_byte_lower(byte) == (unsigned char)keyword(walk->form)[walk->length];
	default:
		return true;
	}
}

/* May it end here, white space aside? */
static bool value_may_end(const struct value_walk *walk)
{
	switch (walk->form) {
	case HTTP_VALUE_LENGTH:
		return walk->length;
	case HTTP_VALUE_CODING:
	case HTTP_VALUE_UPGRADE:
		return walk->length == strlen(keyword(walk->form));
	default:
		return true;
	}
}

static enum weft_reason value_reason(enum http_value_form form)
{
	switch (form) {
	case HTTP_VALUE_HOST:
		return WEFT_REASON_HTTP_HOST;
	case HTTP_VALUE_LENGTH:
		return WEFT_REASON_HTTP_CONTENT_LENGTH;
	case HTTP_VALUE_CODING:
		return WEFT_REASON_HTTP_TRANSFER_ENCODING;
	case HTTP_VALUE_UPGRADE:
		return WEFT_REASON_HTTP_UPGRADE;
	case HTTP_VALUE_ANY:
		break;
	}
	return WEFT_REASON_HTTP_FIELD;
}

int http_scan_value(struct http_scan *scan, enum http_value_form form, struct http_text *value)
{
	struct value_walk walk = { .form = form };
	unsigned char byte;
	size_t start = 0;
	int ret;

	for (; (ret = http_scan_peek(scan, &byte)) > 0; scan->at++) {
		if (byte == '\r')
			break;
		if (is_blank(byte)) {
			/* in front of it, or behind: there it must be complete */
			if (walk.length && !value_may_end(&walk))
				return http_scan_refuse(scan, value_reason(form));
			walk.over = walk.length;
			continue;
		}
		if (!http_byte_is_visible(byte) && byte < 0x80)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_FIELD);
		if (!value_takes(&walk, byte))
			return http_scan_refuse(scan, value_reason(form));
		if (!walk.length)
			start = scan->at;
		walk.length = scan->at + 1 - start;
	}
	if (ret <= 0)
		return ret;
	if (!value_may_end(&walk))
		return http_scan_refuse(scan, value_reason(form));
	*value = (struct http_text){ scan->bytes + start, walk.length };
	return http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_FIELD);
}
