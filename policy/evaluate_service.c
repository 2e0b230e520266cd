// SPDX-License-Identifier: Apache-2.0
/* The reference evaluator's reading of services and TrafficSplits; see evaluate.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/evaluate.h"
#include "policy/memory.h"

struct choices {
	struct evaluation_choice *items;
	size_t count, capacity;
};

static bool service_has_ip(const struct service *service, const struct weft_addr *vip)
{
	size_t i;

	for (i = 0; i < service->cluster_ip_count; i++)
		if (!address_compare(&service->cluster_ips[i], vip))
			return !service->headless && !service->external_name;
	return false;
}

static const struct service_port *service_find_port(const struct service *service, uint8_t proto,
						    uint16_t port)
{
	size_t i;

	for (i = 0; i < service->port_count; i++)
		if (service->ports[i].port == port && service->ports[i].proto == proto)
			return &service->ports[i];
	return NULL;
}

/* The oldest service, then the first by name, with this port on this cluster IP. */
static const struct service *find_service(const struct store *store, const struct weft_addr *vip,
					  uint8_t proto, uint16_t port)
{
	const struct service *best = NULL;
	struct object *object;

	for (object = store_first(store, OBJECT_SERVICE); object; object = store_next(object)) {
		const struct service *service = (const struct service *)object;

		if (!service_has_ip(service, vip) || !service_find_port(service, proto, port))
			continue;
		if (!best || object->created < best->meta.created ||
		    (object->created == best->meta.created &&
		     strcmp(object->key, best->meta.key) < 0))
			best = service;
	}
	return best;
}

/* An address of a node or of a pod is no cluster IP, whatever a service says. */
static bool belongs_elsewhere(const struct store *store, const struct weft_addr *vip)
{
	struct object *object;
	size_t i;

	for (object = store_first(store, OBJECT_NODE); object; object = store_next(object)) {
		const struct node *node = (const struct node *)object;

		for (i = 0; i < node->address_count; i++)
			if (!address_compare(&node->addresses[i], vip))
				return true;
	}
	for (object = store_first(store, OBJECT_POD); object; object = store_next(object)) {
		const struct pod *pod = (const struct pod *)object;

		if (!pod->host_network && !pod->finished &&
		    (!address_compare(&pod->addresses[0], vip) ||
		     !address_compare(&pod->addresses[1], vip)))
			return true;
	}
	return false;
}

/* The oldest valid split of the service, then the first by name. */
static const struct traffic_split *find_split(const struct store *store,
					      const struct service *service)
{
	const struct traffic_split *best = NULL;
	struct object *object;

	for (object = store_first(store, OBJECT_TRAFFIC_SPLIT); object;
	     object = store_next(object)) {
		const struct traffic_split *split = (const struct traffic_split *)object;

		if (split->invalid || strcmp(object->name_space, service->meta.name_space) ||
		    strcmp(split->service, service->meta.name))
			continue;
		if (!best || object->created < best->meta.created ||
		    (object->created == best->meta.created &&
		     strcmp(object->name, best->meta.name) < 0))
			best = split;
	}
	return best;
}

static void choice_add(struct choices *choices, const struct weft_addr *addr, uint16_t port,
		       const char *backend)
{
	size_t i;

	for (i = 0; i < choices->count; i++)
		if (choices->items[i].port == port &&
		    !address_compare(&choices->items[i].addr, addr) &&
		    !strcmp(choices->items[i].backend, backend))
			return;
	i = memory_grow(&choices->items, &choices->count, &choices->capacity,
			sizeof(*choices->items));
	choices->items[i].addr = *addr;
	choices->items[i].port = port;
	choices->items[i].backend = backend;
}

/* Adds a service's usable endpoints of one port and family, each once. */
static void collect(const struct store *store, const struct service *service,
		    const struct service_port *port, bool v4, struct choices *choices)
{
	struct object *object;
	size_t i, j;

	for (object = store_first(store, OBJECT_ENDPOINT_SLICE); object;
	     object = store_next(object)) {
		const struct endpoint_slice *slice = (const struct endpoint_slice *)object;

		if (strcmp(object->name_space, service->meta.name_space) ||
		    strcmp(slice->service, service->meta.name))
			continue;
		for (i = 0; i < slice->port_count; i++) {
			if (slice->ports[i].proto != port->proto || !slice->ports[i].port ||
			    strcmp(slice->ports[i].name, port->name))
				continue;
			for (j = 0; j < slice->endpoint_count; j++)
				if (slice->endpoints[j].usable &&
				    address_is_v4(&slice->endpoints[j].address) == v4)
					choice_add(choices, &slice->endpoints[j].address,
						   slice->ports[i].port, service->meta.name);
		}
	}
}

/* The sum of the weights under which a split lists a service. */
static double split_weight(const struct traffic_split *split, const char *service)
{
	double weight = 0;
	size_t i;

	for (i = 0; i < split->backend_count; i++)
		if (!split->backends[i].invalid && !strcmp(split->backends[i].service, service))
			weight += (double)split->backends[i].weight_milli;
	return weight;
}

static bool is_listed_before(const struct traffic_split *split, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++)
		if (!split->backends[i].invalid &&
		    !strcmp(split->backends[i].service, split->backends[index].service))
			return true;
	return false;
}

/* Each backend's weight divided by its number of endpoints; sums up to the result. */
static double collect_split(const struct store *store, const struct traffic_split *split,
			    uint8_t proto, uint16_t port, bool v4, struct choices *choices)
{
	double weight, total = 0;
	size_t i, first;

	for (i = 0; i < split->backend_count; i++) {
		const char *name = split->backends[i].service;
		const struct service_port *backend_port;
		const struct service *service;

		if (split->backends[i].invalid || is_listed_before(split, i))
			continue;
		service = (const struct service *)store_find(store, OBJECT_SERVICE,
							     split->meta.name_space, name);
		weight = split_weight(split, name);
		backend_port = service ? service_find_port(service, proto, port) : NULL;
		if (!backend_port || service->external_name || weight <= 0)
			continue;
		first = choices->count;
		collect(store, service, backend_port, v4, choices);
		if (choices->count > first)
			total += weight;
		for (size_t j = first; j < choices->count; j++)
			choices->items[j].share = weight / (double)(choices->count - first);
	}
	return total;
}

int evaluate_service(const struct store *store, const struct weft_addr *vip, uint8_t proto,
		     uint16_t port, struct evaluation_choice **choices,
		     const struct traffic_split **split)
{
	const struct service *service = find_service(store, vip, proto, port);
	struct choices found = { 0 };
	double total;
	size_t i;

	*choices = NULL;
	*split = NULL;
	if (!service || address_is_zero(vip) || belongs_elsewhere(store, vip))
		return -ENOENT;
	*split = find_split(store, service);
	if (*split && (*split)->match_count)
		*split = NULL; /* until HTTP is judged, all go to the root's own endpoints */
	if (*split) {
		total = collect_split(store, *split, proto, port, address_is_v4(vip), &found);
	} else {
		collect(store, service, service_find_port(service, proto, port), address_is_v4(vip),
			&found);
		total = (double)found.count;
		for (i = 0; i < found.count; i++)
			found.items[i].share = 1;
	}
	for (i = 0; i < found.count; i++)
		found.items[i].share /= total;
	*choices = found.items;
	return (int)found.count;
}
