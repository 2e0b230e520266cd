// SPDX-License-Identifier: Apache-2.0
/*
 * Tables: which endpoints a connection to a port of a cluster IP may get, and how often. One whose
 * objects are those of the last compilation is taken from there.
 */
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

/* One backend's part of a table. */
struct share {
	uint32_t backend;
	uint64_t weight;
	struct weft_endpoint *endpoints; /* sorted, without duplicates */
	size_t count, capacity;
};

uint64_t compile_inputs_mix(uint64_t inputs, uint64_t revision)
{
	/* The finaliser of splitmix64: every bit of both counts. */
	inputs = (inputs ^ revision) + UINT64_C(0x9e3779b97f4a7c15);
	inputs = (inputs ^ inputs >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	inputs = (inputs ^ inputs >> 27) * UINT64_C(0x94d049bb133111eb);
	return inputs ^ inputs >> 31;
}

void compile_tables_begin(struct compilation *c, struct desired *desired)
{
	c->former = desired->services;
	c->former_count = desired->service_count;
	desired->services = NULL;
	desired->service_count = desired->service_capacity = 0;
}

void compile_tables_end(struct compilation *c)
{
	size_t i;

	for (i = 0; i < c->former_count; i++)
		desired_service_clear(&c->former[i]);
	free(c->former);
}

/* Tables are compiled in the order of their keys, which is that of the former ones. */
static struct desired_service *former_find(struct compilation *c,
					   const struct weft_service_key *key)
{
	const struct desired_service wanted = { .key = *key };
	int order = 1;

	while (c->former_at < c->former_count &&
	       (order = desired_compare_services(&c->former[c->former_at], &wanted)) < 0)
		c->former_at++;
	return c->former_at < c->former_count && !order ? &c->former[c->former_at] : NULL;
}

static uint32_t service_number(struct compilation *c, struct service_entry *entry)
{
	const struct object *service = &entry->service->meta;

	if (!entry->number)
		entry->number = names_get(c->names, WEFT_NAME_SERVICE, service->name_space,
					  service->name, "");
	return entry->number;
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
static void share_collect(struct compilation *c, struct service_entry *entry,
			  const struct service_port *port, bool v4, struct share *share)
{
	size_t i, j;

	share->backend = service_number(c, entry);
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
		struct service_entry *entry = backends->items[i].entry;

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

/* A digest of all objects that a table is made of, and of what it makes of them. */
static uint64_t table_inputs(const struct table *table, const struct backend_list *backends)
{
	const struct traffic_split *split = table->entry->split;
	uint64_t inputs =
		compile_inputs_mix(table->entry->inputs, split ? split->meta.revision : 0);
	size_t i;

	for (i = 0; i < backends->count; i++) {
		inputs = compile_inputs_mix(inputs, backends->items[i].entry->inputs);
		inputs = compile_inputs_mix(inputs, backends->items[i].weight);
	}
	return inputs ? inputs : 1;
}

/* True: `out` has what the last compilation made of the same objects. */
static bool table_take_former(struct compilation *c, const struct table *table, uint64_t inputs,
			      struct desired_service *out)
{
	struct desired_service *former = former_find(c, &table->key);

	if (!former || former->inputs != inputs)
		return false;
	*out = *former;
	*former = (struct desired_service){ .key = table->key };
	return true;
}

/* What is told about a table is told anew each time. */
static bool table_make(struct compilation *c, const struct table *table,
		       const struct backend_list *backends, struct desired_service *out)
{
	size_t told = c->findings->count, count, i;
	struct share *shares = memory_alloc(backends->count * sizeof(*shares));

	count = table_shares(c, table, backends, shares);
	if (count) {
		shares_limit(c, table, shares, count);
		table_fill(out, shares, count);
	} else if (out->split) {
		table_refuses(c, table);
	}
	for (i = 0; i < backends->count; i++)
		free(shares[i].endpoints);
	free(shares);
	return c->findings->count == told;
}

void compile_table(struct compilation *c, struct service_entry *services, const struct table *table)
{
	struct desired *desired = c->desired;
	const struct traffic_split *split = table->entry->split;
	struct backend own = { .entry = table->entry, .weight = 1 };
	struct backend_list backends = { 0 };
	struct desired_service *out;
	uint64_t inputs;
	size_t i;

	i = memory_grow(&desired->services, &desired->service_count, &desired->service_capacity,
			sizeof(*desired->services));
	out = &desired->services[i];
	out->key = table->key;
	out->service = service_number(c, table->entry);
	out->affinity_seconds = table->entry->service->affinity_seconds;
	out->split = split && !split->match_count;
	if (out->split)
		compile_split_backends(c, services, split, &backends);
	else
		backends = (struct backend_list){ .items = &own, .count = 1 };
	inputs = table_inputs(table, &backends);
	if (!table_take_former(c, table, inputs, out) && table_make(c, table, &backends, out))
		out->inputs = inputs;
	if (out->split)
		free(backends.items);
}
