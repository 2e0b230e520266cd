// SPDX-License-Identifier: Apache-2.0
/*
 * A server's segments come through weft_from_pod on several CPUs: one may find that another is
 * at work, or come before what was sent earlier.
 */
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
#define UPGRADE "GET /ok HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
#define LONG	"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n"
#define BODY	"0123456789abcdefghij"
#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"

enum { ANY = 0xff };

static enum play_fate segment(struct play *play, __u32 offset, const char *text)
{
	return play_server(play, offset, text, strlen(text), 0);
}

static void set_busy(struct play *play, __u32 busy)
{
	struct weft_http_flow flow = play_flow(play);

	flow.answer_busy = busy;
	play_store(play, &flow);
}

static __u64 lost(struct play *play)
{
	return tcrun_stat(play->run, WEFT_STAT_HTTP_ANSWERS_LOST);
}

/* Its answers are followed to the end of what was sent, `total` bytes. */
static void expect_followed(struct play *play, __u32 answers, __u32 total)
{
	struct weft_http_flow flow = play_flow(play);

	assert_int_equal(flow.answers, answers);
	assert_int_equal(flow.answer_flags, 0);
	assert_int_equal(flow.server_next, total);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), answers);
	assert_int_equal(lost(play), 0);
	play->answered = total;
	play->client_has = total;
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

static void expect_lost(struct play *play)
{
	assert_true(play_flow(play).answer_flags & WEFT_HTTP_ANSWER_LOST);
	assert_int_equal(lost(play), 1);
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
}

/* What has nothing to read passes by whoever reads. */
static void test_nothing_to_read(void **state)
{
	struct play *play = play_require(state);
	__u32 head = strlen(LONG);

	play_open(play);
	play_says(play, ALLOWED);
	segment(play, 0, LONG "01");
	set_busy(play, 1);
	assert_int_equal(play_client(play, play->said, "G", 1, 0), PLAY_PASSED);
	play->server_has = play->said + 1;
	assert_int_equal(play_server(play, head + 2, NULL, 0, 0), PLAY_PASSED);
	assert_int_equal(play_flow(play).acked, play->said + 1);
	assert_int_equal(segment(play, head + 2, "23456789"), PLAY_PASSED);
	assert_int_equal(segment(play, head, "012"), PLAY_PASSED);
	assert_int_equal(play_flow(play).server_next, head + 10);
	set_busy(play, 0);
	segment(play, head + 10, "abcdefghij");
	assert_int_equal(play_flow(play).answers, 1);
	assert_int_equal(play_flow(play).answer_flags, 0);
	assert_int_equal(lost(play), 0);
}

/* A head, or the end of a body, of which nobody knows whether it was read. */
static void test_busy(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	set_busy(play, 1);
	assert_int_equal(segment(play, 0, LONG "01"), PLAY_PASSED);
	set_busy(play, 0);
	expect_lost(play);
	/* Nothing is missed of a server that closes. */
	play_again(state);
	play_open(play);
	play_says(play, ALLOWED);
	set_busy(play, 1);
	assert_int_equal(play_server(play, 0, NULL, 0, FIN), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(lost(play), 0);
}

/* Its requests are counted as unanswered: what the server says then is not lost. */
static void test_client_has_gone(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_client(play, play->said, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(segment(play, 0, OK), PLAY_PASSED);
	assert_int_equal(play_requests(play, ANY, ANY), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(lost(play), 0);
}

/* The first segment of an answer comes behind the others. */
static void test_head_is_late(void **state)
{
	struct play *play = play_require(state);
	__u32 head = strlen(LONG), total = strlen(LONG BODY);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(segment(play, head + 5, "56789"), PLAY_PASSED);
	assert_int_equal(segment(play, head + 10, "abcdefghij"), PLAY_PASSED);
	assert_int_equal(segment(play, head + 2, "234"), PLAY_PASSED);
	assert_int_equal(play_flow(play).answers, 0);
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	assert_int_equal(segment(play, 0, LONG "01"), PLAY_PASSED);
	expect_followed(play, 1, total);
}

/* It was at the end of the answer before. */
static void test_next_head_is_late(void **state)
{
	struct play *play = play_require(state);
	__u32 second = strlen(OK), total = strlen(OK LONG BODY OK);

	play_open(play);
	play_says(play, ALLOWED ALLOWED ALLOWED);
	segment(play, 0, "HTTP/1.1 200 OK\r\n");
	assert_int_equal(segment(play, strlen(OK LONG "01"), "23456789abc"), PLAY_PASSED);
	assert_int_equal(segment(play, 17, "content-length: 2\r\n\r\nhi" LONG "01"), PLAY_PASSED);
	assert_int_equal(play_flow(play).answers, 1);
	assert_int_equal(segment(play, second + strlen(LONG) + 13, "defghij" OK), PLAY_PASSED);
	expect_followed(play, 3, total);
}

/* What came early is sent again together with what was late. */
static void test_late_and_together(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	segment(play, strlen(CHUNKED), "cde\r\n0\r\n\r\n");
	segment(play, 0, CHUNKED "cde\r\n0\r\n\r\n");
	expect_followed(play, 1, strlen(CHUNKED "cde\r\n0\r\n\r\n"));
}

/* What came early had the beginning of something: it would have had to be read. */
static void test_early_is_lost(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	segment(play, strlen(CHUNKED), "cde\r\n5\r\nab");
	segment(play, strlen(CHUNKED "cde\r\n5\r\nab"), "cde");
	assert_int_equal(play_flow(play).answer_flags, 0);
	segment(play, 0, CHUNKED);
	expect_lost(play);
	/* Of two answers the second began in it. */
	play_again(state);
	play_open(play);
	play_says(play, ALLOWED ALLOWED);
	segment(play, strlen(LONG "01"), "23456789abcdefghij" OK);
	segment(play, 0, LONG "01");
	expect_lost(play);
}

/* The client has what was never seen here. */
static void test_never_seen(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	segment(play, 5, "1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	play->client_has = strlen(OK);
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
	/* Nor is it known what became of an upgrade. */
	play_again(state);
	play_open(play);
	play_says(play, UPGRADE);
	segment(play, 5, "1.1 101 Switching\r\n\r\n");
	assert_int_equal(play_tries(play, "noise"), PLAY_DROPPED);
	play->client_has = strlen("HTTP/1.1 101 Switching\r\n\r\n");
	assert_int_equal(play_tries(play, "noise"), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_STATE_LOST), 1);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_nothing_to_read),   PLAY_TESTS(test_busy),
	PLAY_TESTS(test_client_has_gone),   PLAY_TESTS(test_head_is_late),
	PLAY_TESTS(test_next_head_is_late), PLAY_TESTS(test_late_and_together),
	PLAY_TESTS(test_early_is_lost),	    PLAY_TESTS(test_never_seen),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
