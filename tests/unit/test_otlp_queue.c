// SPDX-License-Identifier: Apache-2.0
/* Bodies, the queue's limits, and how long a failure is waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "user/otlp/otlp_queue.h"
#include "user/http/retry.h"

static struct otlp_body *body_of(const char *text, unsigned int items, uint64_t made_ns)
{
	struct otlp_writer *writer = otlp_writer_new(false);

	otlp_writer_put(writer, text);
	return otlp_writer_end(writer, items, made_ns);
}

static void test_a_body(void **state)
{
	struct otlp_writer *writer = otlp_writer_new(false);
	struct otlp_body *body;

	(void)state;
	otlp_writer_put(writer, "{\"a\":");
	otlp_writer_put_string(writer, "plain");
	otlp_writer_put_string(writer, "\"\\\n\x01\xc3\xa4\xff");
	assert_int_equal(otlp_writer_length(writer),
			 strlen("{\"a\":\"plain\"") +
				 strlen("\"\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\""));
	body = otlp_writer_end(writer, 3, 7);
	assert_int_equal(body->items, 3);
	assert_int_equal(body->made_ns, 7);
	assert_int_equal(body->size,
			 strlen("{\"a\":\"plain\"\"\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\""));
	assert_memory_equal(body->bytes,
			    "{\"a\":\"plain\"\"\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\"",
			    body->size);
	otlp_body_free(body);
}

/* What gunzip makes of it. */
static char *unzip(const struct otlp_body *body, size_t room)
{
	z_stream stream = { .next_in = (unsigned char *)body->bytes,
			    .avail_in = (unsigned int)body->size };
	char *text = calloc(1, room + 1);

	stream.next_out = (unsigned char *)text;
	stream.avail_out = (unsigned int)room;
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
	return text;
}

static void test_a_body_in_gzip(void **state)
{
	enum { TEXTS = 20000, LENGTH = 16 };
	struct otlp_writer *writer = otlp_writer_new(true);
	char expected[LENGTH + 1], *text;
	struct otlp_body *body;
	unsigned int i;

	(void)state;
	for (i = 0; i < TEXTS; i++) {
		/* Hardly to be compressed, so that it grows. */
		snprintf(expected, sizeof(expected), "%08x%08x", i * 2654435761U, i * 40503U);
		otlp_writer_put(writer, expected);
	}
	assert_int_equal(otlp_writer_length(writer), TEXTS * LENGTH);
	body = otlp_writer_end(writer, 1, 0);
	assert_true(body->size < TEXTS * LENGTH);
	text = unzip(body, TEXTS * LENGTH);
	for (i = 0; i < TEXTS; i++) {
		snprintf(expected, sizeof(expected), "%08x%08x", i * 2654435761U, i * 40503U);
		assert_memory_equal(text + i * LENGTH, expected, LENGTH);
	}
	free(text);
	otlp_body_free(body);
	body = otlp_writer_end(otlp_writer_new(true), 0, 0);
	text = unzip(body, 1);
	assert_string_equal(text, "");
	free(text);
	otlp_body_free(body);
}

static void test_the_newest_is_dropped(void **state)
{
	struct otlp_queue queue = { .max_items = 10, .max_bytes = 100 };

	(void)state;
	otlp_queue_push(&queue, body_of("first", 4, 0));
	otlp_queue_push(&queue, body_of("second", 4, 0));
	assert_false(otlp_queue_is_full(&queue));
	otlp_queue_push(&queue, body_of("too much", 3, 0));
	assert_int_equal(queue.items, 8);
	assert_int_equal(queue.bytes, strlen("firstsecond"));
	assert_int_equal(queue.counts.dropped[OTLP_DROP_QUEUE_FULL], 3);
	assert_memory_equal(queue.first->bytes, "first", 5);
	otlp_queue_push(&queue, body_of("just right", 2, 0));
	assert_true(otlp_queue_is_full(&queue));
	otlp_queue_clear(&queue);
	assert_int_equal(queue.items, 0);
	assert_int_equal(queue.bytes, 0);
}

static void test_bytes_are_limited_too(void **state)
{
	struct otlp_queue queue = { .max_items = 1000, .max_bytes = 10 };

	(void)state;
	otlp_queue_push(&queue, body_of("12345", 1, 0));
	otlp_queue_push(&queue, body_of("123456", 7, 0));
	assert_int_equal(queue.counts.dropped[OTLP_DROP_QUEUE_FULL], 7);
	otlp_queue_push(&queue, body_of("12345", 1, 0));
	assert_true(otlp_queue_is_full(&queue));
	assert_int_equal(queue.items, 2);
	otlp_queue_clear(&queue);
}

static void test_what_becomes_of_the_first(void **state)
{
	struct otlp_queue queue = { .max_items = 100, .max_bytes = 100 };

	(void)state;
	otlp_queue_push(&queue, body_of("a", 10, 0));
	otlp_queue_push(&queue, body_of("b", 20, 0));
	otlp_queue_push(&queue, body_of("c", 30, 0));
	otlp_queue_sent(&queue, 3);
	assert_int_equal(queue.counts.sent, 7);
	assert_int_equal(queue.counts.dropped[OTLP_DROP_REJECTED], 3);
	/* More than there was. */
	otlp_queue_sent(&queue, 1000);
	assert_int_equal(queue.counts.sent, 7);
	assert_int_equal(queue.counts.dropped[OTLP_DROP_REJECTED], 23);
	otlp_queue_drop(&queue, OTLP_DROP_REFUSED);
	assert_int_equal(queue.counts.dropped[OTLP_DROP_REFUSED], 30);
	assert_null(queue.first);
	assert_int_equal(queue.items, 0);
	otlp_queue_push(&queue, body_of("d", 1, 0));
	assert_ptr_equal(queue.first, queue.last);
	otlp_queue_clear(&queue);
}

static void test_old_ones_go(void **state)
{
	struct otlp_queue queue = { .max_items = 100, .max_bytes = 100 };

	(void)state;
	otlp_queue_push(&queue, body_of("a", 1, 10));
	otlp_queue_push(&queue, body_of("b", 2, 20));
	otlp_queue_push(&queue, body_of("c", 4, 30));
	otlp_queue_expire(&queue, 20);
	assert_int_equal(queue.counts.dropped[OTLP_DROP_EXPIRED], 1);
	/* The first is under way, and stays. */
	otlp_queue_push(&queue, body_of("d", 8, 40));
	otlp_queue_drop_all(&queue, true, OTLP_DROP_SUPERSEDED);
	assert_int_equal(queue.counts.dropped[OTLP_DROP_SUPERSEDED], 12);
	assert_int_equal(queue.items, 2);
	otlp_queue_push(&queue, body_of("e", 16, 50));
	assert_memory_equal(queue.first->bytes, "b", 1);
	assert_memory_equal(queue.first->next->bytes, "e", 1);
	otlp_queue_drop_all(&queue, false, OTLP_DROP_SUPERSEDED);
	assert_null(queue.first);
	otlp_queue_drop_all(&queue, true, OTLP_DROP_SUPERSEDED);
	otlp_queue_push(&queue, body_of("f", 1, 60));
	assert_ptr_equal(queue.first, queue.last);
	otlp_queue_clear(&queue);
}

static void test_waits_double_and_differ(void **state)
{
	unsigned int wait = 0, most = 1000, i;
	uint64_t ms, first = 0;
	bool differs = false;

	(void)state;
	for (i = 0; i < 12; i++, most = most * 2 < 30000 ? most * 2 : 30000) {
		ms = retry_in(&wait, 1000, 30000, 0);
		assert_in_range(ms, most / 2, most);
	}
	for (i = 0; i < 50; i++) {
		ms = retry_in(&wait, 1000, 30000, 7);
		assert_in_range(ms, 15000 + 7000, 30000 + 7000);
		differs |= first && ms != first;
		first = ms;
	}
	assert_true(differs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_body),
		cmocka_unit_test(test_a_body_in_gzip),
		cmocka_unit_test(test_the_newest_is_dropped),
		cmocka_unit_test(test_bytes_are_limited_too),
		cmocka_unit_test(test_what_becomes_of_the_first),
		cmocka_unit_test(test_old_ones_go),
		cmocka_unit_test(test_waits_double_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
