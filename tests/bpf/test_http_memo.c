// SPDX-License-Identifier: Apache-2.0
/*
 * Heads that come again (weft_http_memo, weft_answer_memo), and what is kept while weft_epoch
 * stands still. Whether a head was known is seen by what the memo says: the tests forge that.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/httpplay.h"
#include "weft.skel.h"

#define FIELDS	"Host: pod\r\n\r\n"
#define ALLOWED "GET /ok HTTP/1.1\r\n" FIELDS
#define DENIED	"GET /no HTTP/1.1\r\n" FIELDS
#define OK	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
#define TEN	"0123456789"
#define FIFTY	TEN TEN TEN TEN TEN

enum {
	FORGED_RULE = 4242,
	FORGED_STATUS = 599,
	ANY = 0xff,
	EPOCH = 77,
};

static size_t cpus;

/* The values of one element, one per CPU, 8-byte aligned. */
static void *element_get(const struct bpf_map *map, __u32 index)
{
	size_t size = (bpf_map__value_size(map) + 7) / 8 * 8;
	char *values = calloc(cpus, size);

	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &index, values), 0);
	return values;
}

static void element_put(const struct bpf_map *map, __u32 index, void *values)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &index, values, BPF_ANY), 0);
	free(values);
}

static void map_forget(const struct bpf_map *map)
{
	size_t size = (bpf_map__value_size(map) + 7) / 8 * 8;

	for (__u32 i = 0; i < bpf_map__max_entries(map); i++) {
		char *values = element_get(map, i);

		memset(values, 0, cpus * size);
		element_put(map, i, values);
	}
}

/* Requests that are remembered; with `forge` they were allowed by FORGED_RULE. */
static size_t requests_kept(struct play *play, bool forge)
{
	const struct bpf_map *map = play->run->skel->maps.weft_http_memo;
	size_t kept = 0;

	for (__u32 i = 0; i < WEFT_HTTP_MEMOS; i++) {
		struct weft_http_memo *memos = element_get(map, i);

		for (size_t cpu = 0; cpu < cpus; cpu++) {
			if (!memos[cpu].tag)
				continue;
			kept++;
			if (forge)
				memos[cpu].rule = FORGED_RULE;
		}
		element_put(map, i, memos);
	}
	return kept;
}

static size_t answers_kept(struct play *play, bool forge)
{
	const struct bpf_map *map = play->run->skel->maps.weft_answer_memo;
	size_t kept = 0;

	for (__u32 i = 0; i < WEFT_HTTP_ANSWER_MEMOS; i++) {
		struct weft_answer_memo *memos = element_get(map, i);

		for (size_t cpu = 0; cpu < cpus; cpu++) {
			if (!memos[cpu].head)
				continue;
			kept++;
			if (forge)
				memos[cpu].status = FORGED_STATUS;
		}
		element_put(map, i, memos);
	}
	return kept;
}

/* By which rule was the last request let through? */
static __u32 rule_of_last(struct play *play)
{
	struct weft_http_flow flow = play_flow(play);
	__u32 number = flow.requests - 1;

	return flow.alone.number == (__u16)number ? flow.alone.rule :
						    flow.pending[number % WEFT_HTTP_PENDING].rule;
}

static void set_epoch(struct play *play, __u64 epoch)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(play->run->skel->maps.weft_epoch), &zero,
					     &epoch, BPF_ANY),
			 0);
}

/* The client's address becomes another's, whom no rule allows; the pod's rules stay. */
static void change_client(struct play *play)
{
	const struct weft_addr addr = tcrun_addr(ALLY, play->family);
	const struct weft_peer other = { .identity = WEFT_ID_FIRST + 4000 };

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(play->run->skel->maps.weft_ident), &addr,
					     &other, BPF_ANY),
			 0);
}

static struct play *begin(void **state)
{
	struct play *play = play_require(state);

	play_again(state);
	set_epoch(play, 0);
	map_forget(play->run->skel->maps.weft_http_memo);
	map_forget(play->run->skel->maps.weft_answer_memo);
	return play;
}

/* Another connection of the same client; what is remembered stays. */
static void reopen(void **state)
{
	struct play *play = *state;

	play_again(state);
	play->client_isn += 100000;
	play_open(play);
}

static void test_a_request_is_known_again(void **state)
{
	struct play *play = begin(state);

	play_open(play);
	play_says(play, ALLOWED);
	assert_int_not_equal(rule_of_last(play), 0);
	assert_int_not_equal(rule_of_last(play), FORGED_RULE);
	play_answers(play, OK);
	assert_int_equal(requests_kept(play, true), 1);
	play_says(play, ALLOWED);
	assert_int_equal(rule_of_last(play), FORGED_RULE);
	play_answers(play, OK);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 2);
	reopen(state);
	play_says(play, ALLOWED);
	assert_int_equal(rule_of_last(play), FORGED_RULE);
	assert_int_equal(play_flow(play).run.section, WEFT_HTTP_METHOD);
	assert_int_equal(play_flow(play).run.flags, 0);
	/* What follows it is read. */
	assert_int_equal(play_tries(play, DENIED), PLAY_DROPPED);
	play_answers(play, OK);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

/* Its path is told as if it had been read. */
static void test_the_path_of_a_known_request(void **state)
{
	struct play *play = begin(state);
	const struct bpf_map *map = play->run->skel->maps.weft_config;
	struct weft_config config;
	struct weft_http_flow flow;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &zero, &config), 0);
	config.request_sample = 0xffffffff;
	config.request_path = WEFT_HTTP_PATH_LEN;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &zero, &config, BPF_ANY), 0);
	play_open(play);
	play_says(play, "GET /ok/a?query HTTP/1.1\r\n" FIELDS);
	play_answers(play, OK);
	requests_kept(play, true);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	assert_int_equal(play_flow(play).path_len, strlen("/ok"));
	play_says(play, "GET /ok/a?query HTTP/1.1\r\n" FIELDS);
	assert_int_equal(rule_of_last(play), FORGED_RULE);
	flow = play_flow(play);
	assert_int_equal(flow.path_len, strlen("/ok/a"));
	assert_memory_equal(flow.path, "/ok/a", strlen("/ok/a"));
}

/* Any byte changed, one more or less: it is not the same. */
static void test_another_is_read(void **state)
{
	struct play *play = begin(state);
	char text[] = ALLOWED;
	size_t path = strlen("GET /o"), name = strstr(text, "pod") - text;

	play_open(play);
	play_says(play, ALLOWED);
	requests_kept(play, true);
	for (size_t i = name; i < name + 3; i++) {
		text[i]++;
		reopen(state);
		play_says(play, text);
		assert_int_not_equal(rule_of_last(play), FORGED_RULE);
		text[i]--;
	}
	reopen(state);
	play_says(play, "GET /ok/ HTTP/1.1\r\n" FIELDS);
	assert_int_not_equal(rule_of_last(play), FORGED_RULE);
	text[path]++;
	reopen(state);
	assert_int_equal(play_tries(play, text), PLAY_FORBIDDEN);
	reopen(state);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
}

static void test_denied_ones_are_not_kept(void **state)
{
	struct play *play = begin(state);

	for (int i = 0; i < 3; i++) {
		reopen(state);
		assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	}
	assert_int_equal(requests_kept(play, false), 0);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1); /* of the last one */
}

/* One segment each; none of these is the whole of a request without a body. */
static void test_what_is_not_kept(void **state)
{
	static const char *const texts[] = {
		"POST /ok HTTP/1.1\r\nContent-Length: 2\r\n" FIELDS "ab",
		"POST /ok HTTP/1.1\r\nContent-Length: 2\r\n" FIELDS,
		"GET /ok HTTP/1.1\r\nContent-Length: 2\r\n" FIELDS "ab",
		"GET /ok HTTP/1.1\r\nContent-Length: 2\r\n" FIELDS,
		"GET /ok HTTP/1.1\r\nContent-Length: 0\r\n" FIELDS,
		"GET /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS "1\r\na\r\n0\r\n\r\n",
		"GET /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS,
		"GET /ok HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" FIELDS,
		"CONNECT pod:80 HTTP/1.1\r\nHost: pod:80\r\n\r\n",
		ALLOWED ALLOWED,
		ALLOWED "GET /ok",
		"GET /ok HTTP/1.1\r\nHost: p",
		"GET /ok?" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
		" HTTP/1.1\r\n" FIELDS,
	};
	struct play *play = begin(state);

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		reopen(state);
		play_says(play, texts[i]);
		if (requests_kept(play, false))
			fail_msg("kept: %s", texts[i]);
	}
}

/* In two segments it is read, and not kept: what each of them is depends on the other. */
static void test_split_heads(void **state)
{
	struct play *play = begin(state);
	size_t len = strlen(ALLOWED);

	for (size_t at = 1; at < len; at++) {
		char first[sizeof(ALLOWED)] = "";

		memcpy(first, ALLOWED, at);
		reopen(state);
		play_says(play, first);
		play_says(play, ALLOWED + at);
		assert_int_equal(play_flow(play).requests, 1);
		assert_int_equal(requests_kept(play, false), 0);
	}
	/* The tail of a head looks like the whole of another. */
	reopen(state);
	play_says(play, ALLOWED);
	requests_kept(play, true);
	reopen(state);
	play_says(play, "GET /ok HTTP/1.1\r\nX: ");
	play_says(play, "y\r\n");
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 0);
	/* And of a body. */
	reopen(state);
	play_says(play, "POST /ok HTTP/1.1\r\nContent-Length: 1000\r\n" FIELDS);
	play_says(play, ALLOWED);
	assert_int_equal(play_flow(play).requests, 1);
}

static void test_other_rules(void **state)
{
	struct play *play = begin(state);
	struct weft_policy policy = { WEFT_POLICY_HTTP, 0 };
	struct weft_policy_key key = {
		.dst_identity = POD_IDENTITY,
		.generation = PLAY_GENERATION_A,
		.src_identity = ALLY_IDENTITY,
		.port = PORT_HTTP,
		.proto = IPPROTO_TCP,
	};

	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	assert_int_equal(requests_kept(play, true), 1);
	play_rules(play, PLAY_B);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
	/* Another caller, to whom the same program grants nothing. */
	reopen(state);
	play_ack(play);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(play->run->skel->maps.weft_policy), &key,
					     &policy, BPF_ANY),
			 0);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_HTTP_RULE), 1);
	reopen(state);
	play_says(play, ALLOWED);
	assert_int_equal(rule_of_last(play), FORGED_RULE);
}

/* Copies of what was known are compared as any other. */
static void test_copies(void **state)
{
	struct play *play = begin(state);
	char other[] = ALLOWED;
	size_t len = strlen(ALLOWED);

	memcpy(strstr(other, "/ok"), "/no", 3);
	play_open(play);
	play_says(play, ALLOWED);
	requests_kept(play, true);
	reopen(state);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_PASSED);
	assert_int_equal(rule_of_last(play), FORGED_RULE);
	assert_int_equal(play_client(play, 0, ALLOWED, len, PSH), PLAY_PASSED);
	assert_int_equal(play_flow(play).requests, 1);
	assert_int_equal(play_client(play, 0, other, len, PSH), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_RETRANSMISSION), 1);
}

static void test_answers_are_known_again(void **state)
{
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{ ALLOWED, OK },
		{ ALLOWED, "HTTP/1.0 404 Not Found\r\nContent-Length:0\r\n\r\n" },
		{ ALLOWED,
		  "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" },
		{ ALLOWED, "HTTP/1.1 200 \r\nX: " FIFTY FIFTY "\r\nContent-Length: 3\r\n\r\nabc" },
		{ "HEAD /ok HTTP/1.1\r\n" FIELDS,
		  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" },
	};
	struct play *play = begin(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		map_forget(play->run->skel->maps.weft_answer_memo);
		reopen(state);
		for (__u32 number = 1; number <= 3; number++) {
			play_says(play, cases[i].request);
			play_answers(play, cases[i].answer);
			assert_int_equal(play_flow(play).answers, number);
			assert_int_equal(play_flow(play).answer_flags, 0);
			assert_int_equal(play_requests(play, ANY, 5), number - 1);
			assert_int_equal(answers_kept(play, true), 1);
		}
	}
}

/* The same beginning, another end. */
static void test_another_answer_is_read(void **state)
{
	static const char known[] = "HTTP/1.1 200 OK\r\nX: abcdefghi\r\nContent-Length: 2\r\n\r\n";
	struct play *play = begin(state);
	size_t first = strstr(known, "abc") - known, last = strstr(known, "\r\nC") - known;
	char text[sizeof(known) + 2];

	play_open(play);
	play_says(play, ALLOWED);
	snprintf(text, sizeof(text), "%shi", known);
	play_answers(play, text);
	assert_int_equal(answers_kept(play, true), 1);
	for (size_t at = first; at < last; at++) {
		reopen(state);
		play_says(play, ALLOWED);
		snprintf(text, sizeof(text), "%shi", known);
		text[at] ^= 1;
		play_answers(play, text);
		assert_int_equal(play_requests(play, ANY, 2), 1);
		assert_int_equal(play_flow(play).answers, 1);
	}
	/* A piece of it is not it. */
	for (size_t at = 1; at < sizeof(known) - 1; at++) {
		reopen(state);
		play_says(play, ALLOWED);
		memcpy(text, known, at);
		text[at] = '\0';
		play_answers(play, text);
		assert_int_equal(play_flow(play).answers, 0);
		play_answers(play, known + at);
		play_answers(play, "hi");
		assert_int_equal(play_flow(play).answers, 1);
		assert_int_equal(play_requests(play, ANY, 2), 1);
	}
}

/* An answer that is known, and one that is not, in one segment. */
static void test_answers_behind(void **state)
{
	static const char other[] = "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n";
	struct play *play = begin(state);

	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	for (int i = 0; i < 3; i++) {
		reopen(state);
		play_says(play, ALLOWED);
		play_says(play, "HEAD /ok HTTP/1.1\r\n" FIELDS);
		play_answers(play, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
				   "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
		assert_int_equal(play_flow(play).answers, 2);
		assert_int_equal(play_requests(play, WEFT_HTTP_GET, 2), 1);
		assert_int_equal(play_requests(play, WEFT_HTTP_HEAD, 4), 1);
	}
	reopen(state);
	play_says(play, ALLOWED);
	play_answers(play, other);
	assert_int_equal(play_requests(play, WEFT_HTTP_GET, 4), 1);
}

/* What is kept of other maps holds until the epoch is another one; 0: nothing is kept. */
static void test_epoch(void **state)
{
	struct play *play = begin(state);

	set_epoch(play, EPOCH);
	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	play_rules(play, PLAY_B);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	set_epoch(play, EPOCH + 1);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
	reopen(state); /* by A again, without a word */
	play_says(play, ALLOWED);
	play_answers(play, OK);
	set_epoch(play, 0);
	play_rules(play, PLAY_B);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
}

/* A head that has begun by the old rules ends by them, or not at all. */
static void test_epoch_within_a_head(void **state)
{
	struct play *play = begin(state);

	set_epoch(play, EPOCH);
	play_open(play);
	play_says(play, "GET /ok HTTP");
	play_rules(play, PLAY_B);
	play_withdraw(play, PLAY_A);
	set_epoch(play, EPOCH + 1);
	assert_int_equal(play_tries(play, "/1.1\r\n" FIELDS), PLAY_RESET);
	assert_int_equal(play_denials(play, WEFT_REASON_HTTP_RULES_CHANGED), 1);
	set_epoch(play, 0);
}

/* Within a body nothing is judged: what was found of the rules then says nothing of the next
 * request. */
static void test_epoch_within_a_body(void **state)
{
	struct play *play = begin(state);

	set_epoch(play, EPOCH);
	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	play_says(play, "POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" FIELDS "1\r\na\r\n");
	change_client(play);
	set_epoch(play, EPOCH + 1);
	play_says(play, "1\r\nb\r\n");
	play_says(play, "0\r\n\r\n");
	play_answers(play, OK);
	assert_int_equal(play_tries(play, ALLOWED), PLAY_FORBIDDEN);
	assert_int_equal(play_denials(play, WEFT_REASON_NO_RULE), 1);
	set_epoch(play, 0);
}

static void test_epoch_of_the_interface(void **state)
{
	struct play *play = begin(state);
	__u32 enforcing = WEFT_PEER_ENFORCE | WEFT_PEER_HTTP;

	set_epoch(play, EPOCH);
	play_open(play);
	play_says(play, ALLOWED);
	play_answers(play, OK);
	tcrun_set_pod(play->run, enforcing | WEFT_PEER_PERMISSIVE, true);
	set_epoch(play, EPOCH + 1);
	play_says(play, DENIED);
	play_answers(play, OK);
	tcrun_set_pod(play->run, enforcing, true);
	set_epoch(play, EPOCH + 2);
	assert_int_equal(play_tries(play, DENIED), PLAY_FORBIDDEN);
	reopen(state);
	tcrun_drop_pod(play->run);
	set_epoch(play, EPOCH + 3);
	play_says(play, DENIED); /* nobody's interface */
	set_epoch(play, 0);
}

static int group_setup(void **state)
{
	int possible = libbpf_num_possible_cpus();
	cpu_set_t first;

	/* The maps are per CPU. */
	CPU_ZERO(&first);
	if (possible < 1 || sched_getaffinity(0, sizeof(first), &first))
		return -1;
	for (int cpu = 0, found = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &first) && found++)
			CPU_CLR(cpu, &first);
	}
	cpus = possible;
	return sched_setaffinity(0, sizeof(first), &first) ? -1 : play_group_setup(state);
}

static const struct CMUnitTest tests[] = {
	PLAY_TESTS(test_a_request_is_known_again),
	PLAY_TESTS(test_the_path_of_a_known_request),
	PLAY_TESTS(test_another_is_read),
	PLAY_TESTS(test_denied_ones_are_not_kept),
	PLAY_TESTS(test_what_is_not_kept),
	PLAY_TESTS(test_split_heads),
	PLAY_TESTS(test_other_rules),
	PLAY_TESTS(test_copies),
	PLAY_TESTS(test_answers_are_known_again),
	PLAY_TESTS(test_another_answer_is_read),
	PLAY_TESTS(test_answers_behind),
	PLAY_TESTS(test_epoch),
	PLAY_TESTS(test_epoch_within_a_head),
	PLAY_TESTS(test_epoch_within_a_body),
	PLAY_TESTS(test_epoch_of_the_interface),
};

int main(void)
{
	return cmocka_run_group_tests(tests, group_setup, play_group_teardown);
}
