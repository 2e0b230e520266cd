// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pod's host-side interface: weft_to_pod on its egress judges what reaches
 * the pod, weft_from_pod on its ingress holds the pod to its own addresses and
 * is the second lock. The same two programs sit on every pod's interface.
 *
 * Precedence towards a meshed pod: what cannot be read is refused, ARP and ICMP
 * pass, answers to the pod's own UDP flows pass, the policy decides the rest.
 * Permissive pods get everything; what enforce would deny is counted.
 *
 * Packets are passed with TC_ACT_UNSPEC, so that later programs have their say.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "checksum.bpf.h"
#include "epoch.bpf.h"
#include "from_pod.bpf.h"
#include "http_bulk.bpf.h"
#include "packet.bpf.h"
#include "to_pod.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int weft_to_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct weft_local *local;
	struct weft_iface_copy *iface;
	struct weft_addr src;
	int flags, checksum;

	iface = epoch_find_iface(ifindex);
	if (!iface)
		return TC_PASS;
	local = &iface->local;
	/* Segments of open connections are read only where HTTP rules may judge them. */
	if (!(local->peer.flags & WEFT_PEER_HTTP)) {
		flags = packet_peek_tcp(skb, &src);
		if (flags >= 0 && !packet_is_syn(flags))
			return TC_PASS;
	}
	if (!(local->peer.flags & WEFT_PEER_MESHED))
		return to_pod_watch(skb);
	checksum = checksum_place(skb);
	if (local->peer.flags & WEFT_PEER_HTTP && http_bulk_may(skb, iface) &&
	    http_bulk_passed(skb, iface, http_bulk_to_pod(skb, iface, checksum)))
		return TC_PASS;
	return to_pod_decide(skb, local, checksum);
}

SEC("tc")
int weft_from_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	const struct weft_local *local;
	struct weft_iface_copy *iface;
	struct weft_addr src;
	int flags, checksum;

	if (skb->mark == REJECT_MARK) {
		/* An answer made by weft_to_pod. The host's rules shall not see the mark. */
		skb->mark = 0;
		return TC_PASS;
	}
	iface = epoch_find_iface(ifindex);
	if (!iface)
		return TC_PASS;
	local = &iface->local;
	checksum = checksum_place(skb);
	if (!(local->peer.flags & WEFT_PEER_HTTP)) {
		flags = packet_peek_tcp(skb, &src);
		if (flags >= 0 && !(flags & PACKET_TCP_SYN) && addr_is_own(local, &src) &&
		    checksum_is_harmless(checksum, packet_peek_l4(&src), IPPROTO_TCP))
			return TC_PASS;
	} else if (http_bulk_may(skb, iface) &&
		   http_bulk_passed(skb, iface, http_bulk_from_pod(skb, iface, checksum))) {
		return TC_PASS;
	}
	return from_pod_decide(skb, local, checksum);
}
