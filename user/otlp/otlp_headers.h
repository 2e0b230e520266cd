/* SPDX-License-Identifier: Apache-2.0 */
/* A file of HTTP headers for the collector: tokens, which do not belong on a command line. */
#ifndef WEFT_USER_OTLP_HEADERS_H
#define WEFT_USER_OTLP_HEADERS_H

enum { OTLP_HEADERS_ERROR_LEN = 256 };

struct curl_slist;

/*
 * Appends the lines "NAME: VALUE" of the file to `list`, but empty ones and those that begin with
 * '#'. -EINVAL for a line that is none, or for one that would change what OTLP says (Content-Type,
 * Content-Encoding, Content-Length, Transfer-Encoding); -E2BIG above 64 KiB; or what open() says.
 * `error` then tells it, without any value.
 */
int otlp_headers_read(const char *path, struct curl_slist **list,
		      char error[OTLP_HEADERS_ERROR_LEN]);

#endif /* WEFT_USER_OTLP_HEADERS_H */
