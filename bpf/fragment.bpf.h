/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments of UDP datagrams have ports only in the first one: its verdict is
 * kept for those that follow. A later fragment that overtakes the first is
 * dropped; the receiver then never completes the datagram.
 */
#ifndef WEFT_FRAGMENT_BPF_H
#define WEFT_FRAGMENT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "events.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* As long as the kernel waits for missing fragments (ipfrag_time). */
#define FRAGMENT_LIFETIME_NS (30 * 1000000000ULL)

static __always_inline void fragment_key(struct weft_frag_key *key, const struct packet *pkt,
					 __u32 ifindex)
{
	key->src = pkt->src;
	key->dst = pkt->dst;
	key->id = pkt->frag_id;
	key->ifindex = ifindex;
}

/* A denial is kept too: it takes the place of what an earlier first fragment was granted. */
static __noinline int fragment_remember(const struct packet *pkt, __u32 ifindex,
					enum weft_verdict_action action, __u64 now)
{
	struct weft_frag value = { .last_ns = now, .action = action };
	struct weft_frag_key key;

	fragment_key(&key, pkt, ifindex);
	if (bpf_map_update_elem(&weft_frag, &key, &value, BPF_ANY))
		stat_add(WEFT_STAT_FRAG_FAILED);
	return 0;
}

/* May this later fragment pass because the first did? */
static __noinline bool fragment_follows(const struct packet *pkt, __u32 ifindex)
{
	__u64 now = bpf_ktime_get_ns();
	struct weft_frag_key key;
	struct weft_frag *frag;

	fragment_key(&key, pkt, ifindex);
	frag = bpf_map_lookup_elem(&weft_frag, &key);
	return frag && frag->action != WEFT_VERDICT_DENY &&
	       (__s64)(now - frag->last_ns) < (__s64)FRAGMENT_LIFETIME_NS;
}

#endif /* WEFT_FRAGMENT_BPF_H */
