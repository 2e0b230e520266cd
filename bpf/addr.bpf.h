/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#ifndef WEFT_ADDR_BPF_H
#define WEFT_ADDR_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"

static __always_inline void addr_from_v4(struct weft_addr *addr, __be32 v4)
{
	__u32 *w = (__u32 *)addr->b;

	w[0] = 0;
	w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = v4;
}

static __always_inline void addr_from_v6(struct weft_addr *addr, const __be32 v6[4])
{
	__u32 *w = (__u32 *)addr->b;

	w[0] = v6[0];
	w[1] = v6[1];
	w[2] = v6[2];
	w[3] = v6[3];
}

static __always_inline bool addr_equal(const struct weft_addr *a, const struct weft_addr *b)
{
	const __u32 *x = (const __u32 *)a->b, *y = (const __u32 *)b->b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline bool addr_is_zero(const struct weft_addr *a)
{
	const __u32 *x = (const __u32 *)a->b;

	return !(x[0] | x[1] | x[2] | x[3]);
}

static __always_inline bool addr_is_v4(const struct weft_addr *a)
{
	const __u32 *x = (const __u32 *)a->b;

	return !x[0] && !x[1] && x[2] == bpf_htonl(0xffff);
}

/* Never leaves the network namespace: 127.0.0.0/8, ::1; Linux takes 0.0.0.0 and :: for itself. */
static __always_inline bool addr_stays_local(const struct weft_addr *a)
{
	const __u32 *x = (const __u32 *)a->b;

	if (addr_is_v4(a))
		return a->b[12] == 127 || !x[3];
	return !(x[0] | x[1] | x[2]) && (!x[3] || x[3] == bpf_htonl(1));
}

/* Does the address belong to this local pod? An all-zero address never does. */
static __always_inline bool addr_is_own(const struct weft_local *local, const struct weft_addr *a)
{
	return !addr_is_zero(a) &&
	       (addr_equal(&local->addr[0], a) || addr_equal(&local->addr[1], a));
}

#endif /* WEFT_ADDR_BPF_H */
