// SPDX-License-Identifier: Apache-2.0
/* TrafficSplits: which is in force for a service, and between which services it divides. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/compile_internal.h"
#include "policy/memory.h"

bool compile_split_is_older(const struct traffic_split *split, const struct traffic_split *than)
{
	if (split->meta.created != than->meta.created)
		return split->meta.created < than->meta.created;
	return strcmp(split->meta.name, than->meta.name) < 0;
}

/* The root that a split may divide; without one, NULL and a finding. */
static struct service_entry *split_root(struct compilation *c, struct service_entry *services,
					const struct traffic_split *split)
{
	static const char consequence[] = "the split has no effect";
	struct service_entry *root;

	root = compile_service_find(services, split->meta.name_space, split->service);
	if (!root) {
		finding_add(c->findings, &split->meta, "spec.service", "MissingService",
			    consequence, "service %s/%s does not exist", split->meta.name_space,
			    split->service);
		return NULL;
	}
	if (root->service->headless || root->service->external_name) {
		finding_add(c->findings, &split->meta, "spec.service", "NoClusterIP", consequence,
			    "service %s has no cluster IP, so calls to it cannot be split",
			    root->service->meta.key);
		return NULL;
	}
	return root;
}

static void split_lost(struct compilation *c, const struct traffic_split *split,
		       const struct traffic_split *winner)
{
	finding_add(c->findings, &split->meta, "spec.service", "DuplicateSplit",
		    "the split has no effect", "TrafficSplit %s divides the same service and is %s",
		    winner->meta.key,
		    winner->meta.created < split->meta.created ? "older" :
								 "as old and first by name");
}

/* Ports of the root that the backend cannot take part in. */
static void backend_check_ports(struct compilation *c, const struct traffic_split *split,
				const char *field, const struct service *root,
				const struct service *backend)
{
	size_t i;

	for (i = 0; i < root->port_count; i++) {
		const struct service_port *port = &root->ports[i];

		if (compile_service_port(backend, port->port, port->proto))
			continue;
		finding_add(c->findings, &split->meta, field, "MissingBackendPort",
			    "the backend gets no connections to this port",
			    "service %s has no port %u/%s as the root service has",
			    backend->meta.key, (unsigned int)port->port,
			    port->proto == IPPROTO_TCP ? "tcp" : "udp");
	}
}

/* compilation.mark tells which services the split has listed before this backend. */
static void backend_check(struct compilation *c, struct service_entry *services,
			  const struct traffic_split *split, size_t index,
			  const struct service *root)
{
	static const char ignored[] = "the backend is ignored";
	const char *name = split->backends[index].service;
	struct service_entry *entry;
	char *field;

	field = memory_printf("spec.backends[%zu].service", index);
	entry = compile_service_find(services, split->meta.name_space, name);
	if (!entry)
		finding_add(c->findings, &split->meta, field, "MissingBackend", ignored,
			    "service %s/%s does not exist", split->meta.name_space, name);
	else if (entry->mark == c->mark)
		finding_add(c->findings, &split->meta, field, "DuplicateBackend",
			    "the weights are added", "service %s is listed before as backends[%zu]",
			    name, entry->position);
	else if (entry->service->external_name)
		finding_add(c->findings, &split->meta, field, "ExternalNameBackend", ignored,
			    "service %s is of type ExternalName", entry->service->meta.key);
	else
		backend_check_ports(c, split, field, root, entry->service);
	if (entry && entry->mark != c->mark) {
		entry->mark = c->mark;
		entry->position = index;
	}
	free(field);
}

static void split_check(struct compilation *c, struct service_entry *services,
			const struct traffic_split *split, const struct service *root)
{
	uint64_t weights = 0;
	size_t i;

	if (split->match_count) {
		finding_add(c->findings, &split->meta, "spec.matches", "MatchesNotSupportedYet",
			    "all connections go to the root service's own endpoints",
			    "the split is limited to certain HTTP requests");
		return;
	}
	c->mark++;
	for (i = 0; i < split->backend_count; i++) {
		if (split->backends[i].invalid)
			continue; /* found by the parser */
		backend_check(c, services, split, i, root);
		weights |= split->backends[i].weight_milli;
	}
	if (!weights)
		finding_add(c->findings, &split->meta, "spec.backends", "NoWeight",
			    "connections to the root service are refused",
			    "no backend has a weight above 0");
}

void compile_splits(struct compilation *c, struct service_entry *services)
{
	struct service_entry *root;
	struct object *const *splits;
	size_t count, i;

	splits = store_sorted(c->store, OBJECT_TRAFFIC_SPLIT, &count);
	for (i = 0; i < count; i++) {
		const struct traffic_split *split = (const struct traffic_split *)splits[i];

		root = split->invalid ? NULL : split_root(c, services, split);
		if (!root)
			continue;
		if (!root->split) {
			root->split = split;
		} else if (compile_split_is_older(split, root->split)) {
			split_lost(c, root->split, split);
			root->split = split;
		} else {
			split_lost(c, split, root->split);
		}
	}
	for (root = services; root; root = root->hh.next)
		if (root->split)
			split_check(c, services, root->split, root->service);
}

static void backend_add(struct compilation *c, struct backend_list *backends,
			struct service_entry *entry, uint64_t weight)
{
	uint64_t *sum;

	if (entry->mark != c->mark) {
		entry->mark = c->mark;
		entry->position = memory_grow(&backends->items, &backends->count,
					      &backends->capacity, sizeof(*backends->items));
		backends->items[entry->position].entry = entry;
	}
	sum = &backends->items[entry->position].weight;
	if (__builtin_add_overflow(*sum, weight, sum))
		*sum = UINT64_MAX;
}

void compile_split_backends(struct compilation *c, struct service_entry *services,
			    const struct traffic_split *split, struct backend_list *backends)
{
	struct service_entry *entry;
	size_t i;

	c->mark++;
	for (i = 0; i < split->backend_count; i++) {
		const struct split_backend *backend = &split->backends[i];

		if (backend->invalid)
			continue;
		entry = compile_service_find(services, split->meta.name_space, backend->service);
		if (entry && !entry->service->external_name)
			backend_add(c, backends, entry, backend->weight_milli);
	}
}
