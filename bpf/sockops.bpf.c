// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Telemetry of TCP connections of local pods: counted per edge when they are
 * established and when they close. Judges only what no SYN was judged for. A pod's connections to
 * itself over loopback are no mesh traffic and are left out.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "events.bpf.h"
#include "maps.bpf.h"
#include "policy.bpf.h"
#include "record.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum sockops_family {
	SOCKOPS_INET = 2, /* AF_INET; AF_INET6 is the other one */
};

/* Both ends of a connection as the local pod's kernel sees them. */
struct sockops_ends {
	struct weft_addr local_addr;
	struct weft_addr remote_addr;
	__u16 local_port; /* host order */
	__u16 remote_port;
};

/* Payload bytes of a connection that ended. */
struct sockops_bytes {
	__u64 sent;	/* acknowledged by the remote end */
	__u64 received; /* in order, whether or not the application read them */
};

static __always_inline void sockops_ends_init(struct sockops_ends *ends, struct bpf_sock_ops *ctx)
{
	ends->remote_port = bpf_ntohl(ctx->remote_port);
	ends->local_port = ctx->local_port;
	if (ctx->family == SOCKOPS_INET) {
		addr_from_v4(&ends->remote_addr, ctx->remote_ip4);
		addr_from_v4(&ends->local_addr, ctx->local_ip4);
		/* Else clang joins the ends of both branches: one load at a computed place of ctx.
		 */
		barrier();
	} else {
		__be32 remote[4] = { ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2],
				     ctx->remote_ip6[3] };
		__be32 local[4] = { ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2],
				    ctx->local_ip6[3] };

		addr_from_v6(&ends->remote_addr, remote);
		addr_from_v6(&ends->local_addr, local);
	}
}

/*
 * Who talks to whom, once: the pod or its peer may be gone from the maps when
 * the connection closes, and the close belongs to the edge of the opening.
 */
static __always_inline void sockops_identify(struct weft_conn *conn, const struct weft_peer *local,
					     const struct weft_peer *remote,
					     enum weft_direction direction)
{
	bool outbound = direction == WEFT_DIRECTION_OUTBOUND;

	conn->direction = direction;
	conn->src_identity = outbound ? local->identity : remote->identity;
	conn->src_workload = outbound ? local->workload : remote->workload;
	conn->dst_identity = outbound ? remote->identity : local->identity;
	conn->dst_workload = outbound ? remote->workload : local->workload;
}

static __always_inline struct weft_edge *sockops_edge(const struct sockops_ends *ends,
						      const struct weft_conn *conn)
{
	bool outbound = conn->direction == WEFT_DIRECTION_OUTBOUND;
	struct weft_edge_key key = {
		.src_workload = conn->src_workload,
		.dst_workload = conn->dst_workload,
		/* Which service a caller meant is known at its own end only. */
		.service = conn->service,
		.backend = conn->backend,
		.port = outbound ? ends->remote_port : ends->local_port,
		.proto = IPPROTO_TCP,
		.direction = conn->direction,
	};

	return edge_get(&key);
}

/*
 * What was called: as noted by the socket's own record or, for an MPTCP subflow, by that of the
 * socket that the application opened.
 */
static __always_inline void sockops_called(struct bpf_sock *sk, const struct weft_conn *noted,
					   struct weft_conn *conn)
{
	const struct weft_sock *record;
	bool is_mptcp;

	if (!noted || !noted->vip_port) {
		record = record_of_mptcp(sk, 0, &is_mptcp);
		noted = record ? &record->conn : NULL;
	}
	if (!noted || !noted->vip_port)
		return;
	conn->service = noted->service;
	conn->backend = noted->backend;
	conn->endpoint_port = noted->endpoint_port;
	conn->vip_port = noted->vip_port;
	conn->vip = noted->vip;
}

static __noinline int sockops_refuse(const struct sockops_ends *ends, const struct weft_peer *local,
				     const struct weft_peer *remote, enum weft_reason reason)
{
	struct weft_event event = {
		.reason = reason,
		.src = ends->remote_addr,
		.dst = ends->local_addr,
		.src_port = ends->remote_port,
		.dst_port = ends->local_port,
		.proto = IPPROTO_TCP,
		.hook = WEFT_HOOK_ACCEPT,
		.action = WEFT_VERDICT_DENY,
		.direction = WEFT_DIRECTION_INBOUND,
		.src_identity = remote->identity,
		.dst_identity = local->identity,
		.src_workload = remote->workload,
		.dst_workload = local->workload,
	};

	verdict_report(&event);
	return 0;
}

/*
 * With SYN cookies a server keeps nothing between its SYN-ACK and the client's
 * ACK: whoever got a cookie while he was allowed may come back after he was not,
 * and there was nothing to cut meanwhile. Nothing can be refused here any more,
 * but the agent is told, and cuts.
 */
static __always_inline void sockops_judge(const struct sockops_ends *ends,
					  const struct weft_peer *local,
					  const struct weft_peer *remote)
{
	enum weft_reason reason = policy_judge(local, remote, IPPROTO_TCP, ends->local_port);

	if (policy_action(local->flags, reason) == WEFT_VERDICT_DENY)
		sockops_refuse(ends, local, remote, reason);
}

/*
 * Notes a connection until it closes: in the socket's record if it has one. Otherwise in the table,
 * which is far cheaper than to give it one, unless its slot is taken.
 */
static __always_inline bool sockops_note(struct bpf_sock *sk, __u64 cookie,
					 struct weft_sock *record, const struct weft_conn *conn)
{
	if (!record) {
		if (record_note(cookie, conn))
			return true;
		record = bpf_sk_storage_get(&weft_sock, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	}
	if (!record) {
		stat_add(WEFT_STAT_SOCK_STORAGE_FAILED);
		return false;
	}
	record->conn = *conn;
	return true;
}

/*
 * The kernel begins to connect. What connect noted of a call to a service needs to be told of the
 * socket's end from here on, whether or not anybody answers.
 */
static __noinline int sockops_connecting(struct bpf_sock_ops *ctx)
{
	struct weft_conn *conn = record_find(bpf_get_socket_cookie(ctx));

	if (!conn)
		return 0;
	conn->state = WEFT_CONN_CONNECTING;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return 0;
}

/* One body for both ends, which may well run on one CPU: what counts is how much code is cold. */
static __noinline int sockops_opened(struct bpf_sock_ops *ctx, enum weft_direction direction)
{
	struct bpf_sock *sk = ctx->sk;
	const struct weft_local *local;
	struct sockops_ends ends = {};
	struct weft_conn conn = {};
	struct weft_sock *record;
	struct weft_edge *edge;
	struct weft_peer peer;
	__u64 netns, cookie;

	sockops_ends_init(&ends, ctx);
	if (!sk || addr_stays_local(&ends.remote_addr))
		return 0;
	netns = bpf_get_netns_cookie(ctx);
	local = bpf_map_lookup_elem(&weft_netns, &netns);
	if (!local)
		return 0;
	cookie = bpf_get_socket_cookie(ctx);
	record = bpf_sk_storage_get(&weft_sock, sk, NULL, 0);
	if (direction == WEFT_DIRECTION_OUTBOUND)
		sockops_called(sk, record ? &record->conn : record_find(cookie), &conn);
	peer = peer_from_addr(&ends.remote_addr);
	if (direction == WEFT_DIRECTION_INBOUND && !addr_is_own(local, &ends.remote_addr))
		sockops_judge(&ends, &local->peer, &peer);
	sockops_identify(&conn, &local->peer, &peer, direction);
	conn.start_ns = bpf_ktime_get_ns();
	conn.state = WEFT_CONN_ESTABLISHED;
	if (!sockops_note(sk, cookie, record, &conn))
		return 0;
	edge = weft_telemetry ? sockops_edge(&ends, &conn) : NULL;
	if (edge)
		counter_add(&edge->opened, 1);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return 0;
}

/*
 * The kernel's counters contain one for the SYN of the side that opened, one
 * for an own FIN that was acknowledged and one for the remote FIN.
 */
static __always_inline struct sockops_bytes sockops_payload(struct bpf_sock_ops *ctx,
							    struct bpf_sock *sk, __u32 old_state,
							    enum weft_direction direction)
{
	struct sockops_bytes bytes = {
		.sent = ctx->bytes_acked,
		.received = ctx->bytes_received,
	};
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	bool fin_sent = old_state == BPF_TCP_FIN_WAIT1 || old_state == BPF_TCP_FIN_WAIT2 ||
			old_state == BPF_TCP_CLOSING || old_state == BPF_TCP_LAST_ACK;

	if (direction == WEFT_DIRECTION_OUTBOUND && bytes.sent)
		bytes.sent--;
	if (!tcp)
		return bytes;
	if (fin_sent && tcp->snd_una == tcp->write_seq && bytes.sent)
		bytes.sent--;
	/* Set by tcp_fin() only; the state does not tell for FIN_WAIT2, which also times out. */
	if (tcp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1UL << SOCK_DONE) &&
	    bytes.received)
		bytes.received--;
	return bytes;
}

/* Written where it is read, as it is the most frequent event. */
static __always_inline void sockops_tell(struct bpf_sock_ops *ctx, const struct sockops_ends *ends,
					 const struct weft_conn *conn,
					 const struct sockops_bytes *bytes, __u64 now)
{
	bool outbound = conn->direction == WEFT_DIRECTION_OUTBOUND;
	struct weft_event *event;

	if (!event_is_in_pace(now)) {
		stat_add(WEFT_STAT_CLOSES_UNTOLD);
		return;
	}
	event = bpf_ringbuf_reserve(&weft_events, sizeof(*event), 0);
	if (!event) {
		stat_add(WEFT_STAT_EVENTS_LOST);
		return;
	}
	*event = (struct weft_event){
		.time_ns = now,
		.type = WEFT_EVENT_TCP_CLOSE,
		.proto = IPPROTO_TCP,
		.direction = conn->direction,
		.service = conn->service,
		.backend = conn->backend,
		.src = outbound ? ends->local_addr : ends->remote_addr,
		.dst = outbound ? ends->remote_addr : ends->local_addr,
		.src_port = outbound ? ends->local_port : ends->remote_port,
		.dst_port = outbound ? ends->remote_port : ends->local_port,
		.src_identity = conn->src_identity,
		.dst_identity = conn->dst_identity,
		.src_workload = conn->src_workload,
		.dst_workload = conn->dst_workload,
		.bytes_to_dst = outbound ? bytes->sent : bytes->received,
		.bytes_to_src = outbound ? bytes->received : bytes->sent,
		.duration_us = (now - conn->start_ns) / 1000,
		.srtt_us = ctx->srtt_us >> 3,
		.retransmits = ctx->total_retrans,
	};
	bpf_ringbuf_submit(event, event_wakeup());
}

static __always_inline void sockops_count(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					  const struct weft_conn *conn, __u32 old_state)
{
	bool outbound = conn->direction == WEFT_DIRECTION_OUTBOUND;
	__u64 now = bpf_ktime_get_ns();
	struct sockops_ends ends = {};
	struct sockops_bytes bytes;
	struct weft_edge *edge;

	sockops_ends_init(&ends, ctx);
	bytes = sockops_payload(ctx, sk, old_state, conn->direction);
	edge = sockops_edge(&ends, conn);
	if (edge) {
		counter_add(&edge->closed, 1);
		counter_add(&edge->bytes_to_dst, outbound ? bytes.sent : bytes.received);
		counter_add(&edge->bytes_to_src, outbound ? bytes.received : bytes.sent);
		counter_add(&edge->retransmits, ctx->total_retrans);
		counter_add(&edge->duration_us, (now - conn->start_ns) / 1000);
		counter_add(&edge->srtt_us, ctx->srtt_us >> 3);
	}
	sockops_tell(ctx, &ends, conn, &bytes, now);
}

static __noinline int sockops_closed(struct bpf_sock_ops *ctx, __u32 old_state)
{
	struct bpf_sock *sk = ctx->sk;
	struct weft_conn *conn;
	struct weft_sock *record;
	__u64 cookie;

	if (!sk)
		return 0;
	record = bpf_sk_storage_get(&weft_sock, sk, NULL, 0);
	cookie = bpf_get_socket_cookie(ctx);
	conn = record ? &record->conn : record_find(cookie);
	if (!conn)
		return 0;
	if (weft_telemetry && conn->state == WEFT_CONN_ESTABLISHED)
		sockops_count(ctx, sk, conn, old_state);
	/* The socket may be connected again; that is another connection. */
	if (record)
		conn->state = WEFT_CONN_CHOSEN;
	else
		record_drop(cookie);
	return 0;
}

SEC("sockops")
int weft_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		sockops_connecting(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		sockops_opened(ctx, WEFT_DIRECTION_OUTBOUND);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		sockops_opened(ctx, WEFT_DIRECTION_INBOUND);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			sockops_closed(ctx, ctx->args[0]);
		break;
	}
	return 1;
}
