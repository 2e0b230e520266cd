// SPDX-License-Identifier: Apache-2.0
#include "tests/agent/mapset.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include "loader/maps_http.h"
#include "policy/alias.h"
#include "policy/memory.h"
#include "weft.skel.h"

struct mapset {
	struct weft_bpf *skeleton;
	struct maps maps;
};

struct mapset *mapset_new(const uint32_t sizes[MAP_ID_COUNT])
{
	struct mapset *set = memory_alloc(sizeof(*set));
	struct bpf_program *program;
	struct bpf_map *map;
	enum map_id id;

	set->skeleton = weft_bpf__open();
	assert_non_null(set->skeleton);
	bpf_object__for_each_program(program, set->skeleton->obj)
		bpf_program__set_autoload(program, false);
	for (id = 0; sizes && id < MAP_ID_COUNT; id++) {
		map = bpf_object__find_map_by_name(set->skeleton->obj, maps_name(id));
		if (sizes[id])
			assert_int_equal(bpf_map__set_max_entries(map, sizes[id]), 0);
	}
	assert_int_equal(weft_bpf__load(set->skeleton), 0);
	for (id = 0; id < MAP_ID_COUNT; id++)
		set->maps.fds[id] =
			bpf_object__find_map_fd_by_name(set->skeleton->obj, maps_name(id));
	set->maps.cpus = (unsigned int)libbpf_num_possible_cpus();
	return set;
}

void mapset_free(struct mapset *set)
{
	weft_bpf__destroy(set->skeleton);
	free(set);
}

const struct maps *mapset_maps(const struct mapset *set)
{
	return &set->maps;
}

static int count_one(const void *key, const void *value, void *context)
{
	(void)key;
	(void)value;
	++*(unsigned int *)context;
	return 0;
}

unsigned int mapset_count(const struct maps *maps, enum map_id id)
{
	unsigned int count = 0;

	assert_int_equal(maps_each(maps, id, count_one, &count), 0);
	return count;
}

static struct weft_addr address(uint8_t last_byte)
{
	return (struct weft_addr){ .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = last_byte } };
}

struct wish *wish_new(void)
{
	return memory_alloc(sizeof(struct wish));
}

void wish_free(struct wish *wish)
{
	if (wish)
		desired_clear(&wish->desired);
	free(wish);
}

void wish_add_dest(struct wish *wish, uint32_t identity)
{
	struct desired *d = &wish->desired;
	size_t i = memory_grow(&d->dests, &d->dest_count, &d->dest_capacity, sizeof(*d->dests));

	d->dests[i].identity = identity;
}

void wish_add_entry(struct wish *wish, uint32_t src_identity, uint16_t port, uint8_t action)
{
	struct desired_dest *dest = &wish->desired.dests[wish->desired.dest_count - 1];

	dest->entries =
		memory_realloc_array(dest->entries, dest->entry_count + 1, sizeof(*dest->entries));
	dest->entries[dest->entry_count++] = (struct desired_entry){
		.src_identity = src_identity, .port = port, .proto = IPPROTO_TCP, .action = action
	};
}

void wish_add_rules(struct wish *wish, uint32_t dest, unsigned int first, unsigned int count)
{
	unsigned int i;

	wish_add_dest(wish, dest);
	for (i = 0; i < count; i++)
		wish_add_entry(wish, 1000 + first + i, 80, WEFT_POLICY_ALLOW);
}

void wish_add_http_entry(struct wish *wish, uint32_t src_identity, uint16_t port, uint32_t mask)
{
	struct desired_dest *dest = &wish->desired.dests[wish->desired.dest_count - 1];

	wish_add_entry(wish, src_identity, port, WEFT_POLICY_HTTP);
	dest->entries[dest->entry_count - 1].mask = mask;
}

void wish_add_program(struct wish *wish, uint32_t size, unsigned int seed)
{
	struct desired_dest *dest = &wish->desired.dests[wish->desired.dest_count - 1];
	struct weft_http_program *program;

	if (size < sizeof(*program))
		size = sizeof(*program);
	size = (size + WEFT_HTTP_UNIT - 1) / WEFT_HTTP_UNIT * WEFT_HTTP_UNIT;
	dest->http = memory_alloc(size);
	dest->http_size = size;
	/* Nothing but a header that holds good, and bytes. */
	program = (void *)dest->http;
	program->size = size;
	program->sections = program->sets = size - 64;
	program->section_count = WEFT_HTTP_FIRST_OWN;
	program->set_count = 1;
	program->max_head = WEFT_HTTP_HEAD_DEFAULT;
	program->rules[0] = 5000 + seed;
	memset(dest->http + size - 64, (int)seed, 64);
}

void wish_add_peer(struct wish *wish, uint8_t last_byte, uint32_t identity, uint32_t flags)
{
	struct desired *d = &wish->desired;
	size_t i = memory_grow(&d->peers, &d->peer_count, &d->peer_capacity, sizeof(*d->peers));

	d->peers[i].addr = address(last_byte);
	d->peers[i].peer = (struct weft_peer){ identity, identity + 1000, flags };
}

void wish_add_service(struct wish *wish, uint8_t last_byte, uint16_t port, uint32_t service,
		      const uint8_t *endpoints, size_t count)
{
	struct desired *d = &wish->desired;
	size_t i = memory_grow(&d->services, &d->service_count, &d->service_capacity,
			       sizeof(*d->services));
	struct desired_service *s = &d->services[i];

	s->key = (struct weft_service_key){ .addr = address(last_byte),
					    .port = port,
					    .proto = IPPROTO_TCP };
	s->service = service;
	s->endpoint_count = count;
	s->endpoints = memory_alloc(count * sizeof(*s->endpoints));
	s->weights = memory_alloc(count * sizeof(*s->weights));
	s->alias = memory_alloc(count * sizeof(*s->alias));
	for (i = 0; i < count; i++) {
		s->endpoints[i].addr = address(endpoints[i]);
		s->endpoints[i].port = port;
		s->endpoints[i].backend = service + endpoints[i] % 3;
		s->weights[i] = endpoints[i];
	}
	if (count)
		assert_int_equal(alias_build(s->weights, (uint32_t)count, s->alias), 0);
}

void wish_add_local(struct wish *wish, const char *uid, uint8_t last_byte, uint32_t ifindex,
		    uint64_t cookie)
{
	struct desired *d = &wish->desired;
	size_t i = memory_grow(&d->locals, &d->local_count, &d->local_capacity, sizeof(*d->locals));
	struct weft_local local = { .peer = { 300u + last_byte, 1300u + last_byte, 1 },
				    .addr = { address(last_byte) } };

	d->locals[i].uid = memory_strdup(uid);
	d->locals[i].name_space = memory_strdup("test");
	d->locals[i].name = memory_strdup(uid);
	d->locals[i].local = local;
	if (!ifindex && !cookie)
		return;
	wish->places[wish->place_count++] = (struct reconcile_place){ ifindex, cookie, local };
}

static unsigned int draw(unsigned int *seed, unsigned int below)
{
	return (unsigned int)rand_r(seed) % below;
}

struct wish *wish_random(unsigned int *seed)
{
	static const uint16_t ports[] = { 0, 80, 443 };
	struct wish *wish = wish_new();
	uint8_t endpoints[8];
	unsigned int i, j, count;
	char uid[16];
	bool http;

	for (i = 0; i < 5; i++) {
		if (!draw(seed, 4))
			continue;
		wish_add_dest(wish, 300 + i);
		wish_add_entry(wish, 299, 80, WEFT_POLICY_ALLOW);
		http = false;
		for (j = 0; j < 12; j++) {
			if (!draw(seed, 2))
				continue;
			if (draw(seed, 2)) {
				wish_add_entry(wish, 300 + j / 3, ports[j % 3], WEFT_POLICY_ALLOW);
				continue;
			}
			wish_add_http_entry(wish, 300 + j / 3, ports[j % 3], 1 + draw(seed, 3));
			http = true;
		}
		if (http)
			wish_add_program(wish, 4096 * draw(seed, 2), draw(seed, 2));
	}
	for (i = 0; i < 8; i++)
		if (draw(seed, 3))
			wish_add_peer(wish, (uint8_t)(10 + i), 300 + draw(seed, 5), draw(seed, 4));
	for (i = 0; i < 4; i++) {
		if (!draw(seed, 4))
			continue;
		for (count = 0, j = 1; j <= 6; j++)
			if (draw(seed, 2))
				endpoints[count++] = (uint8_t)j;
		wish_add_service(wish, (uint8_t)(100 + i), 80, 400 + i, endpoints, count);
	}
	for (i = 0; i < 4; i++) {
		if (!draw(seed, 3))
			continue;
		snprintf(uid, sizeof(uid), "uid-%u", i);
		wish_add_local(wish, uid, (uint8_t)(10 + i), 20 + i + 4 * draw(seed, 2), 7000 + i);
	}
	return wish;
}

/* Rules in force for a destination, in order. */
struct rules {
	struct desired_entry items[64];
	size_t count;
	struct weft_policy_key key; /* destination and generation to look for */
	uint32_t http;		    /* where its program is */
	struct maps_http *arena;
};

static int take_rule(const void *key, const void *value, void *context)
{
	const struct weft_policy_key *k = key;
	struct rules *rules = context;

	if (k->dst_identity != rules->key.dst_identity || k->generation != rules->key.generation)
		return 0;
	assert_true(rules->count < 64);
	rules->items[rules->count++] =
		(struct desired_entry){ k->src_identity, k->port, k->proto,
					(uint8_t)((const struct weft_policy *)value)->action,
					((const struct weft_policy *)value)->mask };
	return 0;
}

static int rule_compare(const void *a, const void *b)
{
	const struct desired_entry *x = a, *y = b;

	if (x->src_identity != y->src_identity)
		return x->src_identity < y->src_identity ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static void rules_in_force(const struct maps *maps, uint32_t identity, struct rules *rules)
{
	struct weft_dest dest;

	memset(rules, 0, sizeof(*rules));
	if (maps_get(maps, MAP_DEST, &identity, &dest))
		return;
	rules->http = dest.http;
	if (dest.http) {
		assert_int_equal(maps_http_open(maps, &rules->arena), 0);
		assert_int_equal(maps_http_get(rules->arena, dest.http)->generation,
				 dest.generation);
	}
	rules->key.dst_identity = identity;
	rules->key.generation = dest.generation;
	assert_int_equal(maps_each(maps, MAP_POLICY, take_rule, rules), 0);
	qsort(rules->items, rules->count, sizeof(*rules->items), rule_compare);
}

static const struct desired_dest *dest_of(const struct wish *wish, uint32_t identity)
{
	size_t i;

	for (i = 0; i < wish->desired.dest_count; i++)
		if (wish->desired.dests[i].identity == identity)
			return &wish->desired.dests[i];
	return NULL;
}

static bool program_equal(const struct rules *rules, const struct desired_dest *dest)
{
	if (!dest || !dest->http)
		return !rules->http;
	return rules->http &&
	       maps_http_equal(rules->arena, rules->http, dest->http, dest->http_size);
}

static bool rules_equal(const struct rules *rules, const struct desired_dest *dest)
{
	size_t count = dest ? dest->entry_count : 0;

	return rules->count == count && program_equal(rules, dest) &&
	       (!count || !memcmp(rules->items, dest->entries, count * sizeof(*rules->items)));
}

static bool programs_equal(const struct desired_dest *a, const struct desired_dest *b)
{
	return a && b && a->http_size == b->http_size &&
	       (!a->http_size || !memcmp(a->http, b->http, a->http_size));
}

/* What old and new have in common under the old program. */
static bool rules_are_common(const struct rules *rules, const struct desired_dest *old,
			     const struct desired_dest *new)
{
	size_t i, j, at = 0;

	if (!old || !new || !program_equal(rules, old))
		return false;
	for (i = 0; i < old->entry_count; i++) {
		struct desired_entry entry = old->entries[i];

		for (j = 0; j < new->entry_count; j++)
			if (!rule_compare(&new->entries[j], &entry))
				break;
		if (j == new->entry_count ||
		    (new->entries[j].action == WEFT_POLICY_HTTP && !programs_equal(old, new)))
			continue;
		if (new->entries[j].action == WEFT_POLICY_HTTP)
			entry = new->entries[j];
		if (at >= rules->count || memcmp(&rules->items[at++], &entry, sizeof(entry)))
			return false;
	}
	return at == rules->count;
}

static bool wish_has_identity(const struct wish *wish, uint32_t identity)
{
	size_t i;

	for (i = 0; i < wish->desired.peer_count; i++)
		if (wish->desired.peers[i].peer.identity == identity)
			return true;
	for (i = 0; i < wish->place_count; i++)
		if (wish->places[i].local.peer.identity == identity)
			return true;
	return false;
}

static bool entry_is_among(const struct desired_entry *entry, const struct desired_dest *dest)
{
	size_t i;

	for (i = 0; dest && i < dest->entry_count; i++)
		if (!memcmp(&dest->entries[i], entry, sizeof(*entry)))
			return true;
	return false;
}

/* Somebody may do this here by the new rules. */
static bool entry_is_inherited(const struct desired_entry *entry, const struct desired_dest *new)
{
	struct desired_entry other = *entry;
	size_t i;

	for (i = 0; new &&i < new->entry_count; i++) {
		other.src_identity = new->entries[i].src_identity;
		other.port = new->entries[i].port ? entry->port : 0;
		if (!memcmp(&new->entries[i], &other, sizeof(other)))
			return true;
	}
	return false;
}

/* The new rules, and old ones, or an heir's, of sources that nobody will be any more. */
static bool rules_wait_for_peers(const struct rules *rules, const struct desired_dest *old,
				 const struct desired_dest *new, const struct wish *wish)
{
	size_t i, at = 0;

	if (!new || !program_equal(rules, new))
		return false;
	for (i = 0; i < rules->count; i++) {
		const struct desired_entry *rule = &rules->items[i];

		if (at < new->entry_count && !memcmp(&new->entries[at], rule, sizeof(*rule))) {
			at++;
			continue;
		}
		if (wish_has_identity(wish, rule->src_identity))
			return false;
		if (entry_is_among(rule, old) &&
		    (rule->action == WEFT_POLICY_ALLOW || programs_equal(old, new)))
			continue;
		if (!entry_is_inherited(rule, new))
			return false;
	}
	return at == new->entry_count;
}

static const struct desired_service *service_of(const struct wish *wish,
						const struct weft_service_key *key)
{
	size_t i;

	for (i = 0; i < wish->desired.service_count; i++)
		if (!memcmp(&wish->desired.services[i].key, key, sizeof(*key)))
			return &wish->desired.services[i];
	return NULL;
}

static bool service_is(const struct maps *maps, const struct weft_service_key *key,
		       const struct desired_service *wanted)
{
	struct weft_endpoint endpoints[64];
	struct weft_alias alias[64];
	struct weft_service service;

	if (maps_get(maps, MAP_SERVICE, key, &service))
		return !wanted;
	if (!wanted || service.count != wanted->endpoint_count ||
	    service.service != wanted->service)
		return false;
	if (!service.count)
		return true;
	assert_int_equal(
		maps_get_range(maps, MAP_ENDPOINT, service.first, service.count, endpoints), 0);
	assert_int_equal(maps_get_range(maps, MAP_ALIAS, service.first, service.count, alias), 0);
	return !memcmp(endpoints, wanted->endpoints, service.count * sizeof(*endpoints)) &&
	       !memcmp(alias, wanted->alias, service.count * sizeof(*alias));
}

static void expect_places(const struct maps *maps, const struct wish *wish)
{
	unsigned int interfaces = 0, namespaces = 0;
	struct weft_local local;
	size_t i;

	for (i = 0; i < wish->place_count; i++) {
		const struct reconcile_place *place = &wish->places[i];

		if (place->ifindex) {
			interfaces++;
			assert_int_equal(maps_get(maps, MAP_IFACE, &place->ifindex, &local), 0);
			local.peer.flags &= ~(uint32_t)WEFT_PEER_HTTP;
			assert_memory_equal(&local, &place->local, sizeof(local));
		}
		if (place->netns_cookie) {
			namespaces++;
			assert_int_equal(maps_get(maps, MAP_NETNS, &place->netns_cookie, &local),
					 0);
			assert_memory_equal(&local, &place->local, sizeof(local));
		}
	}
	assert_int_equal(mapset_count(maps, MAP_IFACE), interfaces);
	assert_int_equal(mapset_count(maps, MAP_NETNS), namespaces);
}

bool mapset_is_judged(const struct maps *maps, uint32_t ifindex)
{
	struct weft_local local;

	assert_int_equal(maps_get(maps, MAP_IFACE, &ifindex, &local), 0);
	return local.peer.flags & WEFT_PEER_HTTP;
}

void mapset_expect(const struct maps *maps, const struct wish *wish)
{
	const struct desired *d = &wish->desired;
	struct weft_peer peer;
	struct weft_dest dest;
	struct rules rules;
	size_t i, entries = 0;

	for (i = 0; i < d->dest_count; i++) {
		rules_in_force(maps, d->dests[i].identity, &rules);
		assert_true(rules_equal(&rules, &d->dests[i]));
		maps_http_close(rules.arena);
		assert_int_equal(maps_get(maps, MAP_DEST, &d->dests[i].identity, &dest), 0);
		assert_int_equal(dest.entries, d->dests[i].entry_count);
		entries += d->dests[i].entry_count;
	}
	assert_int_equal(mapset_count(maps, MAP_DEST), d->dest_count);
	assert_int_equal(mapset_count(maps, MAP_POLICY), entries);
	for (i = 0; i < d->peer_count; i++) {
		assert_int_equal(maps_get(maps, MAP_IDENT, &d->peers[i].addr, &peer), 0);
		assert_memory_equal(&peer, &d->peers[i].peer, sizeof(peer));
	}
	assert_int_equal(mapset_count(maps, MAP_IDENT), d->peer_count);
	for (i = 0; i < d->service_count; i++)
		assert_true(service_is(maps, &d->services[i].key, &d->services[i]));
	assert_int_equal(mapset_count(maps, MAP_SERVICE), d->service_count);
	expect_places(maps, wish);
}

static void expect_whole_services(const struct maps *maps, const struct wish *of,
				  const struct wish *old, const struct wish *new)
{
	size_t i;

	for (i = 0; i < of->desired.service_count; i++) {
		const struct weft_service_key *key = &of->desired.services[i].key;

		assert_true(service_is(maps, key, service_of(old, key)) ||
			    service_is(maps, key, service_of(new, key)));
	}
}

void mapset_expect_whole(const struct maps *maps, const struct wish *old, const struct wish *new,
			 bool common)
{
	struct rules rules;
	uint32_t identity;

	for (identity = 300; identity < 305; identity++) {
		const struct desired_dest *before = dest_of(old, identity);
		const struct desired_dest *after = dest_of(new, identity);

		rules_in_force(maps, identity, &rules);
		assert_true(rules_equal(&rules, before) || rules_equal(&rules, after) ||
			    rules_wait_for_peers(&rules, before, after, new) ||
			    (common && rules_are_common(&rules, before, after)));
		maps_http_close(rules.arena);
	}
	expect_whole_services(maps, old, old, new);
	expect_whole_services(maps, new, old, new);
}
