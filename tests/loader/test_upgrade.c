// SPDX-License-Identifier: Apache-2.0
/*
 * Nothing that is attached ever goes away, and no connection fails, while builds replace each
 * other and agents are killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "traffic.h"

enum {
	UPGRADES = 10,
	KILLS = 30,
	KILLS_AT_BIRTH = 15,
	KILL_WITHIN_US = 250000,
};

static struct place place;

static void upgrades_under_traffic(void **state)
{
	struct loader_link before = place_find_link(&place, "cg_weft_connect4"), after;
	struct place *at = *state;
	int i;

	traffic_start();
	for (i = 0; i < UPGRADES; i++) {
		place_close(at);
		at->options.object = i % 2 ? NULL : at->object;
		place_open(at);
		traffic_attach();
		after = place_find_link(at, "cg_weft_connect4");
		assert_int_equal(after.link_id, before.link_id);
		assert_int_not_equal(after.program_id, before.program_id);
		assert_true(after.current && memcmp(after.tag, before.tag, sizeof(after.tag)));
		/* a hook that one of the builds has not */
		assert_int_equal(place_count_links(at), i % 2 ? 11 : 10);
		assert_int_equal(place_find_program(at, "upgrade_event").id != 0, !(i % 2));
		before = after;
		usleep(20000);
	}
	traffic_stop();
	traffic_check(100);
}

static void open_and_attach(void)
{
	struct loader *loader;

	if (loader_open(&place.options, &loader, place.error) ||
	    loader_attach_interface(loader, traffic_ifindex(), place.error)) {
		fprintf(stderr, "%s\n", place.error);
		_exit(1);
	}
	for (;;)
		pause();
}

static int check_link(const struct loader_link *link, void *context)
{
	(void)context;
	if (!link->alive || !link->current)
		fail_msg("%s is not attached, or an old program is", link->name);
	return 0;
}

static void survives_kills(void **state)
{
	struct place *at = *state;
	int i;

	traffic_start();
	place_close(at);
	for (i = 0; i < KILLS; i++) {
		at->options.object = i % 2 ? NULL : at->object;
		traffic_kill_after(open_and_attach, (unsigned int)rand() % KILL_WITHIN_US);
	}
	at->options.object = NULL;
	place_open(at);
	traffic_attach();
	traffic_stop();
	assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
	assert_int_equal(place_count_links(at), 11);
	traffic_check(300);
}

static void survives_kills_at_birth(void **state)
{
	struct place *at = *state;
	int i;

	for (i = 0; i < KILLS_AT_BIRTH; i++) {
		place_reset(at);
		if (i % 3 == 0)
			at->options.object = at->object;
		traffic_kill_after(open_and_attach, (unsigned int)rand() % KILL_WITHIN_US);
		at->options.object = NULL;
		place_open(at);
		traffic_attach();
		assert_int_equal(loader_each_link(at->root, check_link, NULL), 0);
		assert_int_equal(place_count_links(at), 11);
		assert_true(traffic_exchange(AF_INET));
	}
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(upgrades_under_traffic, traffic_setup,
						traffic_teardown),
		cmocka_unit_test_setup_teardown(survives_kills, traffic_setup, traffic_teardown),
		cmocka_unit_test_setup_teardown(survives_kills_at_birth, traffic_setup,
						traffic_teardown),
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
