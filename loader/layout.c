// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "loader/layout.h"

#define HASH(id, map, k, v) \
	[id] = { #map, BPF_MAP_TYPE_HASH, sizeof(k), sizeof(v), LAYOUT_HASH, false, true }
#define LRU(id, map, k, v) \
	[id] = { #map, BPF_MAP_TYPE_LRU_HASH, sizeof(k), sizeof(v), LAYOUT_HASH, false, true }
#define PERCPU(id, map, k, v) \
	[id] = { #map, BPF_MAP_TYPE_PERCPU_HASH, sizeof(k), sizeof(v), LAYOUT_HASH, true, true }
#define ARRAY(id, map, v, sizable) \
	[id] = { #map, BPF_MAP_TYPE_ARRAY, 4, sizeof(v), LAYOUT_ARRAY, false, sizable }

static const struct layout layouts[MAP_ID_COUNT] = {
	ARRAY(MAP_CONFIG, weft_config, struct weft_config, false),
	HASH(MAP_IDENT, weft_ident, struct weft_addr, struct weft_peer),
	HASH(MAP_IFACE, weft_iface, __u32, struct weft_local),
	ARRAY(MAP_EPOCH, weft_epoch, __u64, false),
	[MAP_IFACE_COPY] = { "weft_iface_copy", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			     sizeof(struct weft_iface_copy), LAYOUT_ARRAY, true, false },
	HASH(MAP_NETNS, weft_netns, __u64, struct weft_local),
	HASH(MAP_DEST, weft_dest, __u32, struct weft_dest),
	HASH(MAP_POLICY, weft_policy, struct weft_policy_key, struct weft_policy),
	HASH(MAP_SERVICE, weft_service, struct weft_service_key, struct weft_service),
	ARRAY(MAP_ALIAS, weft_alias, struct weft_alias, true),
	ARRAY(MAP_ENDPOINT, weft_endpoint, struct weft_endpoint, true),
	LRU(MAP_STICKY, weft_sticky, struct weft_sticky_key, struct weft_sticky),
	LRU(MAP_UDP_PEER, weft_udp_peer, struct weft_udp_peer_key, struct weft_udp_peer),
	ARRAY(MAP_CONN, weft_conn, struct weft_conn_slot, false),
	[MAP_SOCK] = { "weft_sock", BPF_MAP_TYPE_SK_STORAGE, sizeof(int), sizeof(struct weft_sock),
		       LAYOUT_OTHER, false, false },
	LRU(MAP_UDP_FLOW, weft_udp_flow, struct weft_udp_flow_key, struct weft_udp_flow),
	LRU(MAP_FRAG, weft_frag, struct weft_frag_key, struct weft_frag),
	PERCPU(MAP_EDGE, weft_edge, struct weft_edge_key, struct weft_edge),
	PERCPU(MAP_VERDICT, weft_verdict, struct weft_verdict_key, struct weft_verdict),
	[MAP_STAT] = { "weft_stat", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, LAYOUT_ARRAY, true, false },
	[MAP_EVENTS] = { "weft_events", BPF_MAP_TYPE_RINGBUF, 0, 0, LAYOUT_OTHER, false, true },
	[MAP_PACE] = { "weft_pace", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, LAYOUT_ARRAY, true, false },
	HASH(MAP_NAME, weft_name, struct weft_name_key, struct weft_name),
	ARRAY(MAP_HTTP, weft_http, struct weft_http_arena, false),
	LRU(MAP_HTTP_FLOW, weft_http_flow, struct weft_http_key, struct weft_http_flow),
	ARRAY(MAP_HTTP_EPOCH, weft_http_epoch, __u32, false),
	LRU(MAP_HTTP_MORE, weft_http_more, struct weft_http_more_key, struct weft_http_more),
	PERCPU(MAP_REQUEST, weft_request, struct weft_request_key, struct weft_request),
	PERCPU(MAP_LATENCY, weft_latency, struct weft_latency_key, struct weft_latency),
	[MAP_HTTP_MEMO] = { "weft_http_memo", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			    sizeof(struct weft_http_memo), LAYOUT_ARRAY, true, false },
	[MAP_ANSWER_MEMO] = { "weft_answer_memo", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			      sizeof(struct weft_answer_memo), LAYOUT_ARRAY, true, false },
	[MAP_SCRATCH] = { "weft_scratch", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct weft_scratch),
			  LAYOUT_ARRAY, true, false },
};

const struct layout *layout_get(enum map_id id)
{
	return &layouts[id];
}

bool layout_fits(enum map_id id, int fd, char *text, size_t size)
{
	const struct layout *layout = &layouts[id];
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	int err;

	err = bpf_obj_get_info_by_fd(fd, &info, &length);
	if (err)
		snprintf(text, size, "not a map: %s", strerror(-err));
	else if (info.type != layout->type)
		snprintf(text, size, "map type %u, not %u", info.type, layout->type);
	else if (info.key_size != layout->key_size)
		snprintf(text, size, "key of %u bytes, not %u", info.key_size, layout->key_size);
	else if (info.value_size != layout->value_size)
		snprintf(text, size, "value of %u bytes, not %u", info.value_size,
			 layout->value_size);
	else
		return true;
	return false;
}
