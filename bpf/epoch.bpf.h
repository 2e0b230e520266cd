/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What programs keep of maps that seldom change, as long as weft_epoch stands still: where a packet
 * comes from or goes to (weft_iface_copy); by which rules a connection is judged (weft_http_flow).
 */
#ifndef WEFT_EPOCH_BPF_H
#define WEFT_EPOCH_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"

/* Does what was found at `then` still hold? */
static __always_inline bool epoch_stands(__u64 then)
{
	const volatile __u64 *epoch;
	__u32 zero = 0;

	epoch = bpf_map_lookup_elem(&weft_epoch, &zero);
	return epoch && then && *epoch == then;
}

/* The epoch, to be read before what is to be kept: nothing behind this is read before it. */
static __always_inline __u64 epoch_begin(void)
{
	__u32 zero = 0;
	__u64 *epoch;

	epoch = bpf_map_lookup_elem(&weft_epoch, &zero);
	return epoch ? __sync_fetch_and_add(epoch, 0) : 0;
}

static __noinline int epoch_copy_iface(struct weft_iface_copy *copy, __u32 ifindex)
{
	__u64 epoch = epoch_begin();
	struct weft_local *local;

	local = bpf_map_lookup_elem(&weft_iface, &ifindex);
	if (!local)
		return -1;
	copy->ifindex = ifindex;
	copy->local = *local;
	copy->transfer.at = 0;
	copy->epoch = epoch;
	return 0;
}

/* The interface of a pod. NULL: none. */
static __always_inline struct weft_iface_copy *epoch_find_iface(__u32 ifindex)
{
	__u32 index = ifindex & (WEFT_IFACE_COPIES - 1);
	struct weft_iface_copy *copy;

	copy = bpf_map_lookup_elem(&weft_iface_copy, &index);
	if (!copy)
		return NULL;
	if (copy->ifindex == ifindex && epoch_stands(copy->epoch))
		return copy;
	return epoch_copy_iface(copy, ifindex) ? NULL : copy;
}

#endif /* WEFT_EPOCH_BPF_H */
