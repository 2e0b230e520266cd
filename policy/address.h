/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses in the 16-byte form of weft_abi.h, to and from text. */
#ifndef WEFT_POLICY_ADDRESS_H
#define WEFT_POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include "bpf/weft_abi.h"

enum { ADDRESS_TEXT_LEN = 46 }; /* INET6_ADDRSTRLEN */

/* "10.0.0.1" or "fd00::1"; a v4-mapped address counts as IPv4. -EINVAL otherwise. */
int address_parse(const char *text, struct weft_addr *address);
/* Writes the usual text form (IPv4 dotted) and returns `text`. */
const char *address_format(const struct weft_addr *address, char text[ADDRESS_TEXT_LEN]);
bool address_is_v4(const struct weft_addr *address);
bool address_is_zero(const struct weft_addr *address);
bool address_is_loopback(const struct weft_addr *address); /* 127.0.0.0/8 or ::1 */
/*
 * No endpoint is there, only the caller itself or its node: unspecified, loopback, link-local,
 * multicast. Kubernetes refuses them in EndpointSlices.
 */
bool address_is_special(const struct weft_addr *address);
int address_compare(const struct weft_addr *a, const struct weft_addr *b); /* memcmp order */

#endif /* WEFT_POLICY_ADDRESS_H */
