// SPDX-License-Identifier: Apache-2.0
/* What TCP does, or somebody who speaks it as he likes, to a connection that HTTP rules judge. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"
#include "weft.skel.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define ALLOWED "GET /ok HTTP/1.1\r\n" FIELDS
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS
#define CHUNKED "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"

enum { ISN_OTHER = 0x12345678, WIRE = 100 /* tcrun's */ };

/* Sent again before the server acknowledged: as it was, it passes. */
static void test_same_again(void **state)
{
	struct play *play = play_require(state);
	size_t len = strlen(ALLOWED);

	play_open(play);
	assert_int_equal(play_client(play, 0, ALLOWED, 10, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 10, &ALLOWED[10], len - 10, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, ALLOWED, 10, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 10, &ALLOWED[10], len - 10, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, ALLOWED, len, PSH), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_flow(play).unverified, 0);
	play->said = len;
	play_ack(play);
	play_answers(play, OK);
	assert_int_equal(play_flow(play).answers, 1);
}

static void test_different_again(void **state)
{
	struct play *play = play_require(state);

	for (size_t at = 0; at < strlen(ALLOWED); at++) {
		char other[] = ALLOWED;

		play_again(state);
		play_open(play);
		assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
		other[at] ^= 1;
		assert_int_equal(play_client(play, 0, other, strlen(other), PSH), PLAY_RESET);
		assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
		assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_DENIED);
		/* Also as it was: it is over. */
		assert_int_equal(play_tries(play, ALLOWED), PLAY_ANSWERED);
		assert_int_equal(play->out.flags, RST | ACK);
	}
}

static void test_different_again_permissive(void **state)
{
	struct play *play = play_require(state);

	tcrun_set_pod(play->run, WEFT_PEER_PERMISSIVE | WEFT_PEER_HTTP, true);
	play_open(play);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	assert_int_equal(play_tries(play, DENIED), PLAY_PASSED);
	assert_int_equal(tcrun_verdicts(play->run, WEFT_HOOK_TO_POD, WEFT_REASON_RETRANSMISSION,
					WEFT_VERDICT_WOULD_DENY),
			 1);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_OPAQUE);
	assert_int_equal(play_denials(play, 0), 0);
}

/* What the server has, it will not read again: the bytes do not matter. */
static void test_acknowledged_again(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_client(play, 0, DENIED, strlen(DENIED), PSH), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
	/* Keep-alive probes. */
	assert_int_equal(play_client(play, play->said - 1, "", 0, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, play->said - 1, "x", 1, 0), PLAY_PASSED);
	/* Old and new in one: the new is judged. */
	play_answers(play, OK);
	assert_int_equal(play_client(play, play->said - 4, "\r\n\r\n" ALLOWED, 4 + strlen(ALLOWED),
				     PSH),
			 PLAY_PASSED);
	play->said += strlen(ALLOWED);
	play_ack(play);
	play_answers(play, OK);
	assert_int_equal(play_flow(play).requests, 2);
	assert_int_equal(play_client(play, play->said - 4, "\r\n\r\n" DENIED, 4 + strlen(DENIED),
				     PSH),
			 PLAY_CUT);
	assert_int_equal(play->cut, 4);
}

/* Part of it judged, part new. */
static void test_overlap(void **state)
{
	static const char text[] = ALLOWED ALLOWED;
	struct play *play = play_require(state);
	size_t half = strlen(ALLOWED);

	for (size_t at = 1; at < 2 * half; at++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_client(play, 0, text, at, PSH), PLAY_PASSED);
		assert_int_equal(play_client(play, 0, text, 2 * half, PSH), PLAY_PASSED);
		assert_int_equal(play_flow(play).requests, 2);
		assert_int_equal(play_flow(play).next, 2 * half);
	}
	play_again(state);
	play_open(play);
	assert_int_equal(play_client(play, 0, text, 10, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, DENIED ALLOWED, 2 * half, PSH), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

static void test_beyond(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_client(play, 5, &ALLOWED[5], strlen(ALLOWED) - 5, PSH), PLAY_DROPPED);
	assert_int_equal(tcrun_stat(play->run, WEFT_STAT_HTTP_REORDERED), 1);
	assert_int_equal(play_client(play, 5, NULL, 0, FIN), PLAY_DROPPED);
	assert_int_equal(play_client(play, 0, ALLOWED, 5, PSH), PLAY_PASSED);
	assert_int_equal(play_client(play, 5, &ALLOWED[5], strlen(ALLOWED) - 5, PSH), PLAY_PASSED);
	/* Before the first byte, and far behind the window. */
	assert_int_equal(play_client(play, (__u32)-3, "abc" DENIED, 3 + strlen(DENIED), PSH),
			 PLAY_DROPPED);
	assert_int_equal(play_client(play, 1U << 31, DENIED, strlen(DENIED), PSH), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
}

static void test_second_syn(void **state)
{
	struct play *play = play_require(state);
	struct weft_http_flow flow;

	play_open(play);
	play_says(play, "GET /o");
	/* By somebody else, or late: whether it is true is the server's to say. */
	assert_int_equal(play_syn(play, ISN_OTHER), TCRUN_PASS);
	flow = play_flow(play);
	assert_int_equal(flow.client_isn, play->client_isn);
	assert_int_equal(flow.next, 6);
	assert_int_equal(flow.phase, WEFT_HTTP_PHASE_READ);
	play->client_isn = ISN_OTHER;
	play->said = 0;
	assert_int_equal(play_tries(play, ALLOWED), PLAY_DROPPED);
	play->client_isn = (__u32)PLAY_CLIENT_ISN;
	play->said = 6;
	play_says(play, "k HTTP/1.1\r\n" FIELDS);
	/* A SYN-ACK that answers neither. */
	play->client_isn = ISN_OTHER + 5;
	assert_int_equal(play_syn_ack(play), TCRUN_REDIRECT);
	assert_int_equal(play_flow(play).requests, 1);
	/* The server accepts it. */
	play->client_isn = ISN_OTHER;
	play->server_isn += 1000;
	play->said = 0;
	play->server_has = 0;
	assert_int_equal(play_syn_ack(play), TCRUN_PASS);
	assert_int_equal(play_flow(play).requests, 0);
	assert_int_equal(play_flow(play).client_isn, ISN_OTHER);
	play_says(play, ALLOWED);
	/* Sent again, it does not begin anew. */
	assert_int_equal(play_syn_ack(play), TCRUN_PASS);
	assert_int_equal(play_flow(play).requests, 1);
	play_answers(play, OK);
}

/* Its addresses and ports are those of a connection that was judged; now L4 rules allow it. */
static void test_port_again_without_rules(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_equal(play_tries(play, "GET /no"), PLAY_PASSED);
	tcrun_set_rule(play->run, ALLY_IDENTITY, IPPROTO_TCP, PORT_HTTP, WEFT_POLICY_ALLOW);
	play->client_isn = ISN_OTHER;
	play->said = 0;
	play->server_has = 0;
	assert_int_equal(play_syn(play, ISN_OTHER), TCRUN_PASS);
	assert_int_equal(play_syn_ack(play), TCRUN_PASS);
	play_says(play, "whatever");
	play_answers(play, "and so on");
	play_says(play, DENIED);
}

static void test_before_syn_ack(void **state)
{
	struct play *play = play_require(state);

	assert_int_equal(play_syn(play, play->client_isn), TCRUN_PASS);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_DROPPED);
	assert_int_equal(play_client(play, 0, NULL, 0, 0), PLAY_PASSED);
	assert_int_equal(play_syn_ack(play), TCRUN_PASS);
	play_says(play, ALLOWED);
}

static void test_syn_with_data(void **state)
{
	struct play *play = play_require(state);
	struct frame_row row = { .proto = IPPROTO_TCP,
				 .flags = SYN,
				 .dport = PORT_HTTP,
				 .data = ALLOWED,
				 .payload = sizeof(ALLOWED) - 1 };

	assert_int_equal(tcrun_row(play->run, TO_POD, &row, play->family), TCRUN_REDIRECT);
	assert_int_equal(play_denials(play, WEFT_REASON_SYN_DATA), 1);
}

static void test_urgent(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_client(play, 0, ALLOWED, strlen(ALLOWED), URG), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_URGENT), 1);
}

static void test_resets_pass(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, "GET /ok");
	assert_int_equal(play_client(play, play->said, NULL, 0, RST), PLAY_PASSED);
	assert_int_equal(play_server(play, 0, NULL, 0, RST), PLAY_PASSED);
}

/* The second lock: the server has what never came by. */
static void test_server_has_more(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	play_says(play, ALLOWED);
	play->server_has = play->said + 1; /* a FIN's */
	assert_int_equal(play_server(play, 0, NULL, 0, 0), PLAY_PASSED);
	play->server_has = play->said + 2;
	assert_int_equal(play_server(play, 0, OK, strlen(OK), PSH), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, RST | ACK);
	assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_DENIED);
	assert_int_equal(play_flow(play).denied_reason, WEFT_REASON_HTTP_STATE_LOST);
	assert_int_equal(play_client(play, play->said, ALLOWED, strlen(ALLOWED), 0), PLAY_ANSWERED);
	assert_int_equal(play->out.flags, RST | ACK);
}

static void set_nsid(struct play *play, __s32 nsid)
{
	int fd = bpf_map__fd(play->run->skel->maps.weft_iface);
	__u32 ifindex = 1;
	struct weft_local local;

	assert_int_equal(bpf_map_lookup_elem(fd, &ifindex, &local), 0);
	local.nsid = nsid;
	assert_int_equal(bpf_map_update_elem(fd, &ifindex, &local, BPF_ANY), 0);
	tcrun_touch(play->run);
}

static void test_stray(void **state)
{
	struct play *play = play_require(state);

	set_nsid(play, -1); /* nobody can tell who opened it */
	assert_int_equal(play_tries(play, ALLOWED), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_STATE_LOST), 1);
	set_nsid(play, 0); /* no socket is found there, which does not mean that none gets it */
	assert_int_equal(play_tries(play, ALLOWED), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_STATE_LOST), 2);
	/* L4 rules allow it: it may be older than weft. */
	tcrun_set_rule(play->run, ALLY_IDENTITY, IPPROTO_TCP, PORT_HTTP, WEFT_POLICY_ALLOW);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	play_rules(play, PLAY_A);
	tcrun_set_pod(play->run, WEFT_PEER_PERMISSIVE | WEFT_PEER_HTTP, true);
	set_nsid(play, -1);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	assert_int_equal(tcrun_verdicts(play->run, WEFT_HOOK_TO_POD, WEFT_REASON_HTTP_STATE_LOST,
					WEFT_VERDICT_WOULD_DENY),
			 1);
}

/*
 * What was read of a segment that was denied, and not delivered, must not be taken for judged: a
 * chunk there would let pass whatever comes in its place.
 */
static void test_denied_chunk_is_forgotten(void **state)
{
	struct play *play = play_require(state);
	char chunk[600];

	snprintf(chunk, sizeof(chunk), "200\r\n%0512d?", 0);
	play_open(play);
	play_says(play, CHUNKED);
	assert_int_equal(play_tries(play, chunk), PLAY_DROPPED); /* waits for the answer */
	play_says(play, "0\r\n\r\n");
	/* Judged, but lost on the way. */
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	assert_int_equal(play_tries(play, DENIED), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

/* The same in a segment of which the beginning is delivered. */
static void test_denied_chunk_is_cut(void **state)
{
	struct play *play = play_require(state);
	char text[900];

	snprintf(text, sizeof(text), ALLOWED CHUNKED "200\r\n%0512d?", 0);
	play_open(play);
	assert_int_equal(play_tries(play, text), PLAY_CUT);
	assert_int_equal(play->cut, strlen(ALLOWED));
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	play->said = strlen(ALLOWED);
	play_ack(play);
	play_answers(play, OK);
	assert_int_equal(play_tries(play, ALLOWED ALLOWED ALLOWED ALLOWED), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 5);
	assert_int_equal(play_tries(play, ALLOWED ALLOWED ALLOWED DENIED), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

/* Behind bytes that were judged and are not acknowledged. */
static void test_denied_chunk_behind_old(void **state)
{
	struct play *play = play_require(state);
	char text[900];

	snprintf(text, sizeof(text), CHUNKED "200\r\n%0512d?", 0);
	play_open(play);
	assert_int_equal(play_tries(play, CHUNKED), PLAY_PASSED);
	assert_int_equal(play_tries(play, text), PLAY_CUT);
	assert_int_equal(play->cut, strlen(CHUNKED));
	play->said = strlen(CHUNKED);
	assert_int_equal(play_tries(play, "0\r\n\r\n" ALLOWED ALLOWED), PLAY_PASSED);
	play->said += 5;
	assert_int_equal(play_tries(play, ALLOWED DENIED), PLAY_DROPPED);
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	play->said -= 5;
	assert_int_equal(play_tries(play, "0\r\n\r\n" ALLOWED DENIED), PLAY_RESET);
}

/*
 * Segments that come as one (GSO, of WIRE bytes each). What gets lost behind weft comes again in
 * those.
 */
static void test_many_in_one(void **state)
{
	struct play *play = play_require(state);
	char text[512];
	size_t len, at;

	snprintf(text, sizeof(text), "GET /ok HTTP/1.1\r\nX: %0300d\r\n" FIELDS, 0);
	len = strlen(text);
	play_open(play);
	play->run->gso_segs = (len + WIRE - 1) / WIRE;
	assert_int_equal(play_tries(play, text), PLAY_PASSED);
	play->run->gso_segs = 0;
	for (at = 0; at < len; at += WIRE)
		assert_int_equal(play_client(play, at, text + at, len - at < WIRE ? len - at : WIRE,
					     0),
				 PLAY_PASSED);
	assert_int_equal(play_client(play, WIRE, text + WIRE, 2 * WIRE, 0), PLAY_PASSED);
	text[WIRE + 1] ^= 1;
	assert_int_equal(play_client(play, WIRE, text + WIRE, WIRE, 0), PLAY_RESET);
	assert_int_equal(play_flow(play).requests, 1);
}

/* Cut, it is one segment, and must not be longer than those that it was made of. */
static void test_many_in_one_cut(void **state)
{
	static const char text[] = ALLOWED ALLOWED ALLOWED ALLOWED ALLOWED ALLOWED ALLOWED DENIED;
	struct play *play = play_require(state);
	size_t allowed = 7 * strlen(ALLOWED), at = 0;

	play_open(play);
	while (at < allowed) {
		play->run->gso_segs = 3;
		assert_int_equal(play_client(play, at, text + at, strlen(text) - at, 0), PLAY_CUT);
		assert_int_equal(play->cut, allowed - at < WIRE ? allowed - at : WIRE);
		at += play->cut;
		play->said = at;
		if (at == WIRE)
			play_ack(play);
	}
	assert_int_equal(play_flow(play).requests, 7);
	assert_int_equal(play_flow(play).unverified, 0);
}

/* Many short chunks in a segment that gets lost. */
static void test_many_chunks(void **state)
{
	struct play *play = play_require(state);
	char text[1200] = CHUNKED;
	size_t len;

	for (int i = 0; i < 100; i++)
		strcat(text, "2\r\nab\r\n");
	strcat(text, "0\r\n\r\n" ALLOWED);
	len = strlen(text);
	play_open(play);
	for (int i = 0; i < 3; i++)
		assert_int_equal(play_client(play, 0, text, len, PSH), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 2);
	text[strlen(CHUNKED) + 3] ^= 1;
	assert_int_equal(play_client(play, 0, text, len, PSH), PLAY_RESET);
}

/* Long heads in many segments, up to the limit and beyond. */
static void test_long_heads(void **state)
{
	struct play *play = play_require(state);
	char line[1002];
	int i;

	memset(line, 'x', sizeof(line));
	memcpy(line, "X: ", 3);
	strcpy(line + sizeof(line) - 3, "\r\n");
	play_open(play);
	play_says(play, "GET /ok HTTP/1.1\r\n");
	for (i = 0; i < 16; i++)
		play_says(play, line);
	play_says(play, FIELDS);
	play_answers(play, OK);
	play_says(play, "GET /ok HTTP/1.1\r\n");
	for (i = 0; i < 16; i++)
		play_says(play, line);
	assert_int_equal(play_tries(play, line), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_HEAD_SIZE), 1);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_same_again),
	PLAY_TESTS(test_different_again),
	PLAY_TESTS(test_different_again_permissive),
	PLAY_TESTS(test_acknowledged_again),
	PLAY_TESTS(test_overlap),
	PLAY_TESTS(test_beyond),
	PLAY_TESTS(test_second_syn),
	PLAY_TESTS(test_before_syn_ack),
	PLAY_TESTS(test_port_again_without_rules),
	PLAY_TESTS(test_syn_with_data),
	PLAY_TESTS(test_urgent),
	PLAY_TESTS(test_resets_pass),
	PLAY_TESTS(test_server_has_more),
	PLAY_TESTS(test_stray),
	PLAY_TESTS(test_long_heads),
	PLAY_TESTS(test_many_chunks),
	PLAY_TESTS(test_denied_chunk_is_forgotten),
	PLAY_TESTS(test_denied_chunk_is_cut),
	PLAY_TESTS(test_denied_chunk_behind_old),
	PLAY_TESTS(test_many_in_one),
	PLAY_TESTS(test_many_in_one_cut),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
