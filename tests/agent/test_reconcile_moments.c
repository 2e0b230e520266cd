// SPDX-License-Identifier: Apache-2.0
/* What somebody finds in the maps who looks into them all the time while they change. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/agent/fixture.h"

/* A reader that behaves as a program does, but from user space: when the generation it holds was
 * retired meanwhile it asks again. */
struct reader {
	const struct maps *maps;
	_Atomic bool stop, failed;
	_Atomic unsigned long looks;
};

static bool rule_is_there(const struct maps *maps)
{
	struct weft_policy_key key = {
		.dst_identity = 300, .src_identity = 299, .port = 80, .proto = 6
	};
	struct weft_policy policy;
	struct weft_dest dest, again;

	do {
		if (maps_get(maps, MAP_DEST, &key.dst_identity, &dest))
			return false;
		key.generation = dest.generation;
		if (!maps_get(maps, MAP_POLICY, &key, &policy))
			return policy.action == WEFT_POLICY_ALLOW;
		if (maps_get(maps, MAP_DEST, &key.dst_identity, &again))
			return false;
	} while (again.generation != dest.generation);
	return false;
}

/* Both tables have endpoint 2, and only endpoints 1 to 6. */
static bool table_is_whole(const struct maps *maps)
{
	struct weft_service_key key = {
		.addr.b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 100 },
		.port = 80,
		.proto = 6
	};
	struct weft_endpoint endpoints[8];
	struct weft_service service;
	uint32_t i, found = 0;

	if (maps_get(maps, MAP_SERVICE, &key, &service) || !service.count || service.count > 8 ||
	    maps_get_range(maps, MAP_ENDPOINT, service.first, service.count, endpoints))
		return false;
	for (i = 0; i < service.count; i++) {
		found += endpoints[i].addr.b[15] == 2;
		if (endpoints[i].addr.b[15] < 1 || endpoints[i].addr.b[15] > 6)
			return false;
	}
	return found == 1;
}

static void *read_all_the_time(void *context)
{
	struct reader *reader = context;

	while (!reader->stop) {
		if (!rule_is_there(reader->maps) || !table_is_whole(reader->maps))
			reader->failed = true;
		reader->looks++;
	}
	return NULL;
}

static void test_no_moment_without_rules_or_endpoints(void **state)
{
	struct reader reader = {};
	struct wish *wishes[8];
	unsigned int seed = 9, i;
	uint8_t endpoints[6];
	pthread_t thread;
	struct fixture f;
	size_t j, count;

	(void)state;
	fixture_open(&f, NULL);
	for (i = 0; i < 8; i++) {
		wishes[i] = wish_new();
		wish_add_dest(wishes[i], 300);
		wish_add_entry(wishes[i], 299, 80, WEFT_POLICY_ALLOW);
		for (j = 0; j < 20; j++)
			if (rand_r(&seed) % 2)
				wish_add_entry(wishes[i], 300 + (uint32_t)j, 80, WEFT_POLICY_ALLOW);
		for (count = 0, j = 1; j <= 6; j++)
			if (j == 2 || rand_r(&seed) % 2)
				endpoints[count++] = (uint8_t)j;
		wish_add_service(wishes[i], 100, 80, 400, endpoints, count);
	}
	assert_int_equal(fixture_apply(&f, wishes[0]), 0);
	reader.maps = f.maps;
	assert_int_equal(pthread_create(&thread, NULL, read_all_the_time, &reader), 0);
	for (i = 1; i < 100; i++) {
		assert_int_equal(fixture_apply(&f, wishes[i % 8]), 0);
		if (i % 16 == 0)
			fixture_restart(&f);
	}
	reader.stop = true;
	pthread_join(thread, NULL);
	assert_false(reader.failed);
	assert_true(reader.looks > 100);
	for (i = 0; i < 8; i++)
		wish_free(wishes[i]);
	fixture_close(&f);
}

/* As the programs ask: who is it, and may he? The pod is 300 or 301, its rule goes with it. */
static bool pod_is_allowed(const struct maps *maps)
{
	struct weft_addr address = { .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 7 } };
	struct weft_policy_key key = { .dst_identity = 310, .port = 80, .proto = 6 };
	struct weft_peer peer, again;
	struct weft_policy policy;
	struct weft_dest dest;

	do {
		if (maps_get(maps, MAP_IDENT, &address, &peer) ||
		    maps_get(maps, MAP_DEST, &key.dst_identity, &dest))
			return false;
		key.src_identity = peer.identity;
		key.generation = dest.generation;
		if (!maps_get(maps, MAP_POLICY, &key, &policy))
			return true;
		/* What a program waits for no longer than it runs, this thread may miss. */
		if (maps_get(maps, MAP_IDENT, &address, &again) ||
		    maps_get(maps, MAP_DEST, &key.dst_identity, &dest))
			return false;
	} while (again.identity != peer.identity || dest.generation != key.generation);
	return false;
}

static void *ask_all_the_time(void *context)
{
	struct reader *reader = context;

	while (!reader->stop) {
		if (!pod_is_allowed(reader->maps))
			reader->failed = true;
		reader->looks++;
	}
	return NULL;
}

static void test_no_moment_between_two_identities(void **state)
{
	struct reader reader = {};
	struct wish *wishes[2];
	pthread_t thread;
	struct fixture f;
	unsigned int i;

	(void)state;
	fixture_open(&f, NULL);
	for (i = 0; i < 2; i++) {
		wishes[i] = wish_new();
		wish_add_peer(wishes[i], 7, 300 + i, 0);
		wish_add_dest(wishes[i], 310);
		wish_add_entry(wishes[i], 300 + i, 80, WEFT_POLICY_ALLOW);
	}
	assert_int_equal(fixture_apply(&f, wishes[0]), 0);
	reader.maps = f.maps;
	assert_int_equal(pthread_create(&thread, NULL, ask_all_the_time, &reader), 0);
	for (i = 1; i < 100; i++) {
		assert_int_equal(fixture_apply(&f, wishes[i % 2]), 0);
		mapset_expect(f.maps, wishes[i % 2]);
	}
	reader.stop = true;
	pthread_join(thread, NULL);
	assert_false(reader.failed);
	assert_true(reader.looks > 100);
	wish_free(wishes[0]);
	wish_free(wishes[1]);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_moment_without_rules_or_endpoints),
		cmocka_unit_test(test_no_moment_between_two_identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
