// SPDX-License-Identifier: Apache-2.0
/* Addresses: who claims them, and who gets them. */
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/compile_internal.h"
#include "policy/memory.h"

/* In order of precedence, but see group_resolve() for CLAIM_INTERFACE. */
enum claim_kind {
	CLAIM_NODE,	 /* of a Node object */
	CLAIM_INTERFACE, /* of one of this node's interfaces */
	CLAIM_POD,
	CLAIM_SERVICE, /* cluster IP */
};

struct claim {
	struct weft_addr addr;
	enum claim_kind kind;
	const struct object *object; /* NULL for CLAIM_INTERFACE */
	struct weft_peer peer;
};

struct claims {
	struct claim *items;
	size_t count, capacity;
};

static void claim_add(struct claims *claims, enum claim_kind kind, const struct object *object,
		      const struct weft_addr *addr, struct weft_peer peer)
{
	size_t i;

	if (address_is_zero(addr))
		return;
	i = memory_grow(&claims->items, &claims->count, &claims->capacity, sizeof(*claims->items));
	claims->items[i] =
		(struct claim){ .addr = *addr, .kind = kind, .object = object, .peer = peer };
}

static void claims_of_nodes(struct compilation *c, struct claims *claims)
{
	const struct weft_peer local = { .identity = WEFT_ID_HOST,
					 .workload = WEFT_ID_HOST,
					 .flags = WEFT_PEER_LOCAL_HOST };
	const struct weft_peer remote = { .identity = WEFT_ID_HOST, .workload = WEFT_ID_HOST };
	struct object *object;
	size_t i;

	for (object = store_first(c->store, OBJECT_NODE); object; object = store_next(object)) {
		const struct node *node = (const struct node *)object;
		bool own = !strcmp(object->name, c->facts->node);

		for (i = 0; i < node->address_count; i++)
			claim_add(claims, CLAIM_NODE, object, &node->addresses[i],
				  own ? local : remote);
	}
	for (i = 0; i < c->facts->host_address_count; i++)
		claim_add(claims, CLAIM_INTERFACE, NULL, &c->facts->host_addresses[i], local);
}

static void claims_of_services(struct compilation *c, struct claims *claims)
{
	const struct weft_peer peer = { .identity = WEFT_ID_SERVICE, .workload = WEFT_ID_SERVICE };
	size_t i, j;

	for (i = 0; i < c->service_count; i++) {
		const struct service *service = (const struct service *)c->services[i];

		if (service->headless || service->external_name)
			continue;
		for (j = 0; j < service->cluster_ip_count; j++)
			claim_add(claims, CLAIM_SERVICE, &service->meta, &service->cluster_ips[j],
				  peer);
	}
}

/* Of two pods with one address: the one that stays, then the younger, then the first by name. */
static int pod_compare(const struct object *a, const struct object *b)
{
	if (a->deleting != b->deleting)
		return a->deleting ? 1 : -1;
	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return strcmp(a->key, b->key);
}

static int claim_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = address_compare(&x->addr, &y->addr);

	if (order)
		return order;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->kind == CLAIM_POD)
		return pod_compare(x->object, y->object);
	return x->object && y->object ? strcmp(x->object->key, y->object->key) : 0;
}

static void claim_lost(struct compilation *c, const struct claim *claim, const struct claim *winner)
{
	const char *field = claim->kind == CLAIM_POD ? "status.podIPs" : "spec.clusterIPs";
	const char *consequence = claim->kind == CLAIM_POD ?
					  "this pod's claim is ignored" :
					  "connections to this address are not split";
	const struct object *other = winner->object;
	char text[ADDRESS_TEXT_LEN];

	address_format(&claim->addr, text);
	if (other)
		finding_add(c->findings, claim->object, field, "AddressConflict", consequence,
			    "%s belongs to %s %s%s%s", text, object_kind_name(other->kind),
			    other->name_space, *other->name_space ? "/" : "", other->name);
	else
		finding_add(c->findings, claim->object, field, "AddressConflict", consequence,
			    "%s belongs to this node", text);
}

static void vip_refuse(struct compilation *c, const struct weft_addr *addr)
{
	size_t i;

	if (c->refused_vip_count &&
	    !address_compare(&c->refused_vips[c->refused_vip_count - 1], addr))
		return;
	i = memory_grow(&c->refused_vips, &c->refused_vip_count, &c->refused_vip_capacity,
			sizeof(*c->refused_vips));
	c->refused_vips[i] = *addr;
}

static bool group_has(const struct claim *claims, size_t count, enum claim_kind kind)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (claims[i].kind == kind)
			return true;
	return false;
}

/*
 * All claims for one address, best first. An interface of this node may hold
 * the cluster IPs (kube-proxy in IPVS mode), so it yields to one that no pod
 * claims; towards pods it counts like a Node object.
 */
static void group_resolve(struct compilation *c, const struct claim *claims, size_t count)
{
	const struct claim *winner = &claims[0];
	struct desired *desired = c->desired;
	struct weft_peer peer;
	size_t i;

	if (winner->kind == CLAIM_INTERFACE && !group_has(claims, count, CLAIM_POD))
		winner = &claims[count - 1];
	peer = winner->peer;
	for (i = 0; i < count; i++) {
		const struct claim *claim = &claims[i];

		if (claim->kind < CLAIM_POD && winner->kind < CLAIM_POD)
			peer.flags |= claim->peer.flags;
		else if (claim->kind == CLAIM_POD && claim->object != winner->object)
			claim_lost(c, claim, winner);
		else if (claim->kind == CLAIM_SERVICE && winner->kind != CLAIM_SERVICE) {
			claim_lost(c, claim, winner);
			vip_refuse(c, &claim->addr);
		}
	}
	i = memory_grow(&desired->peers, &desired->peer_count, &desired->peer_capacity,
			sizeof(*desired->peers));
	desired->peers[i] = (struct desired_peer){ .addr = winner->addr, .peer = peer };
}

static int peer_compare(const void *key, const void *peer)
{
	return address_compare(key, &((const struct desired_peer *)peer)->addr);
}

/*
 * A pod is held to the addresses that are its own: one that it publishes but
 * that is somebody else's would let it send with that one's identity.
 */
static void locals_disown(struct compilation *c)
{
	struct desired *desired = c->desired;
	const struct desired_peer *owner;
	size_t i, j;

	for (i = 0; i < desired->local_count; i++) {
		struct weft_local *local = &desired->locals[i].local;

		for (j = 0; j < 2; j++) {
			if (address_is_zero(&local->addr[j]))
				continue;
			owner = bsearch(&local->addr[j], desired->peers, desired->peer_count,
					sizeof(*desired->peers), peer_compare);
			if (!owner || owner->peer.identity != local->peer.identity)
				memset(&local->addr[j], 0, sizeof(local->addr[j]));
		}
	}
}

void compile_peers(struct compilation *c)
{
	struct claims claims = { 0 };
	size_t first, i;

	claims_of_nodes(c, &claims);
	for (i = 0; i < c->address_count; i++)
		claim_add(&claims, CLAIM_POD, &c->addresses[i].pod->meta, &c->addresses[i].addr,
			  c->addresses[i].peer);
	claims_of_services(c, &claims);
	if (claims.count)
		qsort(claims.items, claims.count, sizeof(*claims.items), claim_compare);
	for (first = 0; first < claims.count; first = i) {
		for (i = first + 1; i < claims.count; i++)
			if (address_compare(&claims.items[first].addr, &claims.items[i].addr))
				break;
		group_resolve(c, &claims.items[first], i - first);
	}
	locals_disown(c);
	free(claims.items);
}
