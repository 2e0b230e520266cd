/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the record (weft_sock) of what an application asked for is kept. */
#ifndef WEFT_RECORD_BPF_H
#define WEFT_RECORD_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"

/*
 * The record of the MPTCP socket behind a subflow: connect hooks and sockops
 * see the subflow, getpeername the socket that the application holds. NULL:
 * not MPTCP, or no record.
 */
static __always_inline struct weft_sock *record_of_mptcp(struct bpf_sock *sk, __u64 flags,
							 bool *is_mptcp)
{
	struct mptcp_sock *mptcp;

	*is_mptcp = false;
	/* A kernel without MPTCP does not have the helper either. */
	if (!bpf_core_type_exists(struct mptcp_sock))
		return NULL;
	mptcp = bpf_skc_to_mptcp_sock(sk);
	if (!mptcp)
		return NULL;
	*is_mptcp = true;
	return bpf_sk_storage_get(&weft_sock, mptcp, NULL, flags);
}

/* The record of the socket that the application holds; flags as for bpf_sk_storage_get(). */
static __always_inline struct weft_sock *record_get(struct bpf_sock *sk, __u8 proto, __u64 flags)
{
	struct weft_sock *record;
	bool is_mptcp;

	if (proto == IPPROTO_TCP) {
		record = record_of_mptcp(sk, flags, &is_mptcp);
		if (is_mptcp)
			return record;
	}
	return bpf_sk_storage_get(&weft_sock, sk, NULL, flags);
}

#endif /* WEFT_RECORD_BPF_H */
