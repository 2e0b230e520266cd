// SPDX-License-Identifier: Apache-2.0
/* Requests through weft_to_pod: where one ends, which pass, and what those get that do not. */
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
#define NEW	"GET /new HTTP/1.1\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

enum { LARGE = 1400, ANY = 0xff };

static void test_at_once(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_flow(play).next, strlen(ALLOWED));
	play_answers(play, OK);
	assert_int_equal(play_flow(play).answers, 1);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
	/* The next, denied, of which nothing reaches the pod. */
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_DENIED);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 1);
}

static void test_every_split(void **state)
{
	static const char *const texts[] = { ALLOWED, "POST /ok HTTP/1.1\r\n"
						      "Content-Length: 3\r\n"
						      "Host: pod\r\n\r\nabc" };
	struct play *play = play_require(state);

	for (size_t t = 0; t < 2; t++) {
		const char *text = texts[t];
		size_t len = strlen(text);

		for (size_t at = 1; at < len; at++) {
			play_again(state);
			play_open(play);
			assert_int_equal(play_client(play, 0, text, at, 0), PLAY_PASSED);
			assert_int_equal(play_client(play, at, text + at, len - at, PSH),
					 PLAY_PASSED);
			play->said = len;
			play_ack(play);
			assert_int_equal(play_flow(play).requests, 1);
			assert_int_equal(play_flow(play).next, len);
			/* What follows begins a request. */
			play_says(play, ALLOWED);
			assert_int_equal(play_flow(play).requests, 2);
		}
	}
}

static void test_every_split_denied(void **state)
{
	struct play *play = play_require(state);

	for (size_t at = 1; at < strlen(DENIED); at++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_client(play, 0, DENIED, at, 0), PLAY_PASSED);
		/* The server waits for a whole head, whether it has acknowledged or not. */
		if (at % 2) {
			play->said = at;
			play_ack(play);
		}
		assert_int_equal(play_client(play, at, &DENIED[at], strlen(DENIED) - at, PSH),
				 PLAY_FORBIDDEN);
		assert_int_equal(play_flow(play).requests, 0);
	}
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "PUT /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: pod\r\n"
				   "\r\n4;x=y\r\nGET \r\n00a\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
	struct play *play = play_require(state);

	play_open(play);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(play_client(play, i, text + i, 1, PSH), PLAY_PASSED);
		play->said = i + 1;
		if (i % 3 == 2)
			play_ack(play);
	}
	play_ack(play);
	assert_int_equal(play_flow(play).requests, 1);
	play_answers(play, OK);
	assert_int_equal(play_requests(play, WEFT_HTTP_PUT, 2), 1);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

static void test_chunks_split(void **state)
{
	static const char text[] =
		"POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: pod\r\n"
		"\r\n5;a=\"b\"\r\nGET /\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n" ALLOWED;
	struct play *play = play_require(state);
	size_t len = sizeof(text) - 1;

	for (size_t at = 1; at < len; at++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_client(play, 0, text, at, 0), PLAY_PASSED);
		assert_int_equal(play_client(play, at, text + at, len - at, PSH), PLAY_PASSED);
		play->said = len;
		play_ack(play);
		assert_int_equal(play_flow(play).requests, 2);
	}
}

static void test_three_in_one(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_tries(play, ALLOWED DENIED ALLOWED), PLAY_CUT);
	assert_int_equal(play->cut, strlen(ALLOWED));
	assert_int_equal(play_flow(play).requests, 1);
	play->said = play->cut;
	play_ack(play);
	/* The client sends the rest again; the first answer must come before the 403. */
	assert_int_equal(play_tries(play, DENIED ALLOWED), PLAY_DROPPED);
	assert_int_equal(tcrun_stat(play->run, WEFT_STAT_HTTP_WAITING), 1);
	/* Answered, but the client does not say yet that it has it. */
	assert_int_equal(play_server(play, 0, OK, strlen(OK), PSH), PLAY_PASSED);
	play->answered = strlen(OK);
	assert_int_equal(play_tries(play, DENIED ALLOWED), PLAY_DROPPED);
	play->client_has = strlen(OK) - 1;
	assert_int_equal(play_tries(play, DENIED ALLOWED), PLAY_DROPPED);
	play->client_has = strlen(OK);
	assert_int_equal(play_tries(play, DENIED ALLOWED), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1);
	assert_int_equal(tcrun_stat(play->run, WEFT_STAT_HTTP_WAITING), 3);
}

/* The whole segment comes again, not only what was cut off. */
static void test_cut_and_sent_again(void **state)
{
	static const char text[] = ALLOWED DENIED;
	struct play *play = play_require(state);

	play_open(play);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(play_client(play, 0, text, strlen(text), PSH), PLAY_CUT);
		assert_int_equal(play->cut, strlen(ALLOWED));
		assert_int_equal(play_flow(play).requests, 1);
	}
	play->said = strlen(ALLOWED);
	play_ack(play);
	play_answers(play, OK);
	assert_int_equal(play_client(play, 0, text, strlen(text), PSH), PLAY_CUT);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

/* Sums of what was cut off at odd and even places, of odd and even lengths. */
static void test_cut_anywhere(void **state)
{
	struct play *play = play_require(state);
	char text[LARGE], body[LARGE];

	memset(body, 'x', sizeof(body));
	for (int size = 0; size < 1200; size += 149) {
		play_again(state);
		play_open(play);
		snprintf(text, sizeof(text),
			 "POST /ok HTTP/1.1\r\nContent-Length: %d\r\n" FIELDS "%.*s" DENIED "%.*s",
			 size, size, body, (1200 - size) / 3, body);
		assert_int_equal(play_client(play, 0, text, strlen(text), PSH | FIN), PLAY_CUT);
		assert_int_equal(play->cut, strstr(text, "GET /no") - text);
		/* As if it had come like that. */
		assert_int_equal(play_client(play, 0, text, play->cut, PSH), PLAY_PASSED);
	}
}

static void test_patience(void **state)
{
	struct play *play = play_require(state);
	struct weft_http_flow flow;

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	flow = play_flow(play);
	assert_true(flow.denied_ns);
	flow.denied_ns -= 2500000000ULL;
	play_store(play, &flow);
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	flow.denied_ns -= 600000000ULL;
	play_store(play, &flow);
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1);
}

static void test_after_the_403(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	assert_true(play->client.len > 16);
	assert_memory_equal(play->client.bytes + play->client.len - 16, "Denied by weft.\n", 16);
	/* Lost: it asks again, and gets the same. */
	assert_int_equal(play_tries(play, DENIED), PLAY_ANSWERED);
	assert_int_equal(play->out.len, play->client.len);
	assert_memory_equal(play->out.bytes, play->client.bytes, play->out.len);
	assert_int_equal(play->out.flags, ACK | PSH | FIN);
	assert_int_equal(play->out.seq, play->server_isn + 1);
	/* It has it and goes on: acknowledged, but not delivered. */
	play->client_has = play->client.len + 1;
	play->said = strlen(DENIED);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, ACK);
	assert_int_equal(play->out.ack,
			 (__u32)(play->client_isn + 1 + play->said + strlen(ALLOWED)));
	assert_int_equal(play->out.seq, play->server_isn + 1 + play->client_has);
	assert_int_equal(play_client(play, play->said, NULL, 0, 0), PLAY_DROPPED);
	assert_int_equal(play_client(play, play->said, NULL, 0, FIN), PLAY_ANSWERED);
	/* The server, should it still be there, is told to go. */
	assert_int_equal(play_server(play, 0, OK, strlen(OK), PSH), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, RST | ACK);
	assert_int_equal(play_client(play, play->said, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1);
}

/*
 * The server answered what it had of a denied request while it was refused, on another CPU: when
 * the client took that, no 403 comes behind it.
 */
static void test_answered_while_refused(void **state)
{
	struct play *play = play_require(state);
	struct weft_http_flow flow;
	__u32 forbidden;

	play_open(play);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	forbidden = play->client.len + 1;
	flow = play_flow(play);
	flow.server_next += strlen(OK);
	play_store(play, &flow);
	play->client_has = forbidden; /* the 403 was first */
	assert_int_equal(play_tries(play, DENIED), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, ACK);
	play->client_has = 0; /* neither has come yet */
	assert_int_equal(play_tries(play, DENIED), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, ACK | PSH | FIN);
	assert_int_equal(play->out.seq, play->server_isn + 1);
	play->client_has = strlen(OK); /* the server was */
	assert_int_equal(play_tries(play, DENIED), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, ACK | RST);
	assert_int_equal(play->out.seq, play->server_isn + 1 + play->client_has);
}

static void test_head_has_no_body(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_tries(play, "HEAD /no HTTP/1.1\r\n" FIELDS), PLAY_FORBIDDEN);
	assert_true(play->client.len > 4);
	assert_memory_equal(play->client.bytes + play->client.len - 4, "\r\n\r\n", 4);
	assert_int_equal(play_tries(play, "HEAD /no HTTP/1.1\r\n" FIELDS), PLAY_ANSWERED);
	assert_int_equal(play->out.len, play->client.len);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *text;
		enum weft_reason reason;
		enum play_fate fate;
	} cases[] = {
		{ "GET /ok HTTP/1.1\n", WEFT_REASON_HTTP_REQUEST_LINE, PLAY_FORBIDDEN },
		{ "\r\n" ALLOWED, WEFT_REASON_HTTP_REQUEST_LINE, PLAY_FORBIDDEN },
		{ "GET  /ok HTTP/1.1\r\n" FIELDS, WEFT_REASON_HTTP_REQUEST_LINE, PLAY_FORBIDDEN },
		{ "GET /ok HTTP/1.1\r\n X: y\r\n" FIELDS, WEFT_REASON_HTTP_FIELD, PLAY_FORBIDDEN },
		{ "GET /ok HTTP/1.1\r\n\r\n", WEFT_REASON_HTTP_HOST, PLAY_FORBIDDEN },
		{ "GET /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n" FIELDS,
		  WEFT_REASON_HTTP_TRANSFER_ENCODING, PLAY_FORBIDDEN },
		{ "GET /ok HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n" FIELDS,
		  WEFT_REASON_HTTP_CONTENT_LENGTH, PLAY_FORBIDDEN },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", WEFT_REASON_HTTP2, PLAY_RESET },
		{ "\x16\x03\x01\x02", WEFT_REASON_TLS, PLAY_RESET },
		{ "GET /token HTTP/1.1\r\n" FIELDS, WEFT_REASON_NO_HTTP_RULE, PLAY_FORBIDDEN },
		{ "GET /token HTTP/1.1\r\nX-Token: other\r\n" FIELDS, WEFT_REASON_NO_HTTP_RULE,
		  PLAY_FORBIDDEN },
	};
	struct play *play = play_require(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum play_fate fate;

		play_again(state);
		play_open(play);
		fate = play_tries(play, cases[i].text);
		if (fate != cases[i].fate || play_denials(play, cases[i].reason) != 1)
			fail_msg("%s: fate %d, reason %d", cases[i].text, (int)fate,
				 play_flow(play).denied_reason);
	}
}

static void test_headers(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, "GET /token HTTP/1.1\r\nX-Token: sec");
	play_says(play, "ret\r\n" FIELDS);
	play_says(play, "GET /token HTTP/1.0\r\nx-token:secret \r\n\r\n");
	assert_int_equal(play_flow(play).requests, 2);
}

static void test_fin_in_a_head(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	assert_int_equal(play_client(play, play->said, "GET /ok", 7, FIN), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_UNFINISHED), 1);
}

static void test_fin_later_in_a_head(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, "GET /ok HTTP/1.1\r\n");
	assert_int_equal(play_client(play, play->said, NULL, 0, FIN), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_UNFINISHED), 1);
}

static void test_fin_after_a_request(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_client(play, 0, ALLOWED, strlen(ALLOWED), FIN | PSH), PLAY_PASSED);
	/* The server's acknowledgement counts the FIN. */
	play->said = strlen(ALLOWED) + 1;
	play_ack(play);
	assert_int_equal(play_client(play, strlen(ALLOWED), NULL, 0, FIN), PLAY_PASSED);
	assert_int_equal(play_server(play, 0, OK, strlen(OK), FIN), PLAY_PASSED);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
	assert_int_equal(play_requests(play, ANY, ANY), 1);
}

static void test_new_rules_between_requests(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	play_rules(play, PLAY_B);
	play_withdraw(play, PLAY_A);
	play_says(play, NEW);
	play_answers(play, OK);
	assert_int_equal(play_flow(play).answers, 2);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
}

static void test_new_rules_in_a_body(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS "2\r\na");
	play_rules(play, PLAY_B);
	play_withdraw(play, PLAY_A);
	play_says(play, "b\r\n1");
	play_says(play, "\r\nc\r\n0\r\n\r\n");
	play_answers(play, OK);
	play_says(play, NEW);
}

/* A head that began under the old rules ends under them, as long as those are there. */
static void test_new_rules_in_a_head(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, "GET /ok");
	play_rules(play, PLAY_B);
	play_says(play, " HTTP/1.1\r\n" FIELDS);
	play_answers(play, OK);
	play_says(play, "GET /new");
	play_rules(play, PLAY_A);
	play_withdraw(play, PLAY_B);
	assert_int_equal(play_tries(play, " HTTP/1.1\r\n" FIELDS), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_RULES_CHANGED), 1);
}

static void test_permissive(void **state)
{
	struct play *play = play_require(state);

	tcrun_set_pod(play->run, WEFT_PEER_PERMISSIVE | WEFT_PEER_HTTP, true);
	play_open(play);
	play_says(play, DENIED);
	assert_int_equal(tcrun_verdicts(play->run, WEFT_HOOK_TO_POD, WEFT_REASON_NO_HTTP_RULE,
					WEFT_VERDICT_WOULD_DENY),
			 1);
	play_answers(play, OK);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
	play_says(play, ALLOWED);
	play_says(play, "no HTTP at all\r\n");
	play_says(play, DENIED);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_OPAQUE);
	assert_int_equal(play_denials(play, 0), 0);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_at_once),
	PLAY_TESTS(test_every_split),
	PLAY_TESTS(test_every_split_denied),
	PLAY_TESTS(test_byte_by_byte),
	PLAY_TESTS(test_chunks_split),
	PLAY_TESTS(test_three_in_one),
	PLAY_TESTS(test_cut_and_sent_again),
	PLAY_TESTS(test_cut_anywhere),
	PLAY_TESTS(test_patience),
	PLAY_TESTS(test_after_the_403),
	PLAY_TESTS(test_answered_while_refused),
	PLAY_TESTS(test_head_has_no_body),
	PLAY_TESTS(test_malformed),
	PLAY_TESTS(test_headers),
	PLAY_TESTS(test_fin_in_a_head),
	PLAY_TESTS(test_fin_later_in_a_head),
	PLAY_TESTS(test_fin_after_a_request),
	PLAY_TESTS(test_new_rules_between_requests),
	PLAY_TESTS(test_new_rules_in_a_body),
	PLAY_TESTS(test_new_rules_in_a_head),
	PLAY_TESTS(test_permissive),
};

int main(void)
{
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
