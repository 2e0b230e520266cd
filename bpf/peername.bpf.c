// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the application sees of a call that went to an endpoint: getpeername and
 * the source of a datagram show the cluster IP that it asked for.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "maps.bpf.h"
#include "record.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum peername_answer {
	PEERNAME_ALLOW = 1, /* the only answer that the kernel takes at these hooks */
};

/*
 * What is known of the socket's connection by way of `addr`, or NULL. A UDP socket that was
 * disconnected again keeps the record but has no peer; a slot of the table is given back.
 */
static __always_inline const struct weft_conn *
peername_connected(struct bpf_sock_addr *ctx, const struct weft_addr *addr, __u16 port)
{
	struct weft_sock *sock = bpf_sk_storage_get(&weft_sock, ctx->sk, NULL, 0);
	const struct weft_conn *conn;

	if (sock && !addr_equal(&sock->endpoint, addr))
		return NULL;
	conn = sock ? &sock->conn : record_find(bpf_get_socket_cookie(ctx));
	if (!conn || !conn->vip_port || conn->endpoint_port != port ||
	    bpf_ntohs(ctx->sk->dst_port) != port)
		return NULL;
	return conn;
}

/* Replaces the peer's address and port by the cluster IP's. False: nothing to replace. */
static __always_inline bool peername_connection(struct bpf_sock_addr *ctx, struct weft_addr *addr,
						__u16 *port)
{
	const struct weft_conn *conn = peername_connected(ctx, addr, *port);

	if (!conn)
		return false;
	*addr = conn->vip;
	*port = conn->vip_port;
	return true;
}

/* The same for the sender of a datagram; what was sent to it without connect came last. */
static __always_inline bool peername_datagram(struct bpf_sock_addr *ctx, struct weft_addr *addr,
					      __u16 *port)
{
	struct weft_udp_peer_key key = { .addr = *addr, .port = *port };
	struct weft_udp_peer *peer;

	key.cookie = bpf_get_socket_cookie(ctx);
	peer = bpf_map_lookup_elem(&weft_udp_peer, &key);
	if (!peer)
		return peername_connection(ctx, addr, port);
	*addr = peer->addr;
	*port = peer->port;
	return true;
}

static __always_inline void peername_from_v4(struct bpf_sock_addr *ctx, struct weft_addr *addr,
					     __u16 *port)
{
	addr_from_v4(addr, ctx->user_ip4);
	*port = bpf_ntohs(ctx->user_port);
}

static __always_inline void peername_from_v6(struct bpf_sock_addr *ctx, struct weft_addr *addr,
					     __u16 *port)
{
	__be32 v6[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	addr_from_v6(addr, v6);
	*port = bpf_ntohs(ctx->user_port);
}

static __always_inline void peername_to_v4(struct bpf_sock_addr *ctx, const struct weft_addr *addr,
					   __u16 port)
{
	ctx->user_ip4 = ((const __u32 *)addr->b)[3];
	ctx->user_port = bpf_htons(port);
}

static __always_inline void peername_to_v6(struct bpf_sock_addr *ctx, const struct weft_addr *addr,
					   __u16 port)
{
	const __u32 *w = (const __u32 *)addr->b;

	ctx->user_ip6[0] = w[0];
	ctx->user_ip6[1] = w[1];
	ctx->user_ip6[2] = w[2];
	ctx->user_ip6[3] = w[3];
	ctx->user_port = bpf_htons(port);
}

SEC("cgroup/recvmsg4")
int weft_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct weft_addr addr;
	__u16 port;

	peername_from_v4(ctx, &addr, &port);
	if (peername_datagram(ctx, &addr, &port))
		peername_to_v4(ctx, &addr, port);
	return PEERNAME_ALLOW;
}

SEC("cgroup/recvmsg6")
int weft_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct weft_addr addr;
	__u16 port;

	peername_from_v6(ctx, &addr, &port);
	if (peername_datagram(ctx, &addr, &port))
		peername_to_v6(ctx, &addr, port);
	return PEERNAME_ALLOW;
}

SEC("cgroup/getpeername4")
int weft_peername4(struct bpf_sock_addr *ctx)
{
	struct weft_addr addr;
	__u16 port;

	peername_from_v4(ctx, &addr, &port);
	if (peername_connection(ctx, &addr, &port))
		peername_to_v4(ctx, &addr, port);
	return PEERNAME_ALLOW;
}

SEC("cgroup/getpeername6")
int weft_peername6(struct bpf_sock_addr *ctx)
{
	struct weft_addr addr;
	__u16 port;

	peername_from_v6(ctx, &addr, &port);
	if (peername_connection(ctx, &addr, &port))
		peername_to_v6(ctx, &addr, port);
	return PEERNAME_ALLOW;
}
