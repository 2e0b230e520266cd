/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept of a socket, in weft_conn or weft_sock: what the application asked for and got, who
 * opened it. */
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

static __always_inline struct weft_conn_slot *record_slot(__u64 cookie)
{
	__u32 index = cookie % WEFT_CONN_SLOTS;

	return bpf_map_lookup_elem(&weft_conn, &index);
}

/* What is noted of a connection by its socket's cookie, or NULL. */
static __always_inline struct weft_conn *record_find(__u64 cookie)
{
	struct weft_conn_slot *slot = record_slot(cookie);

	return slot && slot->cookie == cookie ? &slot->conn : NULL;
}

/* The socket never came to connect: no route, no port left. Nothing tells of that. */
static __always_inline bool record_is_abandoned(const struct weft_conn *conn)
{
	return conn->state == WEFT_CONN_CHOSEN &&
	       bpf_ktime_get_ns() - conn->start_ns > WEFT_CONN_ABANDONED_NS;
}

/* Notes a connection by its socket's cookie. False: the slot is another's. */
static __always_inline bool record_note(__u64 cookie, const struct weft_conn *conn)
{
	struct weft_conn_slot *slot = record_slot(cookie);
	__u64 holder;

	if (!slot)
		return false;
	holder = slot->cookie;
	if (holder && holder != cookie &&
	    (holder == WEFT_CONN_BUSY || !record_is_abandoned(&slot->conn)))
		return false;
	if (__sync_val_compare_and_swap(&slot->cookie, holder, WEFT_CONN_BUSY) != holder)
		return false;
	slot->conn = *conn;
	/* After what it vouches for. */
	__sync_lock_test_and_set(&slot->cookie, cookie);
	return true;
}

/* Frees the slot of a connection that record_find() found. */
static __always_inline void record_drop(__u64 cookie)
{
	struct weft_conn_slot *slot = record_slot(cookie);

	if (slot && slot->cookie == cookie)
		__sync_lock_test_and_set(&slot->cookie, 0);
}

/* Who opened the connection of a full socket; for programs that are not given its cookie. */
static __always_inline enum weft_direction record_direction(struct bpf_sock *sk)
{
	struct weft_sock *record = bpf_sk_storage_get(&weft_sock, sk, NULL, 0);
	struct weft_conn *conn;
	struct tcp_sock *tcp;
	__u64 cookie;

	if (record && record->conn.state == WEFT_CONN_ESTABLISHED)
		return record->conn.direction;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return WEFT_DIRECTION_UNKNOWN;
	/* It has one since its connection was noted. */
	cookie = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter;
	conn = cookie ? record_find(cookie) : NULL;
	return conn ? conn->direction : WEFT_DIRECTION_UNKNOWN;
}

#endif /* WEFT_RECORD_BPF_H */
