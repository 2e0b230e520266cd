/* SPDX-License-Identifier: Apache-2.0 */
/* File names may hold any byte; what is written as JSON or text must be UTF-8. */
#ifndef WEFT_USER_UTF8_H
#define WEFT_USER_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed UTF-8 sequence at `s` (RFC 3629); 0 when there is none. */
size_t utf8_length(const unsigned char *s);

/* A copy with U+FFFD in place of every byte that is not part of a well-formed sequence. */
char *utf8_clean(const char *text);

#endif /* WEFT_USER_UTF8_H */
