// SPDX-License-Identifier: Apache-2.0
/* How endpoints are drawn from a table, and found again in it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/alias.h"
#include "tests/bpf/pick.skel.h"

enum {
	FIRST = 100, /* the table does not begin at the maps' first slot */
	PICKS = 20000,
	TABLE_MAX = 2048,
};

/* Chi-square's upper 10^-6 quantile by degrees of freedom: one false alarm in a million runs. */
static const double chi_square_limit[] = { 0,	  23.93, 27.63, 30.66, 33.38,
					   35.89, 38.26, 40.52, 42.70, 44.81 };

static int group_setup(void **state)
{
	struct pick *skel = pick__open();
	int err;

	if (!skel)
		return -1;
	err = pick__load(skel);
	if (!err) {
		*state = skel;
		return 0;
	}
	pick__destroy(skel);
	return err == -EPERM ? 0 : -1;
}

static int group_teardown(void **state)
{
	pick__destroy(*state);
	return 0;
}

static struct pick *require(void **state)
{
	if (!*state) {
		print_message("SKIP: the kernel does not permit BPF; run as root with CAP_BPF\n");
		skip();
	}
	return *state;
}

static void run(struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
}

/* Endpoint number i has port i and backend 500 + i. */
static void set_table(struct pick *skel, const uint64_t *weights, __u32 count)
{
	static struct weft_alias table[TABLE_MAX];
	struct weft_endpoint endpoint = {};
	__u32 index;

	assert_int_equal(alias_build(weights, count, table), 0);
	for (__u32 i = 0; i < count; i++) {
		index = FIRST + i;
		endpoint.port = i;
		endpoint.backend = 500 + i;
		assert_int_equal(bpf_map__update_elem(skel->maps.weft_alias, &index, sizeof(index),
						      &table[i], sizeof(table[i]), 0),
				 0);
		assert_int_equal(bpf_map__update_elem(skel->maps.weft_endpoint, &index,
						      sizeof(index), &endpoint, sizeof(endpoint),
						      0),
				 0);
	}
	skel->bss->service = (struct weft_service){ .first = FIRST, .count = count };
}

static void check_picks(struct pick *skel, const uint64_t *weights, __u32 count)
{
	double sum = 0, chi_square = 0, expected, off;
	__u32 usable = 0;

	set_table(skel, weights, count);
	memset(skel->bss->taken, 0, sizeof(skel->bss->taken));
	skel->bss->failed = 0;
	skel->bss->picks = PICKS;
	run(skel->progs.pick_many);
	assert_int_equal(skel->bss->failed, 0);
	for (__u32 i = 0; i < count; i++) {
		sum += (double)weights[i];
		usable += weights[i] != 0;
	}
	for (__u32 i = 0; i < count; i++) {
		expected = PICKS * (double)weights[i] / sum;
		off = (double)skel->bss->taken[i] - expected;
		if (weights[i])
			chi_square += off * off / expected;
		else
			assert_int_equal(skel->bss->taken[i], 0);
	}
	print_message("%u slots: chi-square %.2f\n", count, chi_square);
	if (usable == 1)
		assert_true(chi_square == 0);
	else
		assert_true(chi_square < chi_square_limit[usable - 1]);
}

#define CHECK_PICKS(skel, ...)                               \
	check_picks(skel, (const uint64_t[]){ __VA_ARGS__ }, \
		    sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void test_picks_follow_weights(void **state)
{
	struct pick *skel = require(state);

	CHECK_PICKS(skel, 1);
	CHECK_PICKS(skel, 1, 1);
	CHECK_PICKS(skel, 1, 999);
	CHECK_PICKS(skel, 900, 100);
	CHECK_PICKS(skel, 0, 5);
	CHECK_PICKS(skel, 3, 0, 7);
	CHECK_PICKS(skel, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	CHECK_PICKS(skel, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89);
	CHECK_PICKS(skel, 0, 10, 0, 20, 0, 30, 40, 0, 50, 60);
}

/* A table outside of the maps must not be read; the caller refuses. */
static void test_pick_outside_of_maps(void **state)
{
	struct pick *skel = require(state);

	skel->bss->service = (struct weft_service){ .first = 0xfffffff0u, .count = 2 };
	skel->bss->failed = 0;
	skel->bss->picks = 10;
	run(skel->progs.pick_many);
	assert_int_equal(skel->bss->failed, 10);
}

static bool scan(struct pick *skel, __u16 port)
{
	memset(&skel->bss->sought, 0, sizeof(skel->bss->sought));
	skel->bss->sought.port = port;
	run(skel->progs.pick_scan);
	return skel->bss->has;
}

static void test_scan(void **state)
{
	struct pick *skel = require(state);
	static uint64_t weights[TABLE_MAX];

	for (int i = 0; i < TABLE_MAX; i++)
		weights[i] = 1;
	set_table(skel, weights, TABLE_MAX);
	assert_true(scan(skel, 0));
	assert_int_equal(skel->bss->sought.backend, 500);
	assert_true(scan(skel, 1023));
	assert_int_equal(skel->bss->sought.backend, 1523);
	/* Where the search ends: picked anew, whatever follows. */
	assert_false(scan(skel, 1024));

	skel->bss->service.count = 3;
	assert_true(scan(skel, 2));
	/* The next slots of the map belong to another table. */
	assert_false(scan(skel, 3));
	skel->bss->sought.addr.b[15] = 1;
	skel->bss->sought.port = 2;
	run(skel->progs.pick_scan);
	assert_false(skel->bss->has);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picks_follow_weights),
		cmocka_unit_test(test_pick_outside_of_maps),
		cmocka_unit_test(test_scan),
	};

	return cmocka_run_group_tests_name("service", tests, group_setup, group_teardown);
}
