// SPDX-License-Identifier: Apache-2.0
#include <time.h>
#include "dice.h"
#include "objects.h"

static struct object *pod(const char *name_space, const char *name, const char *label,
			  const char *origin)
{
	struct findings findings = { 0 };
	struct json_object *items;
	struct object *object;
	char text[256];

	snprintf(
		text, sizeof(text),
		"{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, labels: {a: %s}}}",
		name, name_space, label);
	items = objects_read(text);
	object = object_parse(json_object_array_get_idx(items, 0), origin, &findings);
	json_object_put(items);
	assert_no_finding(&findings);
	return object;
}

static void test_changes(void **state)
{
	struct store *store = store_new();
	struct object *found;

	(void)state;
	assert_int_equal(store_put(store, pod("a", "p", "x", "1.yaml")), STORE_ADDED);
	assert_int_equal(store_put(store, pod("b", "p", "x", "1.yaml")), STORE_ADDED);
	assert_int_equal(store_put(store, pod("a", "p", "x", "2.yaml")), STORE_UNCHANGED);
	found = store_find(store, OBJECT_POD, "a", "p");
	assert_string_equal(found->origin, "2.yaml");
	assert_int_equal(store_put(store, pod("a", "p", "w", "2.yaml")), STORE_REPLACED);
	found = store_find(store, OBJECT_POD, "a", "p");
	assert_string_equal(labels_get(&found->labels, "a"), "w");
	assert_int_equal(store_count(store, OBJECT_POD), 2);
	assert_null(store_find(store, OBJECT_POD, "a", "q"));
	assert_null(store_find(store, OBJECT_SERVICE, "a", "p"));
	assert_int_equal(store_remove(store, OBJECT_POD, "a/q"), STORE_UNCHANGED);
	assert_int_equal(store_remove(store, OBJECT_POD, "a/p"), STORE_REMOVED);
	assert_int_equal(store_remove(store, OBJECT_POD, "a/p"), STORE_UNCHANGED);
	assert_int_equal(store_count(store, OBJECT_POD), 1);
	store_free(store);
	store_free(NULL);
}

static void test_order(void **state)
{
	struct store *store = store_new();
	struct object *const *sorted, *object;
	size_t count = 5, seen = 0;

	(void)state;
	sorted = store_sorted(store, OBJECT_POD, &count);
	assert_int_equal(count, 0);
	assert_null(store_first(store, OBJECT_POD));
	store_put(store, pod("b", "a", "x", NULL));
	store_put(store, pod("a", "c", "x", NULL));
	store_put(store, pod("a", "b", "x", NULL));
	sorted = store_sorted(store, OBJECT_POD, &count);
	assert_int_equal(count, 3);
	assert_string_equal(sorted[0]->key, "a/b");
	assert_string_equal(sorted[1]->key, "a/c");
	assert_string_equal(sorted[2]->key, "b/a");
	for (object = store_first(store, OBJECT_POD); object; object = store_next(object))
		seen++;
	assert_int_equal(seen, 3);
	store_free(store);
}

/* Whatever came and went: all there is, in order. */
static void test_order_of_many(void **state)
{
	enum { NAMES = 40, STEPS = 2000 };
	bool is_there[NAMES] = { false };
	struct store *store = store_new();
	struct dice dice = { .state = 1 };
	struct object *const *sorted;
	size_t count, there = 0;
	char name[16];
	uint32_t i, one;

	(void)state;
	for (i = 0; i < STEPS; i++) {
		one = dice_roll(&dice, NAMES);
		snprintf(name, sizeof(name), "a/n%02u", one);
		if (dice_roll(&dice, 3)) {
			store_put(store, pod("a", name + 2, dice_roll(&dice, 2) ? "x" : "z", NULL));
			there += !is_there[one];
			is_there[one] = true;
		} else {
			assert_int_equal(store_remove(store, OBJECT_POD, name),
					 is_there[one] ? STORE_REMOVED : STORE_UNCHANGED);
			there -= is_there[one];
			is_there[one] = false;
		}
		sorted = store_sorted(store, OBJECT_POD, &count);
		assert_int_equal(count, there);
		for (one = 1; one < count; one++)
			assert_true(strcmp(sorted[one - 1]->key, sorted[one]->key) < 0);
		for (one = 0; one < count; one++)
			assert_ptr_equal(store_find_key(store, OBJECT_POD, sorted[one]->key),
					 sorted[one]);
	}
	store_free(store);
}

static void test_cluster_scoped(void **state)
{
	struct store *store = store_from("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n---\n"
					 "apiVersion: v1\nkind: Namespace\nmetadata: {name: n1}\n",
					 NULL);

	(void)state;
	assert_non_null(store_find(store, OBJECT_NODE, "", "n1"));
	assert_non_null(store_find(store, OBJECT_NAMESPACE, "", "n1"));
	store_free(store);
}

/* A thousand objects in one file: no step may be quadratic. */
static void test_many(void **state)
{
	enum { COUNT = 1000 };
	char *text = calloc(COUNT, 512), *end = text;
	struct timespec before, after;
	struct store *store;
	double seconds;
	int i;

	(void)state;
	for (i = 0; i < COUNT; i++)
		end += sprintf(
			end,
			"---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p%d\n  namespace: "
			"shop\n  labels: {app: web, v: v1}\nspec:\n  nodeName: n1\n  containers:\n"
			"  - name: c\n    ports: [{name: http, containerPort: 80}]\nstatus:\n"
			"  phase: Running\n  podIPs: [{ip: 10.0.%d.%d}]\n",
			i, i / 256, i % 256 ? i % 256 : 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	store = store_from(text, NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_int_equal(store_count(store, OBJECT_POD), COUNT);
	seconds = (double)(after.tv_sec - before.tv_sec) +
		  (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	print_message("%d objects in %.1f ms\n", COUNT, seconds * 1000);
	/* sanitized, on a busy machine */
	assert_true(seconds < 5);
	store_free(store);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),	      cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_of_many), cmocka_unit_test(test_cluster_scoped),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
