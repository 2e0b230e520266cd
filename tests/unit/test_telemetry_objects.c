// SPDX-License-Identifier: Apache-2.0
/* Objects, findings and splits as metrics. */
#include "tests/unit/objects.h"
#include "user/telemetry/metric_text.h"
#include "user/telemetry/telemetry_internal.h"

#define SPLIT(name, created, more)                                                                \
	"---\napiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: {name: " name \
	", namespace: shop, creationTimestamp: '" created "'}\nspec: {" more "}\n"

static const char objects[] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n" SPLIT(
	"older", "2026-01-01T00:00:00Z",
	"service: web, backends: [{service: a, weight: 90}, {service: b, weight: 10}]")
	SPLIT("newer", "2026-01-02T00:00:00Z", "service: web, backends: [{service: c, weight: 1}]") SPLIT(
		"z-same-age", "2026-01-03T00:00:00Z",
		"service: api, backends: [{service: c, weight: 1}]")
		SPLIT("a-same-age", "2026-01-03T00:00:00Z",
		      "service: api, backends: [{service: a, weight: 1}, {service: b, weight: 0},"
		      " {service: a, weight: 2}]")
			SPLIT("by-header", "2026-01-01T00:00:00Z",
			      "service: db, backends: [{service: a, weight: 1}],"
			      " matches: [{kind: HTTPRouteGroup, name: x}]") "---\napiVersion: split.smi-spec.io/v1alpha1\nkind: TrafficSplit\n"
									     "metadata: {name: milli, namespace: shop}\n"
									     "spec: {service: old, backends: [{service: a, weight: 900m}]}\n";

static char *text_of(const struct store *store, const struct findings *findings)
{
	struct metric_text text;
	size_t length;

	metric_text_init(&text, METRIC_FORMAT_PROMETHEUS);
	telemetry_write_objects(store, findings, &text.sink);
	return metric_text_take(&text, &length);
}

static void expect(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("missing: %s in:\n%s", line, text);
}

static void test_objects(void **state)
{
	struct findings findings = { 0 };
	struct store *store = store_from(objects, &findings);
	char *text = text_of(store, &findings);

	(void)state;
	expect(text, "\nweft_objects{kind=\"Namespace\"} 1\n");
	expect(text, "\nweft_objects{kind=\"TrafficSplit\"} 6\n");
	expect(text, "\nweft_objects{kind=\"Pod\"} 0\n");
	free(text);
	findings_clear(&findings);
	store_free(store);
}

/* Only what divides connections: of two for a service one; backends listed twice are added up. */
static void test_splits(void **state)
{
	static const char expected[] = "# TYPE weft_split_backend_weight gauge\n"
#define WEIGHT(service, backend, split)                                               \
	"weft_split_backend_weight{destination_namespace=\"shop\",service=\"" service \
	"\",backend=\"" backend "\",split=\"" split "\"} "
		WEIGHT("api", "a", "a-same-age") "3\n" WEIGHT("api", "b", "a-same-age") "0\n" WEIGHT(
			"old", "a", "milli") "0.9\n" WEIGHT("web", "a",
							    "older") "90\n" WEIGHT("web", "b",
										   "older") "10\n";
	struct findings findings = { 0 };
	struct store *store = store_from(objects, &findings);
	char *text = text_of(store, &findings);

	(void)state;
	assert_string_equal(strstr(text, "# TYPE weft_split"), expected);
	free(text);
	findings_clear(&findings);
	store_free(store);
}

static void test_findings_by_kind_and_reason(void **state)
{
	struct findings findings = { 0 };
	struct store *store = store_from(objects, NULL);
	const struct object *split = store_first(store, OBJECT_TRAFFIC_SPLIT);
	char *text;

	(void)state;
	finding_add(&findings, split, "spec.a", "Some", "nothing", "one");
	finding_add(&findings, split, "spec.b", "Some", "nothing", "two");
	finding_add(&findings, split, "spec.b", "Other", "nothing", "two");
	finding_add_file(&findings, "x.yaml", "Unparsable", "nothing", "three");
	text = text_of(store, &findings);
	expect(text, "\nweft_findings{kind=\"TrafficSplit\",reason=\"Some\"} 2\n");
	expect(text, "\nweft_findings{kind=\"TrafficSplit\",reason=\"Other\"} 1\n");
	expect(text, "\nweft_findings{kind=\"\",reason=\"Unparsable\"} 1\n");
	free(text);
	findings_clear(&findings);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_findings_by_kind_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
