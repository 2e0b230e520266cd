// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what a client sends: HTTP programs in the kernel's engine, which reads them in
 * windows of any size, and the reference evaluator say the same. The first byte chooses one of a
 * few sets of rules, the second how the bytes come.
 */
#include <stdint.h>
#include <stdlib.h>
#include "unit/http_differential.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORLDS = 6, SEED = 11 };

struct world {
	struct cluster *cluster;
	struct http_call call;
	struct engine *engine;
	struct dice dice;
};

/* Reachable from here, so that they are no leak. */
static struct world worlds[WORLDS];

static void world_make(struct world *world, uint64_t seed)
{
	static const uint32_t max_heads[] = { 0, 100, 600 };

	for (;; seed += WORLDS) {
		world->dice = (struct dice){ .state = seed };
		world->cluster = random_http_cluster(&world->dice);
		world->cluster->facts.max_head = DICE_PICK(&world->dice, max_heads);
		cluster_compile(world->cluster);
		if (http_call_find(&world->call, world->cluster, "10.1.0.1", "10.1.0.3", 80))
			break;
		cluster_free(world->cluster);
	}
	world->engine = engine_new(&world->dice);
	engine_load(world->engine, world->call.dest->http, world->call.dest->http_size);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t i;

	(void)argc;
	(void)argv;
	for (i = 0; i < WORLDS; i++)
		world_make(&worlds[i], SEED + i);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world;

	if (size < 2)
		return 0;
	world = &worlds[data[0] % WORLDS];
	world->dice = (struct dice){ .state = data[1] };
	if (!http_compare_stream(&world->call, world->engine, (const char *)data + 2, size - 2))
		abort();
	return 0;
}
