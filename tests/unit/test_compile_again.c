// SPDX-License-Identifier: Apache-2.0
/* What a compilation takes from the last one is what it would have made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/random_cluster.h"

enum { CLUSTERS = 150, CHANGES = 12 };

static void assert_same_bytes(const void *a, const void *b, size_t count, size_t size)
{
	if (count)
		assert_memory_equal(a, b, count * size);
}

static void assert_same_service(const struct desired_service *a, const struct desired_service *b)
{
	size_t count = a->endpoint_count;

	assert_int_equal(desired_compare_services(a, b), 0);
	assert_int_equal(a->service, b->service);
	assert_int_equal(a->affinity_seconds, b->affinity_seconds);
	assert_int_equal(a->split, b->split);
	assert_int_equal(count, b->endpoint_count);
	assert_same_bytes(a->endpoints, b->endpoints, count, sizeof(*a->endpoints));
	assert_same_bytes(a->weights, b->weights, count, sizeof(*a->weights));
	assert_same_bytes(a->alias, b->alias, count, sizeof(*a->alias));
}

static void assert_same_dest(const struct desired_dest *a, const struct desired_dest *b)
{
	assert_int_equal(a->identity, b->identity);
	assert_int_equal(a->entry_count, b->entry_count);
	assert_same_bytes(a->entries, b->entries, a->entry_count, sizeof(*a->entries));
	assert_int_equal(a->http_size, b->http_size);
	assert_same_bytes(a->http, b->http, a->http_size, 1);
}

static void assert_same_findings(const struct findings *a, const struct findings *b)
{
	size_t i;

	assert_int_equal(a->count, b->count);
	for (i = 0; i < a->count; i++) {
		assert_string_equal(a->items[i].name, b->items[i].name);
		assert_string_equal(a->items[i].reason, b->items[i].reason);
		assert_string_equal(a->items[i].message, b->items[i].message);
	}
}

static void assert_same(struct cluster *cluster)
{
	struct findings findings = { 0 };
	struct desired anew = { 0 };
	const struct desired *again = &cluster->desired;
	size_t i;

	compile_policy(cluster->store, &cluster->facts, cluster->names, &anew, &findings);
	assert_same_findings(&cluster->findings, &findings);
	assert_int_equal(again->peer_count, anew.peer_count);
	assert_same_bytes(again->peers, anew.peers, anew.peer_count, sizeof(*anew.peers));
	assert_int_equal(again->service_count, anew.service_count);
	for (i = 0; i < anew.service_count; i++)
		assert_same_service(&again->services[i], &anew.services[i]);
	assert_int_equal(again->dest_count, anew.dest_count);
	for (i = 0; i < anew.dest_count; i++)
		assert_same_dest(&again->dests[i], &anew.dests[i]);
	assert_int_equal(again->local_count, anew.local_count);
	for (i = 0; i < anew.local_count; i++)
		assert_string_equal(again->locals[i].uid, anew.locals[i].uid);
	desired_clear(&anew);
	findings_clear(&findings);
}

static void remove_one(struct dice *dice, struct cluster *cluster)
{
	enum object_kind kind = dice_roll(dice, OBJECT_KIND_COUNT);
	struct object *const *objects;
	size_t count;
	char *key;

	objects = store_sorted(cluster->store, kind, &count);
	if (!count)
		return;
	key = memory_strdup(objects[dice_roll(dice, (uint32_t)count)]->key);
	assert_int_equal(store_remove(cluster->store, kind, key), STORE_REMOVED);
	free(key);
}

static void change(struct dice *dice, struct cluster *cluster)
{
	switch (dice_roll(dice, 6)) {
	case 0:
		RANDOM_PUT("Service", random_service, DICE_PICK(dice, random_services));
		break;
	case 1:
		RANDOM_PUT("EndpointSlice", random_slice, dice_roll(dice, 8));
		break;
	case 2:
		RANDOM_PUT("TrafficSplit", random_split, dice_roll(dice, 2));
		break;
	case 3:
		RANDOM_PUT("Pod", random_pod, dice_roll(dice, 5));
		break;
	case 4:
		random_policy(dice, cluster);
		break;
	default:
		remove_one(dice, cluster);
	}
}

static void test_changes(void **state)
{
	struct dice dice = { .state = 20261129 };
	struct cluster *cluster;
	size_t i, j;

	(void)state;
	for (i = 0; i < CLUSTERS; i++) {
		cluster = random_cluster(&dice);
		for (j = 0; j < CHANGES; j++) {
			change(&dice, cluster);
			cluster_compile(cluster);
			assert_same(cluster);
		}
		cluster_free(cluster);
	}
}

/* Nothing changed: every table is the very one of before. */
static void test_no_change(void **state)
{
	struct cluster *cluster = cluster_new();
	const struct weft_endpoint *before;

	(void)state;
	cluster_put(cluster, "Service",
		    "'metadata':{'name':'s','namespace':'a'},"
		    "'spec':{'clusterIP':'10.9.0.1','ports':[{'port':80}]}");
	cluster_put(cluster, "EndpointSlice",
		    "'metadata':{'name':'s','namespace':'a','labels':{"
		    "'kubernetes.io/service-name':'s'}},'addressType':'IPv4',"
		    "'ports':[{'name':'','port':80}],'endpoints':[{'addresses':['10.1.0.1']}]");
	cluster_compile(cluster);
	before = cluster_service(cluster, "10.9.0.1", IPPROTO_TCP, 80)->endpoints;
	cluster_compile(cluster);
	assert_ptr_equal(cluster_service(cluster, "10.9.0.1", IPPROTO_TCP, 80)->endpoints, before);
	cluster_free(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
