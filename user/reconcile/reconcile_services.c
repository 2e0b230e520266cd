// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

static int key_compare(const struct weft_service_key *a, const struct weft_service_key *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (order)
		return order;
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->port < b->port ? -1 : a->port > b->port;
}

static int service_compare(const void *a, const void *b)
{
	return key_compare(&((const struct applied_service *)a)->key,
			   &((const struct applied_service *)b)->key);
}

static void services_sort(struct applied_services *services)
{
	if (services->count > 1)
		qsort(services->items, services->count, sizeof(*services->items), service_compare);
}

static void *table_copy(const void *table, size_t count, size_t size)
{
	void *copy;

	if (!count)
		return NULL;
	copy = memory_alloc(count * size);
	memcpy(copy, table, count * size);
	return copy;
}

static int load_service(const void *key, const void *value, void *context)
{
	struct applied_services *services = context;
	struct applied_service *service;
	size_t i;

	i = memory_grow(&services->items, &services->count, &services->capacity,
			sizeof(*services->items));
	service = &services->items[i];
	memcpy(&service->key, key, sizeof(service->key));
	memcpy(&service->value, value, sizeof(service->value));
	if (service->value.generation > services->generation)
		services->generation = service->value.generation;
	return 0;
}

static int load_table(struct applied_services *services, struct applied_service *service,
		      const struct maps *maps)
{
	uint32_t first = service->value.first, count = service->value.count;
	int err;

	if (!count)
		return 0;
	if (ranges_reserve(services->ranges, first, count)) {
		service->broken = true;
		return 0;
	}
	service->endpoints = memory_alloc(count * sizeof(*service->endpoints));
	service->alias = memory_alloc(count * sizeof(*service->alias));
	err = maps_get_range(maps, MAP_ENDPOINT, first, count, service->endpoints);
	return err ? err : maps_get_range(maps, MAP_ALIAS, first, count, service->alias);
}

int applied_services_load(struct applied_services *services, const struct maps *maps,
			  uint64_t now_ns)
{
	uint32_t alias = maps_max_entries(maps, MAP_ALIAS);
	uint32_t endpoint = maps_max_entries(maps, MAP_ENDPOINT);
	size_t i;
	int err;

	services->ranges = ranges_new(alias < endpoint ? alias : endpoint);
	/*
	 * Callers remember the generation that they last saw (weft_sticky). Beginning at the
	 * clock, in milliseconds, keeps a service that was deleted by an earlier agent and made
	 * again by this one from meeting an old number.
	 */
	services->generation = (uint32_t)(now_ns / 1000000);
	err = maps_each(maps, MAP_SERVICE, load_service, services);
	services_sort(services);
	for (i = 0; !err && i < services->count; i++)
		err = load_table(services, &services->items[i], maps);
	return err;
}

static void service_clear(struct applied_service *service)
{
	free(service->endpoints);
	free(service->alias);
}

void applied_services_clear(struct applied_services *services)
{
	size_t i;

	for (i = 0; i < services->count; i++)
		service_clear(&services->items[i]);
	free(services->items);
	ranges_free(services->ranges);
	memset(services, 0, sizeof(*services));
}

static bool table_equal(const struct applied_service *service, const struct desired_service *wanted)
{
	size_t count = wanted->endpoint_count;

	if (service->broken || service->value.count != count)
		return false;
	return !count || (!memcmp(service->endpoints, wanted->endpoints,
				  count * sizeof(*wanted->endpoints)) &&
			  !memcmp(service->alias, wanted->alias, count * sizeof(*wanted->alias)));
}

static bool service_equal(const struct applied_service *service,
			  const struct desired_service *wanted)
{
	return service->value.service == wanted->service &&
	       service->value.affinity_seconds == wanted->affinity_seconds &&
	       service->value.split == wanted->split && table_equal(service, wanted);
}

/* Writes the table into a free range; then *first is that range. */
static int table_write(struct applied_services *services, const struct desired_service *wanted,
		       uint64_t now_ns, struct writer *writer, uint32_t *first)
{
	uint32_t count = (uint32_t)wanted->endpoint_count;
	enum map_id id = MAP_ENDPOINT;
	int err;

	*first = 0;
	if (!count)
		return 0;
	err = ranges_take(services->ranges, count, now_ns, first);
	if (err)
		goto fail;
	err = writer_set_range(writer, MAP_ENDPOINT, *first, count, wanted->endpoints);
	if (!err) {
		id = MAP_ALIAS;
		err = writer_set_range(writer, MAP_ALIAS, *first, count, wanted->alias);
	}
	if (!err)
		return 0;
	ranges_give_unused(services->ranges, *first, count);
fail:
	writer_fail(writer, id, err, "service %u keeps its last endpoints", wanted->service);
	return err;
}

/* Makes `service` - an applied one, or a new one with only its key - what is wanted. */
static int service_write(struct applied_services *services, struct applied_service *service,
			 const struct desired_service *wanted, uint64_t now_ns,
			 struct writer *writer)
{
	struct weft_service old = service->value;
	struct weft_service value = {
		.service = wanted->service,
		.first = old.first,
		.count = (uint32_t)wanted->endpoint_count,
		.generation = ++services->generation,
		.affinity_seconds = wanted->affinity_seconds,
		.split = wanted->split,
	};
	bool new_table = !table_equal(service, wanted);
	int err;

	if (new_table) {
		err = table_write(services, wanted, now_ns, writer, &value.first);
		if (err)
			return err;
	}
	err = writer_set(writer, MAP_SERVICE, &service->key, &value);
	if (err) {
		writer_fail(writer, MAP_SERVICE, err, "service %u is not balanced on every port",
			    wanted->service);
		if (new_table && value.count)
			ranges_give_unused(services->ranges, value.first, value.count);
		return err;
	}
	service->value = value;
	if (!new_table)
		return 0;
	if (old.count && !service->broken)
		ranges_give(services->ranges, old.first, old.count, now_ns);
	service_clear(service);
	service->endpoints = table_copy(wanted->endpoints, value.count, sizeof(*wanted->endpoints));
	service->alias = table_copy(wanted->alias, value.count, sizeof(*wanted->alias));
	service->broken = false;
	return 0;
}

void applied_services_put(struct applied_services *services, const struct desired *desired,
			  uint64_t now_ns, struct writer *writer)
{
	size_t i = 0, j, known = services->count, added;
	int order;

	for (j = 0; j < desired->service_count; j++) {
		const struct desired_service *wanted = &desired->services[j];
		struct applied_service fresh = { .key = wanted->key };

		order = 1;
		while (i < known &&
		       (order = key_compare(&services->items[i].key, &wanted->key)) < 0)
			i++;
		if (i < known && !order) {
			if (!service_equal(&services->items[i], wanted))
				service_write(services, &services->items[i], wanted, now_ns,
					      writer);
			continue;
		}
		if (service_write(services, &fresh, wanted, now_ns, writer))
			continue;
		added = memory_grow(&services->items, &services->count, &services->capacity,
				    sizeof(*services->items));
		services->items[added] = fresh;
	}
	if (services->count > known)
		services_sort(services);
}

void applied_services_prune(struct applied_services *services, const struct desired *desired,
			    uint64_t now_ns, struct writer *writer)
{
	size_t i, j = 0, kept = 0;
	int order, err;

	for (i = 0; i < services->count; i++) {
		struct applied_service *service = &services->items[i];

		order = 1;
		while (j < desired->service_count &&
		       (order = key_compare(&desired->services[j].key, &service->key)) < 0)
			j++;
		if (j >= desired->service_count || order) {
			err = writer_delete(writer, MAP_SERVICE, &service->key);
			if (!err) {
				if (service->value.count && !service->broken)
					ranges_give(services->ranges, service->value.first,
						    service->value.count, now_ns);
				service_clear(service);
				continue;
			}
			writer_fail(writer, MAP_SERVICE, err, "a service port that is gone stays");
		}
		services->items[kept++] = *service;
	}
	services->count = kept;
}
