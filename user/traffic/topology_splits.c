// SPDX-License-Identifier: Apache-2.0
/* What weights ask for, and what connections got. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "user/traffic/topology.h"

/* Is `qualified` "name_space/name"? */
static bool is_service(const char *qualified, const char *name_space, const char *name)
{
	size_t length = strlen(name_space);

	return !strncmp(qualified, name_space, length) && qualified[length] == '/' &&
	       !strcmp(qualified + length + 1, name);
}

/* Where a caller's connection went is known where it was opened. */
static uint64_t opened_to(const struct traffic *traffic, const struct weighted_split *weights,
			  const char *backend)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < traffic->edge_count; i++) {
		const struct traffic_edge *edge = &traffic->edges[i];

		if (edge->reporter == WEFT_DIRECTION_OUTBOUND && edge->proto == IPPROTO_TCP &&
		    is_service(edge->service, weights->name_space, weights->service) &&
		    is_service(edge->backend, weights->name_space, backend))
			sum += edge->count.opened;
	}
	return sum;
}

static void fill_split(struct topology_split *split, const struct traffic *traffic,
		       const struct weighted_split *weights)
{
	double total = 0;
	size_t i;

	split->name_space = memory_strdup(weights->name_space);
	split->name = memory_strdup(weights->name);
	split->service = memory_strdup(weights->service);
	split->backend_count = weights->backend_count;
	split->backends = memory_alloc((weights->backend_count + 1) * sizeof(*split->backends));
	for (i = 0; i < weights->backend_count; i++)
		total += (double)weights->backends[i].weight;
	for (i = 0; i < weights->backend_count; i++) {
		struct topology_backend *backend = &split->backends[i];

		backend->service = memory_strdup(weights->backends[i].name);
		backend->target = total > 0 ? (double)weights->backends[i].weight / total : 0;
		backend->opened = opened_to(traffic, weights, backend->service);
		split->opened += backend->opened;
	}
}

void topology_add_splits(struct topology *topology, const struct traffic *traffic,
			 const char *name_space)
{
	size_t i;

	topology->splits = memory_alloc((traffic->split_count + 1) * sizeof(*topology->splits));
	for (i = 0; i < traffic->split_count; i++)
		if (!name_space || !strcmp(traffic->splits[i].name_space, name_space))
			fill_split(&topology->splits[topology->split_count++], traffic,
				   &traffic->splits[i]);
}

void topology_free_splits(struct topology *topology)
{
	size_t i, k;

	for (i = 0; i < topology->split_count; i++) {
		struct topology_split *split = &topology->splits[i];

		for (k = 0; k < split->backend_count; k++)
			free(split->backends[k].service);
		free(split->backends);
		free(split->name_space);
		free(split->name);
		free(split->service);
	}
	free(topology->splits);
}
