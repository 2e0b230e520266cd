// SPDX-License-Identifier: Apache-2.0
/*
 * What is remembered of judged bytes that the server has not acknowledged, piece by piece: copies
 * of them pass as long as it can be told that they are.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"
#include "weft.skel.h"

#define ALLOWED "GET /ok HTTP/1.1\r\nHost: pod\r\n\r\n"

enum { PIECES = 20, WIRE = 100 /* tcrun's */ };

/* Cut elsewhere than before: that it is a copy cannot be told, so it is not delivered. */
static void test_unverifiable(void **state)
{
	struct play *play = play_require(state);
	int i;

	play_open(play);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	for (i = 0; i < 8; i++)
		assert_int_equal(play_client(play, 3, &ALLOWED[3], 7, PSH), PLAY_DROPPED);
	assert_int_equal(tcrun_stat(play->run, WEFT_STAT_HTTP_UNVERIFIED), 8);
	/* What came in the end does not count any more. */
	play->said = strlen(ALLOWED);
	play_ack(play);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	for (i = 0; i < 8; i++)
		assert_int_equal(play_client(play, play->said + 3, &ALLOWED[3], 7, PSH),
				 PLAY_DROPPED);
	assert_int_equal(play_client(play, play->said + 3, &ALLOWED[3], 7, PSH), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_UNVERIFIABLE), 1);
}

/* Segments of a byte each, more than the connection itself remembers. */
static void open_many_pieces(struct play *play)
{
	play_open(play);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(play_client(play, i, &ALLOWED[i], 1, PSH), PLAY_PASSED);
}

/* Pieces that are remembered beside the connection, of all connections. */
static unsigned int count_more(const struct play *play)
{
	const struct bpf_map *map = play->run->skel->maps.weft_http_more;
	struct weft_http_more_key key, *last = NULL;
	struct weft_http_more more;
	unsigned int count = 0;

	for (; !bpf_map__get_next_key(map, last, &key, sizeof(key)); last = &key) {
		assert_int_equal(
			bpf_map__lookup_elem(map, &key, sizeof(key), &more, sizeof(more), 0), 0);
		count += more.count;
	}
	return count;
}

static void forget_more(const struct play *play)
{
	const struct bpf_map *map = play->run->skel->maps.weft_http_more;
	struct weft_http_more_key key;

	while (!bpf_map__get_next_key(map, NULL, &key, sizeof(key)))
		assert_int_equal(bpf_map__delete_elem(map, &key, sizeof(key), 0), 0);
}

/* The oldest are remembered elsewhere, while the server does not have them. */
static void test_many_pieces(void **state)
{
	struct play *play = play_require(state);

	forget_more(play);
	open_many_pieces(play);
	assert_int_equal(count_more(play), PIECES - WEFT_HTTP_PIECES);
	assert_int_equal(play_client(play, PIECES - 1, &ALLOWED[PIECES - 1], 1, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, ALLOWED, 1, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, 2, &ALLOWED[2], PIECES - 2, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, ALLOWED, strlen(ALLOWED), 0), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_flow(play).unverified, 0);
	assert_int_equal(play_client(play, 0, "g", 1, 0), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

/* What the server has is not worth a place. */
static void test_many_pieces_acknowledged(void **state)
{
	struct play *play = play_require(state);

	forget_more(play);
	play_open(play);
	for (int i = 0; i < PIECES; i++) {
		assert_int_equal(play_client(play, i, &ALLOWED[i], 1, PSH), PLAY_PASSED);
		play->said = i;
		play_ack(play);
	}
	assert_int_equal(count_more(play), 0);
}

/* Where that is full: the oldest cannot be told, then the server has them. */
static void test_pieces_forgotten(void **state)
{
	struct play *play = play_require(state);

	open_many_pieces(play);
	forget_more(play);
	assert_int_equal(play_client(play, 0, ALLOWED, 1, 0), PLAY_DROPPED);
	play->said = PIECES - WEFT_HTTP_PIECES;
	play_ack(play);
	assert_int_equal(play_client(play, 0, ALLOWED, PIECES, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, 0, ALLOWED, strlen(ALLOWED), 0), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
}

/* What was read of a denied request is nothing that may come again. */
static void test_pieces_of_a_denied_request(void **state)
{
	enum { LEN = 2500, STEP = 70, COPY = 5 * WIRE };
	struct play *play = play_require(state);
	char denied[LEN + 1] = ALLOWED "GET /no HTTP/1.1\r\nHost: pod\r\nx: ";
	char allowed[LEN + 1] = ALLOWED "GET /ok HTTP/1.1\r\nHost: pod\r\nx: ";
	size_t at = strlen(ALLOWED);

	memset(denied + strlen(denied), 'd', LEN - strlen(denied));
	memset(allowed + strlen(allowed), 'a', LEN - strlen(allowed));
	memcpy(denied + LEN - 4, "\r\n\r\n", 4);
	memcpy(allowed + LEN - 4, "\r\n\r\n", 4);
	play_open(play);
	play->run->gso_segs = LEN / WIRE;
	assert_int_equal(play_client(play, 0, denied, LEN, 0), PLAY_CUT);
	assert_int_equal(play->cut, at);
	for (; at + STEP < LEN; at += STEP)
		assert_int_equal(play_client(play, at, allowed + at, STEP, 0), PLAY_PASSED);
	assert_int_equal(play_client(play, COPY, denied + COPY, WIRE, 0), PLAY_DROPPED);
	assert_int_equal(play_flow(play).unverified, 1);
}

/* Memory of theirs that the map gave to another connection says nothing. */
static void test_pieces_of_another_connection(void **state)
{
	struct play *play = play_require(state);
	const struct bpf_map *map = play->run->skel->maps.weft_http_more;
	struct weft_http_more_key key;
	struct weft_http_more more;

	forget_more(play);
	open_many_pieces(play);
	assert_int_equal(bpf_map__get_next_key(map, NULL, &key, sizeof(key)), 0);
	assert_int_equal(bpf_map__lookup_elem(map, &key, sizeof(key), &more, sizeof(more), 0), 0);
	more.server_isn++;
	for (int i = 0; i < WEFT_HTTP_MORE; i++)
		more.pieces[i].tag = 0; /* bodies: whatever they are */
	assert_int_equal(bpf_map__update_elem(map, &key, sizeof(key), &more, sizeof(more), 0), 0);
	assert_int_equal(play_client(play, 0, "g", 1, 0), PLAY_DROPPED);
	assert_int_equal(play_flow(play).unverified, 1);
}

/* While the server lacks the first of them, nothing is read that would make it be forgotten. */
static void test_pieces_that_the_server_lacks(void **state)
{
	struct play *play = play_require(state);
	char text[600] = "GET /ok HTTP/1.1\r\nHost: pod\r\nx: ";
	size_t len = sizeof(text), at = 0;

	memset(text + strlen(text), 'a', len - strlen(text));
	memcpy(text + len - 4, "\r\n\r\n", 4);
	play_open(play);
	play_ack(play); /* of nothing: something is missing */
	while (at < len && play_client(play, at, text + at, 1, 0) == PLAY_PASSED)
		at++;
	assert_in_range(at, 2 * WEFT_HTTP_PIECES, WEFT_HTTP_MORE);
	assert_int_equal(play_client(play, at, text + at, 1, 0), PLAY_DROPPED);
	assert_int_equal(play_client(play, 0, text, 1, 0), PLAY_PASSED);
	/* Also at the end of a copy. */
	assert_int_equal(play_client(play, 0, text, at + 1, 0), PLAY_CUT);
	assert_int_equal(play->cut, at);
	play->said = at;
	play_ack(play);
	for (; at < len; at++)
		assert_int_equal(play_client(play, at, text + at, 1, 0), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_flow(play).unverified, 0);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_unverifiable),
	PLAY_TESTS(test_many_pieces),
	PLAY_TESTS(test_many_pieces_acknowledged),
	PLAY_TESTS(test_pieces_forgotten),
	PLAY_TESTS(test_pieces_of_a_denied_request),
	PLAY_TESTS(test_pieces_of_another_connection),
	PLAY_TESTS(test_pieces_that_the_server_lacks),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
