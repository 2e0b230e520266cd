// SPDX-License-Identifier: Apache-2.0
/*
 * Random rules and streams: the compiler's tables in the kernel's engine against the reference.
 * The seeds are fixed, so that a failure comes again; WEFT_HTTP_STREAMS asks for more streams, and
 * WEFT_HTTP_SEED for others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/http_differential.h"

enum { STREAMS_DEFAULT = 6000, STREAMS_PER_CALL = 10, CALLS_PER_CLUSTER = 5 };

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

/* In its own memory, so that a read beyond the end is found. */
static bool compare_copy(struct http_call *call, struct engine *engine, const char *stream,
			 size_t length)
{
	char *copy = memory_alloc(length ? length : 1);
	bool same;

	memcpy(copy, stream, length);
	same = http_compare_stream(call, engine, copy, length);
	free(copy);
	return same;
}

static bool check_streams(struct dice *dice, struct engine *engine, struct cluster *cluster)
{
	const char *src = dice_roll(dice, 3) ? "10.1.0.1" : "10.1.0.2";
	struct http_call call;
	size_t i, length;
	bool same = true;
	char *stream;

	if (!http_call_find(&call, cluster, src, "10.1.0.3", (uint16_t)(80 + dice_roll(dice, 2))))
		return true;
	engine_load(engine, call.dest->http, call.dest->http_size);
	for (i = 0; same && i < STREAMS_PER_CALL; i++) {
		stream = random_http_stream(dice, &length);
		same = compare_copy(&call, engine, stream, length);
		free(stream);
	}
	return same;
}

static bool check_cluster(struct dice *dice, struct engine *engine)
{
	static const uint32_t max_heads[] = { 0, 0, 0, 0, 0, 400, 200, 70 };
	struct cluster *cluster = random_http_cluster(dice);
	bool same = true;
	int calls;

	cluster->facts.max_head = DICE_PICK(dice, max_heads);
	cluster_compile(cluster);
	for (calls = 0; same && calls < CALLS_PER_CLUSTER; calls++)
		same = check_streams(dice, engine, cluster);
	cluster_free(cluster);
	return same;
}

static void test_random_streams(void **state)
{
	unsigned long streams = from_environment("WEFT_HTTP_STREAMS", STREAMS_DEFAULT);
	unsigned long seed = from_environment("WEFT_HTTP_SEED", 1);
	struct dice dice;
	struct engine *engine = engine_new(&dice);

	(void)state;
	for (; http_coverage.streams < streams; seed++) {
		dice = (struct dice){ .state = seed * 0x9e3779b97f4a7c15 };
		if (!check_cluster(&dice, engine))
			fail_msg("seed %lu", seed);
	}
	engine_free(engine);
}

/* Agreement about nothing would be worth nothing. */
static void test_everything_was_met(void **state)
{
	static const enum weft_reason reasons[] = {
		WEFT_REASON_AMBIGUOUS_PATH,
		WEFT_REASON_HTTP_REQUEST_LINE,
		WEFT_REASON_HTTP_VERSION,
		WEFT_REASON_HTTP_FIELD,
		WEFT_REASON_HTTP_HEAD_SIZE,
		WEFT_REASON_HTTP_CONTENT_LENGTH,
		WEFT_REASON_HTTP_TRANSFER_ENCODING,
		WEFT_REASON_HTTP_CHUNK,
		WEFT_REASON_HTTP_HOST,
		WEFT_REASON_HTTP_UPGRADE,
		WEFT_REASON_HTTP2,
		WEFT_REASON_TLS,
	};
	const struct http_coverage *met = &http_coverage;
	size_t i;

	(void)state;
	print_message("%llu streams (%llu with lanes), %llu heads, %llu allowed, %llu bodies, "
		      "%llu incomplete, %llu rules refused\n",
		      (unsigned long long)met->streams, (unsigned long long)met->lanes,
		      (unsigned long long)met->heads, (unsigned long long)met->allowed,
		      (unsigned long long)met->bodies, (unsigned long long)met->incomplete,
		      (unsigned long long)met->refused_rules);
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		print_message("%s: %llu\n", reason_name(reasons[i]),
			      (unsigned long long)met->reasons[reasons[i]]);
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		assert_true(met->reasons[reasons[i]] > 0);
	/* neither side of any question is rare */
	assert_in_range(met->heads, met->streams / 4, met->streams * 4);
	assert_in_range(met->allowed, met->heads / 10, met->heads * 9 / 10);
	assert_true(met->bodies > met->streams / 20);
	assert_true(met->incomplete > met->streams / 20);
	assert_true(met->lanes > 0);
	assert_true(met->refused_rules < met->streams / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_everything_was_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
