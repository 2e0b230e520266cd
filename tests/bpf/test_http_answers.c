// SPDX-License-Identifier: Apache-2.0
/* The server's bytes through weft_from_pod: which request is answered, upgrades and tunnels. */
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
#define HEAD	"HEAD /ok HTTP/1.1\r\n" FIELDS
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS
#define TUNNEL	"CONNECT pod:80 HTTP/1.1\r\nHost: pod:80\r\n\r\n"
#define UPGRADE "GET /ok HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
#define NOISE	"\x81\x05hello GET /no HTTP/1.1\r\n\r\n"

enum { ANY = 0xff, MANY = 20 };

/* Answers to one request; `next`: the stream is at a message's start behind it. */
struct answer_case {
	const char *request;
	const char *answer;
	int status; /* class */
	bool next;
};

static const struct answer_case cases[] = {
	{ ALLOWED, OK, 2, true },
	{ ALLOWED, "HTTP/1.0 404 Not Found\r\nContent-Length:0\r\n\r\n", 4, true },
	{ ALLOWED, "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 2,
	  true },
	{ ALLOWED,
	  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na;x\r\nHTTP/1.1 5\r\n1\r\n\r\r\n"
	  "0\r\nX: y\r\n\r\n",
	  2, true },
	{ ALLOWED, "HTTP/1.1 204 No Content\r\n\r\n", 2, true },
	{ ALLOWED, "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 3, true },
	{ ALLOWED, "HTTP/1.1 100 Continue\r\n\r\n" OK, 2, true },
	{ ALLOWED, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 \r\n\r\n" OK, 2, true },
	{ HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 2, true },
	{ HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 2, true },
	{ ALLOWED, "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nuntil it is closed", 5, false },
	{ ALLOWED, "HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nsomething", 2, false },
};

static __u8 method_of(const struct answer_case *one)
{
	return *one->request == 'H' ? WEFT_HTTP_HEAD : WEFT_HTTP_GET;
}

static void check_answered(struct play *play, const struct answer_case *one)
{
	struct weft_http_flow flow = play_flow(play);

	if (flow.answers != (one->next ? 1 : 0) ||
	    !!(flow.answer_flags & WEFT_HTTP_ANSWER_UNTIL_CLOSE) == one->next ||
	    flow.answer_flags & WEFT_HTTP_ANSWER_LOST ||
	    play_requests(play, method_of(one), one->status) != 1)
		fail_msg("%s: %u answers, flags %d", one->answer, flow.answers, flow.answer_flags);
	assert_int_equal(play_requests(play, ANY, ANY), 1);
}

/* At once, and split at every byte. */
static void test_answers(void **state)
{
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *one = &cases[i];
		size_t len = strlen(one->answer);

		for (size_t at = 0; at < len; at++) {
			play_again(state);
			play_open(play);
			play_says(play, one->request);
			if (at)
				play_server(play, 0, one->answer, at, 0);
			assert_int_equal(play_flow(play).answers, 0);
			play_server(play, at, one->answer + at, len - at, PSH);
			check_answered(play, one);
		}
	}
}

/* Sent again by the server, in other pieces, they count once. */
static void test_answers_again(void **state)
{
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *one = &cases[i];
		size_t len = strlen(one->answer);

		play_again(state);
		play_open(play);
		play_says(play, one->request);
		for (size_t at = 0; at < len; at++) {
			play_server(play, at, one->answer + at, 1, 0);
			play_server(play, 0, one->answer, at + 1, 0);
			play_server(play, at / 2, one->answer + at / 2, at + 1 - at / 2, 0);
		}
		check_answered(play, one);
	}
}

/* A denied request behind one that is answered in any of these ways. */
static void test_denied_behind(void **state)
{
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *one = &cases[i];
		size_t len = strlen(one->answer);

		play_again(state);
		play_open(play);
		play_says(play, one->request);
		assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
		play_server(play, 0, one->answer, len - 1, 0);
		play->client_has = len - 1;
		assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
		play_server(play, len - 1, one->answer + len - 1, 1, 0);
		play->client_has = len;
		assert_int_equal(play_tries(play, DENIED),
				 one->next ? PLAY_FORBIDDEN : PLAY_DROPPED);
	}
}

/* More at a time than are remembered: all are counted, some not by what they were. */
static void test_many_at_once(void **state)
{
	struct play *play = play_require(state);
	char text[MANY * sizeof(OK)] = "";

	play_open(play);
	for (int i = 0; i < MANY; i++)
		play_says(play, i % 2 ? HEAD : ALLOWED);
	assert_int_equal(play_flow(play).requests, MANY);
	for (int i = 0; i < WEFT_HTTP_PENDING; i++)
		strcat(text, i % 2 ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : OK);
	play_answers(play, text);
	assert_int_equal(play_flow(play).answers, WEFT_HTTP_PENDING);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 2), WEFT_HTTP_PENDING / 2);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), WEFT_HTTP_PENDING / 2);
	/* Of the others it is not known what they were: with a body, in doubt. */
	for (int i = WEFT_HTTP_PENDING; i < MANY; i++)
		play_answers(play, OK);
	assert_int_equal(play_flow(play).answers, MANY);
	assert_int_equal(play_requests(play, WEFT_HTTP_OTHER, 2), MANY - WEFT_HTTP_PENDING);
}

static void test_unanswered(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED ALLOWED HEAD);
	play_answers(play, OK);
	assert_int_equal(play_server(play, play->answered, NULL, 0, FIN), PLAY_PASSED);
	assert_int_equal(play_server(play, play->answered, NULL, 0, FIN), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 0), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 3);
}

/* What comes when the server has closed its side is not answered either. */
static void test_unanswered_later(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_server(play, play->answered, NULL, 0, FIN), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	play_says(play, HEAD);
	assert_int_equal(play_server(play, play->answered, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 0), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 2);
}

static void test_unanswered_many(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	for (int i = 0; i < MANY; i++)
		play_says(play, ALLOWED);
	assert_int_equal(play_server(play, play->answered, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), WEFT_HTTP_PENDING);
	assert_int_equal(play_requests(play, WEFT_HTTP_OTHER, 0), MANY - WEFT_HTTP_PENDING);
	assert_int_equal(play_requests(play, ANY, ANY), MANY);
}

/* The client does not wait. An old reset does not reach the server's socket. */
static void test_unanswered_by_reset(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED ALLOWED HEAD);
	play_answers(play, OK);
	assert_int_equal(play_client(play, 0, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, ANY, 0), 0);
	assert_int_equal(play_client(play, play->said, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 0), 1);
	/* The server has not heard of it, or it was on its way. */
	play_answers(play, OK);
	assert_int_equal(play_server(play, play->answered, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, ANY, ANY), 3);
}

/* Cut off by a later request. */
static void test_unanswered_by_denial(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED HEAD);
	play_answers(play, "no HTTP at all\r\n\r\n");
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 0), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 2);
}

/* What follows is not read any more; what came before is answered all the same. */
static void test_answered_when_opaque(void **state)
{
	struct play *play = play_require(state);

	tcrun_set_pod(play->run, WEFT_PEER_PERMISSIVE | WEFT_PEER_HTTP, true);
	play_open(play);
	play_says(play, ALLOWED HEAD ALLOWED);
	play_says(play, "no HTTP at all\r\n");
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_OPAQUE);
	play_says(play, DENIED);
	play_answers(play, OK "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 4), 1);
	assert_int_equal(play_client(play, play->said, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 0), 1);
	play_answers(play, OK);
	assert_int_equal(play_requests(play, ANY, ANY), 3);
}

/* Where an answer belongs is not known any more: denials reset at once. */
static void expect_lost(struct play *play)
{
	assert_true(play_flow(play).answer_flags & WEFT_HTTP_ANSWER_LOST);
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
}

static void test_lost(void **state)
{
	static const char *const odd[] = {
		"no HTTP at all\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		OK OK,
	};
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		play_again(state);
		play_open(play);
		play_says(play, ALLOWED);
		play_answers(play, odd[i]);
		if (!(play_flow(play).answer_flags & WEFT_HTTP_ANSWER_LOST))
			fail_msg("not lost: %s", odd[i]);
		expect_lost(play);
	}
	/* An answer to nothing. */
	play_again(state);
	play_open(play);
	play_answers(play, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	expect_lost(play);
}

static void expect_opaque(struct play *play, const char *request, const char *answer)
{
	play_open(play);
	play_says(play, request);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_HOLD);
	/* Too early: whether it is opaque the answer tells. */
	assert_int_equal(play_tries(play, NOISE), PLAY_DROPPED);
	play_answers(play, answer);
	play_says(play, NOISE);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_OPAQUE);
	play_answers(play, NOISE);
	play_says(play, DENIED);
	assert_int_equal(play_denials(play, 0), 0);
	assert_int_equal(play_requests(play, ANY, ANY), 1);
}

static void test_upgraded(void **state)
{
	struct play *play = play_require(state);

	expect_opaque(play, UPGRADE,
		      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x");
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 1), 1);
}

static void test_tunnelled(void **state)
{
	struct play *play = play_require(state);

	expect_opaque(play, TUNNEL, "HTTP/1.1 200 Connected\r\n\r\nSSH-2.0");
	assert_int_equal(play_requests(play, WEFT_HTTP_CONNECT, 2), 1);
}

/* Refused: it goes on as HTTP. */
static void test_not_upgraded(void **state)
{
	static const char *const requests[] = { UPGRADE, UPGRADE, TUNNEL };
	static const char *const answers[] = {
		OK,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n",
	};
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		play_again(state);
		play_open(play);
		play_says(play, requests[i]);
		assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
		play_answers(play, answers[i]);
		assert_int_equal(play_flow(play).answers, 1);
		play_says(play, ALLOWED);
		assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_READ);
		play_answers(play, OK);
		assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	}
}

/* What stands behind it in the same segment waits. */
static void test_held_in_one(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_tries(play, UPGRADE DENIED), PLAY_CUT);
	assert_int_equal(play->cut, strlen(UPGRADE));
	assert_int_equal(play_tries(play, UPGRADE DENIED), PLAY_CUT);
	play->said = play->cut;
	play_ack(play);
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	play_answers(play, OK);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

/* The answer cannot be read: nobody knows what it is now, and nothing would ever pass. */
static void test_held_and_lost(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, UPGRADE);
	play_answers(play, "what?\r\n\r\n");
	assert_int_equal(play_tries(play, NOISE), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_STATE_LOST), 1);
}

/* Pipelined before the upgrade: the earlier answer is not its. */
static void test_answers_before_an_upgrade(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED UPGRADE);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_HOLD);
	play_answers(play, OK);
	assert_int_equal(play_tries(play, NOISE), PLAY_DROPPED);
	play_answers(play, "HTTP/1.1 101 \r\n\r\n");
	play_says(play, NOISE);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_OPAQUE);
}

/* Answers are read by the programs of the day, too. */
static void test_rules_gone(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, "HTTP/1.1 200 OK\r\nContent-Len");
	play_rules(play, PLAY_B);
	play_withdraw(play, PLAY_A);
	play_answers(play, "gth: 5\r\n\r\nhe");
	play_answers(play, "llo");
	assert_int_equal(play_flow(play).answers, 1);
	assert_int_equal(play_flow(play).answer_flags, 0);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_answers),
	PLAY_TESTS(test_answers_again),
	PLAY_TESTS(test_denied_behind),
	PLAY_TESTS(test_many_at_once),
	PLAY_TESTS(test_unanswered),
	PLAY_TESTS(test_unanswered_later),
	PLAY_TESTS(test_unanswered_many),
	PLAY_TESTS(test_unanswered_by_reset),
	PLAY_TESTS(test_unanswered_by_denial),
	PLAY_TESTS(test_answered_when_opaque),
	PLAY_TESTS(test_lost),
	PLAY_TESTS(test_upgraded),
	PLAY_TESTS(test_tunnelled),
	PLAY_TESTS(test_not_upgraded),
	PLAY_TESTS(test_held_in_one),
	PLAY_TESTS(test_held_and_lost),
	PLAY_TESTS(test_answers_before_an_upgrade),
	PLAY_TESTS(test_rules_gone),
};

int main(void)
{
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
