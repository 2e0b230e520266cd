// SPDX-License-Identifier: Apache-2.0
/*
 * What is to be seen in a long transfer, too, though its segments pass with hardly a look
 * (http_bulk.bpf.h). That they mean the same there is what the other tests with tcrun_bulk show.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define GET	"GET /ok HTTP/1.1\r\n" FIELDS
#define CHUNKED "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS "100000\r\n"
#define LONG	"POST /ok HTTP/1.1\r\nContent-Length: 1000000\r\n" FIELDS
#define ANSWER	"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
#define BYTES	"what an upload consists of"

enum { ANY = 0xff, CHUNK = 0x100000 };

static enum play_fate server_acks(struct play *play)
{
	return play_server(play, play->answered, NULL, 0, 0);
}

static enum play_fate client_acks(struct play *play)
{
	return play_client(play, play->said, NULL, 0, 0);
}

/* Nothing passes in either direction. */
static void test_refused(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, CHUNKED BYTES);
	assert_int_equal(client_acks(play), PLAY_PASSED);
	assert_int_equal(play_client(play, strlen(CHUNKED) + CHUNK, "no end", 6, 0), PLAY_DROPPED);
	play_answers(play, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(play_client(play, strlen(CHUNKED) + CHUNK, "no end", 6, 0),
			 PLAY_FORBIDDEN);
	assert_int_equal(server_acks(play), PLAY_ANSWERED);
	assert_int_equal(client_acks(play), PLAY_DROPPED);
	assert_int_equal(play_tries(play, BYTES), PLAY_ANSWERED);
}

/* The second lock. */
static void test_server_has_more(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, GET);
	play->server_has = play->said + 1;
	assert_int_equal(server_acks(play), PLAY_PASSED);
	play->server_has = play->said + 2;
	assert_int_equal(server_acks(play), PLAY_ANSWERED);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_DENIED);
	play_again(state);
	tcrun_set_pod(play->run, WEFT_PEER_PERMISSIVE | WEFT_PEER_HTTP, true);
	play_open(play);
	play_says(play, GET);
	play->server_has = play->said + 2;
	assert_int_equal(server_acks(play), PLAY_PASSED);
}

static void test_resets_are_told(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, LONG BYTES);
	assert_int_equal(play_client(play, play->said, BYTES, strlen(BYTES), RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_POST, 0), 1);
	play_again(state);
	play_open(play);
	play_says(play, GET);
	play_server(play, 0, ANSWER, strlen(ANSWER), 0);
	assert_int_equal(play_client(play, play->said, GET, strlen(GET), 0), PLAY_PASSED);
	assert_int_equal(play_server(play, strlen(ANSWER), BYTES, strlen(BYTES), RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 2);
}

static void test_urgent(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, LONG);
	assert_int_equal(play_client(play, play->said, NULL, 0, URG), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_URGENT), 1);
}

static void test_addresses_are_not_its_own(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, GET);
	play_server(play, 0, ANSWER, strlen(ANSWER), 0);
	assert_int_equal(play_server(play, strlen(ANSWER), BYTES, strlen(BYTES), 0), PLAY_PASSED);
	tcrun_set_pod(play->run, WEFT_PEER_ENFORCE | WEFT_PEER_HTTP, false);
	assert_int_equal(play_server(play, strlen(ANSWER), BYTES, strlen(BYTES), 0), PLAY_DROPPED);
	assert_int_equal(server_acks(play), PLAY_DROPPED);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_refused),
	PLAY_TESTS(test_server_has_more),
	PLAY_TESTS(test_resets_are_told),
	PLAY_TESTS(test_urgent),
	PLAY_TESTS(test_addresses_are_not_its_own),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
