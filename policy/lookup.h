/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's verdict, computed from desired map entries: the same lookups in the
 * same order as bpf/policy.bpf.h, on the sorted lists instead of maps. What the
 * agent sweeps live connections with. Pure.
 */
#ifndef WEFT_POLICY_LOOKUP_H
#define WEFT_POLICY_LOOKUP_H

#include "policy/desired.h"

/* Who an address is: the content of weft_ident; the zero peer for an unknown address. */
struct weft_peer lookup_peer(const struct desired *desired, const struct weft_addr *addr);

/* Exact port before any port, as in the kernel. 0: no entry. Port in host order. */
enum weft_policy_action lookup_policy(const struct desired *desired, uint32_t dst_identity,
				      uint32_t src_identity, uint8_t proto, uint16_t port);

/* May src reach dst on this port? Twin of policy_judge(). */
enum weft_reason lookup_judge(const struct desired *desired, const struct weft_peer *dst,
			      const struct weft_peer *src, uint8_t proto, uint16_t port);

/* What a reason means towards a destination with these flags. Twin of policy_action(). */
enum weft_verdict_action lookup_action(uint32_t dst_flags, enum weft_reason reason);

#endif /* WEFT_POLICY_LOOKUP_H */
