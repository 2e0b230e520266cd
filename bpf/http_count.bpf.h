/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests as numbers: counters, latencies, events (weft_request, weft_latency, weft_events). */
#ifndef WEFT_HTTP_COUNT_BPF_H
#define WEFT_HTTP_COUNT_BPF_H

#include "events.bpf.h"
#include "http_flow.bpf.h"
#include "http_latency.bpf.h"

/* Is this request among those that become events? */
static __always_inline bool http_count_samples(void)
{
	const struct weft_config *config;
	__u32 zero = 0;

	config = bpf_map_lookup_elem(&weft_config, &zero);
	return config && config->request_sample && bpf_get_prandom_u32() <= config->request_sample;
}

static __always_inline void http_count_latency(const struct weft_request_key *request, __u64 ns)
{
	static const struct weft_latency zero;
	struct weft_latency_key key = {
		.src_workload = request->src_workload,
		.dst_workload = request->dst_workload,
		.rule = request->rule,
		.port = request->port,
		.bucket = latency_bucket(ns),
	};
	struct weft_latency *latency;

	latency = bpf_map_lookup_elem(&weft_latency, &key);
	if (!latency) {
		bpf_map_update_elem(&weft_latency, &key, &zero, BPF_NOEXIST);
		latency = bpf_map_lookup_elem(&weft_latency, &key);
	}
	if (latency)
		latency->count++;
	else
		stat_add(WEFT_STAT_LATENCY_OVERFLOW);
}

/*
 * Requests of one kind have their answers, or (status 0) will never have one. Latency 0: not known;
 * otherwise it is one request's.
 */
static __noinline int http_count_request(const struct weft_request_key *key, __u32 number,
					 __u64 latency_ns)
{
	static const struct weft_request zero;
	struct weft_request_key overflow = {};
	struct weft_request *request;

	request = bpf_map_lookup_elem(&weft_request, key);
	if (!request) {
		bpf_map_update_elem(&weft_request, key, &zero, BPF_NOEXIST);
		request = bpf_map_lookup_elem(&weft_request, key);
	}
	if (!request) {
		stat_add(WEFT_STAT_REQUEST_OVERFLOW);
		request = bpf_map_lookup_elem(&weft_request, &overflow);
	}
	if (request) {
		request->count += number;
		request->latency_ns += latency_ns;
	}
	if (latency_ns)
		http_count_latency(key, latency_ns);
	return 0;
}

/*
 * The request that an answer belongs to: number, rule and method, which are 0 when too many wait
 * to tell them apart.
 */
static __always_inline struct weft_http_pending
http_count_pending(const struct weft_http_flow *flow, __u32 number)
{
	const struct weft_http_pending *found = flow->alone.number == (__u16)number ?
							&flow->alone :
							&flow->pending[number % WEFT_HTTP_PENDING];
	bool known = found->number == (__u16)number;
	struct weft_http_pending pending = {
		.head_ns = known ? found->head_ns : 0,
		.rule = known ? found->rule : 0,
		.method = known ? found->method : 0,
		.upgrade = known ? found->upgrade : 0,
	};

	return pending;
}

static __always_inline void http_count_key(struct weft_request_key *key,
					   const struct weft_http_flow *flow,
					   const struct weft_http_pending *pending, __u16 port)
{
	key->src_workload = flow->src_workload;
	key->dst_workload = flow->dst_workload;
	key->rule = pending->rule;
	key->method = pending->method;
	key->port = port;
	key->status = 0;
}

/*
 * Answers up to `to` are counted, of those from `from` on. Both directions' programs may do that,
 * on two CPUs; false: the other one has.
 */
static __always_inline bool http_count_claim(struct weft_http_flow *flow, __u32 from, __u32 to)
{
	return __sync_val_compare_and_swap(&flow->answers_begun, from, to) == from;
}

/*
 * The connection ends, from whichever side, or nothing of it passes any more: what was not answered
 * will not be. May be told again; requests that came meanwhile are counted then.
 */
__noinline int http_count_unanswered(struct weft_http_flow *flow, __u16 port)
{
	struct weft_http_pending pending = {};
	struct weft_request_key key;
	__u32 from, waiting;

	if (!weft_telemetry || !flow || flow->answer_flags & WEFT_HTTP_ANSWER_UPGRADED)
		return 0;
	from = READ_ONCE(flow->answers_begun);
	waiting = READ_ONCE(flow->requests) - from;
	if (!waiting || !http_count_claim(flow, from, from + waiting))
		return 0;
	for (__u32 i = 0; i < WEFT_HTTP_PENDING && i < waiting; i++) {
		pending = http_count_pending(flow, from + i);
		http_count_key(&key, flow, &pending, port);
		http_count_request(&key, 1, 0);
	}
	if (waiting > WEFT_HTTP_PENDING) {
		pending.rule = 0;
		pending.method = 0;
		http_count_key(&key, flow, &pending, port);
		http_count_request(&key, waiting - WEFT_HTTP_PENDING, 0);
	}
	return 0;
}

/* The event's ends, from a packet towards the pod or back. */
static __always_inline void http_count_fill(struct weft_request_event *event,
					    const struct weft_http_flow *flow,
					    const struct packet *pkt,
					    const struct weft_local *local, bool to_pod)
{
	__builtin_memset(event, 0, offsetof(struct weft_request_event, path));
	event->event.type = WEFT_EVENT_REQUEST;
	event->event.src = to_pod ? pkt->src : pkt->dst;
	event->event.dst = to_pod ? pkt->dst : pkt->src;
	event->event.src_port = to_pod ? pkt->sport : pkt->dport;
	event->event.dst_port = to_pod ? pkt->dport : pkt->sport;
	event->event.proto = IPPROTO_TCP;
	event->event.hook = to_pod ? WEFT_HOOK_TO_POD : WEFT_HOOK_FROM_POD;
	event->event.direction = WEFT_DIRECTION_INBOUND;
	event->event.src_identity = flow->src_identity;
	event->event.dst_identity = local->peer.identity;
	event->event.src_workload = flow->src_workload;
	event->event.dst_workload = flow->dst_workload;
}

static __always_inline void http_count_emit(struct weft_request_event *event)
{
	__u64 pending = bpf_ringbuf_query(&weft_events, BPF_RB_AVAIL_DATA);
	__u64 flags = pending < EVENT_WAKE_BYTES ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;

	event->event.time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&weft_events, event, sizeof(*event), flags))
		stat_add(WEFT_STAT_EVENTS_LOST);
}

#endif /* WEFT_HTTP_COUNT_BPF_H */
