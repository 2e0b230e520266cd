// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A bad network, at a pod's own interface: some packets are lost, some come twice, and some of
 * those that leave take a detour by the device LOSSY_DETOUR, from which delayer.py sends them on
 * later. What came back is marked, and passes.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum lossy_fate {
	LOSSY_OK = 0,	   /* TC_ACT_OK */
	LOSSY_DROP = 2,	   /* TC_ACT_SHOT */
	LOSSY_INGRESS = 1, /* BPF_F_INGRESS */
};

enum lossy_setting {
	LOSSY_MARK = 0x10557,
	LOSSY_DETOUR = 4242, /* ifindex */
	LOSSY_LOST = 30,     /* of a thousand packets, at each of four places of a round trip */
	LOSSY_TWICE = 40,
	LOSSY_LATE = 80,
};

static bool happens(__u32 permille)
{
	return bpf_get_prandom_u32() % 1000 < permille;
}

static __noinline int loss(struct __sk_buff *skb, __u64 direction)
{
	skb->mark = LOSSY_MARK;
	if (happens(LOSSY_LOST))
		return LOSSY_DROP;
	if (happens(LOSSY_TWICE))
		bpf_clone_redirect(skb, skb->ifindex, direction);
	return LOSSY_OK;
}

SEC("classifier")
int lossy_in(struct __sk_buff *skb)
{
	return skb->mark == LOSSY_MARK ? LOSSY_OK : loss(skb, LOSSY_INGRESS);
}

SEC("tc")
int lossy_out(struct __sk_buff *skb)
{
	if (skb->mark == LOSSY_MARK)
		return LOSSY_OK;
	if (skb->protocol != 0x0608 && happens(LOSSY_LATE)) /* not ARP */
		return bpf_redirect(LOSSY_DETOUR, 0);
	return loss(skb, 0);
}
