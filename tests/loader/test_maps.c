// SPDX-License-Identifier: Apache-2.0
/* Typed access to real maps. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/maps_http.h"
#include "place.h"

enum { ENTRIES = 5000, TABLE = 3000 };

static struct place place;

static int setup(void **state)
{
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_reset(*state);
	return 0;
}

static void sets_and_deletes(void **state)
{
	struct maps *maps = loader_maps(place_open(*state));
	struct weft_policy_key key = { 300, 1, 301, 80, 6, 0 };
	struct weft_policy policy = { .action = WEFT_POLICY_ALLOW }, found;

	assert_int_equal(maps_get(maps, MAP_POLICY, &key, &found), -ENOENT);
	assert_int_equal(maps_delete(maps, MAP_POLICY, &key), -ENOENT);
	assert_int_equal(maps_set(maps, MAP_POLICY, &key, &policy), 0);
	assert_int_equal(maps_get(maps, MAP_POLICY, &key, &found), 0);
	assert_int_equal(found.action, WEFT_POLICY_ALLOW);
	assert_int_equal(maps_delete(maps, MAP_POLICY, &key), 0);
	assert_true(maps_fd(maps, MAP_SOCK) >= 0);
}

static uint64_t epoch(const struct maps *maps)
{
	uint64_t value = 0;
	uint32_t key = 0;

	assert_int_equal(maps_get(maps, MAP_EPOCH, &key, &value), 0);
	return value;
}

/* Changes of what programs keep are counted after they were made; others are not. */
static void counts_changes(void **state)
{
	const struct maps *maps = loader_maps(place_open(*state));
	static const struct weft_addr addr = { { 253 } };
	static const struct weft_policy policy;
	static const struct weft_local local;
	static const struct weft_dest dest;
	static const struct weft_name name;
	static const struct weft_peer peer;
	static const struct weft_name_key name_key = { 1, 300 };
	static const struct weft_policy_key policy_key = { 300, 1, 301, 80, 6, 0 };
	static const uint32_t number = 300;
	static const struct {
		enum map_id id;
		const void *key, *value;
		unsigned int counts;
	} cases[] = {
		{ MAP_IDENT, &addr, &peer, 1 },	   { MAP_IFACE, &number, &local, 1 },
		{ MAP_DEST, &number, &dest, 1 },   { MAP_POLICY, &policy_key, &policy, 1 },
		{ MAP_NAME, &name_key, &name, 0 },
	};
	uint64_t before;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		before = epoch(maps);
		assert_int_equal(maps_set(maps, cases[i].id, cases[i].key, cases[i].value), 0);
		assert_int_equal(epoch(maps), before + cases[i].counts);
		assert_int_equal(maps_delete(maps, cases[i].id, cases[i].key), 0);
		assert_int_equal(epoch(maps), before + 2 * cases[i].counts);
		assert_int_equal(maps_delete(maps, cases[i].id, cases[i].key), -ENOENT);
		assert_int_equal(epoch(maps), before + 2 * cases[i].counts);
	}
}

static int finds_none(const void *key, const void *value, void *context)
{
	const struct weft_http_memo *memos = value;
	const struct maps *maps = context;
	unsigned int cpu;

	for (cpu = 0; cpu < maps->cpus; cpu++)
		if (memos[cpu].tag)
			fail_msg("element %u is not forgotten", *(const uint32_t *)key);
	return 0;
}

static void forgets_what_programs_keep(void **state)
{
	struct maps *maps = loader_maps(place_open(*state));
	struct weft_http_memo *memos = calloc(maps->cpus, sizeof(*memos));
	uint64_t before = epoch(maps);
	uint32_t key = WEFT_HTTP_MEMOS - 1;

	assert_non_null(memos);
	memos[maps->cpus - 1].tag = 1;
	assert_int_equal(maps_set(maps, MAP_HTTP_MEMO, &key, memos), 0);
	assert_int_equal(maps_forget(maps), 0);
	assert_int_equal(maps_each(maps, MAP_HTTP_MEMO, finds_none, maps), 0);
	assert_int_equal(epoch(maps), before + 1);
	free(memos);
}

static void tells_when_full(void **state)
{
	struct place *at = *state;
	struct weft_local local = { 0 };
	struct map_fill fill;
	struct maps *maps;
	uint32_t key;
	int err = 0;

	at->options.max_entries[MAP_IFACE] = 8;
	maps = loader_maps(place_open(at));
	for (key = 1; !err && key <= 100; key++)
		err = maps_set(maps, MAP_IFACE, &key, &local);
	assert_int_equal(err, -E2BIG);
	assert_int_equal(maps_fill(maps, MAP_IFACE, &fill), 0);
	assert_true(fill.countable);
	assert_int_equal(fill.entries, 8);
	assert_int_equal(fill.max_entries, 8);
	assert_string_equal(fill.type, "hash");
	assert_true(fill.memory_bytes > 0);
}

static uint64_t since(const struct place *at, enum map_id id)
{
	uint64_t ns = 0;

	assert_int_equal(maps_since(at->root, id, &ns), 0);
	return ns;
}

/* Since it was made, whichever agent asks. */
static void knows_since_when(void **state)
{
	struct place *at = *state;
	uint64_t edges, flows;
	struct timespec now;

	assert_int_equal(maps_since(at->root, MAP_EDGE, &edges), -ENOENT);
	place_open(at);
	edges = since(at, MAP_EDGE);
	flows = since(at, MAP_HTTP_FLOW);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_in_range(edges, ((uint64_t)now.tv_sec - 60) * 1000000000,
			((uint64_t)now.tv_sec + 1) * 1000000000);
	usleep(20000);
	place_close(at);
	place_open(at);
	assert_true(since(at, MAP_EDGE) == edges);
	assert_true(since(at, MAP_HTTP_FLOW) == flows);
}

struct seen {
	struct maps *maps;
	unsigned char count[ENTRIES];
	uint32_t delete_from;
	int stop_after;
};

static int see(const void *key, const void *value, void *context)
{
	const struct weft_dest *dest = value;
	struct seen *seen = context;
	uint32_t id = *(const uint32_t *)key;

	assert_in_range(id, 0, ENTRIES - 1);
	assert_int_equal(dest->generation, id + 7);
	seen->count[id]++;
	/* a walk that survives the deletion of what it stands on */
	if (id >= seen->delete_from)
		maps_delete(seen->maps, MAP_DEST, key);
	return seen->stop_after && !--seen->stop_after ? 42 : 0;
}

static void walks_all_entries(void **state)
{
	struct maps *maps = loader_maps(place_open(*state));
	static struct seen seen;
	struct map_fill fill;
	uint32_t id;

	memset(&seen, 0, sizeof(seen));
	seen.maps = maps;
	seen.delete_from = ENTRIES;
	assert_int_equal(maps_each(maps, MAP_DEST, see, &seen), 0);
	for (id = 0; id < ENTRIES; id++)
		assert_int_equal(maps_set(maps, MAP_DEST, &id,
					  &(struct weft_dest){ .generation = id + 7 }),
				 0);
	seen.delete_from = ENTRIES / 2;
	assert_int_equal(maps_each(maps, MAP_DEST, see, &seen), 0);
	for (id = 0; id < ENTRIES; id++)
		assert_int_equal(seen.count[id], 1);
	assert_int_equal(maps_fill(maps, MAP_DEST, &fill), 0);
	assert_int_equal(fill.entries, ENTRIES / 2);
	seen.stop_after = 3;
	assert_int_equal(maps_each(maps, MAP_DEST, see, &seen), 42);
	assert_int_equal(maps_each(maps, MAP_EVENTS, see, &seen), -EINVAL);
}

static int add_up(const void *key, const void *value, void *context)
{
	const struct maps *maps = ((struct maps **)context)[0];
	const struct weft_edge *edges = value;
	uint64_t sum = 0;
	unsigned int cpu;

	(void)key;
	for (cpu = 0; cpu < maps->cpus; cpu++)
		sum += edges[cpu].bytes_to_dst;
	return (int)sum;
}

static void walks_per_cpu(void **state)
{
	struct maps *maps = loader_maps(place_open(*state));
	struct weft_edge *edges = calloc(maps->cpus, sizeof(*edges));
	struct weft_edge_key key = { .port = 1 };
	unsigned int cpu;
	uint64_t stats[256];
	uint32_t index = 0;

	assert_non_null(edges);
	for (cpu = 0; cpu < maps->cpus; cpu++)
		edges[cpu].bytes_to_dst = 10 + cpu;
	assert_int_equal(maps_delete(maps, MAP_EDGE, &(struct weft_edge_key){ 0 }), 0);
	assert_int_equal(maps_set(maps, MAP_EDGE, &key, edges), 0);
	assert_int_equal(maps_each(maps, MAP_EDGE, add_up, &maps),
			 10 * maps->cpus + maps->cpus * (maps->cpus - 1) / 2);
	free(edges);
	assert_in_range(maps->cpus, 1, 256);
	assert_int_equal(maps_get(maps, MAP_STAT, &index, stats), 0);
	assert_int_equal(maps_delete(maps, MAP_STAT, &index), -EINVAL);
}

static void writes_ranges(void **state)
{
	struct maps *maps = loader_maps(place_open(*state));
	uint32_t max = maps_max_entries(maps, MAP_ENDPOINT), i;
	struct weft_endpoint *endpoints = calloc(TABLE, sizeof(*endpoints));
	struct weft_endpoint *found = calloc(TABLE, sizeof(*found));
	const uint32_t firsts[] = { 0, 1, 1000, max - TABLE };

	for (i = 0; i < TABLE; i++)
		endpoints[i].backend = i + 1;
	for (i = 0; i < 4; i++) {
		assert_int_equal(maps_set_range(maps, MAP_ENDPOINT, firsts[i], TABLE, endpoints),
				 0);
		memset(found, 0, TABLE * sizeof(*found));
		assert_int_equal(maps_get_range(maps, MAP_ENDPOINT, firsts[i], TABLE, found), 0);
		assert_memory_equal(found, endpoints, TABLE * sizeof(*found));
	}
	assert_int_equal(maps_set_range(maps, MAP_ENDPOINT, max - 1, 1, endpoints), 0);
	assert_int_equal(maps_get_range(maps, MAP_ENDPOINT, max - 1, 1, found), 0);
	assert_int_equal(found[0].backend, 1);
	assert_int_equal(maps_set_range(maps, MAP_ENDPOINT, max - 1, 2, endpoints), -E2BIG);
	assert_int_equal(maps_get_range(maps, MAP_ENDPOINT, max, 1, found), -E2BIG);
	assert_int_equal(maps_set_range(maps, MAP_ENDPOINT, 5, UINT32_MAX, endpoints), -E2BIG);
	assert_int_equal(maps_set_range(maps, MAP_ENDPOINT, max, 0, endpoints), 0);
	assert_int_equal(maps_set_range(maps, MAP_DEST, 0, 1, endpoints), -EINVAL);
	free(endpoints);
	free(found);
}

static void take_event(const struct weft_event *event, void *context)
{
	uint64_t *sum = context;

	*sum += event->duration_us;
}

static void send_event_of(const struct place *at, enum weft_event_type type, uint64_t number)
{
	struct weft_event event = { .type = type, .duration_us = number };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &event, .ctx_size_in = sizeof(event));
	char path[PLACE_PATH_LEN + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/programs/upgrade_event", at->root);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	assert_int_equal(opts.retval, 0);
	close(fd);
}

static void send_event(const struct place *at, uint64_t number)
{
	send_event_of(at, WEFT_EVENT_TCP_CLOSE, number);
}

/* A record that is shorter than its type says is of another version, and left out. */
static void leaves_out_short_records(void **state)
{
	struct place *at = *state;
	struct maps_events *events;
	uint64_t sum = 0;

	at->options.object = at->object;
	place_open(at);
	assert_int_equal(maps_events_open(loader_maps(at->loader), take_event, &sum, &events), 0);
	send_event_of(at, WEFT_EVENT_REQUEST, 3);
	send_event(at, 4);
	assert_int_equal(maps_events_drain(events), 2);
	assert_int_equal(sum, 4);
	maps_events_close(events);
}

static void drains_events(void **state)
{
	struct place *at = *state;
	struct maps_events *events;
	struct pollfd wait = { .events = POLLIN };
	uint64_t sum = 0;

	at->options.object = at->object;
	place_open(at);
	assert_int_equal(maps_events_open(loader_maps(at->loader), take_event, &sum, &events), 0);
	wait.fd = maps_events_fd(events);
	assert_int_equal(poll(&wait, 1, 0), 0);
	assert_int_equal(maps_events_drain(events), 0);
	send_event(at, 3);
	send_event(at, 4);
	assert_int_equal(poll(&wait, 1, 1000), 1);
	assert_int_equal(maps_events_drain(events), 2);
	assert_int_equal(sum, 7);
	maps_events_close(events);
	maps_events_close(NULL);
	/* what comes while no agent lives waits for the next one */
	place_close(at);
	send_event(at, 5);
	place_open(at);
	assert_int_equal(maps_events_open(loader_maps(at->loader), take_event, &sum, &events), 0);
	assert_int_equal(maps_events_drain(events), 1);
	assert_int_equal(sum, 12);
	maps_events_close(events);
}

static void maps_http_programs(void **state)
{
	unsigned char bytes[sizeof(struct weft_http_program) / WEFT_HTTP_UNIT * WEFT_HTTP_UNIT +
			    WEFT_HTTP_UNIT];
	struct weft_http_program *program = (struct weft_http_program *)bytes;
	const uint32_t size = sizeof(bytes), at = 3 * WEFT_HTTP_UNIT, last = WEFT_HTTP_ARENA - size;
	struct place *place = *state;
	struct maps_http *http, *reader;
	struct maps maps;

	place_open(place);
	memset(bytes, 0xa5, sizeof(bytes));
	program->size = size;
	assert_int_equal(maps_http_open(loader_maps(place->loader), &http), 0);
	/* a map that may only be read */
	assert_int_equal(maps_open(&maps, place->root, false, NULL), 0);
	assert_int_equal(maps_http_open(&maps, &reader), -EACCES);
	assert_null(maps_http_get(http, at));
	assert_int_equal(maps_http_write(http, at, bytes, size, 17), 0);
	assert_int_equal(maps_http_write(http, last, bytes, size, 18), 0);
	assert_int_equal(maps_http_copy(&maps, &reader), 0);
	maps_close(&maps);
	assert_int_equal(maps_http_get(reader, at)->generation, 17);
	assert_int_equal(maps_http_get(reader, last)->generation, 18);
	assert_true(maps_http_equal(reader, at, bytes, size));
	assert_false(maps_http_equal(reader, at, NULL, 0));
	assert_false(maps_http_equal(reader, 0, bytes, size));
	assert_true(maps_http_equal(reader, 0, NULL, 0));
	maps_http_withdraw(http, at);
	assert_int_equal(maps_http_get(reader, at)->generation, 17);
	assert_int_equal(maps_http_get(http, at)->generation, 0);
	assert_true(maps_http_equal(http, at, bytes, size));
	bytes[size - 1] ^= 1;
	assert_false(maps_http_equal(reader, at, bytes, size));

	assert_int_equal(maps_http_write(http, 0, bytes, size, 1), -ERANGE);
	assert_int_equal(maps_http_write(http, at + 8, bytes, size, 1), -ERANGE);
	assert_int_equal(maps_http_write(http, last + WEFT_HTTP_UNIT, bytes, size, 1), -ERANGE);
	assert_int_equal(maps_http_write(http, at, bytes, 64, 1), -ERANGE);
	assert_int_equal(maps_http_write(http, at, bytes, UINT32_MAX - 63, 1), -ERANGE);
	assert_null(maps_http_get(reader, at + 8));
	assert_null(maps_http_get(reader, WEFT_HTTP_ARENA));
	assert_null(maps_http_get(reader, UINT32_MAX - 63));
	/* a header that does not fit */
	program->size = WEFT_HTTP_PROGRAM_MAX + 64;
	assert_int_equal(maps_http_write(http, at, bytes, size, 19), 0);
	assert_null(maps_http_get(http, at));
	maps_http_close(reader);
	maps_http_close(http);
	maps_http_close(NULL);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sets_and_deletes, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_what_programs_keep, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_when_full, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_since_when, setup, teardown),
		cmocka_unit_test_setup_teardown(walks_all_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(walks_per_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(drains_events, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_out_short_records, setup, teardown),
		cmocka_unit_test_setup_teardown(maps_http_programs, setup, teardown),
	};
	int failed;

	if (!place_enter(&place)) {
		place_skip_all(tests, sizeof(tests) / sizeof(tests[0]));
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	place_leave(&place);
	return failed;
}
