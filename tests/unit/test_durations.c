// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/telemetry/durations.h"
#include "user/telemetry/metric_text.h"

static char *text_of(const struct durations *durations)
{
	static const struct metric_family family = { .name = "d",
						     .type = METRIC_HISTOGRAM,
						     .help = "D." };
	struct metric_text text;
	size_t length;

	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	text.sink.family(&text, &family);
	durations_put(durations, &text.sink);
	return metric_text_take(&text, &length);
}

static void expect(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("missing: %s in:\n%s", line, text);
}

/* A bound is part of its bucket. */
static void test_durations_fall_into_buckets(void **state)
{
	struct durations durations = { 0 };
	char *text;

	(void)state;
	durations_add(&durations, 0);
	durations_add(&durations, 100);
	durations_add(&durations, 101);
	durations_add(&durations, 2500000);
	durations_add(&durations, 10000001);
	text = text_of(&durations);
	expect(text, "\nd_bucket{le=\"0.000100\"} 2\n");
	expect(text, "\nd_bucket{le=\"0.000250\"} 3\n");
	expect(text, "\nd_bucket{le=\"1.000000\"} 3\n");
	expect(text, "\nd_bucket{le=\"2.500000\"} 4\n");
	expect(text, "\nd_bucket{le=\"10.000000\"} 4\n");
	expect(text, "\nd_bucket{le=\"+Inf\"} 5\n");
	expect(text, "\nd_sum 12.500202\n");
	expect(text, "\nd_count 5\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations_fall_into_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
