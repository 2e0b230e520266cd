/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters and events. Counters are the truth: an entry that cannot be created
 * is counted under the all-zero key instead. Events may be lost; losses are counted.
 */
#ifndef WEFT_EVENTS_BPF_H
#define WEFT_EVENTS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "maps.bpf.h"

/*
 * Set before the programs are loaded, so that the kernel leaves out what hangs on it: false =
 * edges, requests and latencies are not counted, and no event is sent but those that the agent acts
 * on. Verdicts by reason are counted in any case.
 */
const volatile bool weft_telemetry __weak = true;

enum event_limit {
	EVENT_WAKE_BYTES = 128 * 1024, /* an eighth of the ring */
	EVENT_PACE_NS = 2000000,       /* five hundred frequent events a second and CPU... */
	EVENT_BURST = 2000,	       /* ...and as many more at once */
};

/*
 * Counters of programs that do not run in softirq only: sockops and the cgroup hooks run in a
 * process, too, and a softirq may come between reading a per-CPU counter and writing it, and count
 * there as well.
 */
static __always_inline void counter_add(__u64 *counter, __u64 number)
{
	__sync_fetch_and_add(counter, number);
}

static __always_inline void stat_add(enum weft_stat stat)
{
	__u32 index = stat;
	__u64 *value = bpf_map_lookup_elem(&weft_stat, &index);

	if (value)
		counter_add(value, 1);
}

/* The edge's counters on this CPU, created at need; NULL only if even the overflow entry is
 * missing. */
static __always_inline struct weft_edge *edge_get(const struct weft_edge_key *key)
{
	static const struct weft_edge zero;
	struct weft_edge_key overflow = {};
	struct weft_edge *edge;

	edge = bpf_map_lookup_elem(&weft_edge, key);
	if (edge)
		return edge;
	bpf_map_update_elem(&weft_edge, key, &zero, BPF_NOEXIST);
	edge = bpf_map_lookup_elem(&weft_edge, key);
	if (edge)
		return edge;
	stat_add(WEFT_STAT_EDGE_OVERFLOW);
	return bpf_map_lookup_elem(&weft_edge, &overflow);
}

static __always_inline void verdict_count(const struct weft_verdict_key *key)
{
	static const struct weft_verdict zero;
	struct weft_verdict_key overflow = {};
	struct weft_verdict *verdict;

	verdict = bpf_map_lookup_elem(&weft_verdict, key);
	if (!verdict) {
		bpf_map_update_elem(&weft_verdict, key, &zero, BPF_NOEXIST);
		verdict = bpf_map_lookup_elem(&weft_verdict, key);
	}
	if (!verdict) {
		stat_add(WEFT_STAT_VERDICT_OVERFLOW);
		verdict = bpf_map_lookup_elem(&weft_verdict, &overflow);
	}
	if (verdict)
		counter_add(&verdict->count, 1);
}

/*
 * Waking the agent for every event would cost more than the connection that it
 * tells of: the agent looks by itself, and is woken when the ring fills.
 */
static __always_inline __u64 event_wakeup(void)
{
	__u64 pending = bpf_ringbuf_query(&weft_events, BPF_RB_AVAIL_DATA);

	return pending < EVENT_WAKE_BYTES ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
}

/*
 * Is there time for one more of the events that ordinary traffic makes? Beyond some thousands a
 * second nobody reads them, and to write one costs as much as all the counting. The events told
 * so far are paid for by `paid_ns`, which is never further ahead than a burst.
 */
static __always_inline bool event_is_in_pace(__u64 now_ns)
{
	__u32 index = 0;
	__u64 *paid_ns = bpf_map_lookup_elem(&weft_pace, &index);

	if (!paid_ns)
		return true;
	if (*paid_ns > now_ns + (__u64)EVENT_PACE_NS * EVENT_BURST)
		return false;
	*paid_ns = (*paid_ns > now_ns ? *paid_ns : now_ns) + EVENT_PACE_NS;
	return true;
}

/* Takes a complete record; copies it into the ring buffer or counts the loss. */
static __always_inline void event_emit(struct weft_event *event)
{
	event->time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&weft_events, event, sizeof(*event), event_wakeup()))
		stat_add(WEFT_STAT_EVENTS_LOST);
}

/* Counts a verdict; denials (real and would-be) are also told as an event. */
static __always_inline void verdict_report(struct weft_event *event)
{
	struct weft_verdict_key key = {
		.src_workload = event->src_workload,
		.dst_workload = event->dst_workload,
		.reason = event->reason,
		.proto = event->proto,
		.hook = event->hook,
		.action = event->action,
	};

	verdict_count(&key);
	/* At WEFT_HOOK_ACCEPT the agent cuts what it is told of. */
	if (event->action != WEFT_VERDICT_ALLOW &&
	    (weft_telemetry || event->hook == WEFT_HOOK_ACCEPT)) {
		event->type = WEFT_EVENT_VERDICT;
		event_emit(event);
	}
}

#endif /* WEFT_EVENTS_BPF_H */
