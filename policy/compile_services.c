// SPDX-License-Identifier: Apache-2.0
/* Services: what is known of each, and which has a table for which port of which cluster IP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/compile_internal.h"
#include "policy/memory.h"

enum { KEY_LEN = 2 * 253 + 16 };

struct table_list {
	struct table *items;
	size_t count, capacity;
};

struct service_entry *compile_service_find(struct service_entry *services, const char *name_space,
					   const char *name)
{
	char key[KEY_LEN];
	struct service_entry *entry;

	/* One that is longer is no legal name, and cut none either. */
	snprintf(key, sizeof(key), "%s/%s", name_space, name);
	HASH_FIND_STR(services, key, entry);
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
	struct object *const *slices;
	size_t count, i, j;

	for (i = 0; i < c->service_count; i++) {
		entry = memory_alloc(sizeof(*entry));
		entry->service = (const struct service *)c->services[i];
		entry->inputs = compile_inputs_mix(0, entry->service->meta.revision);
		HASH_ADD_KEYPTR(hh, services, entry->service->meta.key,
				strlen(entry->service->meta.key), entry);
	}
	slices = store_sorted(c->store, OBJECT_ENDPOINT_SLICE, &count);
	for (i = 0; i < count; i++) {
		slice = (const struct endpoint_slice *)slices[i];
		entry = compile_service_find(services, slice->meta.name_space, slice->service);
		if (!entry)
			continue;
		j = memory_grow(&entry->slices, &entry->slice_count, &entry->slice_capacity,
				sizeof(*entry->slices));
		entry->slices[j] = slice;
		entry->inputs = compile_inputs_mix(entry->inputs, slice->meta.revision);
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
		compile_table(c, services, &tables.items[i]);
	}
	free(tables.items);
	services_free(services);
}
