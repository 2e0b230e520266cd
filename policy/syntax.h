/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with a form of their own: names, times, quantities, as Kubernetes defines them. Pure. */
#ifndef WEFT_POLICY_SYNTAX_H
#define WEFT_POLICY_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SYNTAX_LABEL_MAX = 63,
	SYNTAX_SUBDOMAIN_MAX = 253,
	SYNTAX_PORT_NAME_MAX = 15,
	SYNTAX_UID_MAX = 128,
};

/* RFC 1123 label: lower-case letters, digits, inner '-'; the first `length` bytes of text. */
bool syntax_is_label(const char *text, size_t length);
/* RFC 1123 subdomain: labels joined by '.', at most 253 bytes. */
bool syntax_is_subdomain(const char *text);
/* Name of a container port (IANA service name): at most 15 bytes, with a letter. */
bool syntax_is_port_name(const char *text);
/* Key of a label: [prefix/]name. */
bool syntax_is_label_key(const char *text);
/* Value of a label: may be empty. */
bool syntax_is_label_value(const char *text);
/* metadata.uid: a UUID or whatever else is safe as a part of a path. */
bool syntax_is_uid(const char *text);

/* As an API server makes uids: 8-4-4-4-12 hexadecimal digits. */
bool syntax_is_uuid(const char *text);
/* token of RFC 9110: method and field names. */
bool syntax_is_http_token(const char *text);

/* RFC 3339, fractions of seconds are cut off. 0 or -EINVAL. */
int syntax_parse_time(const char *text, int64_t *unix_seconds);

/*
 * resource.Quantity of k8s.io/apimachinery (900m, 1, 1.5, 1k, 2Ki, 1e3) in
 * thousandths, rounded up. -EINVAL: no quantity, -EDOM: negative, -ERANGE: more
 * than 1P (10^15), so that sums of many stay far from 64 bits.
 */
int syntax_parse_quantity(const char *text, uint64_t *milli);

#endif /* WEFT_POLICY_SYNTAX_H */
