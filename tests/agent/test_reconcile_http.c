// SPDX-License-Identifier: Apache-2.0
/* Programs of HTTP rules in the arena: switched, withdrawn, adopted, and when there is no room. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/agent/mapset.h"
#include "loader/maps_http.h"

enum {
	DEST = 310,
	ALICE = 299,
	POD_IFINDEX = 7,
	MEGABYTE = 1 << 20,
	GRACE_US = 1050000, /* a second, and what timers are late */
};

struct fixture {
	struct mapset *set;
	const struct maps *maps;
	struct maps_http *arena;
	struct names *names;
	struct reconcile *reconcile;
	struct reconcile_result result;
};

static void start(struct fixture *f)
{
	f->names = names_new();
	assert_int_equal(reconcile_new(f->maps, f->names, &f->reconcile), 0);
}

static void stop(struct fixture *f)
{
	reconcile_free(f->reconcile);
	names_free(f->names);
}

static void open_all(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->set = mapset_new(NULL);
	f->maps = mapset_maps(f->set);
	assert_int_equal(maps_http_open(f->maps, &f->arena), 0);
	start(f);
}

static void close_all(struct fixture *f)
{
	stop(f);
	maps_http_close(f->arena);
	mapset_free(f->set);
}

static int apply(struct fixture *f, const struct wish *wish)
{
	struct reconcile_result tidied;
	int err = reconcile_apply(f->reconcile, &wish->desired, wish->places, wish->place_count,
				  true, &f->result);

	return err ? err : reconcile_tidy(f->reconcile, &tidied);
}

static struct weft_dest dest_of(const struct fixture *f, uint32_t identity)
{
	struct weft_dest dest = {};

	assert_int_equal(maps_get(f->maps, MAP_DEST, &identity, &dest), 0);
	return dest;
}

static uint32_t generation_at(const struct fixture *f, uint32_t offset)
{
	return maps_http_get(f->arena, offset)->generation;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As the agent's timer does. */
static void wait_and_expire(struct fixture *f)
{
	uint64_t due = reconcile_due_ns(f->reconcile), now = now_ns();

	assert_int_not_equal(due, 0);
	assert_true(due < now + UINT64_C(1100000000));
	if (due > now)
		usleep((useconds_t)((due - now) / 1000 + 1000));
	reconcile_expire(f->reconcile);
}

/* A destination that alice may ask, by program `seed`. */
static struct wish *http_wish(uint32_t size, unsigned int seed)
{
	struct wish *wish = wish_new();

	wish_add_dest(wish, DEST);
	wish_add_http_entry(wish, ALICE, 80, 1);
	wish_add_program(wish, size, seed);
	return wish;
}

static void test_a_change_of_rules(void **state)
{
	struct wish *one = http_wish(0, 1), *two = http_wish(9000, 2), *more = http_wish(9000, 2);
	struct weft_dest first, second, third;
	struct fixture f;

	(void)state;
	wish_add_http_entry(more, ALICE, 81, 2);
	open_all(&f);
	assert_int_equal(apply(&f, one), 0);
	first = dest_of(&f, DEST);
	mapset_expect(f.maps, one);
	assert_int_equal(reconcile_due_ns(f.reconcile), 0);
	/* Nothing to do, also for the next agent. */
	assert_int_equal(apply(&f, one), 0);
	assert_int_equal(f.result.written, 0);
	stop(&f);
	start(&f);
	apply(&f, one);
	assert_memory_equal(&(struct weft_dest[]){ dest_of(&f, DEST) }, &first, sizeof(first));

	/* Only the program: switched; live connections go on; the old one is still there. */
	assert_int_equal(apply(&f, two), 0);
	assert_false(f.result.policy_changed);
	second = dest_of(&f, DEST);
	mapset_expect(f.maps, two);
	assert_int_not_equal(second.generation, first.generation);
	assert_int_not_equal(second.http, first.http);
	assert_int_equal(generation_at(&f, first.http), first.generation);
	/* Only the entries: the program has to be of their generation. */
	assert_int_equal(apply(&f, more), 0);
	third = dest_of(&f, DEST);
	mapset_expect(f.maps, more);
	assert_int_not_equal(third.http, second.http);
	assert_int_equal(generation_at(&f, second.http), second.generation);

	wait_and_expire(&f);
	assert_int_equal(generation_at(&f, first.http), 0);
	usleep(50000);
	reconcile_expire(f.reconcile);
	assert_int_equal(generation_at(&f, second.http), 0);
	assert_int_equal(generation_at(&f, third.http), third.generation);
	/* Their ranges rest. */
	apply(&f, one);
	assert_true(dest_of(&f, DEST).http > third.http);
	usleep(GRACE_US);
	apply(&f, two);
	assert_int_equal(dest_of(&f, DEST).http, first.http);
	wish_free(one);
	wish_free(two);
	wish_free(more);
	close_all(&f);
}

static void test_a_restart_in_the_second_of_grace(void **state)
{
	struct wish *one = http_wish(0, 1), *two = http_wish(0, 2), *none = wish_new();
	struct weft_dest first, second;
	struct fixture f;

	(void)state;
	open_all(&f);
	apply(&f, one);
	first = dest_of(&f, DEST);
	apply(&f, two);
	second = dest_of(&f, DEST);
	stop(&f);
	start(&f);
	assert_int_equal(generation_at(&f, first.http), first.generation);
	apply(&f, two);
	assert_int_equal(dest_of(&f, DEST).generation, second.generation);
	wait_and_expire(&f);
	assert_int_equal(generation_at(&f, first.http), 0);
	wait_and_expire(&f);
	assert_int_equal(reconcile_due_ns(f.reconcile), 0);
	/* One that was withdrawn is free at once for an agent that comes later. */
	stop(&f);
	start(&f);
	assert_int_equal(reconcile_due_ns(f.reconcile), 0);
	apply(&f, one);
	assert_int_equal(dest_of(&f, DEST).http, first.http);
	/* A destination that goes takes its program along. */
	second = dest_of(&f, DEST);
	apply(&f, none);
	assert_int_equal(generation_at(&f, second.http), second.generation);
	usleep(GRACE_US);
	reconcile_expire(f.reconcile);
	assert_int_equal(generation_at(&f, second.http), 0);
	wish_free(one);
	wish_free(two);
	wish_free(none);
	close_all(&f);
}

/* What weft_dest points to is not what it says. */
static void test_damaged_programs_are_written_anew(void **state)
{
	static const uint32_t wrong[] = { 1, 63, WEFT_HTTP_ARENA, WEFT_HTTP_ARENA - 64, 640, 64 };
	struct wish *wish = http_wish(0, 1), *both = http_wish(0, 1);
	uint32_t key = DEST, other = DEST + 1;
	struct weft_dest dest, twin;
	struct fixture f;
	size_t i;

	(void)state;
	open_all(&f);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		apply(&f, wish);
		dest = dest_of(&f, DEST);
		if (wrong[i] == 64)
			maps_http_withdraw(f.arena, dest.http);
		else
			dest.http = wrong[i];
		assert_int_equal(maps_set(f.maps, MAP_DEST, &key, &dest), 0);
		stop(&f);
		start(&f);
		assert_int_equal(apply(&f, wish), 0);
		assert_int_not_equal(dest_of(&f, DEST).generation, dest.generation);
		mapset_expect(f.maps, wish);
	}
	/* Two that share one. */
	twin = dest_of(&f, DEST);
	assert_int_equal(maps_set(f.maps, MAP_DEST, &other, &twin), 0);
	stop(&f);
	start(&f);
	wish_add_dest(both, other);
	wish_add_http_entry(both, ALICE, 80, 1);
	wish_add_program(both, 0, 1);
	assert_int_equal(apply(&f, both), 0);
	mapset_expect(f.maps, both);
	assert_int_not_equal(dest_of(&f, DEST).http, dest_of(&f, other).http);
	wish_free(wish);
	wish_free(both);
	close_all(&f);
}

/* Destinations 300.. with programs that together just fit, then one that may ask by HTTP and L4. */
static struct wish *crowd(unsigned int count, unsigned int seed, uint16_t port)
{
	struct wish *wish = wish_new();
	unsigned int i;

	for (i = 0; i < count; i++) {
		wish_add_dest(wish, 300 + i);
		wish_add_http_entry(wish, ALICE, port, 1);
		wish_add_entry(wish, ALICE, 443, WEFT_POLICY_ALLOW);
		wish_add_program(wish, 2 * MEGABYTE, i == 0 ? seed : 1);
	}
	return wish;
}

static void test_a_full_arena(void **state)
{
	/* Of the same program, of another one, with one destination too many, and what is left. */
	struct wish *seven = crowd(7, 1, 80), *moved = crowd(7, 1, 81), *other = crowd(7, 2, 80);
	struct wish *eight = crowd(8, 1, 80), *six = crowd(6, 2, 80), *left = wish_new();
	struct fixture f;
	unsigned int i;

	(void)state;
	open_all(&f);
	assert_int_equal(apply(&f, seven), 0);
	mapset_expect(f.maps, seven);
	assert_int_equal(apply(&f, eight), -ENOSPC);
	assert_non_null(strstr(f.result.error, "weft_http is full (16777216 bytes): identity 307"));
	mapset_expect(f.maps, seven);

	/* Port 80 is taken back, which needs no room; port 81 has to wait. */
	assert_int_equal(apply(&f, moved), -ENOSPC);
	assert_true(f.result.policy_changed);
	for (i = 0; i < 7; i++) {
		wish_add_dest(left, 300 + i);
		wish_add_entry(left, ALICE, 443, WEFT_POLICY_ALLOW);
		wish_add_program(left, 2 * MEGABYTE, 1);
	}
	mapset_expect(f.maps, left);
	wish_free(left);

	/* Other rules: nothing says that the old ones are within them. */
	assert_int_equal(apply(&f, six), 0);
	assert_int_equal(apply(&f, seven), 0);
	assert_int_equal(apply(&f, other), -ENOSPC);
	assert_non_null(strstr(f.result.error, "identity 300 keeps only old rules"));
	assert_true(f.result.policy_changed);
	left = crowd(7, 1, 80);
	left->desired.dests[0].entries[0] = left->desired.dests[0].entries[1];
	left->desired.dests[0].entry_count = 1;
	mapset_expect(f.maps, left);
	/* One that goes makes room at once, whatever still begins its second of grace. */
	assert_int_equal(apply(&f, six), 0);
	mapset_expect(f.maps, six);
	wish_free(seven);
	wish_free(moved);
	wish_free(other);
	wish_free(eight);
	wish_free(six);
	wish_free(left);
	close_all(&f);
}

static void test_interfaces_are_told(void **state)
{
	struct wish *http = http_wish(0, 1), *plain = wish_new();
	uint64_t cookie = 70;
	struct weft_local local;
	struct fixture f;

	(void)state;
	wish_add_local(http, "pod", DEST - 300, POD_IFINDEX, cookie);
	wish_add_local(http, "client", ALICE - 290, POD_IFINDEX + 1, cookie + 1);
	wish_add_local(plain, "pod", DEST - 300, POD_IFINDEX, cookie);
	wish_add_local(plain, "client", ALICE - 290, POD_IFINDEX + 1, cookie + 1);
	wish_add_dest(plain, DEST);
	wish_add_entry(plain, ALICE, 80, WEFT_POLICY_ALLOW);
	open_all(&f);
	apply(&f, plain);
	assert_false(mapset_is_judged(f.maps, POD_IFINDEX));
	assert_int_equal(apply(&f, http), 0);
	assert_true(f.result.policy_changed);
	assert_true(mapset_is_judged(f.maps, POD_IFINDEX));
	assert_false(mapset_is_judged(f.maps, POD_IFINDEX + 1));
	assert_int_equal(maps_get(f.maps, MAP_NETNS, &cookie, &local), 0);
	assert_false(local.peer.flags & WEFT_PEER_HTTP);

	/* It outlives the rules by a second, also when the agent does not. */
	assert_int_equal(apply(&f, plain), 0);
	assert_false(f.result.policy_changed);
	assert_true(mapset_is_judged(f.maps, POD_IFINDEX));
	stop(&f);
	start(&f);
	apply(&f, plain);
	assert_true(mapset_is_judged(f.maps, POD_IFINDEX));
	apply(&f, http);
	apply(&f, plain);
	usleep(GRACE_US);
	assert_true(mapset_is_judged(f.maps, POD_IFINDEX));
	reconcile_expire(f.reconcile);
	assert_false(mapset_is_judged(f.maps, POD_IFINDEX));
	assert_int_equal(apply(&f, plain), 0);
	assert_int_equal(f.result.written, 0);
	wish_free(http);
	wish_free(plain);
	close_all(&f);
}

struct reader {
	const struct fixture *fixture;
	_Atomic bool stop, failed;
	_Atomic unsigned long looks;
};

/*
 * As the program at the pod asks: is the interface told, what is in force, may the source - 300
 * or 301, as its address says - ask by a set of this program, and is that program there?
 */
static bool may_ask(const struct fixture *f)
{
	struct weft_addr address = { .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 7 } };
	struct weft_policy_key key = { .dst_identity = DEST, .port = 80, .proto = IPPROTO_TCP };
	struct weft_peer peer, again;
	struct weft_policy policy;
	struct weft_dest dest, after;

	do {
		if (maps_get(f->maps, MAP_IDENT, &address, &peer) ||
		    maps_get(f->maps, MAP_DEST, &key.dst_identity, &dest))
			return false;
		key.src_identity = peer.identity;
		key.generation = dest.generation;
		/* Seeds are written all over: 100 and more is a program's, and its mask's. */
		if (!maps_get(f->maps, MAP_POLICY, &key, &policy) &&
		    generation_at(f, dest.http) == dest.generation)
			return policy.action == WEFT_POLICY_HTTP &&
			       maps_http_get(f->arena, dest.http)->rules[0] == 5000 + policy.mask &&
			       mapset_is_judged(f->maps, POD_IFINDEX);
		/* What a program waits for no longer than it runs, this thread may miss. */
		if (maps_get(f->maps, MAP_IDENT, &address, &again) ||
		    maps_get(f->maps, MAP_DEST, &key.dst_identity, &after))
			return false;
	} while (again.identity != peer.identity || after.generation != dest.generation);
	return false;
}

static void *ask_all_the_time(void *context)
{
	struct reader *reader = context;

	while (!reader->stop) {
		if (!may_ask(reader->fixture))
			reader->failed = true;
		reader->looks++;
	}
	return NULL;
}

/* Programs and the source's identity change; entries name sets of their own program only. */
static void test_no_moment_without_a_program(void **state)
{
	struct reader reader = {};
	struct wish *wishes[6];
	pthread_t thread;
	struct fixture f;
	unsigned int i;

	(void)state;
	open_all(&f);
	for (i = 0; i < 6; i++) {
		wishes[i] = wish_new();
		wish_add_peer(wishes[i], 7, 300 + i % 2, 0);
		wish_add_dest(wishes[i], DEST);
		wish_add_http_entry(wishes[i], 300 + i % 2, i == 3 ? 0 : 80, 100 + i % 3);
		if (i == 3)
			wish_add_http_entry(wishes[i], 300 + i % 2, 80, 100 + i % 3);
		wish_add_program(wishes[i], 4096, 100 + i % 3);
		wish_add_local(wishes[i], "pod", DEST - 300, POD_IFINDEX, 70);
	}
	assert_int_equal(apply(&f, wishes[0]), 0);
	reader.fixture = &f;
	assert_int_equal(pthread_create(&thread, NULL, ask_all_the_time, &reader), 0);
	for (i = 1; i < 120; i++) {
		assert_int_equal(apply(&f, wishes[i % 6]), 0);
		mapset_expect(f.maps, wishes[i % 6]);
		reconcile_expire(f.reconcile);
		if (i % 16 == 0) {
			stop(&f);
			start(&f);
		}
	}
	reader.stop = true;
	pthread_join(thread, NULL);
	assert_false(reader.failed);
	assert_true(reader.looks > 100);
	for (i = 0; i < 6; i++)
		wish_free(wishes[i]);
	close_all(&f);
}

static void test_names_of_rules_in_use_stay(void **state)
{
	struct weft_request_key request = { .rule = 400 };
	struct weft_request counts[256] = {};
	struct wish *wish = http_wish(0, 1);
	struct weft_name_key key = { .kind = WEFT_NAME_RULE };
	struct weft_name name;
	struct fixture f;

	(void)state;
	open_all(&f);
	apply(&f, wish);
	assert_in_range(f.maps->cpus, 1, 256);
	assert_int_equal(maps_set(f.maps, MAP_REQUEST, &request, counts), 0);
	stop(&f);
	start(&f);
	/* Nobody named them, but what they mean must not change. */
	assert_int_equal(apply(&f, wish), 0);
	key.id = 400;
	assert_int_equal(maps_get(f.maps, MAP_NAME, &key, &name), 0);
	assert_string_equal(name.name, "#400");
	key.id = 5001;
	assert_int_equal(maps_get(f.maps, MAP_NAME, &key, &name), 0);
	wish_free(wish);
	close_all(&f);
}

/*
 * An agent that was killed between a change and its epoch, or whose generations are in no map any
 * more: the next one has the programs look, and read, anew.
 */
static void test_a_restart_makes_programs_forget(void **state)
{
	struct weft_http_memo memos[256] = {};
	uint64_t before, after;
	uint32_t key = 0;
	struct fixture f;

	(void)state;
	open_all(&f);
	assert_in_range(f.maps->cpus, 1, 256);
	memos[0].tag = 1;
	assert_int_equal(maps_set(f.maps, MAP_HTTP_MEMO, &key, memos), 0);
	assert_int_equal(maps_get(f.maps, MAP_EPOCH, &key, &before), 0);
	stop(&f);
	start(&f);
	assert_int_equal(maps_get(f.maps, MAP_EPOCH, &key, &after), 0);
	assert_true(after > before);
	assert_int_equal(maps_get(f.maps, MAP_HTTP_MEMO, &key, memos), 0);
	assert_int_equal(memos[0].tag, 0);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_of_rules),
		cmocka_unit_test(test_a_restart_in_the_second_of_grace),
		cmocka_unit_test(test_damaged_programs_are_written_anew),
		cmocka_unit_test(test_a_full_arena),
		cmocka_unit_test(test_interfaces_are_told),
		cmocka_unit_test(test_no_moment_without_a_program),
		cmocka_unit_test(test_names_of_rules_in_use_stay),
		cmocka_unit_test(test_a_restart_makes_programs_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
