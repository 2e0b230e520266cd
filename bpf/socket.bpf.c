// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls of local pods: connect and sendmsg. A cluster IP becomes an endpoint,
 * then the client's side of the L4 verdict is given as an errno. The server's
 * side is judged again at TC, so nothing here is the only lock: what is left
 * alone here (host processes, namespaces not yet known, raw sockets) is still
 * judged there.
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
#include "service.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum socket_answer {
	SOCKET_DENY = 0,
	SOCKET_ALLOW = 1,
};

/* errno values; no kernel header that BPF can include has them. */
enum socket_errno {
	SOCKET_EACCES = 13,
	SOCKET_ENOBUFS = 105,
	SOCKET_ECONNREFUSED = 111,
};

enum socket_limit {
	SOCKET_ANSWER_SECONDS = 180,  /* life of TC's record of an exchange, see udpflow.bpf.h */
	SOCKET_UDP_IDLE_SECONDS = 60, /* how long an unconnected exchange keeps its endpoint */
};

/* One call: what the application asked for, and what becomes of it. */
struct socket_call {
	const struct weft_local *local; /* the calling pod */
	__u64 netns;			/* its cookie */
	struct weft_addr asked;
	struct weft_addr dst; /* after the rewrite */
	__u16 asked_port;     /* host order */
	__u16 dst_port;
	__u8 proto;
	__u8 hook;    /* enum weft_hook */
	bool service; /* dst is an endpoint of the service `asked` */
	struct weft_event verdict;
};

/*
 * The protocol of the packets that the socket will send. 0: none that weft
 * judges per call. UDP-Lite stays itself: it shares UDP's hooks, not its ports.
 */
static __always_inline __u8 socket_protocol(__u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_MPTCP:
		return IPPROTO_TCP;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return protocol;
	default:
		return 0;
	}
}

static __always_inline int socket_refuse(struct socket_call *call, enum weft_reason reason,
					 enum socket_errno error)
{
	call->verdict.reason = reason;
	call->verdict.action = WEFT_VERDICT_DENY;
	verdict_report(&call->verdict);
	bpf_set_retval(-error);
	return SOCKET_DENY;
}

/*
 * Who is calling whom. False: not ours to judge - no local pod (a host process,
 * or a namespace that the agent does not know), a protocol without a verdict,
 * or a destination that never leaves the network namespace.
 */
static __always_inline bool socket_call_init(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	struct weft_event *verdict = &call->verdict;

	call->proto = socket_protocol(ctx->protocol);
	if (!call->proto || addr_stays_local(&call->asked))
		return false;
	call->netns = bpf_get_netns_cookie(ctx);
	call->local = bpf_map_lookup_elem(&weft_netns, &call->netns);
	if (!call->local)
		return false;
	call->dst = call->asked;
	call->dst_port = call->asked_port;
	verdict->src = call->local->addr[addr_is_v4(&call->asked) ? 0 : 1];
	verdict->dst = call->asked;
	verdict->dst_port = call->asked_port;
	/* Packets of UDP-Lite are neither TCP nor UDP. */
	verdict->proto = call->proto == IPPROTO_UDPLITE ? 0 : call->proto;
	verdict->hook = call->hook;
	verdict->direction = WEFT_DIRECTION_OUTBOUND;
	verdict->src_identity = call->local->peer.identity;
	verdict->src_workload = call->local->peer.workload;
	return true;
}

/* Chooses the endpoint of a service port that has one. */
static __always_inline bool socket_choose(struct socket_call *call, struct bpf_sock_addr *ctx,
					  const struct weft_service *service)
{
	struct weft_endpoint endpoint, *picked;
	struct weft_sticky_key key = {
		.scope = call->netns,
		.addr = call->asked,
		.port = call->asked_port,
		.proto = call->proto,
	};

	if (service->affinity_seconds) {
		if (!service_keep(service, &key, service->affinity_seconds, &endpoint))
			return false;
	} else if (call->hook == WEFT_HOOK_SENDMSG) {
		key.scope = bpf_get_socket_cookie(ctx);
		if (!service_keep(service, &key, SOCKET_UDP_IDLE_SECONDS, &endpoint))
			return false;
	} else {
		picked = service_pick(service);
		if (!picked)
			return false;
		endpoint = *picked;
	}
	/* The call's address family is fixed by now; the agent fills tables by family. */
	if (addr_is_v4(&endpoint.addr) != addr_is_v4(&call->asked))
		return false;
	call->service = true;
	call->dst = endpoint.addr;
	call->dst_port = endpoint.port;
	call->verdict.dst = endpoint.addr;
	call->verdict.dst_port = endpoint.port;
	call->verdict.service = service->service;
	call->verdict.backend = endpoint.backend;
	return true;
}

/*
 * A datagram that answers one which TC saw coming in: the caller opened this
 * exchange, so the rules for the opposite direction do not apply to it.
 */
static __always_inline bool socket_is_answer(const struct socket_call *call,
					     struct bpf_sock_addr *ctx)
{
	struct weft_udp_flow_key key = {
		.pod = call->verdict.src,
		.peer = call->dst,
		.peer_port = call->dst_port,
	};
	struct weft_udp_flow *flow;

	if (call->proto != IPPROTO_UDP)
		return false;
	key.pod_port = ctx->sk->src_port;
	flow = bpf_map_lookup_elem(&weft_udp_flow, &key);
	return flow && flow->direction == WEFT_DIRECTION_INBOUND &&
	       (__s64)(bpf_ktime_get_ns() - flow->last_ns) < SOCKET_ANSWER_SECONDS * 1000000000LL;
}

static __always_inline enum weft_reason socket_reason(const struct socket_call *call,
						      struct bpf_sock_addr *ctx,
						      const struct weft_peer *peer)
{
	enum weft_reason reason;

	if (addr_is_own(call->local, &call->dst))
		return WEFT_REASON_OWN_POD;
	if (call->proto == IPPROTO_UDPLITE && peer->flags & WEFT_PEER_MESHED)
		return WEFT_REASON_IP_PROTOCOL;
	/*
	 * An unmeshed pod's datagrams are the receiver's side's to judge: whether this
	 * is a call or an answer is not always known here.
	 */
	if (call->proto == IPPROTO_UDP && !(call->local->peer.flags & WEFT_PEER_MESHED))
		return WEFT_REASON_NONE;
	reason = policy_judge(peer, &call->local->peer, call->proto, call->dst_port);
	if (reason >= WEFT_REASON_FIRST_DENY && socket_is_answer(call, ctx))
		return WEFT_REASON_UDP_REPLY;
	return reason;
}

/* Service, then policy: the one decision about a call. Changes nothing but `call` and counters. */
static __always_inline int socket_decide(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	bool meshed = call->local->peer.flags & WEFT_PEER_MESHED;
	struct weft_event *verdict = &call->verdict;
	struct weft_service_key key = {
		.addr = call->asked,
		.port = call->asked_port,
		.proto = call->proto,
	};
	struct weft_service *service;
	struct weft_peer peer;

	if (meshed) {
		service = bpf_map_lookup_elem(&weft_service, &key);
		if (service && !service->count) {
			verdict->dst_identity = WEFT_ID_SERVICE;
			verdict->service = service->service;
			return socket_refuse(call, WEFT_REASON_NO_ENDPOINT, SOCKET_ECONNREFUSED);
		}
		if (service && !socket_choose(call, ctx, service))
			return socket_refuse(call, WEFT_REASON_INTERNAL, SOCKET_ECONNREFUSED);
	}
	peer = peer_from_addr(&call->dst);
	verdict->dst_identity = peer.identity;
	verdict->dst_workload = peer.workload;
	/* Unmeshed pods leave cluster IPs to the cluster's own service proxy. */
	if (meshed && peer.identity == WEFT_ID_SERVICE)
		return socket_refuse(call, WEFT_REASON_UNKNOWN_SERVICE_PORT, SOCKET_ECONNREFUSED);

	verdict->reason = socket_reason(call, ctx, &peer);
	verdict->action = policy_action(peer.flags, verdict->reason);
	/*
	 * To connect a datagram socket sends nothing: ping and getaddrinfo() do it to
	 * learn their own address. What is then sent is judged by the receiver's side.
	 */
	if (verdict->reason >= WEFT_REASON_FIRST_DENY && call->proto == IPPROTO_UDP &&
	    call->hook == WEFT_HOOK_CONNECT)
		return SOCKET_ALLOW;
	if (verdict->action == WEFT_VERDICT_DENY)
		return socket_refuse(call, verdict->reason, SOCKET_EACCES);
	/* Datagrams that pass are counted once, at TC. */
	if (verdict->reason &&
	    (call->hook == WEFT_HOOK_CONNECT || verdict->action != WEFT_VERDICT_ALLOW))
		verdict_report(verdict);
	return SOCKET_ALLOW;
}

/* The key under which recvmsg finds what a datagram's sender was addressed as. */
static __always_inline struct weft_udp_peer_key socket_udp_key(const struct socket_call *call,
							       struct bpf_sock_addr *ctx)
{
	struct weft_udp_peer_key key = {
		.cookie = bpf_get_socket_cookie(ctx),
		.addr = call->dst,
		.port = call->dst_port,
	};

	return key;
}

/* A connect that is no call to a service: what the socket was connected to before is history. */
static __always_inline void socket_forget(const struct socket_call *call, struct bpf_sock_addr *ctx)
{
	struct weft_sock *sock = record_get(ctx->sk, call->proto, 0);

	if (sock)
		*sock = (struct weft_sock){};
	if (call->proto == IPPROTO_TCP)
		record_drop(bpf_get_socket_cookie(ctx));
}

/* In the table if the socket has no memory yet and its slot is free, which is far cheaper. */
static __always_inline bool socket_note(const struct socket_call *call, struct bpf_sock_addr *ctx,
					const struct weft_conn *conn)
{
	struct weft_sock *sock;
	bool is_mptcp = false;

	if (call->proto == IPPROTO_TCP) {
		sock = record_of_mptcp(ctx->sk, BPF_SK_STORAGE_GET_F_CREATE, &is_mptcp);
		if (!is_mptcp) {
			sock = bpf_sk_storage_get(&weft_sock, ctx->sk, NULL, 0);
			if (!sock && record_note(bpf_get_socket_cookie(ctx), conn))
				return true;
		}
	}
	if (!is_mptcp)
		sock = bpf_sk_storage_get(&weft_sock, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sock)
		return false;
	sock->conn = *conn;
	sock->endpoint = call->dst;
	return true;
}

/*
 * Remembers what the application asked for, for getpeername, for the source of
 * datagrams and for telemetry. Without memory the connection still works and
 * only shows the endpoint instead of the cluster IP: counted, not refused.
 */
static __always_inline void socket_remember(const struct socket_call *call,
					    struct bpf_sock_addr *ctx)
{
	struct weft_conn conn = {
		.start_ns = bpf_ktime_get_ns(),
		.service = call->verdict.service,
		.backend = call->verdict.backend,
		.direction = WEFT_DIRECTION_OUTBOUND,
		.state = WEFT_CONN_CHOSEN,
		.endpoint_port = call->dst_port,
		.vip_port = call->asked_port,
		.vip = call->asked,
	};

	if (!socket_note(call, ctx, &conn))
		stat_add(WEFT_STAT_SOCK_STORAGE_FAILED);
}

static __always_inline int socket_connect(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	struct weft_udp_peer_key key;

	call->hook = WEFT_HOOK_CONNECT;
	if (socket_call_init(call, ctx)) {
		/* A refused connect leaves an earlier one of the socket in force. */
		if (!socket_decide(call, ctx))
			return SOCKET_DENY;
		if (call->proto == IPPROTO_UDP) {
			key = socket_udp_key(call, ctx);
			bpf_map_delete_elem(&weft_udp_peer, &key);
		}
	}
	if (call->service)
		socket_remember(call, ctx);
	else
		socket_forget(call, ctx);
	return SOCKET_ALLOW;
}

/*
 * Idempotent: a connected v4-mapped socket comes here with every datagram and
 * the address that connect4/6 has already rewritten.
 */
static __always_inline int socket_sendmsg(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	struct weft_udp_peer_key key;
	struct weft_udp_peer *known, vip = {};

	call->hook = WEFT_HOOK_SENDMSG;
	if (!socket_call_init(call, ctx))
		return SOCKET_ALLOW;
	if (!socket_decide(call, ctx))
		return SOCKET_DENY;
	key = socket_udp_key(call, ctx);
	known = bpf_map_lookup_elem(&weft_udp_peer, &key);
	if (!call->service) {
		/* The last use of an address says how its answers are shown. */
		if (known)
			bpf_map_delete_elem(&weft_udp_peer, &key);
		return SOCKET_ALLOW;
	}
	if (known && known->port == call->asked_port && addr_equal(&known->addr, &call->asked))
		return SOCKET_ALLOW;
	vip.addr = call->asked;
	vip.port = call->asked_port;
	if (!bpf_map_update_elem(&weft_udp_peer, &key, &vip, BPF_ANY))
		return SOCKET_ALLOW;
	/* The answer would come from a stranger, which resolvers discard: say so now. */
	stat_add(WEFT_STAT_UDP_PEER_FAILED);
	return socket_refuse(call, WEFT_REASON_INTERNAL, SOCKET_ENOBUFS);
}

static __always_inline void socket_from_v4(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	addr_from_v4(&call->asked, ctx->user_ip4);
	call->asked_port = bpf_ntohs(ctx->user_port);
}

static __always_inline void socket_from_v6(struct socket_call *call, struct bpf_sock_addr *ctx)
{
	__be32 v6[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	addr_from_v6(&call->asked, v6);
	call->asked_port = bpf_ntohs(ctx->user_port);
}

static __always_inline void socket_to_v4(const struct socket_call *call, struct bpf_sock_addr *ctx)
{
	if (!call->service)
		return;
	ctx->user_ip4 = ((const __u32 *)call->dst.b)[3];
	ctx->user_port = bpf_htons(call->dst_port);
}

static __always_inline void socket_to_v6(const struct socket_call *call, struct bpf_sock_addr *ctx)
{
	const __u32 *w = (const __u32 *)call->dst.b;

	if (!call->service)
		return;
	ctx->user_ip6[0] = w[0];
	ctx->user_ip6[1] = w[1];
	ctx->user_ip6[2] = w[2];
	ctx->user_ip6[3] = w[3];
	ctx->user_port = bpf_htons(call->dst_port);
}

SEC("cgroup/connect4")
int weft_connect4(struct bpf_sock_addr *ctx)
{
	struct socket_call call = {};
	int answer;

	socket_from_v4(&call, ctx);
	answer = socket_connect(&call, ctx);
	socket_to_v4(&call, ctx);
	return answer;
}

SEC("cgroup/connect6")
int weft_connect6(struct bpf_sock_addr *ctx)
{
	struct socket_call call = {};
	int answer;

	socket_from_v6(&call, ctx);
	answer = socket_connect(&call, ctx);
	socket_to_v6(&call, ctx);
	return answer;
}

SEC("cgroup/sendmsg4")
int weft_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct socket_call call = {};
	int answer;

	socket_from_v4(&call, ctx);
	answer = socket_sendmsg(&call, ctx);
	socket_to_v4(&call, ctx);
	return answer;
}

SEC("cgroup/sendmsg6")
int weft_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct socket_call call = {};
	int answer;

	socket_from_v6(&call, ctx);
	answer = socket_sendmsg(&call, ctx);
	socket_to_v6(&call, ctx);
	return answer;
}
