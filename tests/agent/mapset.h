/* SPDX-License-Identifier: Apache-2.0 */
/* weft's maps without its programs, random wishes for them, and comparison of the two. */
#ifndef WEFT_TESTS_AGENT_MAPSET_H
#define WEFT_TESTS_AGENT_MAPSET_H

#include "loader/maps.h"
#include "policy/desired.h"
#include "user/reconcile/reconcile.h"

struct mapset;

/* `sizes`: max_entries by map, 0 = default; NULL = all defaults. */
struct mapset *mapset_new(const uint32_t sizes[MAP_ID_COUNT]);
void mapset_free(struct mapset *mapset);
const struct maps *mapset_maps(const struct mapset *mapset);
unsigned int mapset_count(const struct maps *maps, enum map_id id);

/* What reconcile_apply() is given. */
struct wish {
	struct desired desired;
	struct reconcile_place places[16];
	size_t place_count;
};

struct wish *wish_new(void);
void wish_free(struct wish *wish);
/* A small cluster in which every list has from no to a dozen elements. */
struct wish *wish_random(unsigned int *seed);
/* Appends; entries and destinations in their order. */
void wish_add_dest(struct wish *wish, uint32_t identity);
void wish_add_entry(struct wish *wish, uint32_t src_identity, uint16_t port, uint8_t action);
/* A destination that `count` sources may call, from number `first` on. */
void wish_add_rules(struct wish *wish, uint32_t dest, unsigned int first, unsigned int count);
/* A program for the last destination: `size` bytes (rounded up), other ones for other seeds. */
void wish_add_program(struct wish *wish, uint32_t size, unsigned int seed);
void wish_add_http_entry(struct wish *wish, uint32_t src_identity, uint16_t port, uint32_t mask);
void wish_add_peer(struct wish *wish, uint8_t last_byte, uint32_t identity, uint32_t flags);
void wish_add_service(struct wish *wish, uint8_t last_byte, uint16_t port, uint32_t service,
		      const uint8_t *endpoints, size_t count);
void wish_add_local(struct wish *wish, const char *uid, uint8_t last_byte, uint32_t ifindex,
		    uint64_t cookie);

/* The maps are exactly as wished: nothing missing, nothing more. But WEFT_PEER_HTTP, see below. */
void mapset_expect(const struct maps *maps, const struct wish *wish);

/* Is the flag WEFT_PEER_HTTP there? */
bool mapset_is_judged(const struct maps *maps, uint32_t ifindex);

/*
 * Each destination and service port is as in one of the two wishes or, with `common`, a
 * destination may have exactly the rules that both allow.
 */
void mapset_expect_whole(const struct maps *maps, const struct wish *old, const struct wish *new,
			 bool common);

#endif /* WEFT_TESTS_AGENT_MAPSET_H */
