/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that is its own authority (RFC 5280), for a server that nobody gave one. */
#ifndef WEFT_USER_CERTIFICATE_MAKE_H
#define WEFT_USER_CERTIFICATE_MAKE_H

#include <time.h>

/*
 * For the DNS names "NAME.NAMESPACE.svc" and the shorter and longer ones of a Service, from an
 * hour before `now` to a year after it. PEM, the caller's to free. -EIO with nothing
 * to free when no key can be made.
 */
int certificate_make(const char *name, const char *name_space, time_t now, char **chain,
		     char **key);

/* When a PEM certificate ends, Unix seconds; 0 when it cannot be read. */
time_t certificate_end(const char *chain);

#endif /* WEFT_USER_CERTIFICATE_MAKE_H */
