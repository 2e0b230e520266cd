/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which endpoint a call to a cluster IP goes to: one random number against the
 * service port's alias table, or the endpoint that the caller keeps.
 */
#ifndef WEFT_SERVICE_BPF_H
#define WEFT_SERVICE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "events.bpf.h"
#include "maps.bpf.h"

enum service_limit {
	/* Searched for a kept endpoint when its table changed; beyond them it is picked anew. */
	SERVICE_SCAN_SLOTS = 1024,
};

/*
 * The endpoint of a table that is not empty for a uniformly random number. NULL: the table lies
 * outside of its maps.
 */
static __always_inline struct weft_endpoint *service_pick_by(const struct weft_service *service,
							     __u32 random)
{
	__u64 x = (__u64)random * service->count;
	__u32 index = service->first + (__u32)(x >> 32);
	struct weft_alias *slot = bpf_map_lookup_elem(&weft_alias, &index);

	if (!slot)
		return NULL;
	if (slot->threshold != 0xffffffff && (__u32)x >= slot->threshold)
		index = service->first + slot->alias;
	return bpf_map_lookup_elem(&weft_endpoint, &index);
}

/* Draws an endpoint; otherwise as service_pick_by(). */
static __always_inline struct weft_endpoint *service_pick(const struct weft_service *service)
{
	return service_pick_by(service, bpf_get_prandom_u32());
}

struct service_scan {
	struct weft_endpoint *endpoint;
	__u32 first;
	bool found;
};

static long service_scan_slot(__u32 slot, void *data)
{
	struct service_scan *scan = data;
	__u32 index = scan->first + slot;
	struct weft_endpoint *here = bpf_map_lookup_elem(&weft_endpoint, &index);

	if (!here)
		return 1;
	if (here->port != scan->endpoint->port || !addr_equal(&here->addr, &scan->endpoint->addr))
		return 0;
	/* The pod may serve the table through another backend now. */
	scan->endpoint->backend = here->backend;
	scan->found = true;
	return 1;
}

/* Is the endpoint still in the table? Updates its backend. */
static __always_inline bool service_has(const struct weft_service *service,
					struct weft_endpoint *endpoint)
{
	struct service_scan scan = { .endpoint = endpoint, .first = service->first };
	__u32 slots = service->count;

	if (slots > SERVICE_SCAN_SLOTS)
		slots = SERVICE_SCAN_SLOTS;
	bpf_loop(slots, service_scan_slot, &scan, 0);
	return scan.found;
}

/* A kept endpoint that was used recently and is still in the table; counts as a use. */
static __always_inline bool service_recall(const struct weft_service *service,
					   struct weft_sticky *sticky, __u64 now_ns, __u64 idle_ns,
					   struct weft_endpoint *endpoint)
{
	/* Another CPU may have used it after now_ns was read: the difference is signed. */
	if ((__s64)(now_ns - sticky->last_ns) > (__s64)idle_ns)
		return false;
	*endpoint = sticky->endpoint;
	if (sticky->generation != service->generation) {
		if (!service_has(service, endpoint))
			return false;
		sticky->endpoint.backend = endpoint->backend;
		sticky->generation = service->generation;
	}
	sticky->last_ns = now_ns;
	return true;
}

/*
 * The random number for the successor of a kept endpoint. Threads of one caller that find it out
 * of use at the same time must agree on one, and there is no lock: so it follows from the caller
 * and from what they all see, the new table or, when the time was over, the last use.
 */
static __always_inline __u32 service_redraw(const struct weft_service *service,
					    const struct weft_sticky_key *key,
					    const struct weft_sticky *stale)
{
	bool same_table = stale->generation == service->generation;
	__u64 x = same_table ? stale->last_ns : service->generation;

	/* MurmurHash3's finalizer: every bit of the input changes half of the output's. */
	x ^= key->scope * 0x9e3779b97f4a7c15;
	x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
	return x >> 32;
}

/*
 * The endpoint that the scope in `key` keeps for the cluster IP in `key`, or a
 * new one that it keeps from now on, until it is idle for idle_seconds. The table must not
 * be empty. False: internal error, nothing chosen.
 */
static __always_inline bool service_keep(const struct weft_service *service,
					 const struct weft_sticky_key *key, __u32 idle_seconds,
					 struct weft_endpoint *endpoint)
{
	__u64 idle_ns = (__u64)idle_seconds * 1000000000;
	struct weft_sticky fresh = {
		.last_ns = bpf_ktime_get_ns(),
		.generation = service->generation,
	};
	struct weft_endpoint *picked;
	struct weft_sticky *kept;
	__u32 random;

	kept = bpf_map_lookup_elem(&weft_sticky, key);
	if (kept && service_recall(service, kept, fresh.last_ns, idle_ns, endpoint))
		return true;
	random = kept ? service_redraw(service, key, kept) : bpf_get_prandom_u32();
	picked = service_pick_by(service, random);
	if (!picked)
		return false;
	fresh.endpoint = *picked;
	*endpoint = *picked;
	if (!bpf_map_update_elem(&weft_sticky, key, &fresh, kept ? BPF_ANY : BPF_NOEXIST))
		return true;
	/* Another thread of the same caller was first: stay with its choice. */
	kept = bpf_map_lookup_elem(&weft_sticky, key);
	if (kept)
		*endpoint = kept->endpoint;
	else
		stat_add(WEFT_STAT_STICKY_FAILED);
	return true;
}

#endif /* WEFT_SERVICE_BPF_H */
