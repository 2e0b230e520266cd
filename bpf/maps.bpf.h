/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map of weft, once. The objects that include this are linked into one
 * (bpftool gen object), hence __weak. Sizes are defaults; the loader may set
 * max_entries before loading. "Agent" is weftd through loader/maps.
 */
#ifndef WEFT_MAPS_BPF_H
#define WEFT_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"

/* Writer: agent, at start. Reader: weft. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_config);
} weft_config SEC(".maps") __weak;

/*
 * Who an address is. Writer: agent. Readers: all programs.
 * Full: the agent keeps the last good state; a new pod's address stays unknown,
 * which enforced pods deny.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_addr);
	__type(value, struct weft_peer);
} weft_ident SEC(".maps") __weak;

/* Local pods by host-side interface. Writer: agent. Reader: TC. Full: the pod is not plumbed in. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct weft_local);
} weft_iface SEC(".maps") __weak;

/* Writer: agent, whenever it has changed one of the maps that this counts. Readers: TC. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} weft_epoch SEC(".maps") __weak;

/* Where each packet begins: a hash table would be a third of what most packets take. Writer and
 * reader: TC. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEFT_IFACE_COPIES);
	__type(key, __u32);
	__type(value, struct weft_iface_copy);
} weft_iface_copy SEC(".maps") __weak;

/* Local pods by network namespace cookie. Writer: agent. Readers: cgroup programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct weft_local);
} weft_netns SEC(".maps") __weak;

/* Policy in force per destination identity. Writer: agent, after the entries. No entry = deny. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct weft_dest);
} weft_dest SEC(".maps") __weak;

/*
 * What may pass. Writer: agent. Readers: all programs.
 * Full: the destination keeps its last generation; a finding says so.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_policy_key);
	__type(value, struct weft_policy);
} weft_policy SEC(".maps") __weak;

/* Ports of cluster IPs. Writer: agent, after the tables. Readers: cgroup programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_service_key);
	__type(value, struct weft_service);
} weft_service SEC(".maps") __weak;

/*
 * Weights and endpoints of all service ports, range by range: a change is written
 * into a free range, weft_service is switched, the old range rests before it is reused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct weft_alias);
} weft_alias SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct weft_endpoint);
} weft_endpoint SEC(".maps") __weak;

/* Endpoint kept by a caller. Writer and reader: cgroup programs. Full: the oldest go, those pick
 * anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct weft_sticky_key);
	__type(value, struct weft_sticky);
} weft_sticky SEC(".maps") __weak;

/* Cluster IP behind an endpoint, per unconnected UDP socket. Full: the oldest show the endpoint's
 * address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct weft_udp_peer_key);
	__type(value, struct weft_udp_peer);
} weft_udp_peer SEC(".maps") __weak;

/*
 * TCP connections until they are closed: to cluster IPs since connect, others since they are
 * established. Writers: cgroup programs, sockops. Readers: the same, TC, agent. What a
 * socket's own memory or a hash table cost would be half of what weft adds to a connection.
 * Slot taken: weft_sock takes the connection. Mappable for its alignment.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEFT_CONN_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weft_conn_slot);
} weft_conn SEC(".maps") __weak;

/* Per socket record. Writer: cgroup programs, sockops. Readers: the same, sock_diag. Lives with the
 * socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct weft_sock);
} weft_sock SEC(".maps") __weak;

/* Who opened a UDP exchange. Writer and reader: TC. Full: the oldest go, their replies are denied.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct weft_udp_flow_key);
	__type(value, struct weft_udp_flow);
} weft_udp_flow SEC(".maps") __weak;

/* Verdicts for later fragments. Writer and reader: TC. Full: the oldest go, their fragments are
 * denied. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct weft_frag_key);
	__type(value, struct weft_frag);
} weft_frag SEC(".maps") __weak;

/*
 * Traffic by edge. Writer: sockops, TC (UDP). Reader: agent. Full: counted under
 * the all-zero key, which the agent creates, so that totals stay true.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_edge_key);
	__type(value, struct weft_edge);
} weft_edge SEC(".maps") __weak;

/* Verdicts by reason. Writer: all judging programs. Reader: agent. Full: as weft_edge. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_verdict_key);
	__type(value, struct weft_verdict);
} weft_verdict SEC(".maps") __weak;

/* Counters of the programs themselves, indexed by enum weft_stat. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEFT_STAT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} weft_stat SEC(".maps") __weak;

/* struct weft_event records. Reader: agent. Full: counted in WEFT_STAT_EVENTS_LOST. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} weft_events SEC(".maps") __weak;

/* When the closes told so far are paid for, see event_is_in_pace(). Writer and reader: sockops. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} weft_pace SEC(".maps") __weak;

/* Names behind numbers. Writer: agent, before a number is used. Readers: people, the next agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_name_key);
	__type(value, struct weft_name);
} weft_name SEC(".maps") __weak;

/*
 * HTTP programs (weft_abi_http.h), range by range, as weft_alias. Writer: agent, by mmap().
 * Readers: TC, weft_judge_http. Full: the destination keeps no HTTP rules but those of an unchanged
 * program; the agent's error says so.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weft_http_arena);
} weft_http SEC(".maps") __weak;

/*
 * Connections that HTTP rules judge. Writer and reader: TC. Full: the longest unused go; their
 * next segment resets them (reason http_state_lost).
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct weft_http_key);
	__type(value, struct weft_http_flow);
} weft_http_flow SEC(".maps") __weak;

/* What is kept of connections in weft_http_flow holds while this stands still. Writer and reader:
 * TC. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEFT_HTTP_EPOCHS);
	__type(key, __u32);
	__type(value, __u32);
} weft_http_epoch SEC(".maps") __weak;

/*
 * What has no room in weft_http_flow of what is remembered of unacknowledged bytes. Writer and
 * reader: TC. Full: the longest unused go; a copy of those bytes cannot be told any more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weft_http_more_key);
	__type(value, struct weft_http_more);
} weft_http_more SEC(".maps") __weak;

/* Heads that were read, to be known again. Writer and reader: TC; the agent forgets them when it
 * starts, as generations may begin anew then. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEFT_HTTP_MEMOS);
	__type(key, __u32);
	__type(value, struct weft_http_memo);
} weft_http_memo SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEFT_HTTP_ANSWER_MEMOS);
	__type(key, __u32);
	__type(value, struct weft_answer_memo);
} weft_answer_memo SEC(".maps") __weak;

/* Requests by edge, rule, method and status. Writer: TC. Reader: agent. Full: as weft_edge. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_request_key);
	__type(value, struct weft_request);
} weft_request SEC(".maps") __weak;

/* Latencies of requests. Writer: TC. Reader: agent. Full: counted in WEFT_STAT_LATENCY_OVERFLOW. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weft_latency_key);
	__type(value, struct weft_latency);
} weft_latency SEC(".maps") __weak;

/* Working memory: towards the pod, from it, of answers of ours, of weft_judge_http. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct weft_scratch);
} weft_scratch SEC(".maps") __weak;

#endif /* WEFT_MAPS_BPF_H */
