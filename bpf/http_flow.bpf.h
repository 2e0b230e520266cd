/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that HTTP rules judge (weft_http_flow): opened by a SYN that the policy passes with
 * reason `http`, begun by the pod's SYN-ACK. Stream offsets, and who may read a direction.
 */
#ifndef WEFT_HTTP_FLOW_BPF_H
#define WEFT_HTTP_FLOW_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "events.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "policy.bpf.h"

/* The other direction's program may be at work on another CPU. */
#define READ_ONCE(x)	     (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

enum http_flow_number {
	/* looks at a flow that another CPU has: some 150 us, should it be interrupted */
	HTTP_FLOW_PATIENCE = 1 << 14,
	HTTP_FLOW_WINDOW = 1 << 30, /* no receive window is larger (RFC 7323, 2.3) */
	HTTP_FLOW_TO_POD = 0,	    /* element of weft_scratch */
	HTTP_FLOW_FROM_POD = 1,
};

static __always_inline struct weft_http_key http_flow_key(const struct packet *pkt, bool to_pod)
{
	struct weft_http_key key = {
		.pod = to_pod ? pkt->dst : pkt->src,
		.peer = to_pod ? pkt->src : pkt->dst,
		.pod_port = to_pod ? pkt->dport : pkt->sport,
		.peer_port = to_pod ? pkt->sport : pkt->dport,
	};

	return key;
}

static __always_inline struct weft_http_flow *http_flow_find(const struct packet *pkt, bool to_pod)
{
	struct weft_http_key key = http_flow_key(pkt, to_pod);

	return bpf_map_lookup_elem(&weft_http_flow, &key);
}

/* Of a connection, by the client's port. */
static __always_inline __u32 *http_flow_epoch(__u16 port)
{
	__u32 index = port % WEFT_HTTP_EPOCHS;

	return bpf_map_lookup_elem(&weft_http_epoch, &index);
}

/* What was kept of it is void: whatever stands before this is seen by who looks again. */
static __always_inline void http_flow_turn(__u16 port)
{
	__u32 *epoch = http_flow_epoch(port), order;

	if (!epoch)
		return;
	order = __sync_fetch_and_add(epoch, 1);
	barrier_var(order); /* without a result it would have none */
}

/* A SYN that may go on to the pod. 0 or negative. */
static __noinline int http_flow_open(const struct packet *pkt, const struct weft_local *local,
				     const struct weft_peer *src)
{
	static const struct weft_http_flow fresh;
	struct weft_http_key key = http_flow_key(pkt, true);
	struct weft_http_flow *flow;

	flow = bpf_map_lookup_elem(&weft_http_flow, &key);
	if (!flow) {
		bpf_map_update_elem(&weft_http_flow, &key, &fresh, BPF_NOEXIST);
		flow = bpf_map_lookup_elem(&weft_http_flow, &key);
	}
	if (!flow) {
		stat_add(WEFT_STAT_HTTP_FLOW_FAILED);
		return -1;
	}
	/*
	 * Whether this is a new connection or a stray SYN in an old one is the
	 * server's to say: by its SYN-ACK.
	 */
	flow->pending_isn = pkt->seq;
	if (flow->phase == WEFT_HTTP_PHASE_SYN) {
		flow->src_identity = src->identity;
		flow->src_workload = src->workload;
		flow->dst_workload = local->peer.workload;
	}
	return 0;
}

/* The pod accepts: the connection begins, whatever was here before. */
static __noinline int http_flow_begin(struct weft_http_flow *flow, const struct packet *pkt,
				      const struct weft_local *local)
{
	struct weft_peer peer = peer_from_addr(&pkt->dst);

	if (flow->phase != WEFT_HTTP_PHASE_SYN && flow->client_isn == pkt->ack_seq - 1 &&
	    flow->server_isn == pkt->seq)
		return 0;		   /* sent again */
	flow->phase = WEFT_HTTP_PHASE_SYN; /* nothing passes meanwhile */
	flow->client_isn = pkt->ack_seq - 1;
	flow->server_isn = pkt->seq;
	flow->src_identity = peer.identity;
	flow->src_workload = peer.workload;
	flow->dst_workload = local->peer.workload;
	flow->denied_reason = 0;
	flow->forbidden = 0;
	flow->forbidden_head = 0;
	flow->busy = 0;
	flow->epoch = 0;
	flow->next = 0;
	flow->denied_ns = 0;
	flow->body_start = 0;
	flow->acked_seen = 0;
	flow->pieces_start = 0;
	flow->piece_count = 0;
	flow->requests = 0;
	flow->unverified = 0;
	flow->path_len = 0;
	__builtin_memset(&flow->run, 0, sizeof(flow->run));
	flow->acked = 0;
	flow->server_next = 0;
	flow->answer_next = 0;
	flow->answer_busy = 0;
	flow->answers = 0;
	flow->answers_begun = 0;
	flow->answer_flags = 0;
	flow->early_start = 0;
	flow->early_end = 0;
	flow->misses = 0;
	__builtin_memset(&flow->answer, 0, sizeof(flow->answer));
	http_flow_turn(pkt->dport); /* before anything is read */
	flow->phase = WEFT_HTTP_PHASE_READ;
	return 0;
}

/* The pod accepts a connection that need not be judged; one with these ends was, long ago. */
static __noinline int http_flow_forget(const struct packet *pkt)
{
	struct weft_http_key key = http_flow_key(pkt, false);

	http_flow_turn(pkt->dport);
	return bpf_map_delete_elem(&weft_http_flow, &key);
}

/*
 * Where the client's byte with this sequence number stands. What the server acknowledged is the
 * anchor: numbers within a window of it are told apart as the server does it.
 */
static __always_inline __s64 http_flow_client_offset(const struct weft_http_flow *flow, __u32 seq)
{
	__u64 acked = READ_ONCE(flow->acked);

	return (__s64)acked + (__s32)(seq - (flow->client_isn + 1 + (__u32)acked));
}

static __always_inline __s64 http_flow_server_offset(const struct weft_http_flow *flow, __u32 seq)
{
	__u64 next = READ_ONCE(flow->server_next);

	return (__s64)next + (__s32)(seq - (flow->server_isn + 1 + (__u32)next));
}

static __always_inline __u32 http_flow_server_seq(const struct weft_http_flow *flow, __u64 offset)
{
	return flow->server_isn + 1 + (__u32)offset;
}

struct http_flow_wait {
	__u32 *busy;
	bool taken;
};

static long http_flow_try(__u32 index __attribute__((unused)), void *context)
{
	struct http_flow_wait *wait = context;

	wait->taken = !__sync_val_compare_and_swap(wait->busy, 0, 1);
	return wait->taken;
}

/* One program at a time reads a direction. False: another CPU has it and does not let go. */
static __always_inline bool http_flow_take(__u32 *busy)
{
	struct http_flow_wait wait = { .busy = busy };

	if (!__sync_val_compare_and_swap(busy, 0, 1))
		return true;
	bpf_loop(HTTP_FLOW_PATIENCE, http_flow_try, &wait, 0);
	return wait.taken;
}

static __always_inline void http_flow_release(__u32 *busy)
{
	__sync_lock_test_and_set(busy, 0);
}

/* Answers that the client waits for. */
static __always_inline __u32 http_flow_waiting(const struct weft_http_flow *flow)
{
	return flow->requests - READ_ONCE(flow->answers);
}

#endif /* WEFT_HTTP_FLOW_BPF_H */
