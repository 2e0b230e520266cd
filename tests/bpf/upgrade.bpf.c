// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Another build of weft, for tests of the loader: the same maps, the same hooks but one, and
 * programs that let everything pass. Written as small as can be; it judges nothing.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum { UPGRADE_PASS = 1, UPGRADE_NEXT = -1 };

/* Makes the build's constants a map of their own, as real programs do. */
const volatile __u32 upgrade_constant = 7;

#define UPGRADE_PASSING(section, name)                              \
	SEC(section)                                                \
	int name(struct bpf_sock_addr *ctx __attribute__((unused))) \
	{                                                           \
		return UPGRADE_PASS;                                \
	}

UPGRADE_PASSING("cgroup/connect4", weft_connect4)
UPGRADE_PASSING("cgroup/connect6", weft_connect6)
UPGRADE_PASSING("cgroup/sendmsg4", weft_sendmsg4)
UPGRADE_PASSING("cgroup/sendmsg6", weft_sendmsg6)
UPGRADE_PASSING("cgroup/recvmsg4", weft_recvmsg4)
UPGRADE_PASSING("cgroup/recvmsg6", weft_recvmsg6)
UPGRADE_PASSING("cgroup/getpeername4", weft_peername4)

SEC("sockops")
int weft_sockops(struct bpf_sock_ops *ctx __attribute__((unused)))
{
	return UPGRADE_PASS;
}

SEC("tc")
int weft_to_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;

	if (upgrade_constant)
		bpf_map_lookup_elem(&weft_iface, &ifindex);
	return UPGRADE_NEXT;
}

SEC("tc")
int weft_from_pod(struct __sk_buff *skb __attribute__((unused)))
{
	return UPGRADE_NEXT;
}

/* A program that the real build has not; sends a record to whoever drains. */
SEC("syscall")
int upgrade_event(struct weft_event *event)
{
	struct weft_event copy = *event;

	return bpf_ringbuf_output(&weft_events, &copy, sizeof(copy), 0);
}
