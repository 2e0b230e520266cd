/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all parts of the contract between kernel and user space build on; see weft_abi.h. */
#ifndef WEFT_ABI_ADDR_H
#define WEFT_ABI_ADDR_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Network order; IPv4 as ::ffff:a.b.c.d. */
struct weft_addr {
	__u8 b[16];
} __attribute__((aligned(4)));

#endif /* WEFT_ABI_ADDR_H */
