// SPDX-License-Identifier: Apache-2.0
/* HTTP programs: chunked bodies, answers, and the shape of the tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/http_check.h"
#include "unit/http_runner.h"

static void expect_chunks(struct runner *runner, const char *text, enum runner_end end,
			  enum weft_reason reason)
{
	for (runner->piece = 1; runner->piece < 9; runner->piece += 3) {
		runner_start(runner, WEFT_HTTP_CHUNK);
		assert_int_equal(runner_read(runner, text, strlen(text)), end);
		if (end == RUNNER_DENIED)
			assert_int_equal(runner->work.reason, reason);
		else if (end == RUNNER_MESSAGE)
			assert_int_equal(runner->read, strlen(text));
	}
	runner->piece = 0;
}

static void test_chunks(void **state)
{
	struct runner *runner = runner_any();

	(void)state;
	expect_chunks(runner, "0\r\n\r\n", RUNNER_MESSAGE, 0);
	expect_chunks(runner, "5\r\nhello\r\n00A;ext=\"1\"\r\n0123456789\r\n0;x\r\n\r\n",
		      RUNNER_MESSAGE, 0);
	expect_chunks(runner, "0\r\nA: b\r\nc:\r\n\r\n", RUNNER_MESSAGE, 0);
	expect_chunks(runner, "5\r\nhel", RUNNER_MORE, 0);
	expect_chunks(runner, "0\r\n\r", RUNNER_MORE, 0);
	expect_chunks(runner, "\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "5\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "5 \r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "-1\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "0x5\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "5; x\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "00000000000000001\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "5\r\nhello0\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "5\r\nhello\n0\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_CHUNK);
	expect_chunks(runner, "0\r\n x\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_FIELD);
	expect_chunks(runner, "0\r\nA b: x\r\n", RUNNER_DENIED, WEFT_REASON_HTTP_FIELD);
	expect_chunks(runner, "0\r\n\n", RUNNER_DENIED, WEFT_REASON_HTTP_FIELD);
	runner_free(runner);
}

struct answer_case {
	const char *head;
	enum runner_end end;
	unsigned int status, flags;
	uint64_t length;
};

static void test_answers(void **state)
{
	static const struct answer_case cases[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", RUNNER_HEAD, 200, 0, 0 },
		{ "HTTP/1.0 404 Not \x80\tFound\r\n\r\n", RUNNER_HEAD, 404, 0, 0 },
		{ "HTTP/1.1 101\r\n\r\n", RUNNER_HEAD, 101, 0, 0 },
		{ "HTTP/1.1 200 OK\nA: b\n\n", RUNNER_HEAD, 200, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 123 \r\nX: y\r\n\r\n", RUNNER_HEAD, 200,
		  WEFT_HTTP_RUN_LENGTH, 123 },
		{ "HTTP/1.1 200 OK\r\ncontent-lengthy: 5\r\ncontent-lengt: x\r\n\r\n", RUNNER_HEAD,
		  200, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nTRANSFER-encoding: chunked\r\n\r\n", RUNNER_HEAD, 200,
		  WEFT_HTTP_RUN_CHUNKED, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip , Chunked\t\r\n\r\n", RUNNER_HEAD,
		  200, WEFT_HTTP_RUN_CHUNKED, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", RUNNER_HEAD, 200,
		  WEFT_HTTP_RUN_OTHER_CODING, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunkedx\r\n\r\n", RUNNER_HEAD, 200,
		  WEFT_HTTP_RUN_OTHER_CODING, 0 },
		{ "HTTP/1.1 200 OK\r\nWeird Name: x\r\n\r\n", RUNNER_HEAD, 200, 0, 0 },
		{ "HTTP/1.1 20 OK\r\n", RUNNER_DENIED, 0, 0, 0 },
		{ "HTTP/1.1 2000 OK\r\n", RUNNER_DENIED, 0, 0, 0 },
		{ "SSH-2.0-OpenSSH\r\n", RUNNER_DENIED, 0, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", RUNNER_DENIED, 0, 0, 0 },
		{ "HTTP/1.1 200 OK\r\nnothing\r\nContent-Length: 2\r\n\r\n", RUNNER_HEAD, 200,
		  WEFT_HTTP_RUN_LENGTH, 2 },
		{ "HTTP/1.1 200 OK\r\n fold\r\n", RUNNER_DENIED, 0, 0, 0 },
	};
	struct runner *runner = runner_any();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *answer = &cases[i];
		const struct weft_http_run *run = &runner->work.run;

		runner->piece = i % 3 * 4;
		runner_start(runner, WEFT_HTTP_STATUS);
		if (runner_read(runner, answer->head, strlen(answer->head)) != answer->end)
			fail_msg("%s", answer->head);
		if (answer->end == RUNNER_DENIED)
			continue;
		assert_int_equal(run->status, answer->status);
		assert_int_equal(run->flags & ~WEFT_HTTP_RUN_HOST, answer->flags);
		if (answer->flags & WEFT_HTTP_RUN_LENGTH)
			assert_int_equal(run->length, answer->length);
	}
	runner_free(runner);
}

/* A run in one of these outlives a change of rules. */
static void test_fixed_sections(void **state)
{
	static const unsigned int fixed[] = {
		WEFT_HTTP_QUERY,	WEFT_HTTP_VERSION,	 WEFT_HTTP_CHUNK,
		WEFT_HTTP_CHUNK_END,	WEFT_HTTP_TRAILER,	 WEFT_HTTP_STATUS,
		WEFT_HTTP_ANSWER_FIELD, WEFT_HTTP_ANSWER_LENGTH, WEFT_HTTP_ANSWER_CODING,
	};
	struct runner *small = runner_any(), *large = runner_new();
	size_t i, cells;

	(void)state;
	runner_rule(large, "GET,FOO,CONNECT", "/a.*b", "x-a:^1$,x-b:2,host:h,value:z");
	runner_rule(large, "", "", "content-length:5");
	large->options.ambiguous_paths = true;
	runner_compile(large);
	runner_check(&small->program);
	runner_check(&large->program);
	for (i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		const struct http_program *programs[] = { &small->program, &large->program };
		const struct weft_http_section *sections[2];
		const uint16_t *next;
		size_t actions, j;

		for (j = 0; j < 2; j++) {
			const struct weft_http_program *header =
				(const struct weft_http_program *)programs[j]->bytes;

			sections[j] = (const struct weft_http_section *)(programs[j]->bytes +
									 header->sections) +
				      fixed[i];
		}
		assert_int_equal(sections[0]->class_count, sections[1]->class_count);
		assert_int_equal(sections[0]->first_action, sections[1]->first_action);
		assert_int_equal(sections[0]->skip, sections[1]->skip);
		assert_memory_equal(programs[0]->bytes + sections[0]->classes,
				    programs[1]->bytes + sections[1]->classes, 256);
		cells = (size_t)sections[0]->first_action * WEFT_HTTP_ROW / 2;
		next = (const uint16_t *)(programs[0]->bytes + sections[0]->next);
		assert_memory_equal(next, programs[1]->bytes + sections[1]->next, cells * 2);
		for (actions = 0, j = 0; j < cells; j++)
			if (next[j] >= sections[0]->first_action + actions)
				actions = next[j] - sections[0]->first_action + 1u;
		assert_memory_equal(programs[0]->bytes + sections[0]->actions,
				    programs[1]->bytes + sections[1]->actions,
				    actions * sizeof(struct weft_http_action));
	}
	runner_free(small);
	runner_free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_fixed_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
