/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed access to the pinned maps: the only place that calls bpf_map_*().
 * Errors are negative errno: -ENOSPC (or -E2BIG) when a map is full, -ENOENT when a key is absent.
 */
#ifndef WEFT_LOADER_MAPS_H
#define WEFT_LOADER_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "bpf/weft_abi.h"

enum map_id {
	MAP_CONFIG,
	MAP_IDENT,
	MAP_IFACE,
	MAP_EPOCH,
	MAP_IFACE_COPY,
	MAP_NETNS,
	MAP_DEST,
	MAP_POLICY,
	MAP_SERVICE,
	MAP_ALIAS,
	MAP_ENDPOINT,
	MAP_STICKY,
	MAP_UDP_PEER,
	MAP_CONN,
	MAP_SOCK,
	MAP_UDP_FLOW,
	MAP_FRAG,
	MAP_EDGE,
	MAP_VERDICT,
	MAP_STAT,
	MAP_EVENTS,
	MAP_PACE,
	MAP_NAME,
	MAP_HTTP,
	MAP_HTTP_FLOW,
	MAP_HTTP_EPOCH,
	MAP_HTTP_MORE,
	MAP_HTTP_MEMO,
	MAP_ANSWER_MEMO,
	MAP_REQUEST,
	MAP_LATENCY,
	MAP_SCRATCH,
	MAP_ID_COUNT,
};

struct maps {
	int fds[MAP_ID_COUNT]; /* -1 = not open */
	unsigned int cpus;     /* possible CPUs: length of a per-CPU value */
};

struct map_fill {
	const char *name; /* "weft_ident" */
	const char *type; /* "hash", "lru_hash", "percpu_hash", ... */
	uint32_t id;	  /* kernel's map id */
	uint32_t entries; /* used; 0 where it has no meaning (ring buffer, socket storage) */
	uint32_t max_entries;
	bool countable;	       /* entries is meaningful */
	uint64_t memory_bytes; /* memlock from fdinfo */
};

const char *maps_name(enum map_id id);

/*
 * When the map pinned below `root` was made, in nanoseconds since 1970 by the clock of that moment:
 * since then it counts, whoever ran meanwhile. -ENOENT when it is not pinned.
 */
int maps_since(const char *root, enum map_id id, uint64_t *since_ns);

/* The descriptor, still owned by `maps` (sock_diag wants that of MAP_SOCK). -1 = not open. */
int maps_fd(const struct maps *maps, enum map_id id);

/*
 * Opens every map pinned below `root`. `writable` false: BPF_F_RDONLY descriptors.
 * -ENOENT when there are none; -EPROTO when the ABI version differs (then *abi, if
 * not NULL, is what the pins have).
 */
int maps_open(struct maps *maps, const char *root, bool writable, uint32_t *abi);
void maps_close(struct maps *maps);

/* Keys and values are the structs of weft_abi.h that bpf/maps.bpf.h names for the map. */
int maps_set(const struct maps *maps, enum map_id id, const void *key, const void *value);
int maps_get(const struct maps *maps, enum map_id id, const void *key, void *value);
int maps_delete(const struct maps *maps, enum map_id id, const void *key);

/*
 * Counts up weft_epoch: programs look up anew what they have kept of other maps. maps_set() and
 * maps_delete() do it where it is due.
 */
int maps_touch(const struct maps *maps);

/*
 * Programs forget what they have kept of other maps, and the heads that they know. For an agent
 * that begins: another one may have been killed between a change and maps_touch(), and generations
 * that are in no map any more may be given again.
 */
int maps_forget(const struct maps *maps);

/*
 * Calls back for every entry (hash maps; safe against concurrent change: an entry may be
 * missed or seen twice only if it changes meanwhile). For per-CPU maps `value` is an array
 * of maps->cpus values. A callback that returns non-zero ends the walk with that value.
 */
int maps_each(const struct maps *maps, enum map_id id,
	      int (*callback)(const void *key, const void *value, void *context), void *context);

/* Writes `count` consecutive elements of the array maps MAP_ALIAS / MAP_ENDPOINT from index
 * `first`. */
int maps_set_range(const struct maps *maps, enum map_id id, uint32_t first, uint32_t count,
		   const void *values);
int maps_get_range(const struct maps *maps, enum map_id id, uint32_t first, uint32_t count,
		   void *values);
uint32_t maps_max_entries(const struct maps *maps, enum map_id id);

int maps_fill(const struct maps *maps, enum map_id id, struct map_fill *fill);
/* All but the number of entries, which takes a walk through the map; for who walks anyway. */
int maps_describe(const struct maps *maps, enum map_id id, struct map_fill *fill);

/*
 * Ring buffer of events: an fd for an event loop and a drain that calls back per record. One of
 * type WEFT_EVENT_REQUEST is the first member of a struct weft_request_event.
 */
struct maps_events;
int maps_events_open(const struct maps *maps,
		     void (*callback)(const struct weft_event *event, void *context), void *context,
		     struct maps_events **events);
int maps_events_fd(const struct maps_events *events);
int maps_events_drain(struct maps_events *events); /* number of records, or -errno */
void maps_events_close(struct maps_events *events);

#endif /* WEFT_LOADER_MAPS_H */
