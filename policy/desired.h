/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the maps should hold. Every list is sorted by its key and has no
 * duplicates, so that two states are compared by walking them in step. Pure data.
 */
#ifndef WEFT_POLICY_DESIRED_H
#define WEFT_POLICY_DESIRED_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/weft_abi.h"

struct desired_peer { /* weft_ident */
	struct weft_addr addr;
	struct weft_peer peer;
};

struct desired_entry { /* weft_policy without generation */
	uint32_t src_identity;
	uint16_t port; /* WEFT_ANY_PORT allowed */
	uint8_t proto;
	uint8_t action; /* enum weft_policy_action */
	uint32_t mask;	/* set in the destination's HTTP program; 0 unless action is HTTP */
};

struct desired_dest { /* weft_dest and its weft_policy entries */
	uint32_t identity;
	struct desired_entry *entries; /* sorted by (src_identity, proto, port) */
	size_t entry_count;	       /* 0 never appears: such a dest is left out */
	uint8_t *http; /* its HTTP program (struct weft_http_program), generation 0; NULL = none */
	uint32_t http_size; /* bytes */
};

struct desired_service { /* weft_service and its table */
	struct weft_service_key key;
	uint32_t service;
	uint32_t affinity_seconds;
	uint32_t split;
	struct weft_endpoint *endpoints; /* sorted by (backend, addr, port) */
	uint64_t *weights;		 /* one per endpoint, relative, > 0 */
	struct weft_alias *alias;	 /* one per endpoint */
	size_t endpoint_count;		 /* 0 = refuse */
	uint64_t inputs; /* digest of all that it was made of; 0 = it is to be made anew */
};

struct desired_local { /* pods of this node: weft_iface and weft_netns */
	char *uid;     /* of its cgroups; sort key */
	int64_t claim; /* on the uid: when two pods say that it is theirs, the lower has it */
	char *name_space;
	char *name;
	struct weft_local local;
};

struct desired {
	struct desired_peer *peers; /* sorted by addr */
	size_t peer_count, peer_capacity;
	struct desired_dest *dests; /* sorted by identity */
	size_t dest_count, dest_capacity;
	struct desired_service *services; /* sorted by key (memcmp of addr, then proto, port) */
	size_t service_count, service_capacity;
	struct desired_local *locals; /* sorted by uid */
	size_t local_count, local_capacity;
};

void desired_service_clear(struct desired_service *service);
void desired_clear(struct desired *desired); /* frees the lists, leaves it empty */

/* The orders of the lists, by key alone; for qsort() and bsearch(). */
int desired_compare_peers(const void *a, const void *b);    /* struct desired_peer */
int desired_compare_entries(const void *a, const void *b);  /* struct desired_entry */
int desired_compare_dests(const void *a, const void *b);    /* struct desired_dest */
int desired_compare_services(const void *a, const void *b); /* struct desired_service */

#endif /* WEFT_POLICY_DESIRED_H */
