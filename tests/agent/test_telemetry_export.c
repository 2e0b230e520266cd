// SPDX-License-Identifier: Apache-2.0
/* Events for an exporter: which, in what order, and none that is not accounted for. */
#include <json-c/json.h>
#include <string.h>
#include "tests/agent/mapset.h"
#include "tests/unit/objects.h"
#include "user/telemetry/telemetry.h"

enum { RING = 8192, MANY = 1 << 20 };

static struct {
	struct mapset *set;
	struct names *names;
	struct store *store;
	struct metric_options options;
	struct telemetry *telemetry;
	struct telemetry_cursor cursor;
	uint64_t next;	   /* port of the next event, which numbers them */
	uint64_t expected; /* port of the next event that is exported */
	unsigned int exported;
} f;

static int setup(void **state)
{
	static const uint32_t sizes[MAP_ID_COUNT] = { 0 };

	(void)state;
	memset(&f, 0, sizeof(f));
	f.set = mapset_new(sizes);
	f.names = names_new();
	f.store = store_new();
	f.telemetry = telemetry_new(mapset_maps(f.set), f.names, f.store, &f.options);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	telemetry_free(f.telemetry);
	store_free(f.store);
	names_free(f.names);
	mapset_free(f.set);
	return 0;
}

static void add(unsigned int count, enum weft_event_type type, enum weft_verdict_action action)
{
	struct weft_request_event record = { .event = { .type = type, .action = (uint8_t)action } };

	for (; count; count--) {
		record.event.dst_port = (uint16_t)f.next++;
		telemetry_take_event(f.telemetry, &record.event);
	}
}

static void add_denied(unsigned int count)
{
	add(count, WEFT_EVENT_VERDICT, WEFT_VERDICT_DENY);
}

/* Each is the one after the last. */
static void on_export(void *context, struct json_object *event, uint64_t time_ns)
{
	struct json_object *port = NULL;

	assert_ptr_equal(context, &f);
	assert_true(time_ns > UINT64_C(1000000000000000000));
	json_object_object_get_ex(json_object_object_get(event, "destination"), "port", &port);
	assert_int_equal(json_object_get_int(port), (uint16_t)f.expected++);
	f.exported++;
}

static uint64_t export_events(unsigned int limit)
{
	f.exported = 0;
	return telemetry_export(f.telemetry, &f.cursor, limit, on_export, &f);
}

static uint64_t waiting(void)
{
	return telemetry_export_waiting(f.telemetry, &f.cursor);
}

static void test_each_once(void **state)
{
	(void)state;
	assert_int_equal(waiting(), 0);
	assert_int_equal(export_events(MANY), 0);
	add_denied(10);
	assert_int_equal(waiting(), 10);
	assert_int_equal(export_events(4), 0);
	assert_int_equal(f.exported, 4);
	assert_int_equal(waiting(), 6);
	add_denied(1);
	assert_int_equal(export_events(MANY), 0);
	assert_int_equal(f.exported, 7);
	assert_int_equal(waiting(), 0);
	add_denied(3);
	assert_int_equal(telemetry_export_skip(f.telemetry, &f.cursor), 3);
	assert_int_equal(waiting(), 0);
	f.expected += 3;
	add_denied(1);
	assert_int_equal(export_events(MANY), 0);
	assert_int_equal(f.exported, 1);
}

static void test_overruns_are_counted(void **state)
{
	(void)state;
	add_denied(5);
	export_events(2);
	add_denied(RING + 10);
	assert_int_equal(waiting(), RING + 13);
	f.expected += 13;
	assert_int_equal(export_events(MANY), 13);
	assert_int_equal(f.exported, RING);
	assert_int_equal(waiting(), 0);
}

static void set_sample(uint32_t sample)
{
	struct weft_config config = { .request_sample = sample };
	__u32 index = 0;

	assert_int_equal(maps_set(mapset_maps(f.set), MAP_CONFIG, &index, &config), 0);
}

/* Who taps sees every request; the exporter gets the share that was asked for, and what is denied.
 */
static void test_what_is_only_watched_is_not_exported(void **state)
{
	(void)state;
	set_sample(0);
	telemetry_watch(f.telemetry);
	add(100, WEFT_EVENT_REQUEST, WEFT_VERDICT_ALLOW);
	assert_int_equal(waiting(), 0);
	f.expected = f.next;
	add(3, WEFT_EVENT_REQUEST, WEFT_VERDICT_DENY);
	add(1, WEFT_EVENT_TCP_CLOSE, WEFT_VERDICT_ALLOW);
	assert_int_equal(waiting(), 4);
	assert_int_equal(export_events(MANY), 0);
	assert_int_equal(f.exported, 4);
	/* None of what is overwritten here was for the exporter. */
	add(RING + 100, WEFT_EVENT_REQUEST, WEFT_VERDICT_ALLOW);
	f.expected = f.next;
	add_denied(1);
	assert_int_equal(export_events(MANY), 0);
	assert_int_equal(f.exported, 1);
}

static void test_the_share_stays_the_same(void **state)
{
	enum { REQUESTS = 6000 };

	(void)state;
	set_sample(UINT32_MAX / 4);
	add(100, WEFT_EVENT_REQUEST, WEFT_VERDICT_ALLOW); /* those that the kernel sampled */
	assert_int_equal(waiting(), 100);
	telemetry_watch(f.telemetry);
	add(REQUESTS, WEFT_EVENT_REQUEST, WEFT_VERDICT_ALLOW);
	/* a quarter; six standard deviations are 201 */
	assert_in_range(waiting() - 100, REQUESTS / 4 - 201, REQUESTS / 4 + 201);
}

static void test_all_are_all(void **state)
{
	(void)state;
	set_sample(UINT32_MAX);
	telemetry_watch(f.telemetry);
	add(5000, WEFT_EVENT_REQUEST, WEFT_VERDICT_ALLOW);
	assert_int_equal(waiting(), 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_once),
		TEST(test_overruns_are_counted),
		TEST(test_what_is_only_watched_is_not_exported),
		TEST(test_the_share_stays_the_same),
		TEST(test_all_are_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
