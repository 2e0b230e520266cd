/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checksums that are left to a device. Whoever sends through a packet socket
 * (PACKET_VNET_HDR) says where the sum goes, and may name any two bytes: ports,
 * addresses, TCP flags. A device without checksum offload writes them after our
 * programs have read the packet, so what was judged would not be what arrives.
 * A sum must therefore go to the place of the transport header's checksum, or
 * behind what is judged (tunnels inside a pod have a packet of their own there).
 *
 * Kernels before 6.2 do not show the place; there this goes unnoticed.
 */
#ifndef WEFT_CHECKSUM_BPF_H
#define WEFT_CHECKSUM_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "packet.bpf.h"

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

enum checksum_number {
	CHECKSUM_NOT_DUE = -1,
	CHECKSUM_IS_PARTIAL = 3, /* CHECKSUM_PARTIAL, a macro of skbuff.h */
	/* Offsets in the transport header. */
	CHECKSUM_AT_TCP = 16,
	CHECKSUM_AT_UDP = 6,
	CHECKSUM_AT_ICMP = 2,
};

/* Offset from the start of the frame at which a checksum is due, or CHECKSUM_NOT_DUE. */
static __always_inline int checksum_place(struct __sk_buff *skb)
{
	struct sk_buff *kern;

	if (!bpf_cast_to_kern_ctx)
		return CHECKSUM_NOT_DUE;
	kern = bpf_cast_to_kern_ctx(skb);
	if (BPF_CORE_READ_BITFIELD(kern, ip_summed) != CHECKSUM_IS_PARTIAL)
		return CHECKSUM_NOT_DUE;
	return (int)(kern->csum_start + kern->csum_offset) - (int)(kern->data - kern->head);
}

/* May a checksum be stored there? `l4` and `proto` as in struct packet. */
static __always_inline bool checksum_is_harmless(int place, __u32 l4, __u8 proto)
{
	__u32 offset = place - l4;

	if (place == CHECKSUM_NOT_DUE)
		return true;
	if (place < (int)l4)
		return false;
	switch (proto) {
	case IPPROTO_TCP:
		return offset == CHECKSUM_AT_TCP || offset >= sizeof(struct tcphdr);
	case IPPROTO_UDP:
		return offset == CHECKSUM_AT_UDP || offset >= sizeof(struct udphdr);
	case IPPROTO_ICMP:
		return offset == CHECKSUM_AT_ICMP;
	default:
		return true;
	}
}

#endif /* WEFT_CHECKSUM_BPF_H */
