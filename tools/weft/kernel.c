// SPDX-License-Identifier: Apache-2.0
#include "tools/weft/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/maps_http.h"
#include "policy/memory.h"
#include "tools/weft/kernel_http.h"

static int seed_name(const void *key, const void *value, void *context)
{
	names_seed(context, key, value);
	return 0;
}

struct names *kernel_names(const struct maps *maps)
{
	struct names *names = names_new();

	if (!maps_each(maps, MAP_NAME, seed_name, names))
		return names;
	names_free(names);
	return NULL;
}

const char *kernel_name(const struct names *names, enum weft_name_kind kind, uint32_t id,
			char text[KERNEL_NAME_LEN])
{
	const struct weft_name *name = names_lookup(names, kind, id);

	if (!name)
		snprintf(text, KERNEL_NAME_LEN, "#%u", id);
	else if (kind == WEFT_NAME_IDENTITY && *name->detail)
		snprintf(text, KERNEL_NAME_LEN, "%s/%s [%s]", name->name_space, name->name,
			 name->detail);
	else if (*name->name_space)
		snprintf(text, KERNEL_NAME_LEN, "%s/%s", name->name_space, name->name);
	else
		snprintf(text, KERNEL_NAME_LEN, "%s", name->name);
	return text;
}

/* A destination as the kernel has it: kept sorted by identity, in step with desired.dests. */
struct read_dest {
	uint32_t identity;
	struct weft_dest value;
};

struct reading {
	struct desired *found;
	const struct maps *maps;
	struct read_dest *dests;
	size_t dest_count, dest_capacity;
	unsigned int orphans;
};

static int read_peer(const void *key, const void *value, void *context)
{
	struct desired *found = ((struct reading *)context)->found;
	size_t i = memory_grow(&found->peers, &found->peer_count, &found->peer_capacity,
			       sizeof(*found->peers));

	memcpy(&found->peers[i].addr, key, sizeof(found->peers[i].addr));
	memcpy(&found->peers[i].peer, value, sizeof(found->peers[i].peer));
	return 0;
}

static int read_dest(const void *key, const void *value, void *context)
{
	struct reading *reading = context;
	size_t i = memory_grow(&reading->dests, &reading->dest_count, &reading->dest_capacity,
			       sizeof(*reading->dests));

	memcpy(&reading->dests[i].identity, key, sizeof(reading->dests[i].identity));
	memcpy(&reading->dests[i].value, value, sizeof(reading->dests[i].value));
	return 0;
}

static int compare_dest(const void *a, const void *b)
{
	const struct read_dest *x = a, *y = b;

	return x->identity < y->identity ? -1 : x->identity > y->identity;
}

static int read_entry(const void *raw_key, const void *raw_value, void *context)
{
	const struct weft_policy_key *key = raw_key;
	const struct weft_policy *value = raw_value;
	struct reading *reading = context;
	struct read_dest wanted = { .identity = key->dst_identity }, *owner = NULL;
	struct desired_dest *dest;

	if (reading->dest_count)
		owner = bsearch(&wanted, reading->dests, reading->dest_count, sizeof(*owner),
				compare_dest);
	if (!owner || owner->value.generation != key->generation) {
		reading->orphans++;
		return 0;
	}
	dest = &reading->found->dests[owner - reading->dests];
	dest->entries =
		memory_realloc_array(dest->entries, dest->entry_count + 1, sizeof(*dest->entries));
	dest->entries[dest->entry_count++] = (struct desired_entry){
		.src_identity = key->src_identity,
		.port = key->port,
		.proto = key->proto,
		.action = (uint8_t)value->action,
		.mask = value->mask,
	};
	return 0;
}

static int read_table(const struct maps *maps, const struct weft_service_key *key,
		      const struct weft_service *value, struct desired_service *service)
{
	int err;

	*service = (struct desired_service){
		.key = *key,
		.service = value->service,
		.affinity_seconds = value->affinity_seconds,
		.split = value->split,
		.endpoint_count = value->count,
	};
	if (!value->count)
		return 0;
	/* Never more than the map holds, whatever the entry says. */
	if (value->count > maps_max_entries(maps, MAP_ENDPOINT))
		service->endpoint_count = 0;
	service->endpoints = memory_realloc_array(NULL, service->endpoint_count + 1,
						  sizeof(*service->endpoints));
	service->alias =
		memory_realloc_array(NULL, service->endpoint_count + 1, sizeof(*service->alias));
	err = maps_get_range(maps, MAP_ENDPOINT, value->first, value->count, service->endpoints);
	if (!err)
		err = maps_get_range(maps, MAP_ALIAS, value->first, value->count, service->alias);
	return err;
}

static int read_service(const void *key, const void *value, void *context)
{
	struct reading *reading = context;
	struct desired *found = reading->found;
	size_t i = memory_grow(&found->services, &found->service_count, &found->service_capacity,
			       sizeof(*found->services));

	return read_table(reading->maps, key, value, &found->services[i]);
}

int kernel_read_service(const struct maps *maps, const struct weft_service_key *key,
			struct desired_service *service)
{
	struct weft_service value;
	int err = maps_get(maps, MAP_SERVICE, key, &value);

	*service = (struct desired_service){ 0 };
	return err ? err : read_table(maps, key, &value, service);
}

void kernel_free_service(struct desired_service *service)
{
	free(service->endpoints);
	free(service->alias);
}

static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, compare);
}

static int read_programs(struct reading *reading)
{
	struct maps_http *http;
	size_t i = 0;
	int err;

	while (i < reading->dest_count && !reading->dests[i].value.http)
		i++;
	if (i == reading->dest_count)
		return 0;
	err = maps_http_copy(reading->maps, &http);
	if (err)
		return err;
	for (i = 0; i < reading->dest_count; i++)
		kernel_copy_program(http, &reading->dests[i].value, &reading->found->dests[i]);
	maps_http_close(http);
	return 0;
}

static int read_policies(struct reading *reading)
{
	struct desired *found = reading->found;
	int err = maps_each(reading->maps, MAP_DEST, read_dest, reading);
	size_t i;

	sort(reading->dests, reading->dest_count, sizeof(*reading->dests), compare_dest);
	for (i = 0; i < reading->dest_count; i++) {
		memory_grow(&found->dests, &found->dest_count, &found->dest_capacity,
			    sizeof(*found->dests));
		found->dests[i].identity = reading->dests[i].identity;
	}
	if (!err)
		err = read_programs(reading);
	if (!err)
		err = maps_each(reading->maps, MAP_POLICY, read_entry, reading);
	for (i = 0; i < found->dest_count; i++)
		sort(found->dests[i].entries, found->dests[i].entry_count,
		     sizeof(*found->dests[i].entries), desired_compare_entries);
	return err;
}

int kernel_read(const struct maps *maps, struct desired *found, unsigned int *orphans)
{
	struct reading reading = { .found = found, .maps = maps };
	int err;

	memset(found, 0, sizeof(*found));
	err = maps_each(maps, MAP_IDENT, read_peer, &reading);
	if (!err)
		err = read_policies(&reading);
	if (!err)
		err = maps_each(maps, MAP_SERVICE, read_service, &reading);
	sort(found->peers, found->peer_count, sizeof(*found->peers), desired_compare_peers);
	sort(found->services, found->service_count, sizeof(*found->services),
	     desired_compare_services);
	*orphans = reading.orphans;
	free(reading.dests);
	return err;
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
