// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"

static int seed_name(const void *key, const void *value, void *context)
{
	names_seed(context, key, value);
	return 0;
}

struct names *kernel_names(const struct maps *maps)
{
	struct names *names = names_new();

	maps_each(maps, MAP_NAME, seed_name, names);
	return names;
}

const char *kernel_name(const struct names *names, enum weft_name_kind kind, uint32_t id,
			char *text, size_t size)
{
	const struct weft_name *name = names_lookup(names, kind, id);

	if (!name)
		snprintf(text, size, "#%u", id);
	else if (kind == WEFT_NAME_IDENTITY && *name->detail)
		snprintf(text, size, "%s/%s [%s]", name->name_space, name->name, name->detail);
	else if (*name->name_space)
		snprintf(text, size, "%s/%s", name->name_space, name->name);
	else
		snprintf(text, size, "%s", name->name);
	return text;
}

static int read_peer(const void *key, const void *value, void *context)
{
	struct desired *found = context;
	size_t i = memory_grow(&found->peers, &found->peer_count, &found->peer_capacity,
			       sizeof(*found->peers));

	memcpy(&found->peers[i].addr, key, sizeof(found->peers[i].addr));
	memcpy(&found->peers[i].peer, value, sizeof(found->peers[i].peer));
	return 0;
}

struct read_dest {
	struct desired *found;
	const struct maps *maps;
	unsigned int orphans;
};

static int read_dest(const void *key, const void *value, void *context)
{
	struct desired *found = context;
	size_t i = memory_grow(&found->dests, &found->dest_count, &found->dest_capacity,
			       sizeof(*found->dests));

	(void)value;
	memcpy(&found->dests[i].identity, key, sizeof(found->dests[i].identity));
	return 0;
}

static int compare_dest(const void *a, const void *b)
{
	const struct desired_dest *x = a, *y = b;

	return x->identity < y->identity ? -1 : x->identity > y->identity;
}

static int compare_entry(const void *a, const void *b)
{
	const struct desired_entry *x = a, *y = b;

	if (x->src_identity != y->src_identity)
		return x->src_identity < y->src_identity ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static int read_policy(const void *raw_key, const void *raw_value, void *context)
{
	const struct weft_policy_key *key = raw_key;
	const struct weft_policy *value = raw_value;
	struct read_dest *read = context;
	struct desired_dest wanted = { .identity = key->dst_identity }, *dest;
	struct weft_dest in_force;

	dest = bsearch(&wanted, read->found->dests, read->found->dest_count, sizeof(*dest),
		       compare_dest);
	if (!dest || maps_get(read->maps, MAP_DEST, &key->dst_identity, &in_force) ||
	    in_force.generation != key->generation) {
		read->orphans++;
		return 0;
	}
	dest->entries =
		memory_realloc_array(dest->entries, dest->entry_count + 1, sizeof(*dest->entries));
	dest->entries[dest->entry_count++] = (struct desired_entry){
		.src_identity = key->src_identity,
		.port = key->port,
		.proto = key->proto,
		.action = (uint8_t)value->action,
	};
	return 0;
}

struct read_service {
	struct desired *found;
	const struct maps *maps;
};

static int read_service(const void *raw_key, const void *raw_value, void *context)
{
	const struct weft_service *value = raw_value;
	struct read_service *read = context;
	struct desired *found = read->found;
	struct desired_service *service;
	size_t i;

	i = memory_grow(&found->services, &found->service_count, &found->service_capacity,
			sizeof(*found->services));
	service = &found->services[i];
	memcpy(&service->key, raw_key, sizeof(service->key));
	service->service = value->service;
	service->affinity_seconds = value->affinity_seconds;
	service->split = value->split;
	service->endpoint_count = value->count;
	service->endpoints =
		memory_realloc_array(NULL, value->count + 1, sizeof(*service->endpoints));
	service->alias = memory_realloc_array(NULL, value->count + 1, sizeof(*service->alias));
	if (!value->count)
		return 0;
	if (maps_get_range(read->maps, MAP_ENDPOINT, value->first, value->count,
			   service->endpoints) ||
	    maps_get_range(read->maps, MAP_ALIAS, value->first, value->count, service->alias))
		service->endpoint_count = 0;
	return 0;
}

static int compare_peer(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct weft_addr));
}

static int compare_service(const void *a, const void *b)
{
	const struct weft_service_key *x = &((const struct desired_service *)a)->key;
	const struct weft_service_key *y = &((const struct desired_service *)b)->key;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (order)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, compare);
}

int kernel_read(const struct maps *maps, struct desired *found, unsigned int *orphans)
{
	struct read_dest read = { .found = found, .maps = maps };
	struct read_service services = { .found = found, .maps = maps };
	size_t i;
	int error;

	memset(found, 0, sizeof(*found));
	error = maps_each(maps, MAP_IDENT, read_peer, found);
	if (!error)
		error = maps_each(maps, MAP_DEST, read_dest, found);
	sort(found->dests, found->dest_count, sizeof(*found->dests), compare_dest);
	if (!error)
		error = maps_each(maps, MAP_POLICY, read_policy, &read);
	if (!error)
		error = maps_each(maps, MAP_SERVICE, read_service, &services);
	sort(found->peers, found->peer_count, sizeof(*found->peers), compare_peer);
	for (i = 0; i < found->dest_count; i++)
		sort(found->dests[i].entries, found->dests[i].entry_count,
		     sizeof(*found->dests[i].entries), compare_entry);
	sort(found->services, found->service_count, sizeof(*found->services), compare_service);
	*orphans = read.orphans;
	return error;
}

double kernel_share(const struct weft_alias *alias, size_t count, size_t slot)
{
	const double whole = 4294967296.0;
	double share = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		double own = alias[i].threshold == UINT32_MAX ? whole : alias[i].threshold;

		if (i == slot)
			share += own / whole;
		if (alias[i].alias == slot && own < whole)
			share += (whole - own) / whole;
	}
	return share / (double)count;
}
