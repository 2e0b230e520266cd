// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "objects.h"
#include "policy/memory.h"
#include "user/json_text.h"
#include "user/kube/kube_event.h"
#include "user/kube/kube_time.h"

static const char cluster[] =
	"apiVersion: v1\n"
	"kind: Namespace\n"
	"metadata: {name: shop, uid: u-shop}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Namespace\n"
	"metadata: {name: going, uid: u-going, deletionTimestamp: '2026-01-01T00:00:00Z'}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Namespace\n"
	"metadata: {name: assumed}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Node\n"
	"metadata: {name: a, uid: u-a}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: here, namespace: shop, uid: u-here}\n"
	"spec: {nodeName: a}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata: {name: there, namespace: shop, uid: u-there}\n"
	"spec: {nodeName: b}\n"
	"---\n"
	"apiVersion: v1\n"
	"kind: Service\n"
	"metadata: {name: web, namespace: going, uid: u-web}\n";

static struct kube_event event;
static struct store *store;

static int open_store(void **state)
{
	(void)state;
	store = store_from(cluster, NULL);
	return 0;
}

static int close_store(void **state)
{
	(void)state;
	kube_event_clear(&event);
	store_free(store);
	return 0;
}

static bool make(enum object_kind kind, const char *name_space, const char *name,
		 const char *message)
{
	const struct object *object = store_find(store, kind, name_space, name);
	struct findings findings = { 0 };
	bool made;

	assert_non_null(object);
	finding_add(&findings, object, "spec.x", "WrongThing", "it grants nothing", "%s", message);
	kube_event_clear(&event);
	made = kube_event_make(&event, &findings.items[0], store, "a", false);
	findings_clear(&findings);
	return made;
}

static void test_whose(void **state)
{
	struct findings findings = { 0 };

	(void)state;
	assert_true(make(OBJECT_POD, "shop", "here", "m"));
	assert_true(event.is_local);
	assert_true(make(OBJECT_POD, "shop", "there", "m"));
	assert_false(event.is_local);
	assert_true(make(OBJECT_NAMESPACE, "", "shop", "m"));
	assert_false(event.is_local);
	assert_string_equal(event.name_space, "default");
	assert_string_equal(event.object_space, "");
	/* Nothing can be created there, or the API server does not know it. */
	assert_false(make(OBJECT_SERVICE, "going", "web", "m"));
	assert_false(make(OBJECT_NAMESPACE, "", "assumed", "m"));
	finding_add_file(&findings, "", "ApplyFailed", "It stays.", "a map is full");
	assert_true(kube_event_make(&event, &findings.items[0], store, "a", false));
	assert_true(event.is_local);
	assert_string_equal(event.kind, "Node");
	assert_string_equal(event.object_name, "a");
	assert_string_equal(event.uid, "u-a");
	assert_string_equal(event.note, "a map is full; It stays.");
	kube_event_clear(&event);
	assert_true(kube_event_make(&event, &findings.items[0], store, "a", true));
	assert_true(kube_event_is_local(&findings.items[0], store, "a"));
	kube_event_clear(&event);
	assert_false(kube_event_make(&event, &findings.items[0], store, "unknown", false));
	findings_clear(&findings);
}

static void test_names(void **state)
{
	char *first;

	(void)state;
	assert_true(make(OBJECT_POD, "shop", "here", "m"));
	first = memory_strdup(event.name);
	assert_int_equal(strlen(first), strlen("here.") + 16);
	assert_true(make(OBJECT_POD, "shop", "here", "m"));
	assert_string_equal(event.name, first);
	assert_true(make(OBJECT_POD, "shop", "here", "n"));
	assert_string_not_equal(event.name, first);
	free(first);
}

/* Where it is cut, names within the name may end; none ends with a dot or a dash. */
static void test_a_long_name(void **state)
{
	static const char node[] = "{apiVersion: v1, kind: Node, metadata: {name: long, uid: u}}";
	char name[KUBE_EVENT_NAME_MAX + 1];
	struct findings findings = { 0 };

	(void)state;
	memset(name, 'x', KUBE_EVENT_NAME_MAX);
	name[KUBE_EVENT_NAME_MAX] = '\0';
	memcpy(name + 233, "-.-", 3);
	store_put(store, object_from(node, &findings));
	finding_add(&findings, store_find(store, OBJECT_NODE, "", "long"), "", "R", "c", "m");
	free(store_find(store, OBJECT_NODE, "", "long")->name);
	store_find(store, OBJECT_NODE, "", "long")->name = memory_strdup(name);
	assert_true(kube_event_make(&event, &findings.items[0], store, "a", false));
	assert_int_equal(strlen(event.name), 233 + 1 + 16);
	assert_int_equal(event.name[232], 'x');
	assert_int_equal(event.name[233], '.');
	findings_clear(&findings);
}

static void test_a_long_note(void **state)
{
	char message[3 * KUBE_EVENT_NOTE_MAX] = "";
	size_t i;

	(void)state;
	for (i = 0; i < KUBE_EVENT_NOTE_MAX; i++)
		strcat(message, "\xc3\xa4");
	assert_true(make(OBJECT_POD, "shop", "here", message));
	/* "spec.x: " is even, so that the limit falls between two characters; one more, and it does
	 * not. */
	assert_int_equal(strlen(event.note), KUBE_EVENT_NOTE_MAX);
	memmove(message + 1, message, strlen(message) + 1);
	message[0] = 'm';
	assert_true(make(OBJECT_POD, "shop", "here", message));
	assert_int_equal(strlen(event.note), KUBE_EVENT_NOTE_MAX - 1);
	assert_int_equal((unsigned char)event.note[KUBE_EVENT_NOTE_MAX - 2], 0xa4);
}

static void test_json(void **state)
{
	char node[2 * KUBE_EVENT_INSTANCE_MAX] = "";
	struct json_object *json, *regarding;

	(void)state;
	memset(node, 'n', sizeof(node) - 1);
	assert_true(make(OBJECT_POD, "shop", "here", "m"));
	json = kube_event_json(&event, node, "2026-01-01T00:00:00.000000Z");
	assert_int_equal(strlen(json_text_of(json, "reportingInstance")), KUBE_EVENT_INSTANCE_MAX);
	assert_string_equal(json_text_of(json, "note"), "spec.x: m; it grants nothing");
	assert_string_equal(json_text_of(json, "eventTime"), "2026-01-01T00:00:00.000000Z");
	assert_true(json_object_object_get_ex(json, "regarding", &regarding));
	assert_string_equal(json_text_of(regarding, "uid"), "u-here");
	assert_string_equal(json_text_of(regarding, "namespace"), "shop");
	json_object_put(json);
	assert_true(make(OBJECT_NAMESPACE, "", "shop", "m"));
	json = kube_event_json(&event, "a", "t");
	assert_true(json_object_object_get_ex(json, "regarding", &regarding));
	assert_false(json_object_object_get_ex(regarding, "namespace", NULL));
	json_object_put(json);
}

static void test_times(void **state)
{
	const struct timespec time = { .tv_sec = 1136214245, .tv_nsec = 1234567 };
	char text[KUBE_TIME_LEN];
	int64_t seconds;

	(void)state;
	assert_string_equal(kube_time_format(&time, text), "2006-01-02T15:04:05.001234Z");
	assert_int_equal(kube_time_parse(text, &seconds), 0);
	assert_int_equal(seconds, 1136214245);
	assert_int_equal(kube_time_parse("2006-01-02T15:04:05Z", &seconds), 0);
	assert_int_equal(seconds, 1136214245);
	assert_int_equal(kube_time_parse("", &seconds), -EINVAL);
	assert_int_equal(kube_time_parse("2006-01-02T15:04:05+01:00", &seconds), -EINVAL);
	assert_int_equal(kube_time_parse("2006-01-02", &seconds), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whose, open_store, close_store),
		cmocka_unit_test_setup_teardown(test_names, open_store, close_store),
		cmocka_unit_test_setup_teardown(test_a_long_name, open_store, close_store),
		cmocka_unit_test_setup_teardown(test_a_long_note, open_store, close_store),
		cmocka_unit_test_setup_teardown(test_json, open_store, close_store),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
