// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "policy/memory.h"
#include "user/kube/kube_event_queue.h"

#define S KUBE_EVENT_SECOND

static struct kube_event_queue *queue;
static uint64_t now, when;

static int open_queue(void **state)
{
	(void)state;
	queue = kube_event_queue_new();
	now = 1000 * S;
	return 0;
}

static int close_queue(void **state)
{
	(void)state;
	kube_event_queue_free(queue);
	return 0;
}

static void add(const char *name, bool is_local)
{
	struct kube_event event = {
		.name_space = memory_strdup("n"),
		.name = memory_strdup(name),
		.is_local = is_local,
	};

	kube_event_queue_add(queue, &event, now);
	assert_null(event.name);
}

/* A report of these findings, "" = none. */
static void report(const char *one, const char *other)
{
	kube_event_queue_begin(queue, false);
	if (*one)
		add(one, false);
	if (*other)
		add(other, true);
	kube_event_queue_end(queue, now);
}

static struct queued_event *next(void)
{
	return kube_event_queue_next(queue, false, now, &when);
}

static void assert_next(const char *key)
{
	struct queued_event *queued = next();

	assert_non_null(queued);
	assert_string_equal(queued->key, key);
	kube_event_queue_told(queued, 0, now);
}

static void assert_none_before(uint64_t then)
{
	assert_null(next());
	assert_int_equal(when, then);
}

static void test_a_finding_that_stays(void **state)
{
	(void)state;
	assert_none_before(UINT64_MAX);
	report("x", "");
	assert_none_before(now + KUBE_EVENT_STAND_S * S);
	now += KUBE_EVENT_STAND_S * S;
	assert_int_equal(kube_event_queue_waiting(queue, false, now), 1);
	assert_next("n/x");
	assert_int_equal(kube_event_queue_waiting(queue, false, now), 0);
	report("x", "");
	assert_none_before(now + KUBE_EVENT_REFRESH_S * S);
	now += KUBE_EVENT_REFRESH_S * S;
	assert_next("n/x");
}

static void test_a_finding_that_goes_at_once(void **state)
{
	(void)state;
	report("x", "");
	now += S;
	report("", "");
	now += 10 * S;
	assert_none_before(UINT64_MAX);
}

static void test_a_finding_that_comes_back(void **state)
{
	uint64_t told;

	(void)state;
	report("x", "");
	now = told = now + KUBE_EVENT_STAND_S * S;
	assert_next("n/x");
	now += 5 * S;
	report("", "");
	assert_none_before(UINT64_MAX);
	now += 5 * S;
	report("x", "");
	assert_none_before(told + KUBE_EVENT_AGAIN_S * S);
	assert_int_equal(kube_event_queue_patience(kube_event_queue_find(queue, "n/x")),
			 KUBE_EVENT_AGAIN_S * S);
	/* When it has been away for longer, nothing is remembered of it. */
	report("", "");
	now = told + KUBE_EVENT_AGAIN_S * S;
	report("", "");
	assert_null(kube_event_queue_find(queue, "n/x"));
}

static void test_what_is_there_at_first(void **state)
{
	(void)state;
	kube_event_queue_begin(queue, true);
	add("x", false);
	kube_event_queue_end(queue, now);
	assert_int_equal(kube_event_queue_patience(kube_event_queue_find(queue, "n/x")),
			 KUBE_EVENT_REFRESH_S * S);
	/* Another agent told it ten minutes ago. */
	now += KUBE_EVENT_STAND_S * S;
	kube_event_queue_told(next(), 600 * S, now);
	assert_none_before(now + (KUBE_EVENT_REFRESH_S - 600) * S);
}

static void test_others_are_not_ours(void **state)
{
	struct queued_event *queued;

	(void)state;
	report("x", "local");
	now += KUBE_EVENT_STAND_S * S;
	assert_int_equal(kube_event_queue_waiting(queue, true, now), 1);
	queued = kube_event_queue_next(queue, true, now, &when);
	assert_string_equal(queued->key, "n/local");
	kube_event_queue_told(queued, 0, now);
	assert_null(kube_event_queue_next(queue, true, now, &when));
	assert_next("n/x");
}

static void test_what_is_lost_comes_first(void **state)
{
	(void)state;
	report("x", "y");
	now += KUBE_EVENT_STAND_S * S;
	kube_event_queue_told(next(), 0, now);
	kube_event_queue_told(next(), 0, now);
	now += (KUBE_EVENT_REFRESH_S + 1) * S;
	kube_event_queue_lost(kube_event_queue_find(queue, "n/y"), now);
	assert_next("n/y");
	assert_next("n/x");
}

static void test_rate(void **state)
{
	char name[16];
	unsigned int i;

	(void)state;
	kube_event_queue_begin(queue, true);
	for (i = 0; i < KUBE_EVENT_LIMIT + 7; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		add(name, false);
	}
	kube_event_queue_end(queue, now);
	now += KUBE_EVENT_STAND_S * S;
	assert_int_equal(kube_event_queue_waiting(queue, false, now), KUBE_EVENT_LIMIT + 7);
	for (i = 0; i < KUBE_EVENT_BURST; i++)
		kube_event_queue_told(next(), 0, now);
	assert_none_before(now + S);
	now += S - 1;
	assert_none_before(now + 1);
	now += 1;
	kube_event_queue_told(next(), 0, now);
	assert_null(next());
	/* However long nothing is written, no more than the burst is saved up. */
	now += 600 * S;
	for (i = 0; i < KUBE_EVENT_BURST; i++)
		kube_event_queue_told(next(), 0, now);
	assert_null(next());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_finding_that_stays, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_a_finding_that_goes_at_once, open_queue,
						close_queue),
		cmocka_unit_test_setup_teardown(test_a_finding_that_comes_back, open_queue,
						close_queue),
		cmocka_unit_test_setup_teardown(test_what_is_there_at_first, open_queue,
						close_queue),
		cmocka_unit_test_setup_teardown(test_others_are_not_ours, open_queue, close_queue),
		cmocka_unit_test_setup_teardown(test_what_is_lost_comes_first, open_queue,
						close_queue),
		cmocka_unit_test_setup_teardown(test_rate, open_queue, close_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
