// SPDX-License-Identifier: Apache-2.0
/* What every object has: kind, name, metadata. */
#include <errno.h>
#include "objects.h"

static int identify(const char *yaml, enum object_kind *kind)
{
	struct json_object *items = objects_read(yaml);
	int ret = object_identify(json_object_array_get_idx(items, 0), kind);

	json_object_put(items);
	return ret;
}

static void test_kinds(void **state)
{
	static const struct {
		const char *version, *kind;
		int ret;
		enum object_kind expected;
	} samples[] = {
		{ "v1", "Namespace", 0, OBJECT_NAMESPACE },
		{ "v1", "Node", 0, OBJECT_NODE },
		{ "v1", "ServiceAccount", 0, OBJECT_SERVICE_ACCOUNT },
		{ "v1", "Pod", 0, OBJECT_POD },
		{ "v1", "Service", 0, OBJECT_SERVICE },
		{ "discovery.k8s.io/v1", "EndpointSlice", 0, OBJECT_ENDPOINT_SLICE },
		{ "access.smi-spec.io/v1alpha1", "TrafficTarget", 0, OBJECT_TRAFFIC_TARGET },
		{ "access.smi-spec.io/v1alpha4", "TrafficTarget", 0, OBJECT_TRAFFIC_TARGET },
		{ "access.smi-spec.io/v1alpha4", "IdentityBinding", 0, OBJECT_IDENTITY_BINDING },
		{ "specs.smi-spec.io/v1alpha1", "TCPRoute", 0, OBJECT_TCP_ROUTE },
		{ "specs.smi-spec.io/v1alpha4", "UDPRoute", 0, OBJECT_UDP_ROUTE },
		{ "specs.smi-spec.io/v1alpha2", "HTTPRouteGroup", 0, OBJECT_HTTP_ROUTE_GROUP },
		{ "split.smi-spec.io/v1alpha3", "TrafficSplit", 0, OBJECT_TRAFFIC_SPLIT },
		{ "apps/v1", "Deployment", -ENOENT, 0 },
		{ "v1", "ConfigMap", -ENOENT, 0 },
		{ "v2", "Pod", -ENOENT, 0 },
		{ "x/v1", "Pod", -ENOENT, 0 },
		{ "gateway.networking.k8s.io/v1alpha2", "TCPRoute", -ENOENT, 0 },
		{ "metrics.smi-spec.io/v1alpha1", "TrafficMetrics", -ENOENT, 0 },
		{ "access.smi-spec.io/v1alpha5", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/v1alpha0", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/v1alpha12", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/v1", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/v1alpha3", "IdentityBinding", -EPROTONOSUPPORT, 0 },
		{ "specs.smi-spec.io/v1alpha3", "UDPRoute", -EPROTONOSUPPORT, 0 },
		{ "split.smi-spec.io/v1alpha4", "TrafficTarget", -EPROTONOSUPPORT, 0 },
		{ "access.smi-spec.io/v1alpha4", "TraficTarget", -EPROTONOSUPPORT, 0 },
		{ "v1alpha1", "HTTPRouteGroup", -EPROTONOSUPPORT, 0 },
	};
	struct findings findings = { 0 };
	enum object_kind kind;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(text, sizeof(text), "{apiVersion: %s, kind: %s, metadata: {name: a}}",
			 samples[i].version, samples[i].kind);
		kind = OBJECT_KIND_COUNT;
		if (identify(text, &kind) != samples[i].ret ||
		    (!samples[i].ret && kind != samples[i].expected))
			fail_msg("%s: %d", text, identify(text, &kind));
		if (!samples[i].ret) {
			assert_string_equal(object_kind_name(kind), samples[i].kind);
			continue;
		}
		assert_null(object_from(text, &findings));
		if (samples[i].ret == -ENOENT)
			assert_no_finding(&findings);
		else
			assert_int_equal(findings.count, 1);
		findings_clear(&findings);
	}
}

static void test_not_objects(void **state)
{
	static const struct {
		const char *yaml, *field;
	} samples[] = {
		{ "5", "" },
		{ "[a]", "" },
		{ "text", "" },
		{ "{}", "apiVersion" },
		{ "{kind: Pod, metadata: {name: a}}", "apiVersion" },
		{ "{apiVersion: 1, kind: Pod, metadata: {name: a}}", "apiVersion" },
		{ "{apiVersion: v1, metadata: {name: a}}", "kind" },
		{ "{apiVersion: v1, kind: [Pod], metadata: {name: a}}", "kind" },
		{ "{apiVersion: v1, kind: Pod}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: x}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: [name]}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: 5}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: ''}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: ../a}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: Upper}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: \"a\\0b\"}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Service, metadata: {name: a.b}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Namespace, metadata: {name: a.b}}", "metadata.name" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: a.b}}",
		  "metadata.namespace" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: 5}}",
		  "metadata.namespace" },
	};
	struct findings findings = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_null(object_from(samples[i].yaml, &findings));
		assert_finding(&findings, samples[i].field, "InvalidObject");
	}
	assert_null(object_parse(NULL, NULL, &findings));
	assert_finding(&findings, "", "InvalidObject");
}

static void test_meta(void **state)
{
	struct findings findings = { 0 };
	struct object *object = object_from("apiVersion: v1\n"
					    "kind: Pod\n"
					    "metadata:\n"
					    "  name: a.b\n"
					    "  namespace: shop\n"
					    "  uid: 1234-abcd\n"
					    "  creationTimestamp: 2024-02-29T12:34:56Z\n"
					    "  deletionTimestamp: 2024-02-29T12:34:57Z\n"
					    "  labels: {app: web, a.b/c: ''}\n"
					    "  annotations: {weft.dev/mesh: disabled}\n",
					    &findings);

	(void)state;
	assert_no_finding(&findings);
	assert_int_equal(object->kind, OBJECT_POD);
	assert_string_equal(object->api_version, "v1");
	assert_string_equal(object->name, "a.b");
	assert_string_equal(object->name_space, "shop");
	assert_string_equal(object->key, "shop/a.b");
	assert_string_equal(object->uid, "1234-abcd");
	assert_string_equal(object->origin, "test.yaml");
	assert_int_equal(object->created, 1709210096);
	assert_true(object->deleting);
	assert_string_equal(labels_get(&object->labels, "app"), "web");
	assert_string_equal(labels_get(&object->labels, "a.b/c"), "");
	assert_null(labels_get(&object->labels, "b"));
	assert_string_equal(labels_get(&object->annotations, "weft.dev/mesh"), "disabled");
	object_free(object);
}

static void test_meta_defaults(void **state)
{
	struct findings findings = { 0 };
	struct object *object;

	(void)state;
	object = object_from("{apiVersion: v1, kind: Node, metadata: {name: n1, namespace: x}}",
			     &findings);
	assert_string_equal(object->name_space, "");
	assert_string_equal(object->key, "/n1");
	assert_string_equal(object->uid, "");
	assert_false(object->deleting);
	assert_true(object->created == INT64_MAX);
	object_free(object);
	object = object_from(
		"{apiVersion: v1, kind: ServiceAccount, metadata: {name: n1, namespace: "
		"'', labels: null, uid: '', deletionTimestamp: null}}",
		&findings);
	assert_string_equal(object->key, "default/n1");
	assert_false(object->deleting);
	object_free(object);
	assert_no_finding(&findings);
	object_free(NULL);
}

static void test_bad_meta(void **state)
{
	static const struct {
		const char *meta, *field;
	} samples[] = {
		{ "uid: 5", "metadata.uid" },
		{ "uid: a/b", "metadata.uid" },
		{ "creationTimestamp: yesterday", "metadata.creationTimestamp" },
		{ "creationTimestamp: 5", "metadata.creationTimestamp" },
		{ "labels: [a]", "metadata.labels" },
		{ "labels: {a: 1}", "metadata.labels.a" },
		{ "labels: {weft.dev/mesh: true}", "metadata.labels[\"weft.dev/mesh\"]" },
		{ "labels: {a: \"b\\0c\"}", "metadata.labels.a" },
		{ "annotations: x", "metadata.annotations" },
	};
	struct findings findings = { 0 };
	struct object *object;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(text, sizeof(text),
			 "{apiVersion: v1, kind: Namespace, metadata: {name: a, %s}}",
			 samples[i].meta);
		object = object_from(text, &findings);
		assert_non_null(object);
		assert_int_equal(object->labels.count, 0);
		assert_true(object->created == INT64_MAX);
		assert_finding(&findings, samples[i].field, "InvalidField");
		object_free(object);
	}
}

static void test_findings(void **state)
{
	struct findings findings = { 0 }, copy = { 0 };

	(void)state;
	finding_add_file(&findings, "b.yaml", "R", "c", "message %d", 1);
	finding_add_file(&findings, "a.yaml", "R", "c", "message %d", 1);
	finding_add_file(&findings, "b.yaml", "R", "c", "message %d", 1);
	findings_append(&copy, &findings);
	findings_append(&copy, &findings);
	findings_sort(&copy);
	assert_int_equal(copy.count, 2);
	assert_string_equal(copy.items[0].origin, "a.yaml");
	assert_string_equal(copy.items[1].message, "message 1");
	findings_clear(&copy);
	findings_sort(&copy);
	assert_int_equal(copy.count, 0);
	findings_clear(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	 cmocka_unit_test(test_not_objects),
		cmocka_unit_test(test_meta),	 cmocka_unit_test(test_meta_defaults),
		cmocka_unit_test(test_bad_meta), cmocka_unit_test(test_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
