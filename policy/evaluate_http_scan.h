/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the HTTP reference's reading share: a walk through bytes, one at a time. */
#ifndef WEFT_POLICY_EVALUATE_HTTP_SCAN_H
#define WEFT_POLICY_EVALUATE_HTTP_SCAN_H

#include <stdbool.h>
#include "policy/evaluate_http.h"

/*
 * The functions below return 1 when they read what they are named for, 0 when the bytes end
 * before that, and -EINVAL with `reason` when the byte at `at` cannot stand there.
 */
struct http_scan {
	const char *bytes;
	size_t length, at;
	size_t limit; /* of the head: the byte at this offset is one too many */
	enum weft_reason reason;
};

/* Is there a byte at `at`, and may there be one? */
int http_scan_peek(struct http_scan *scan, unsigned char *byte);
int http_scan_refuse(struct http_scan *scan, enum weft_reason reason);
/* Exactly these bytes. */
int http_scan_expect(struct http_scan *scan, const char *bytes, enum weft_reason reason);
/* A token (RFC 9110 5.6.2) and the byte `end` behind it, which is not part of `token`. */
int http_scan_token(struct http_scan *scan, char end, enum weft_reason reason,
		    struct http_text *token);

/* A request target and the space behind it; `authority` is that of an absolute form, or empty. */
int http_scan_target(struct http_scan *scan, bool ambiguous_paths, struct http_request *request,
		     struct http_text *authority);

/* What the value of a field must be. */
enum http_value_form {
	HTTP_VALUE_ANY,
	HTTP_VALUE_HOST,
	HTTP_VALUE_LENGTH,
	HTTP_VALUE_CODING,
	HTTP_VALUE_UPGRADE,
};

/* The value behind a field's colon, and the CR LF that ends the line. */
int http_scan_value(struct http_scan *scan, enum http_value_form form, struct http_text *value);

static inline bool http_byte_is_visible(unsigned char byte)
{
	return byte > 0x20 && byte < 0x7f;
}

static inline unsigned char http_byte_lower(unsigned char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

/* The value of a hexadecimal digit, or -1. */
static inline int http_byte_hex(unsigned char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = http_byte_lower(byte);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Letters are equal in either case. */
bool http_text_equal(const struct http_text *a, const struct http_text *b);

#endif /* WEFT_POLICY_EVALUATE_HTTP_SCAN_H */
