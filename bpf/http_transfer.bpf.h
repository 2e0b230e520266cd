/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The long body that is on its way through an interface (weft_iface_copy.transfer), of a request or
 * of an answer. Its head was judged or read, so its bytes pass whatever they are; to know them and
 * their acknowledgements by the sequence numbers, on this CPU, costs less than to look up their
 * connection.
 *
 * It holds for one tick of the kernel's clock, in which nobody comes round all sequence numbers,
 * and as long as weft_http_epoch stands still, which is counted up when a connection begins, maybe
 * with the ends of another, or is refused. What the policy says of later requests has no bearing on
 * bytes of this one. What would be noted of its segments is noted with the first of each tick, and
 * with those at its end, which is not part of it.
 */
#ifndef WEFT_HTTP_TRANSFER_BPF_H
#define WEFT_HTTP_TRANSFER_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "http_flow.bpf.h"
#include "maps.bpf.h"

enum {
	/* bytes: with fewer to come, it is not worth it; by more, the connection is looked at */
	HTTP_TRANSFER_LEAST = 1 << 16,
	HTTP_TRANSFER_MOST = 1 << 26,
};

/*
 * To be read before what is to be kept: nothing behind this is read before it. That takes an atomic
 * operation, which need not be on a line that all CPUs read. 0: do not keep it.
 */
static __always_inline __u32 http_transfer_epoch(struct weft_http_transfer *transfer,
						 const struct weft_http_key *key)
{
	const volatile __u32 *epoch = http_flow_epoch(key->peer_port);
	__u32 now, order;

	if (!epoch)
		return 0;
	now = *epoch + 1;
	order = __sync_fetch_and_add(&transfer->flags, 0);
	barrier_var(order); /* without a result it would have none */
	return now;
}

/* Was it kept in this tick, and is it of this connection? */
static __always_inline bool http_transfer_is(const struct weft_http_transfer *transfer,
					     const struct weft_http_key *key)
{
	const volatile __u32 *epoch;

	if (transfer->at != bpf_jiffies64() || transfer->key.peer_port != key->peer_port ||
	    transfer->key.pod_port != key->pod_port ||
	    !addr_equal(&transfer->key.peer, &key->peer) ||
	    !addr_equal(&transfer->key.pod, &key->pod))
		return false;
	epoch = http_flow_epoch(key->peer_port);
	return epoch && *epoch + 1 == transfer->epoch;
}

/* The flags that a transfer must have for a segment in this direction to be part of it. */
static __always_inline __u32 http_transfer_flags(const struct packet *pkt, bool to_pod)
{
	if (pkt->payload)
		return WEFT_HTTP_TRANSFER_BODY | (to_pod ? 0 : WEFT_HTTP_TRANSFER_ANSWER);
	return WEFT_HTTP_TRANSFER_ACKED | (to_pod ? WEFT_HTTP_TRANSFER_ANSWER : 0);
}

/*
 * A segment of nothing but the body's bytes, and not its last one, or an acknowledgement of these?
 * `pkt` has no flag but ACK and PSH.
 */
static __always_inline bool http_transfer_has(const struct weft_http_transfer *transfer,
					      const struct weft_http_key *key,
					      const struct packet *pkt, bool to_pod)
{
	__u32 wanted = http_transfer_flags(pkt, to_pod);
	__u32 offset = (pkt->payload ? pkt->seq : pkt->ack_seq) - transfer->seq;

	if ((transfer->flags & (wanted | WEFT_HTTP_TRANSFER_ANSWER)) != wanted ||
	    offset >= transfer->length || pkt->payload > transfer->length - offset ||
	    (pkt->payload && pkt->ack_seq != transfer->ack))
		return false;
	return http_transfer_is(transfer, key);
}

/*
 * A segment has passed and is noted; `left` bytes, from its first one or the first that it does not
 * acknowledge, are known to be of a body, or to be read. `epoch`: http_transfer_epoch(), read
 * before all that this rests on.
 */
static __always_inline void http_transfer_keep(struct weft_http_transfer *transfer,
					       const struct weft_http_key *key, __u32 epoch,
					       const struct packet *pkt, bool to_pod, __s64 left)
{
	__u32 flags = http_transfer_flags(pkt, to_pod);

	if (!epoch || left < HTTP_TRANSFER_LEAST)
		return;
	/* Numbers of a body may be acknowledged, too; acknowledged ones need not be of one body. */
	if (flags & WEFT_HTTP_TRANSFER_ACKED &&
	    !((transfer->flags ^ flags) & WEFT_HTTP_TRANSFER_ANSWER) &&
	    http_transfer_is(transfer, key)) {
		transfer->flags |= flags;
		return;
	}
	transfer->at = bpf_jiffies64();
	transfer->key = *key;
	transfer->epoch = epoch;
	transfer->flags = flags;
	transfer->ack = pkt->ack_seq;
	transfer->seq = pkt->payload ? pkt->seq : pkt->ack_seq;
	transfer->length = left < HTTP_TRANSFER_MOST ? left : HTTP_TRANSFER_MOST;
}

#endif /* WEFT_HTTP_TRANSFER_BPF_H */
