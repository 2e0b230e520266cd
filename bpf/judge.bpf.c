// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Asks the maps a question without a packet: the same identity lookup and the
 * same verdict as the hooks, for `weft explain` and for tests. Pinned, run by
 * BPF_PROG_TEST_RUN; attached to nothing, changes nothing.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "maps.bpf.h"
#include "policy.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("syscall")
int weft_judge(struct weft_question *question)
{
	struct weft_addr src = question->src, dst = question->dst;
	struct weft_peer src_peer = peer_from_addr(&src), dst_peer = peer_from_addr(&dst);
	enum weft_reason reason;

	if (addr_equal(&src, &dst))
		reason = WEFT_REASON_OWN_POD;
	else
		reason = policy_judge(&dst_peer, &src_peer, question->proto, question->port);
	question->src_peer = src_peer;
	question->dst_peer = dst_peer;
	question->reason = reason;
	question->action = policy_action(dst_peer.flags, reason);
	return 0;
}
