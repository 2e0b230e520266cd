// SPDX-License-Identifier: Apache-2.0
/* Services: which endpoints a connection to a cluster IP may get, and how often. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/alias.h"
#include "policy/compile_internal.h"
#include "policy/memory.h"

enum {
	MAX_TABLE_ENDPOINTS = 65536,
	WEIGHT_SHIFT = 62, /* see weights_scale() */
};

/* A port of a cluster IP, and who claims it. */
struct table {
	struct weft_service_key key;
	struct service_entry *entry;
	const struct service_port *port;
};

struct table_list {
	struct table *items;
	size_t count, capacity;
};

/* One backend's part of a table. */
struct share {
	uint32_t backend;
	uint64_t weight;
	struct weft_endpoint *endpoints; /* sorted, without duplicates */
	size_t count, capacity;
};

struct service_entry *compile_service_find(struct service_entry *services, const char *name_space,
					   const char *name)
{
	char *key = memory_printf("%s/%s", name_space, name);
	struct service_entry *entry;

	HASH_FIND_STR(services, key, entry);
	free(key);
	return entry;
}

const struct service_port *compile_service_port(const struct service *service, uint16_t port,
						uint8_t proto)
{
	size_t i;

	for (i = 0; i < service->port_count; i++)
		if (service->ports[i].port == port && service->ports[i].proto == proto)
			return &service->ports[i];
	return NULL;
}

static struct service_entry *services_index(struct compilation *c)
{
	struct service_entry *services = NULL, *entry;
	const struct endpoint_slice *slice;
	struct object *object;
	size_t i;

	for (i = 0; i < c->service_count; i++) {
		entry = memory_alloc(sizeof(*entry));
		entry->service = (const struct service *)c->services[i];
		HASH_ADD_KEYPTR(hh, services, entry->service->meta.key,
				strlen(entry->service->meta.key), entry);
	}
	for (object = store_first(c->store, OBJECT_ENDPOINT_SLICE); object;
	     object = store_next(object)) {
		slice = (const struct endpoint_slice *)object;
		entry = compile_service_find(services, object->name_space, slice->service);
		if (!entry)
			continue;
		i = memory_grow(&entry->slices, &entry->slice_count, &entry->slice_capacity,
				sizeof(*entry->slices));
		entry->slices[i] = slice;
	}
	return services;
}

static void services_free(struct service_entry *services)
{
	struct service_entry *entry, *next;

	HASH_ITER(hh, services, entry, next) {
		HASH_DEL(services, entry);
		free(entry->slices);
		free(entry);
	}
}

static int vip_compare(const void *a, const void *b)
{
	return address_compare(a, b);
}

static bool vip_is_refused(const struct compilation *c, const struct weft_addr *vip)
{
	return c->refused_vip_count &&
	       bsearch(vip, c->refused_vips, c->refused_vip_count, sizeof(*vip), vip_compare);
}

static void tables_add(struct compilation *c, struct service_entry *entry,
		       const struct weft_addr *vip, struct table_list *tables)
{
	const struct service *service = entry->service;
	size_t i, j;

	if (address_is_zero(vip) || vip_is_refused(c, vip))
		return;
	for (i = 0; i < service->port_count; i++) {
		if (!service->ports[i].port)
			continue;
		j = memory_grow(&tables->items, &tables->count, &tables->capacity,
				sizeof(*tables->items));
		tables->items[j] = (struct table){
			.key = { .addr = *vip,
				 .port = service->ports[i].port,
				 .proto = service->ports[i].proto },
			.entry = entry,
			.port = &service->ports[i],
		};
	}
}

/* By key; of several claims the oldest service's first, then the first by name, then by list. */
static int table_compare(const void *a, const void *b)
{
	const struct table *x = a, *y = b;
	const struct object *left = &x->entry->service->meta, *right = &y->entry->service->meta;
	int order = address_compare(&x->key.addr, &y->key.addr);

	if (order)
		return order;
	if (x->key.proto != y->key.proto)
		return x->key.proto < y->key.proto ? -1 : 1;
	if (x->key.port != y->key.port)
		return x->key.port < y->key.port ? -1 : 1;
	if (left->created != right->created)
		return left->created < right->created ? -1 : 1;
	order = strcmp(left->key, right->key);
	if (order)
		return order;
	return x->port < y->port ? -1 : x->port > y->port;
}

static bool table_same_key(const struct table *a, const struct table *b)
{
	return !address_compare(&a->key.addr, &b->key.addr) && a->key.port == b->key.port &&
	       a->key.proto == b->key.proto;
}

static void table_lost(struct compilation *c, const struct table *table, const struct table *winner)
{
	char text[ADDRESS_TEXT_LEN];

	if (table->entry == winner->entry)
		return;
	finding_add(c->findings, &table->entry->service->meta, "spec.clusterIPs",
		    "DuplicateClusterIP", "connections to this port go to the other service",
		    "%s port %u belongs to service %s", address_format(&table->key.addr, text),
		    (unsigned int)table->key.port, winner->entry->service->meta.key);
}

static int endpoint_compare(const void *a, const void *b)
{
	const struct weft_endpoint *x = a, *y = b;
	int order = address_compare(&x->addr, &y->addr);

	return order ? order : x->port - y->port;
}

static void share_finish(struct share *share)
{
	size_t i, kept = 0;

	if (share->count > 1)
		qsort(share->endpoints, share->count, sizeof(*share->endpoints), endpoint_compare);
	for (i = 0; i < share->count; i++)
		if (!kept || endpoint_compare(&share->endpoints[kept - 1], &share->endpoints[i]))
			share->endpoints[kept++] = share->endpoints[i];
	share->count = kept;
}

static void share_add_slice(struct share *share, const struct endpoint_slice *slice, uint16_t port,
			    bool v4)
{
	size_t i, j;

	for (i = 0; i < slice->endpoint_count; i++) {
		const struct slice_endpoint *endpoint = &slice->endpoints[i];

		if (!endpoint->usable || address_is_v4(&endpoint->address) != v4)
			continue;
		j = memory_grow(&share->endpoints, &share->count, &share->capacity,
				sizeof(*share->endpoints));
		share->endpoints[j] = (struct weft_endpoint){ .addr = endpoint->address,
							      .port = port,
							      .backend = share->backend };
	}
}

/* The usable endpoints of a service's port, in the family of the table's cluster IP. */
static void share_collect(struct compilation *c, const struct service_entry *entry,
			  const struct service_port *port, bool v4, struct share *share)
{
	const struct object *service = &entry->service->meta;
	size_t i, j;

	share->backend =
		names_get(c->names, WEFT_NAME_SERVICE, service->name_space, service->name, "");
	for (i = 0; i < entry->slice_count; i++) {
		const struct endpoint_slice *slice = entry->slices[i];

		for (j = 0; j < slice->port_count; j++)
			if (slice->ports[j].port && slice->ports[j].proto == port->proto &&
			    !strcmp(slice->ports[j].name, port->name))
				share_add_slice(share, slice, slice->ports[j].port, v4);
	}
	share_finish(share);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * Exact: every backend's weight over its number of endpoints, times the least
 * common multiple of these numbers, in lowest terms. False when the sum of
 * the table does not fit 64 bits.
 */
static bool weights_exact(const struct share *shares, size_t count, uint64_t *weights)
{
	uint64_t lcm = 1, divisor = 0, sum = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if (__builtin_mul_overflow(lcm / gcd(lcm, shares[i].count), shares[i].count, &lcm))
			return false;
	for (i = 0; i < count; i++) {
		uint64_t all;

		if (__builtin_mul_overflow(shares[i].weight, lcm, &all) ||
		    __builtin_add_overflow(sum, all, &sum))
			return false;
		weights[i] = all / shares[i].count;
		divisor = gcd(divisor, weights[i]);
	}
	for (i = 0; i < count; i++)
		weights[i] /= divisor;
	return true;
}

/* Otherwise in parts of 2^-62 of the table, rounded, at least 1: far below what an alias table
 * shows. */
static void weights_scale(const struct share *shares, size_t count, uint64_t *weights)
{
	unsigned __int128 sum = 0, per_endpoint;
	size_t i;

	for (i = 0; i < count; i++)
		sum += shares[i].weight;
	for (i = 0; i < count; i++) {
		per_endpoint = ((unsigned __int128)shares[i].weight << WEIGHT_SHIFT) /
			       (sum * shares[i].count);
		weights[i] = per_endpoint ? (uint64_t)per_endpoint : 1;
	}
}

/* Flattens shares (sorted by backend, none empty) into the table. */
static void table_fill(struct desired_service *out, const struct share *shares, size_t count)
{
	uint64_t *weights = memory_alloc(count * sizeof(*weights));
	size_t i, j, n = 0;

	if (!weights_exact(shares, count, weights))
		weights_scale(shares, count, weights);
	for (i = 0; i < count; i++)
		n += shares[i].count;
	out->endpoints = memory_alloc(n * sizeof(*out->endpoints));
	out->weights = memory_alloc(n * sizeof(*out->weights));
	out->alias = memory_alloc(n * sizeof(*out->alias));
	for (i = 0; i < count; i++) {
		for (j = 0; j < shares[i].count; j++) {
			out->endpoints[out->endpoint_count] = shares[i].endpoints[j];
			out->weights[out->endpoint_count++] = weights[i];
		}
	}
	/* Sum and count are far below the limits, and every weight is above 0. */
	if (alias_build(out->weights, (uint32_t)n, out->alias))
		abort();
	free(weights);
}

static int share_compare(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return x->backend < y->backend ? -1 : x->backend > y->backend;
}

/* Keeps every backend's share right when a table is too large for the kernel. */
static void shares_limit(struct compilation *c, const struct table *table, struct share *shares,
			 size_t count)
{
	size_t limit = count < MAX_TABLE_ENDPOINTS ? MAX_TABLE_ENDPOINTS / count : 1, total = 0, i;

	for (i = 0; i < count; i++)
		total += shares[i].count;
	if (total <= MAX_TABLE_ENDPOINTS)
		return;
	finding_add(c->findings, &table->entry->service->meta, "spec.ports", "TooManyEndpoints",
		    "some endpoints get no connections", "port %u has %zu endpoints, more than %d",
		    (unsigned int)table->key.port, total, MAX_TABLE_ENDPOINTS);
	for (i = 0; i < count; i++)
		if (shares[i].count > limit)
			shares[i].count = limit;
}

static void table_refuses(struct compilation *c, const struct table *table)
{
	const struct traffic_split *split = table->entry->split;
	char text[ADDRESS_TEXT_LEN];

	finding_add(c->findings, &split->meta, "spec.backends", "NoUsableBackend",
		    "connections to this port are refused",
		    "no backend with a weight has a usable endpoint for %s port %u/%s",
		    address_format(&table->key.addr, text), (unsigned int)table->key.port,
		    table->key.proto == IPPROTO_TCP ? "tcp" : "udp");
}

/* One share per backend that has endpoints for this port. Returns their number. */
static size_t table_shares(struct compilation *c, const struct table *table,
			   const struct backend_list *backends, struct share *shares)
{
	bool v4 = address_is_v4(&table->key.addr);
	const struct service_port *port;
	size_t count = 0, i;

	for (i = 0; i < backends->count; i++) {
		const struct service_entry *entry = backends->items[i].entry;

		port = compile_service_port(entry->service, table->key.port, table->key.proto);
		if (!port || !backends->items[i].weight)
			continue;
		shares[count].weight = backends->items[i].weight;
		share_collect(c, entry, port, v4, &shares[count]);
		if (shares[count].count)
			count++;
	}
	if (count > 1)
		qsort(shares, count, sizeof(*shares), share_compare);
	return count;
}

static void table_compile(struct compilation *c, struct service_entry *services,
			  const struct table *table)
{
	struct desired *desired = c->desired;
	const struct object *service = &table->entry->service->meta;
	const struct traffic_split *split = table->entry->split;
	struct backend own = { .entry = table->entry, .weight = 1 };
	struct backend_list backends = { 0 };
	struct desired_service *out;
	struct share *shares;
	size_t count, i;

	i = memory_grow(&desired->services, &desired->service_count, &desired->service_capacity,
			sizeof(*desired->services));
	out = &desired->services[i];
	out->key = table->key;
	out->service =
		names_get(c->names, WEFT_NAME_SERVICE, service->name_space, service->name, "");
	out->affinity_seconds = table->entry->service->affinity_seconds;
	out->split = split && !split->match_count;
	if (out->split)
		compile_split_backends(c, services, split, &backends);
	else
		backends = (struct backend_list){ .items = &own, .count = 1 };

	shares = memory_alloc(backends.count * sizeof(*shares));
	count = table_shares(c, table, &backends, shares);
	if (count) {
		shares_limit(c, table, shares, count);
		table_fill(out, shares, count);
	} else if (out->split) {
		table_refuses(c, table);
	}
	for (i = 0; i < backends.count; i++)
		free(shares[i].endpoints);
	free(shares);
	if (out->split)
		free(backends.items);
}

void compile_services(struct compilation *c)
{
	struct table_list tables = { 0 };
	struct service_entry *services, *entry;
	size_t i, j, winner = 0;

	services = services_index(c);
	compile_splits(c, services);
	for (entry = services; entry; entry = entry->hh.next) {
		const struct service *service = entry->service;

		for (j = 0;
		     !service->headless && !service->external_name && j < service->cluster_ip_count;
		     j++)
			tables_add(c, entry, &service->cluster_ips[j], &tables);
	}
	if (tables.count)
		qsort(tables.items, tables.count, sizeof(*tables.items), table_compare);
	for (i = 0; i < tables.count; i++) {
		if (i && table_same_key(&tables.items[winner], &tables.items[i])) {
			table_lost(c, &tables.items[i], &tables.items[winner]);
			continue;
		}
		winner = i;
		table_compile(c, services, &tables.items[i]);
	}
	free(tables.items);
	services_free(services);
}
