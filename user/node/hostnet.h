/* SPDX-License-Identifier: Apache-2.0 */
/* This node's own addresses and its link events (rtnetlink through libmnl). */
#ifndef WEFT_USER_HOSTNET_H
#define WEFT_USER_HOSTNET_H

#include <stdbool.h>
#include <stddef.h>
#include "bpf/weft_abi.h"

struct hostnet;

/* Subscribes to link and address changes of this network namespace and reads the addresses once. */
int hostnet_new(struct hostnet **hostnet);
void hostnet_free(struct hostnet *hostnet);
int hostnet_fd(const struct hostnet *hostnet);

/*
 * Reads pending notifications (after loss - ENOBUFS - reads everything again).
 * *links: an interface appeared, vanished or changed; *addresses: the list changed.
 */
int hostnet_drain(struct hostnet *hostnet, bool *links, bool *addresses);

/* All addresses of this namespace's interfaces except loopback addresses, sorted, without
 * duplicates. */
const struct weft_addr *hostnet_addresses(const struct hostnet *hostnet, size_t *count);

#endif /* WEFT_USER_HOSTNET_H */
