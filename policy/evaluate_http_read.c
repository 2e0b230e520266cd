// SPDX-License-Identifier: Apache-2.0
/*
 * A request's head and body, read a byte at a time by the grammar of RFC 9112 as strictly as
 * ARCHITECTURE.md says. Deliberately without tables: the compiler has those.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/evaluate_http_scan.h"
#include "policy/memory.h"

enum { CHUNK_SIZE_DIGITS = 16 };

/* Offsets in a stream have 64 bits; nobody needs chunks that come near to that. */
#define CHUNK_SIZE_LIMIT (1ULL << 60)

/* What the fields of a head have said so far. */
struct head {
	struct http_text authority;
	bool has_length, has_coding;
	size_t host_index, capacity;
	bool has_host;
};

int http_scan_refuse(struct http_scan *scan, enum weft_reason reason)
{
	scan->reason = reason;
	return -EINVAL;
}

int http_scan_peek(struct http_scan *scan, unsigned char *byte)
{
	if (scan->at == scan->length)
		return 0;
	if (scan->at >= scan->limit)
		return http_scan_refuse(scan, WEFT_REASON_HTTP_HEAD_SIZE);
	*byte = (unsigned char)scan->bytes[scan->at];
	return 1;
}

int http_scan_expect(struct http_scan *scan, const char *bytes, enum weft_reason reason)
{
	unsigned char byte;
	int ret;

	for (; *bytes; bytes++, scan->at++) {
		ret = http_scan_peek(scan, &byte);
		if (ret <= 0)
			return ret;
		if (byte != (unsigned char)*bytes)
			return http_scan_refuse(scan, reason);
	}
	return 1;
}

static bool is_token_byte(unsigned char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
	       (byte >= 'A' && byte <= 'Z') || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

int http_scan_token(struct http_scan *scan, char end, enum weft_reason reason,
		    struct http_text *token)
{
	unsigned char byte;
	int ret;

	token->bytes = scan->bytes + scan->at;
	token->length = 0;
	while ((ret = http_scan_peek(scan, &byte)) > 0) {
		if (byte == (unsigned char)end && token->length) {
			scan->at++;
			return 1;
		}
		if (!is_token_byte(byte))
			return http_scan_refuse(scan, reason);
		token->length++;
		scan->at++;
	}
	return ret;
}

bool http_text_equal(const struct http_text *a, const struct http_text *b)
{
	size_t i;

	if (a->length != b->length)
		return false;
	for (i = 0; i < a->length; i++)
		if (http_byte_lower((unsigned char)a->bytes[i]) !=
		    http_byte_lower((unsigned char)b->bytes[i]))
			return false;
	return true;
}

static bool name_is(const struct http_text *name, const char *other)
{
	struct http_text text = { other, strlen(other) };

	return http_text_equal(name, &text);
}

static int read_method(struct http_scan *scan, struct http_request *request)
{
	static const char handshake = 0x16; /* the record type that TLS begins with */
	unsigned char byte;
	int ret = http_scan_peek(scan, &byte);

	if (ret <= 0)
		return ret;
	if (byte == (unsigned char)handshake)
		return http_scan_refuse(scan, WEFT_REASON_TLS);
	ret = http_scan_token(scan, ' ', WEFT_REASON_HTTP_REQUEST_LINE, &request->method);
	/* RFC 9113 3.4 reserves this method for the preface of HTTP/2. */
	if (ret > 0 && http_text_is(&request->method, "PRI")) {
		scan->at--;
		return http_scan_refuse(scan, WEFT_REASON_HTTP2);
	}
	return ret;
}

static int read_version(struct http_scan *scan, struct http_request *request)
{
	int ret = http_scan_expect(scan, "HTTP/1.", WEFT_REASON_HTTP_VERSION);
	unsigned char byte;

	if (ret > 0)
		ret = http_scan_peek(scan, &byte);
	if (ret <= 0)
		return ret;
	if (byte != '0' && byte != '1')
		return http_scan_refuse(scan, WEFT_REASON_HTTP_VERSION);
	request->minor = byte - '0';
	scan->at++;
	return http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_REQUEST_LINE);
}

/* What a field's name alone says: its value's form, or that it may not stand here. */
static int judge_name(struct http_scan *scan, const struct http_request *request,
		      const struct head *head, const struct http_text *name,
		      enum http_value_form *form)
{
	*form = HTTP_VALUE_ANY;
	if (name_is(name, "host")) {
		*form = HTTP_VALUE_HOST;
		if (head->has_host)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_HOST);
	} else if (name_is(name, "content-length")) {
		*form = HTTP_VALUE_LENGTH;
		if (head->has_length)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_CONTENT_LENGTH);
	} else if (name_is(name, "transfer-encoding")) {
		*form = HTTP_VALUE_CODING;
		if (!request->minor || head->has_coding)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_TRANSFER_ENCODING);
	} else if (name_is(name, "upgrade")) {
		*form = HTTP_VALUE_UPGRADE;
		if (request->websocket)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_UPGRADE);
	}
	return 1;
}

/* What a field that is complete means for the head. */
static void take_field(struct http_request *request, struct head *head, enum http_value_form form,
		       size_t index)
{
	const struct http_text *value = &request->headers[index].value;
	size_t i;

	switch (form) {
	case HTTP_VALUE_HOST:
		head->has_host = true;
		head->host_index = index;
		break;
	case HTTP_VALUE_LENGTH:
		head->has_length = true;
		request->body = HTTP_BODY_LENGTH;
		for (i = 0; i < value->length; i++)
			request->length = request->length * 10 + (uint64_t)(value->bytes[i] - '0');
		break;
	case HTTP_VALUE_CODING:
		head->has_coding = true;
		request->body = HTTP_BODY_CHUNKED;
		break;
	case HTTP_VALUE_UPGRADE:
		request->websocket = true;
		break;
	case HTTP_VALUE_ANY:
		break;
	}
}

static int read_field(struct http_scan *scan, struct http_request *request, struct head *head)
{
	struct http_header header = { 0 };
	enum http_value_form form;
	size_t index;
	int ret;

	ret = http_scan_token(scan, ':', WEFT_REASON_HTTP_FIELD, &header.name);
	if (ret <= 0)
		return ret;
	/* The colon is what makes it the name that it is. */
	scan->at--;
	ret = judge_name(scan, request, head, &header.name, &form);
	if (ret <= 0)
		return ret;
	scan->at++;
	ret = http_scan_value(scan, form, &header.value);
	if (ret <= 0)
		return ret;
	index = memory_grow(&request->headers, &request->header_count, &head->capacity,
			    sizeof(*request->headers));
	request->headers[index] = header;
	take_field(request, head, form, index);
	return 1;
}

/* Does a head hold together whose lines are well-formed? */
static enum weft_reason judge_head(const struct http_request *request, const struct head *head)
{
	bool differs =
		head->has_host && head->authority.length &&
		!http_text_equal(&request->headers[head->host_index].value, &head->authority);
	bool body = head->has_coding || request->length;

	if (differs || (request->minor && !head->has_host))
		return WEFT_REASON_HTTP_HOST;
	if (head->has_coding && head->has_length)
		return WEFT_REASON_HTTP_TRANSFER_ENCODING;
	/* What follows these waits for the answer, and the answer may wait for a body. */
	if (request->websocket && body)
		return WEFT_REASON_HTTP_UPGRADE;
	if (http_text_is(&request->method, "CONNECT") && body)
		return head->has_coding ? WEFT_REASON_HTTP_TRANSFER_ENCODING :
					  WEFT_REASON_HTTP_CONTENT_LENGTH;
	return WEFT_REASON_NONE;
}

/* The empty line. */
static int read_end(struct http_scan *scan, struct http_request *request, struct head *head)
{
	int ret = http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_FIELD);
	enum weft_reason reason;

	if (ret <= 0)
		return ret;
	reason = judge_head(request, head);
	if (reason) {
		scan->at--;
		return http_scan_refuse(scan, reason);
	}
	return 1;
}

static int read_head(struct http_scan *scan, bool ambiguous_paths, struct http_request *request)
{
	struct head head = { 0 };
	unsigned char byte;
	int ret;

	ret = read_method(scan, request);
	if (ret > 0)
		ret = http_scan_target(scan, ambiguous_paths, request, &head.authority);
	if (ret > 0)
		ret = read_version(scan, request);
	while (ret > 0) {
		ret = http_scan_peek(scan, &byte);
		if (ret <= 0)
			break;
		if (byte == '\r')
			return read_end(scan, request, &head);
		ret = read_field(scan, request, &head);
	}
	return ret;
}

int http_request_read(const char *bytes, size_t length, bool ambiguous_paths, uint32_t max_head,
		      struct http_request *request, enum weft_reason *reason)
{
	struct http_scan scan = {
		.bytes = bytes,
		.length = length,
		.limit = max_head ? max_head : WEFT_HTTP_HEAD_DEFAULT,
	};
	int ret;

	*request = (struct http_request){ 0 };
	ret = read_head(&scan, ambiguous_paths, request);
	if (ret <= 0)
		http_request_clear(request);
	request->head_end = scan.at;
	*reason = scan.reason;
	return ret;
}

void http_request_clear(struct http_request *request)
{
	free(request->headers);
	*request = (struct http_request){ 0 };
}

/* A chunk's size, its extensions, and the end of that line. */
static int read_chunk_size(struct http_scan *scan, uint64_t *size)
{
	unsigned int digits = 0;
	unsigned char byte;
	int ret;

	*size = 0;
	while ((ret = http_scan_peek(scan, &byte)) > 0 && http_byte_hex(byte) >= 0) {
		if (++digits > CHUNK_SIZE_DIGITS || *size >= CHUNK_SIZE_LIMIT / 16)
			return http_scan_refuse(scan, WEFT_REASON_HTTP_CHUNK);
		*size = *size << 4 | (uint64_t)http_byte_hex(byte);
		scan->at++;
	}
	if (ret > 0 && !digits)
		return http_scan_refuse(scan, WEFT_REASON_HTTP_CHUNK);
	if (ret > 0 && byte == ';')
		while ((ret = http_scan_peek(scan, &byte)) > 0 && http_byte_is_visible(byte))
			scan->at++;
	if (ret <= 0)
		return ret;
	return http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_CHUNK);
}

static int read_trailers(struct http_scan *scan)
{
	struct http_text name, value;
	unsigned char byte;
	int ret;

	while ((ret = http_scan_peek(scan, &byte)) > 0) {
		if (byte == '\r')
			return http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_FIELD);
		ret = http_scan_token(scan, ':', WEFT_REASON_HTTP_FIELD, &name);
		if (ret > 0)
			ret = http_scan_value(scan, HTTP_VALUE_ANY, &value);
		if (ret <= 0)
			return ret;
	}
	return ret;
}

static int read_chunks(struct http_scan *scan)
{
	uint64_t size;
	int ret;

	for (;;) {
		ret = read_chunk_size(scan, &size);
		if (ret <= 0)
			return ret;
		if (!size)
			return read_trailers(scan);
		if (size > scan->length - scan->at) {
			scan->at = scan->length;
			return 0;
		}
		scan->at += size;
		ret = http_scan_expect(scan, "\r\n", WEFT_REASON_HTTP_CHUNK);
		if (ret <= 0)
			return ret;
	}
}

int http_body_read(const struct http_request *request, const char *bytes, size_t length,
		   size_t *used, enum weft_reason *reason)
{
	struct http_scan scan = { .bytes = bytes, .length = length, .limit = SIZE_MAX };
	int ret = 1;

	switch (request->body) {
	case HTTP_BODY_NONE:
		break;
	case HTTP_BODY_LENGTH:
		ret = length >= request->length;
		scan.at = ret ? request->length : length;
		break;
	case HTTP_BODY_CHUNKED:
		ret = read_chunks(&scan);
		break;
	}
	*used = scan.at;
	*reason = scan.reason;
	return ret;
}
