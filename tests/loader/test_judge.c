// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's own verdicts: random clusters in real maps, and what the programs weft_judge and
 * weft_judge_http make of connections and requests, against the reference evaluator.
 */
#include "place.h"

#include <unistd.h>

#include "loader/judge.h"
#include "unit/http_differential.h"
#include "user/reconcile/reconcile.h"

enum { CLUSTERS = 25, STREAMS = 40 };

static struct place place;

static const char *const callers[] = { "10.1.0.1", "10.1.0.2", "10.9.9.9" };

struct judge {
	struct names *names;
	struct reconcile *reconcile;
	int program;
	uint64_t requests, allowed;
	uint64_t reasons[128]; /* of requests, by enum weft_reason */
};

static int setup(void **state)
{
	static struct judge judge;

	judge.names = names_new();
	assert_int_equal(
		reconcile_new(loader_maps(place_open(&place)), judge.names, &judge.reconcile), 0);
	judge.program = loader_judge_http_open(place.root);
	assert_true(judge.program >= 0);
	*state = &judge;
	return 0;
}

static int teardown(void **state)
{
	struct judge *judge = *state;

	close(judge->program);
	reconcile_free(judge->reconcile);
	names_free(judge->names);
	place_reset(&place);
	return 0;
}

/* A random cluster, in the maps. */
static struct cluster *take_in(struct judge *judge, struct dice *dice)
{
	struct cluster *cluster = random_http_cluster(dice);
	struct reconcile_result result;

	names_free(cluster->names);
	cluster->names = judge->names;
	cluster_compile(cluster);
	if (reconcile_apply(judge->reconcile, &cluster->desired, NULL, 0, true, &result))
		fail_msg("%s", result.error);
	if (reconcile_is_untidy(judge->reconcile))
		assert_int_equal(reconcile_tidy(judge->reconcile, &result), 0);
	return cluster;
}

static void leave(struct cluster *cluster)
{
	cluster->names = NULL;
	cluster_free(cluster);
}

/* The evaluator's view of the first head of a stream; *length: how much of it matters. */
static enum weft_reason expect(const struct http_call *call, size_t *length,
			       struct evaluation *evaluation)
{
	struct http_request request;
	enum weft_reason reason;
	char *rule = NULL;
	int ret;

	*evaluation = (struct evaluation){ 0 };
	ret = http_request_read(call->stream, *length, call->ambiguous, 0, &request, &reason);
	if (ret <= 0)
		return ret ? reason : WEFT_REASON_HTTP_UNFINISHED;
	*length = request.head_end;
	evaluate_request(call->cluster->store, &call->cluster->facts, &call->src, &call->dst,
			 call->port, &request, evaluation, &rule);
	http_request_clear(&request);
	free(rule);
	return evaluation->reason;
}

static void ask(struct judge *judge, struct http_call *call)
{
	static struct weft_http_question question;
	struct evaluation evaluation;
	size_t length = call->length;
	enum weft_reason reason = expect(call, &length, &evaluation);

	question = (struct weft_http_question){
		.question = { .src = call->src,
			      .dst = call->dst,
			      .port = call->port,
			      .proto = IPPROTO_TCP },
		.length = (uint32_t)length,
	};
	memcpy(question.head, call->stream, length);
	assert_int_equal(loader_judge_http(judge->program, &question), 0);
	judge->requests++;
	judge->reasons[reason]++;
	if (question.question.reason != WEFT_REASON_HTTP || question.reason != reason) {
		http_differs(call, "the kernel says %s (%s), the evaluator %s",
			     reason_name(question.reason), reason_name(question.question.reason),
			     reason_name(reason));
		fail();
	}
	assert_int_equal(!question.rule, reason != WEFT_REASON_HTTP);
	if (question.rule && !http_compare_rule(call, &evaluation, question.rule))
		fail();
	judge->allowed += question.rule != 0;
	evaluation_clear(&evaluation);
}

/* The connection alone. */
static void ask_connection(const struct cluster *cluster, const char *src, uint16_t port)
{
	struct weft_question question = { .src = cluster_addr(src),
					  .dst = cluster_addr("10.1.0.3"),
					  .port = port,
					  .proto = IPPROTO_TCP };
	struct evaluation evaluation;

	assert_int_equal(loader_judge(place.root, &question), 0);
	evaluate_connection(cluster->store, &cluster->facts, &question.src, &question.dst,
			    IPPROTO_TCP, port, &evaluation);
	assert_int_equal(question.reason, evaluation.reason);
	assert_int_equal(question.action, evaluation.action);
	evaluation_clear(&evaluation);
}

static void ask_requests(struct judge *judge, struct dice *dice, struct cluster *cluster,
			 const char *src, uint16_t port)
{
	struct http_call call;
	char *stream;
	int i;

	ask_connection(cluster, src, port);
	if (!http_call_find(&call, cluster, src, "10.1.0.3", port))
		return;
	for (i = 0; i < STREAMS; i++) {
		stream = random_http_stream(dice, &call.length);
		call.stream = stream;
		if (call.length > WEFT_QUESTION_HEAD_LEN)
			call.length = WEFT_QUESTION_HEAD_LEN;
		ask(judge, &call);
		free(stream);
	}
}

static void test_random_requests(void **state)
{
	struct judge *judge = *state;
	struct dice dice = { .state = 4 };
	struct cluster *cluster;
	size_t i, caller;

	for (i = 0; i < CLUSTERS; i++) {
		cluster = take_in(judge, &dice);
		for (caller = 0; caller < sizeof(callers) / sizeof(*callers); caller++) {
			ask_requests(judge, &dice, cluster, callers[caller], 80);
			ask_requests(judge, &dice, cluster, callers[caller], 81);
		}
		leave(cluster);
	}
	print_message("%llu requests, %llu allowed, %llu malformed\n",
		      (unsigned long long)judge->requests, (unsigned long long)judge->allowed,
		      (unsigned long long)(judge->requests - judge->allowed -
					   judge->reasons[WEFT_REASON_NO_HTTP_RULE]));
	assert_true(judge->requests > CLUSTERS * STREAMS);
	assert_in_range(judge->allowed, judge->requests / 20, judge->requests);
	assert_true(judge->reasons[WEFT_REASON_NO_HTTP_RULE] > 0);
	assert_true(judge->reasons[WEFT_REASON_AMBIGUOUS_PATH] > 0);
	assert_true(judge->reasons[WEFT_REASON_HTTP_FIELD] > 0);
}

/* A head that fills the question to the last byte, and the window's border at each of its bytes. */
static void test_long_heads(void **state)
{
	static const char start[] = "GET /a HTTP/1.0\r\nx-a: ", end[] = "\r\n\r\n";
	static char text[WEFT_QUESTION_HEAD_LEN];
	struct judge *judge = *state;
	struct dice dice = { .state = 9 };
	struct cluster *cluster;
	struct http_call call;
	size_t length;

	do {
		cluster = take_in(judge, &dice);
		if (http_call_find(&call, cluster, "10.1.0.1", "10.1.0.3", 80))
			break;
		leave(cluster);
	} while (true);
	memset(text, 'a', sizeof(text));
	memcpy(text, start, sizeof(start) - 1);
	call.stream = text;
	for (length = 2 * HTTP_WINDOW - 40; length < 2 * HTTP_WINDOW + 40; length++) {
		memcpy(text + length - 4, end, 4);
		call.length = length;
		ask(judge, &call);
		memset(text + length - 4, 'a', 4);
	}
	memcpy(text + sizeof(text) - 4, end, 4);
	call.length = sizeof(text);
	ask(judge, &call);
	leave(cluster);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_heads, setup, teardown),
	};
	int failed;

	if (!place_enter(&place)) {
		place_skip_all(tests, sizeof(tests) / sizeof(tests[0]));
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	place_leave(&place);
	return failed;
}
