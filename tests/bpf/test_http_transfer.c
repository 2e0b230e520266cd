// SPDX-License-Identifier: Apache-2.0
/*
 * The body that is on its way (http_transfer.bpf.h). What passes without a look at its connection
 * is seen by taking the connection away: any other segment is a stray then, and reset. A tick of
 * the kernel's clock may end in between, so it is tried until it passes once; what must not
 * pass is tried several times.
 */
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"
#include "weft.skel.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS
#define GET	"GET /ok HTTP/1.1\r\n" FIELDS
#define ANSWER	"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
#define LONG	"POST /ok HTTP/1.1\r\nContent-Length: 1000000\r\n" FIELDS
#define OTHER	"POST /no HTTP/1.1\r\nContent-Length: 1000000\r\n" FIELDS
#define TWO	"POST /ok HTTP/1.1\r\nContent-Length: 10\r\n" FIELDS "0123456789" LONG
#define CHUNKED "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS "100000\r\n"
#define BYTES	"what an upload consists of"

enum { LENGTH = 1000000, CHUNK = 0x100000, TRIES = 20, MANY = 5000, MAX_CPUS = 1024 };

/* A body is on its way: some bytes of it have passed, and are acknowledged. */
static void begin(struct play *play, const char *head)
{
	play_open(play);
	play_says(play, head);
	play_says(play, BYTES);
}

static enum play_fate server_acks(struct play *play)
{
	return play_server(play, play->answered, NULL, 0, 0);
}

/* What the programs could look up of connections. */
static void forget_flows(struct play *play)
{
	int fd = bpf_map__fd(play->run->skel->maps.weft_http_flow);
	struct weft_http_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
}

/* Of the CPU that runs the test, which is the same all the time. */
static struct weft_iface_copy kept(struct play *play)
{
	static struct weft_iface_copy copies[MAX_CPUS];
	__u32 index = 1;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(play->run->skel->maps.weft_iface_copy),
					     &index, copies),
			 0);
	return copies[sched_getcpu()];
}

/* Every CPU has it: the test runs on one of them. */
static void forge(struct play *play, void (*change)(struct weft_http_transfer *transfer))
{
	static struct weft_iface_copy copies[MAX_CPUS];
	int fd = bpf_map__fd(play->run->skel->maps.weft_iface_copy);
	__u32 index = 1;

	assert_true(libbpf_num_possible_cpus() <= MAX_CPUS);
	assert_int_equal(bpf_map_lookup_elem(fd, &index, copies), 0);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		change(&copies[cpu].transfer);
	assert_int_equal(bpf_map_update_elem(fd, &index, copies, BPF_ANY), 0);
}

static void nothing(struct weft_http_transfer *transfer)
{
	(void)transfer;
}

/*
 * Does what `segment` sends pass without its connection, after this change of what is kept, in one
 * of so many transfers?
 */
static bool is_known_in_spite_of(void **state, const char *head,
				 enum play_fate (*segment)(struct play *play),
				 void (*change)(struct weft_http_transfer *transfer), int tries)
{
	struct play *play = play_require(state);

	for (int i = 0; i < tries; i++) {
		play_again(state);
		begin(play, head);
		forget_flows(play);
		forge(play, change);
		if (segment(play) == PLAY_PASSED)
			return true;
	}
	return false;
}

static bool is_known(void **state, const char *head, enum play_fate (*segment)(struct play *play),
		     int tries)
{
	return is_known_in_spite_of(state, head, segment, nothing, tries);
}

static enum play_fate next_bytes(struct play *play)
{
	return play_client(play, play->said, BYTES, strlen(BYTES), 0);
}

static enum play_fate last_bytes(struct play *play)
{
	return play_client(play, strlen(LONG) + LENGTH - strlen(BYTES), BYTES, strlen(BYTES), 0);
}

static enum play_fate one_too_many(struct play *play)
{
	return play_client(play, strlen(LONG) + LENGTH - strlen(BYTES) + 1, BYTES, strlen(BYTES),
			   0);
}

static enum play_fate behind_it(struct play *play)
{
	return play_client(play, strlen(LONG) + LENGTH, DENIED, strlen(DENIED), 0);
}

static enum play_fate the_head(struct play *play)
{
	return play_client(play, 0, DENIED, strlen(DENIED), 0);
}

static enum play_fate far_away(struct play *play)
{
	return play_client(play, 1U << 31, DENIED, strlen(DENIED), 0);
}

static enum play_fate last_of_chunk(struct play *play)
{
	return play_client(play, strlen(CHUNKED) + CHUNK - strlen(BYTES), BYTES, strlen(BYTES), 0);
}

static enum play_fate end_of_chunk(struct play *play)
{
	return play_client(play, strlen(CHUNKED) + CHUNK, BYTES, strlen(BYTES), 0);
}

static void test_bytes_of_a_body(void **state)
{
	assert_true(is_known(state, LONG, next_bytes, MANY));
	assert_true(is_known(state, LONG, last_bytes, MANY));
	assert_true(is_known(state, CHUNKED, last_of_chunk, MANY));
}

static void test_bytes_of_something_else(void **state)
{
	assert_false(is_known(state, LONG, one_too_many, TRIES));
	assert_false(is_known(state, LONG, behind_it, TRIES));
	assert_false(is_known(state, LONG, the_head, TRIES));
	assert_false(is_known(state, LONG, far_away, TRIES));
	assert_false(is_known(state, CHUNKED, end_of_chunk, TRIES));
}

static enum play_fate with_fin(struct play *play)
{
	return play_client(play, play->said, BYTES, strlen(BYTES), FIN);
}

static enum play_fate with_urg(struct play *play)
{
	return play_client(play, play->said, BYTES, strlen(BYTES), URG);
}

static void test_flags(void **state)
{
	assert_false(is_known(state, LONG, with_fin, TRIES));
	assert_false(is_known(state, LONG, with_urg, TRIES));
}

/* A copy of the head passes, and its numbers are none of a body's. */
static void test_copy_of_the_head(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_tries(play, LONG), PLAY_PASSED);
		assert_int_equal(play_tries(play, LONG), PLAY_PASSED);
		assert_int_equal(play_tries(play, OTHER), PLAY_RESET);
	}
}

/* Both directions have a long body: the numbers of one are not the other's. */
static void test_both_directions(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		begin(play, LONG);
		play_answers(play, ANSWER);
		assert_int_equal(kept(play).transfer.flags,
				 WEFT_HTTP_TRANSFER_ACKED | WEFT_HTTP_TRANSFER_ANSWER);
		play_server(play, play->answered, BYTES, strlen(BYTES), 0);
		assert_int_equal(kept(play).transfer.flags,
				 WEFT_HTTP_TRANSFER_BODY | WEFT_HTTP_TRANSFER_ANSWER);
		assert_int_equal(next_bytes(play), PLAY_PASSED);
		assert_int_equal(kept(play).transfer.flags, WEFT_HTTP_TRANSFER_BODY);
		assert_int_equal(kept(play).transfer.seq, play->client_isn + 1 + play->said);
	}
}

static void its_tick(struct weft_http_transfer *transfer)
{
	transfer->at--;
}

static void its_pod(struct weft_http_transfer *transfer)
{
	transfer->key.pod.b[15] ^= 1;
}

static void its_peer(struct weft_http_transfer *transfer)
{
	transfer->key.peer.b[0] ^= 1;
}

static void its_pod_port(struct weft_http_transfer *transfer)
{
	transfer->key.pod_port++;
}

static void its_peer_port(struct weft_http_transfer *transfer)
{
	transfer->key.peer_port += WEFT_HTTP_EPOCHS;
}

static void its_epoch(struct weft_http_transfer *transfer)
{
	transfer->epoch--;
}

static void test_another_transfer(void **state)
{
	assert_true(is_known(state, LONG, next_bytes, MANY));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_tick, TRIES));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_pod, TRIES));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_peer, TRIES));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_pod_port, TRIES));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_peer_port, TRIES));
	assert_false(is_known_in_spite_of(state, LONG, next_bytes, its_epoch, TRIES));
}

/* One with the same ends begins, and says a head where the body of the one before would go on. */
static void test_connection_begins_anew(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		begin(play, LONG);
		play->client_isn += play->said - 1;
		play->said = play->server_has = play->answered = play->client_has = 0;
		play_open(play);
		assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	}
}

static void test_maps_changed(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		begin(play, LONG);
		forget_flows(play);
		tcrun_touch(play->run);
		assert_int_equal(next_bytes(play), PLAY_RESET);
	}
}

/* What the server acknowledges is noted once in a tick, and where the body ends. */
static void test_acknowledgements(void **state)
{
	struct play *play = play_require(state);
	__u32 end = strlen(LONG) + LENGTH;
	int skipped = 0;

	for (int i = 0; i < TRIES || (!skipped && i < MANY); i++) {
		play_again(state);
		begin(play, LONG);
		play->server_has = play->said + 1;
		assert_int_equal(server_acks(play), PLAY_PASSED);
		skipped += play_flow(play).acked != play->server_has;
		play->server_has = end - 1;
		assert_int_equal(server_acks(play), PLAY_PASSED);
		play->server_has = end;
		assert_int_equal(server_acks(play), PLAY_PASSED);
		assert_int_equal(play_flow(play).acked, end);
		play->server_has = end + 2;
		assert_int_equal(server_acks(play), PLAY_ANSWERED);
		assert_int_equal(play_flow(play).phase, WEFT_HTTP_PHASE_DENIED);
		assert_int_equal(next_bytes(play), PLAY_ANSWERED);
	}
	assert_true(skipped > 0);
}

/* Answers are followed, whatever they acknowledge. */
static void test_answer_within(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		begin(play, LONG);
		play_answers(play, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		assert_int_equal(play_flow(play).answers, 1);
		assert_int_equal(play_requests(play, WEFT_HTTP_POST, 2), 1);
	}
}

/* What is being acknowledged need not be a body: heads in between are compared as ever. */
static void test_acknowledged_is_no_body(void **state)
{
	struct play *play = play_require(state);
	int skipped = 0;

	for (int i = 0; i < TRIES || (!skipped && i < MANY); i++) {
		play_again(state);
		play_open(play);
		assert_int_equal(play_tries(play, TWO), PLAY_PASSED);
		for (play->server_has = 1; play->server_has < 4; play->server_has++)
			assert_int_equal(server_acks(play), PLAY_PASSED);
		skipped += play_flow(play).acked < 3;
		play->server_has = strlen(TWO) + LENGTH;
		assert_int_equal(server_acks(play), PLAY_PASSED);
		assert_int_equal(play_flow(play).acked, play->server_has);
		play_again(state);
		play_open(play);
		assert_int_equal(play_tries(play, TWO), PLAY_PASSED);
		for (play->server_has = 1; play->server_has < 4; play->server_has++)
			assert_int_equal(server_acks(play), PLAY_PASSED);
		assert_int_equal(play_client(play, strlen(TWO) - strlen(LONG), OTHER, strlen(OTHER),
					     0),
				 PLAY_RESET);
		assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
	}
	assert_true(skipped > 0);
}

/* An answer is on its way: some bytes of its body have passed, and are acknowledged. */
static void begin_answer(struct play *play)
{
	play_open(play);
	play_says(play, GET);
	play_answers(play, ANSWER);
	play_answers(play, BYTES);
}

/* Bytes of an answer whose connection was not looked at leave no trace there. */
static bool is_noted(struct play *play, __u32 offset, __u8 flags)
{
	assert_int_equal(play_server(play, offset, BYTES, strlen(BYTES), flags), PLAY_PASSED);
	return play_flow(play).server_next == offset + strlen(BYTES);
}

static void test_bytes_of_an_answer(void **state)
{
	struct play *play = play_require(state);
	__u32 end = strlen(ANSWER) + LENGTH;
	int known = 0, late = 0;

	for (int i = 0; i < TRIES || (!(known && late) && i < MANY); i++) {
		play_again(state);
		begin_answer(play);
		known += !is_noted(play, play->answered, 0);
		late += !is_noted(play, end - strlen(BYTES) - 1, 0);
		assert_true(is_noted(play, end - strlen(BYTES), 0));
		assert_int_equal(play_flow(play).answers, 1);
		/* The client gets its 403 when it has all of it. */
		assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
		play->client_has = end;
		assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	}
	assert_true(known > 0 && late > 0);
}

static void test_bytes_of_another_answer(void **state)
{
	struct play *play = play_require(state);

	for (int i = 0; i < TRIES; i++) {
		play_again(state);
		begin_answer(play);
		assert_true(is_noted(play, play->answered, FIN));
		play_again(state);
		begin_answer(play);
		play->server_has++; /* the FIN's */
		assert_true(is_noted(play, play->answered, 0));
		assert_int_equal(play_flow(play).acked, play->server_has);
		play_again(state);
		begin_answer(play);
		play->server_has += 2;
		assert_int_equal(play_server(play, play->answered, BYTES, strlen(BYTES), 0),
				 PLAY_ANSWERED);
		/* What an answer has says nothing of requests. */
		play_again(state);
		play->client_isn = play->server_isn + strlen(ANSWER BYTES) - strlen(GET);
		begin_answer(play);
		assert_int_not_equal(play_tries(play, DENIED), PLAY_PASSED);
	}
}

/* Without a connection, an acknowledgement is a stray, too. */
static bool client_acks(struct play *play)
{
	forget_flows(play);
	return play_client(play, play->said, NULL, 0, 0) == PLAY_PASSED;
}

static void test_acknowledgements_of_an_answer(void **state)
{
	struct play *play = play_require(state);
	int known = 0;

	for (int i = 0; i < TRIES || (!known && i < MANY); i++) {
		play_again(state);
		begin_answer(play);
		play->client_has += 100;
		known += client_acks(play);
		play->client_has = strlen(ANSWER) + LENGTH;
		assert_false(client_acks(play));
		play_again(state);
		begin_answer(play);
		forget_flows(play);
		forge(play, its_epoch);
		assert_false(client_acks(play));
	}
	assert_true(known > 0);
}

/* Segments of a body that are short are tried, too, once there was a long one. */
static void test_short_segments(void **state)
{
	struct play *play = play_require(state);

	play_open(play);
	assert_int_equal(play_tries(play, LONG), PLAY_PASSED);
	assert_int_equal(kept(play).bulk, 0);
	play->said += strlen(LONG);
	assert_int_equal(next_bytes(play), PLAY_PASSED);
	assert_int_equal(kept(play).bulk, 1);
	assert_int_equal(behind_it(play), PLAY_DROPPED);
	assert_int_equal(kept(play).bulk, 0);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_bytes_of_a_body),
	PLAY_TESTS(test_bytes_of_something_else),
	PLAY_TESTS(test_flags),
	PLAY_TESTS(test_another_transfer),
	PLAY_TESTS(test_connection_begins_anew),
	PLAY_TESTS(test_maps_changed),
	PLAY_TESTS(test_acknowledgements),
	PLAY_TESTS(test_answer_within),
	PLAY_TESTS(test_acknowledged_is_no_body),
	PLAY_TESTS(test_bytes_of_an_answer),
	PLAY_TESTS(test_bytes_of_another_answer),
	PLAY_TESTS(test_acknowledgements_of_an_answer),
	PLAY_TESTS(test_copy_of_the_head),
	PLAY_TESTS(test_both_directions),
	PLAY_TESTS(test_short_segments),
};

int main(void)
{
	tcrun_bulk = true;
	return cmocka_run_group_tests(tests, play_group_setup, play_group_teardown);
}
