// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies of requests: their bytes pass in any order and whatever they are, those around them do
 * not.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define ALLOWED "GET /ok HTTP/1.1\r\n" FIELDS
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
#define BODY	"POST /ok HTTP/1.1\r\nContent-Length: 40\r\n" FIELDS
#define LONG	"POST /ok HTTP/1.1\r\nContent-Length: 10737418240\r\n" FIELDS
#define CHUNKED "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS

enum { BODY_LEN = 40, HALF = 1 << 29, WINDOW = 1 << 30, STEPS = 12 };

static const char forty[] = "0123456789GET /no HTTP/1.1\r\nHost: a\r\n\r\n!";

/* Inside a body the order does not matter; behind it, it does. */
static void test_body_out_of_order(void **state)
{
	struct play *play = play_require(state);
	char end[128];
	__u32 at;

	play_open(play);
	play_says(play, BODY);
	at = play->said;
	assert_int_equal(play_client(play, at + 30, forty + 30, 10, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, at + 10, forty + 10, 20, 0), PLAY_PASSED);
	/* It may even change its mind: a body is whatever it is. */
	assert_int_equal(play_client(play, at + 10, forty, 20, 0), PLAY_PASSED);
	/* The body's end and a head, before the body's beginning. */
	snprintf(end, sizeof(end), "%s" ALLOWED, forty + 35);
	assert_int_equal(play_client(play, at + 35, end, strlen(end), 0), PLAY_PASSED);
	snprintf(end, sizeof(end), "%s" DENIED, forty + 35);
	assert_int_equal(play_client(play, at + 35, end, strlen(end), 0), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
	assert_int_equal(play_flow(play).requests, 2);
}

static void test_body_end_and_next(void **state)
{
	struct play *play = play_require(state);
	char text[256];

	play_open(play);
	snprintf(text, sizeof(text), BODY "%.*s" DENIED, BODY_LEN, forty);
	for (size_t at = 1; at < strlen(BODY) + BODY_LEN; at++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_client(play, 0, text, at, 0), PLAY_PASSED);
		assert_int_equal(play_client(play, at, text + at, strlen(text) - at, 0), PLAY_CUT);
		assert_int_equal(play->cut, strlen(BODY) + BODY_LEN - at);
		assert_int_equal(play_flow(play).requests, 1);
	}
}

/* Nothing of a head between two bodies is theirs, whatever came of them. */
static void test_head_between_bodies(void **state)
{
	struct play *play = play_require(state);
	__u32 second = strlen(BODY) + BODY_LEN;
	char text[256];

	play_open(play);
	play_says(play, BODY);
	play->server_has = 0; /* of what follows it has nothing */
	snprintf(text, sizeof(text), "%.*s" BODY "ab", BODY_LEN, forty);
	assert_int_equal(play_client(play, strlen(BODY), text, strlen(text), 0), PLAY_PASSED);
	assert_int_equal(play_client(play, second + strlen(BODY) + 5, forty, 20, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, second + strlen(BODY), forty, 40, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, second, BODY, strlen(BODY), 0), PLAY_PASSED);
	for (__u32 at = 0; at < strlen(BODY); at++) {
		char other[] = BODY "ab";

		play_again(state);
		play_open(play);
		assert_int_equal(play_client(play, 0, BODY, strlen(BODY), 0), PLAY_PASSED);
		assert_int_equal(play_client(play, strlen(BODY), text, strlen(text), 0),
				 PLAY_PASSED);
		other[at] ^= 1;
		assert_int_equal(play_client(play, second, other, strlen(other), 0), PLAY_RESET);
		assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
	}
}

/* A byte more than the body, in front or behind, is looked at. */
static void test_more_than_a_body(void **state)
{
	struct play *play = play_require(state);
	__u32 at = strlen(BODY);
	char text[64];

	play_open(play);
	assert_int_equal(play_client(play, 0, BODY, at, 0), PLAY_PASSED);
	snprintf(text, sizeof(text), "x%.*s", BODY_LEN, forty);
	assert_int_equal(play_client(play, at - 1, text, BODY_LEN + 1, 0), PLAY_DROPPED);
	assert_int_equal(play_flow(play).unverified, 1);
	assert_int_equal(play_client(play, at, forty, BODY_LEN, 0), PLAY_PASSED);
	snprintf(text, sizeof(text), "%.*s\x01", BODY_LEN, forty);
	assert_int_equal(play_client(play, at, text, BODY_LEN + 1, 0), PLAY_CUT);
	assert_int_equal(play->cut, BODY_LEN);
	assert_int_equal(play_client(play, at, forty, BODY_LEN, URG), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_URGENT), 1);
}

static void test_chunk_and_what_is_around(void **state)
{
	struct play *play = play_require(state);
	__u32 at = strlen(CHUNKED "100000\r\n");

	play_open(play);
	assert_int_equal(play_client(play, 0, CHUNKED "100000\r\n", at, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, at + 0x1000, forty, 40, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, at + 0x100000 - 40, forty, 40, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, at + 0x100000 - 39, forty, 40, 0), PLAY_CUT);
	assert_int_equal(play_client(play, at + 0x100000 - 40, forty, 40, 0), PLAY_PASSED);
	play_server(play, 0, OK, strlen(OK), 0);
	play->client_has = strlen(OK);
	assert_int_equal(play_client(play, at + 0x100000, "!", 1, 0), PLAY_FORBIDDEN);
	/* Refused, in the middle of it. */
	assert_int_equal(play_client(play, at + 0x1000, forty, 40, 0), PLAY_ANSWERED);
}

/* Sequence numbers wrap in it, more than once; what they mean is known all the way. */
static void test_long_body(void **state)
{
	struct play *play = play_require(state);
	__u32 at = strlen(LONG);
	char other[] = LONG;

	play_open(play);
	assert_int_equal(play_client(play, 0, LONG, at, 0), PLAY_PASSED);
	for (int i = 0; i < STEPS; i++) {
		assert_int_equal(play_client(play, at, forty, 40, 0), PLAY_PASSED);
		/* Within a window of what the server has, not beyond. */
		assert_int_equal(play_client(play, at + HALF, forty, 40, 0), PLAY_PASSED);
		assert_int_equal(play_client(play, play->server_has + WINDOW - 39, forty, 40, 0),
				 PLAY_DROPPED);
		at += HALF;
		play->server_has = at;
		assert_int_equal(play_server(play, 0, NULL, 0, 0), PLAY_PASSED);
		assert_int_equal(play_flow(play).acked, strlen(LONG) + (i + 1ULL) * HALF);
	}
	/* Not acknowledged: the head's numbers are the head's, however long the body is. */
	play_again(state);
	play_open(play);
	at = strlen(LONG);
	assert_int_equal(play_client(play, 0, LONG, at, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, at + HALF, forty, 40, 0), PLAY_PASSED);
	other[6] ^= 1;
	assert_int_equal(play_client(play, 0, other, at, 0), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_body_out_of_order),	   PLAY_TESTS(test_body_end_and_next),
	PLAY_TESTS(test_head_between_bodies),	   PLAY_TESTS(test_more_than_a_body),
	PLAY_TESTS(test_chunk_and_what_is_around), PLAY_TESTS(test_long_body),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
