// SPDX-License-Identifier: Apache-2.0
/* What the agent would write, and what it would read. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "policy/alias.h"
#include "podnet.h"
#include "weft.skel.h"

enum podnet_limit {
	PODNET_SLOTS = 64,
	PODNET_CPUS = 1024,
	PODNET_GENERATION = 7, /* of every weft_dest entry */
};

static void podnet_map_clear(struct bpf_map *map)
{
	unsigned char key[64];

	while (!bpf_map__get_next_key(map, NULL, key, bpf_map__key_size(map)))
		assert_int_equal(bpf_map__delete_elem(map, key, bpf_map__key_size(map), 0), 0);
}

static void podnet_map_set(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map__update_elem(map, key, bpf_map__key_size(map), value,
					      bpf_map__value_size(map), BPF_ANY),
			 0);
}

void podnet_set_local(struct podnet *pods, enum podnet_member pod, __u32 flags)
{
	bool client = pod == POD_CLIENT;
	struct weft_local local = {
		.peer.identity = client ? CLIENT_IDENTITY : SERVER_IDENTITY,
		.peer.workload = client ? CLIENT_WORKLOAD : SERVER_WORKLOAD,
		.peer.flags = flags,
		.addr = { podnet_addr(client ? "10.77.0.1" : "10.77.0.2"),
			  podnet_addr(client ? "fd77::1" : "fd77::2") },
	};

	podnet_map_set(pods->skel->maps.weft_netns, &pods->cookie[pod], &local);
}

void podnet_forget_local(struct podnet *pods, enum podnet_member pod)
{
	bpf_map__delete_elem(pods->skel->maps.weft_netns, &pods->cookie[pod],
			     sizeof(pods->cookie[pod]), 0);
}

void podnet_set_peer(struct podnet *pods, const char *addr, __u32 identity, __u32 workload,
		     __u32 flags)
{
	struct weft_addr key = podnet_addr(addr);
	struct weft_peer peer = { .identity = identity, .workload = workload, .flags = flags };

	podnet_map_set(pods->skel->maps.weft_ident, &key, &peer);
}

void podnet_forget_peer(struct podnet *pods, const char *addr)
{
	struct weft_addr key = podnet_addr(addr);

	bpf_map__delete_elem(pods->skel->maps.weft_ident, &key, sizeof(key), 0);
}

void podnet_set_server_flags(struct podnet *pods, __u32 flags)
{
	for (size_t i = 0; podnet_server_addrs[i]; i++)
		podnet_set_peer(pods, podnet_server_addrs[i], SERVER_IDENTITY, SERVER_WORKLOAD,
				flags);
}

static struct weft_policy_key podnet_rule_key(__u32 dst, __u32 src, __u8 proto, __u16 port)
{
	return (struct weft_policy_key){
		.dst_identity = dst,
		.generation = PODNET_GENERATION,
		.src_identity = src,
		.port = port,
		.proto = proto,
	};
}

void podnet_set_rule(struct podnet *pods, __u32 dst, __u32 src, __u8 proto, __u16 port)
{
	struct weft_policy_key key = podnet_rule_key(dst, src, proto, port);
	struct weft_policy policy = { .action = WEFT_POLICY_ALLOW };
	struct weft_dest dest = { .generation = PODNET_GENERATION };

	podnet_map_set(pods->skel->maps.weft_policy, &key, &policy);
	podnet_map_set(pods->skel->maps.weft_dest, &dst, &dest);
}

void podnet_drop_rule(struct podnet *pods, __u32 dst, __u32 src, __u8 proto, __u16 port)
{
	struct weft_policy_key key = podnet_rule_key(dst, src, proto, port);

	assert_int_equal(bpf_map__delete_elem(pods->skel->maps.weft_policy, &key, sizeof(key), 0),
			 0);
}

void podnet_set_service(struct podnet *pods, const char *vip, __u16 port, __u8 proto,
			const struct weft_service *service, const struct podnet_slot *slots)
{
	struct weft_alias table[PODNET_SLOTS];
	struct weft_endpoint endpoint = {};
	uint64_t weights[PODNET_SLOTS];
	__u32 index;

	assert_true(service->count <= PODNET_SLOTS);
	for (__u32 i = 0; i < service->count; i++)
		weights[i] = slots[i].weight;
	if (service->count)
		assert_int_equal(alias_build(weights, service->count, table), 0);
	for (__u32 i = 0; i < service->count; i++) {
		index = service->first + i;
		endpoint.addr = podnet_addr(slots[i].addr);
		endpoint.port = slots[i].port;
		endpoint.backend = slots[i].backend;
		podnet_map_set(pods->skel->maps.weft_endpoint, &index, &endpoint);
		podnet_map_set(pods->skel->maps.weft_alias, &index, &table[i]);
	}
	podnet_set_service_only(pods, vip, port, proto, service);
}

void podnet_set_service_only(struct podnet *pods, const char *vip, __u16 port, __u8 proto,
			     const struct weft_service *service)
{
	struct weft_service_key key = { .addr = podnet_addr(vip), .port = port, .proto = proto };

	podnet_map_set(pods->skel->maps.weft_service, &key, service);
}

void podnet_set_udp_flow(struct podnet *pods, const struct weft_addr *pod, __u16 pod_port,
			 const struct weft_addr *peer, __u16 peer_port,
			 enum weft_direction direction, __u32 seconds_ago)
{
	struct weft_udp_flow_key key = {
		.pod = *pod,
		.peer = *peer,
		.pod_port = pod_port,
		.peer_port = peer_port,
	};
	struct weft_udp_flow flow = { .direction = direction };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	flow.last_ns = (__u64)(now.tv_sec - (time_t)seconds_ago) * 1000000000 + (__u64)now.tv_nsec;
	podnet_map_set(pods->skel->maps.weft_udp_flow, &key, &flow);
}

void podnet_age_sticky(struct podnet *pods, __u32 seconds)
{
	struct bpf_map *map = pods->skel->maps.weft_sticky;
	struct weft_sticky_key key, *last = NULL;
	struct weft_sticky sticky;

	while (!bpf_map__get_next_key(map, last, &key, sizeof(key))) {
		last = &key;
		assert_int_equal(bpf_map__lookup_elem(map, &key, sizeof(key), &sticky,
						      sizeof(sticky), 0),
				 0);
		sticky.last_ns -= seconds * 1000000000ULL;
		podnet_map_set(map, &key, &sticky);
	}
}

void podnet_clear_sticky(struct podnet *pods)
{
	podnet_map_clear(pods->skel->maps.weft_sticky);
}

static const void *podnet_percpu(struct bpf_map *map, const void *key)
{
	static __u64 values[PODNET_CPUS * 16];
	size_t size = bpf_map__value_size(map) * (size_t)libbpf_num_possible_cpus();

	assert_true(size <= sizeof(values));
	if (bpf_map__lookup_elem(map, key, bpf_map__key_size(map), values, size, 0))
		memset(values, 0, sizeof(values));
	return values;
}

__u64 podnet_verdicts(struct podnet *pods, enum weft_hook hook, enum weft_reason reason,
		      enum weft_verdict_action action)
{
	struct bpf_map *map = pods->skel->maps.weft_verdict;
	struct weft_verdict_key key, *last = NULL;
	const struct weft_verdict *count;
	__u64 sum = 0;

	while (!bpf_map__get_next_key(map, last, &key, sizeof(key))) {
		last = &key;
		if (key.hook != hook || key.reason != reason || key.action != action)
			continue;
		count = podnet_percpu(map, &key);
		for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
			sum += count[cpu].count;
	}
	return sum;
}

struct weft_edge podnet_edge(struct podnet *pods, const struct weft_edge_key *key)
{
	const __u64 *counter = podnet_percpu(pods->skel->maps.weft_edge, key);
	enum { COUNTERS = sizeof(struct weft_edge) / sizeof(__u64) };
	struct weft_edge edge;
	__u64 sum[COUNTERS] = {};

	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		for (int i = 0; i < COUNTERS; i++)
			sum[i] += *counter++;
	memcpy(&edge, sum, sizeof(edge));
	return edge;
}

size_t podnet_count_edges(struct podnet *pods)
{
	struct weft_edge_key key, *last = NULL;
	size_t count = 0;

	while (!bpf_map__get_next_key(pods->skel->maps.weft_edge, last, &key, sizeof(key))) {
		last = &key;
		count++;
	}
	return count;
}

void podnet_clear_edges(struct podnet *pods)
{
	podnet_map_clear(pods->skel->maps.weft_edge);
}

void podnet_fill_edges(struct podnet *pods)
{
	struct bpf_map *map = pods->skel->maps.weft_edge;
	static const struct weft_edge zero[PODNET_CPUS];
	size_t size = sizeof(*zero) * (size_t)libbpf_num_possible_cpus();
	int err;
	struct weft_edge_key key = {};

	assert_true(libbpf_num_possible_cpus() <= PODNET_CPUS);
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++) {
		key.service = i;
		/* Per-CPU memory for entries is replenished behind our back. */
		for (int tries = 0; (err = bpf_map__update_elem(map, &key, sizeof(key), zero, size,
								0)) == -ENOMEM &&
				    tries < 100;
		     tries++)
			usleep(1000);
		assert_int_equal(err, 0);
	}
}

/* The slots of all cookies; to be unmapped. */
static struct weft_conn_slot *podnet_map_conns(struct podnet *pods)
{
	struct weft_conn_slot *slots;

	slots = mmap(NULL, WEFT_CONN_SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(pods->skel->maps.weft_conn), 0);
	assert_ptr_not_equal(slots, MAP_FAILED);
	return slots;
}

size_t podnet_count_conns(struct podnet *pods, __u64 but)
{
	struct weft_conn_slot *slots = podnet_map_conns(pods);
	size_t count = 0;

	for (size_t i = 0; i < WEFT_CONN_SLOTS; i++)
		count += slots[i].cookie != but;
	munmap(slots, WEFT_CONN_SLOTS * sizeof(*slots));
	return count;
}

void podnet_fill_conns(struct podnet *pods, const struct weft_conn_slot *slot)
{
	struct weft_conn_slot *slots = podnet_map_conns(pods);

	for (size_t i = 0; i < WEFT_CONN_SLOTS; i++)
		slots[i] = *slot;
	munmap(slots, WEFT_CONN_SLOTS * sizeof(*slots));
}

void podnet_set_pace(struct podnet *pods, __u64 paid_ns)
{
	__u64 values[PODNET_CPUS];
	__u32 index = 0;

	for (size_t cpu = 0; cpu < PODNET_CPUS; cpu++)
		values[cpu] = paid_ns;
	assert_int_equal(
		bpf_map__update_elem(pods->skel->maps.weft_pace, &index, sizeof(index), values,
				     sizeof(__u64) * (size_t)libbpf_num_possible_cpus(), BPF_ANY),
		0);
}

__u64 podnet_stat(struct podnet *pods, enum weft_stat stat)
{
	__u32 index = stat;
	const __u64 *count = podnet_percpu(pods->skel->maps.weft_stat, &index);
	__u64 sum = 0;

	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		sum += count[cpu];
	return sum;
}

void podnet_maps_reset(struct podnet *pods)
{
	struct bpf_map *const maps[] = {
		pods->skel->maps.weft_netns,	pods->skel->maps.weft_ident,
		pods->skel->maps.weft_dest,	pods->skel->maps.weft_policy,
		pods->skel->maps.weft_service,	pods->skel->maps.weft_sticky,
		pods->skel->maps.weft_udp_peer, pods->skel->maps.weft_udp_flow,
		pods->skel->maps.weft_edge,	pods->skel->maps.weft_verdict,
	};
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		podnet_map_clear(maps[i]);
	podnet_fill_conns(pods, &(struct weft_conn_slot){});
	podnet_set_local(pods, POD_CLIENT, WEFT_PEER_ENFORCE);
	podnet_set_local(pods, POD_SERVER, WEFT_PEER_ENFORCE);
	podnet_set_peer(pods, "10.77.0.1", CLIENT_IDENTITY, CLIENT_WORKLOAD, WEFT_PEER_ENFORCE);
	podnet_set_peer(pods, "fd77::1", CLIENT_IDENTITY, CLIENT_WORKLOAD, WEFT_PEER_ENFORCE);
	podnet_set_server_flags(pods, WEFT_PEER_ENFORCE);
	for (int i = 0; i < 2; i++)
		podnet_set_peer(pods, podnet_kinds[i].vip, WEFT_ID_SERVICE, 0, 0);
	podnet_set_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_TCP, WEFT_ANY_PORT);
	podnet_set_rule(pods, SERVER_IDENTITY, CLIENT_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
	podnet_set_rule(pods, CLIENT_IDENTITY, SERVER_IDENTITY, IPPROTO_UDP, WEFT_ANY_PORT);
}
