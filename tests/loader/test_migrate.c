// SPDX-License-Identifier: Apache-2.0
/*
 * From one ABI version to another, under traffic and under kills: what is attached goes on until
 * the new maps are filled, and no link ever leads to nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "traffic.h"

enum {
	MIGRATIONS = 2,
	KILLS = 30,
	KILLS_EMULATED = 2, /* programs take seconds to load there */
	KILL_WITHIN_US = 400000,
	KILL_WITHIN_EMULATED_US = 8000000,
	CONFIG_OF_1 = 336, /* sizes of version 1 */
	LOCAL_OF_1 = 44,
	DEST_OF_1 = 8,
};

static struct place place;

static void put_map(const char *name, enum bpf_map_type type, uint32_t key_size,
		    uint32_t value_size, uint32_t entries, uint32_t abi)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : 0);
	char path[PLACE_PATH_LEN + 64], value[CONFIG_OF_1] = "";
	uint32_t key = 0;
	int fd = bpf_map_create(type, name, key_size, value_size, entries, &opts);

	assert_true(fd >= 0);
	memcpy(value, &abi, sizeof(abi));
	if (abi)
		assert_int_equal(bpf_map_update_elem(fd, &key, value, BPF_ANY), 0);
	snprintf(path, sizeof(path), "%s/%s", place.root, name);
	unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

/* Makes the pins, and what is attached, those of an agent of another version. */
static void age(uint32_t abi)
{
	static const char *const later[] = { "weft_http",    "weft_http_flow", "weft_request",
					     "weft_latency", "weft_scratch",   "build" };
	char path[PLACE_PATH_LEN + 64];
	size_t i;

	place_close(&place);
	place.options.object = place.object;
	place_open(&place);
	traffic_attach();
	place_close(&place);
	place.options.object = NULL;
	for (i = 0; i < sizeof(later) / sizeof(*later); i++) {
		snprintf(path, sizeof(path), "%s/%s", place.root, later[i]);
		unlink(path);
	}
	put_map("weft_iface", BPF_MAP_TYPE_HASH, 4, LOCAL_OF_1, 4096, 0);
	put_map("weft_dest", BPF_MAP_TYPE_HASH, 4, DEST_OF_1, 16384, 0);
	put_map("weft_config", BPF_MAP_TYPE_ARRAY, 4, CONFIG_OF_1, 1, abi);
}

static uint32_t map_id(struct loader *loader, enum map_id id)
{
	struct map_fill fill;

	assert_int_equal(maps_fill(loader_maps(loader), id, &fill), 0);
	return fill.id;
}

/* What the agent does before it switches. */
static int fill(struct loader *loader)
{
	struct weft_local local = traffic_local();
	uint32_t key = traffic_ifindex();

	return maps_set(loader_maps(loader), MAP_IFACE, &key, &local);
}

static int check_link(const struct loader_link *link, void *context)
{
	(void)context;
	if (!link->alive || !link->current)
		fail_msg("%s is not attached, or an old program is", link->name);
	return 0;
}

static void waits_until_told(void **state)
{
	struct weft_name_key name_key = { WEFT_NAME_IDENTITY, 300 };
	struct weft_name name = { .name_space = "shop", .name = "api" };
	struct loader_link before, during, after;
	struct place *at = *state;
	struct weft_config config;
	uint32_t names, key = 0, abi = 0;
	struct loader *loader;
	struct maps maps;

	assert_int_equal(maps_set(loader_maps(at->loader), MAP_NAME, &name_key, &name), 0);
	names = map_id(at->loader, MAP_NAME);
	age(1);
	before = place_find_link(at, "cg_weft_connect4");
	traffic_start();
	loader = place_open(at);
	assert_int_equal(loader_staged_from(loader), 1);
	/* Nothing is seen of it yet. */
	during = place_find_link(at, "cg_weft_connect4");
	assert_memory_equal(&during, &before, sizeof(before));
	assert_int_equal(maps_open(&maps, at->root, false, &abi), -EPROTO);
	assert_int_equal(abi, 1);
	/* Names are those of before, what the agent writes is its own. */
	memset(&name, 0, sizeof(name));
	assert_int_equal(maps_get(loader_maps(loader), MAP_NAME, &name_key, &name), 0);
	assert_string_equal(name.name, "api");
	assert_int_equal(map_id(loader, MAP_NAME), names);
	usleep(100000);
	/* An agent that ends now leaves all as it was. */
	place_close(at);
	assert_int_equal(place_find_link(at, "cg_weft_connect4").program_id, before.program_id);

	loader = place_open(at);
	assert_int_equal(loader_staged_from(loader), 1);
	assert_int_equal(fill(loader), 0);
	assert_int_equal(loader_switch(loader, at->error), 0);
	assert_int_equal(loader_staged_from(loader), 0);
	assert_int_equal(loader_switch(loader, at->error), 0);
	after = place_find_link(at, "cg_weft_connect4");
	assert_int_equal(after.link_id, before.link_id);
	assert_int_not_equal(after.program_id, before.program_id);
	assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
	assert_int_equal(place_count_links(at), 11);
	assert_int_equal(place_find_program(at, "upgrade_event").id, 0);
	assert_int_equal(maps_open(&maps, at->root, false, &abi), 0);
	assert_int_equal(maps_get(&maps, MAP_CONFIG, &key, &config), 0);
	assert_int_equal(config.agent_pid, getpid());
	assert_true(config.http_key[0]);
	maps_close(&maps);
	traffic_stop();
	traffic_check(50);
	/* The next one finds nothing special. */
	place_close(at);
	loader = place_open(at);
	assert_int_equal(loader_staged_from(loader), 0);
	assert_int_equal(map_id(loader, MAP_NAME), names);
}

/* Of a version that nobody knows here nothing is taken over, not even what looks the same. */
static void keeps_nothing_of_unknown_versions(void **state)
{
	struct place *at = *state;
	struct loader *loader;
	uint32_t names = map_id(at->loader, MAP_NAME);
	int i;

	traffic_start();
	for (i = 0; i < MIGRATIONS; i++) {
		age(90 + (uint32_t)i);
		loader = place_open(at);
		assert_int_equal(loader_staged_from(loader), 90 + i);
		assert_int_not_equal(map_id(loader, MAP_NAME), names);
		names = map_id(loader, MAP_NAME);
		assert_int_equal(fill(loader), 0);
		assert_int_equal(loader_switch(loader, at->error), 0);
		assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
	}
	traffic_stop();
	traffic_check(50);
}

static void migrate(void)
{
	struct loader *loader;

	if (loader_open(&place.options, &loader, place.error) || fill(loader) ||
	    loader_switch(loader, place.error)) {
		fprintf(stderr, "%s\n", place.error);
		_exit(1);
	}
	for (;;)
		pause();
}

static void survives_kills(void **state)
{
	bool emulated = getenv("WEFT_TEST_SLOWNESS");
	unsigned int within = emulated ? KILL_WITHIN_EMULATED_US : KILL_WITHIN_US;
	int i, kills = emulated ? KILLS_EMULATED : KILLS, staged = 0;
	struct place *at = *state;
	struct loader *loader;

	traffic_start();
	for (i = 0; i < kills; i++) {
		if (i % 3 == 0)
			age(1);
		else
			place_close(at);
		traffic_kill_after(migrate, (unsigned int)rand() % within);
		loader = place_open(at);
		staged += loader_staged_from(loader) != 0;
		assert_int_equal(fill(loader), 0);
		if (i % 2)
			continue;
		assert_int_equal(loader_switch(loader, at->error), 0);
		assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
		assert_int_equal(place_count_links(at), 11);
	}
	traffic_stop();
	print_message("    %d of %d began anew\n", staged, kills);
	traffic_check(100);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(waits_until_told, traffic_setup, traffic_teardown),
		cmocka_unit_test_setup_teardown(keeps_nothing_of_unknown_versions, traffic_setup,
						traffic_teardown),
		cmocka_unit_test_setup_teardown(survives_kills, traffic_setup, traffic_teardown),
	};
	unsigned int seed = (unsigned int)time(NULL);
	int failed;

	if (!place_enter(&place)) {
		place_skip_all(tests, sizeof(tests) / sizeof(tests[0]));
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	printf("seed %u\n", seed);
	srand(seed);
	failed = !traffic_init(&place) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	place_leave(&place);
	return failed;
}
