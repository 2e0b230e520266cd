// SPDX-License-Identifier: Apache-2.0
/* TrafficSplit of all versions. */
#include "objects.h"

static struct traffic_split *split_from(const char *version, const char *spec,
					struct findings *findings)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{apiVersion: split.smi-spec.io/%s, kind: TrafficSplit, metadata: {name: s, namespace: "
		"shop}, spec: %s}",
		version, spec);
	return (struct traffic_split *)object_from(text, findings);
}

static void test_versions(void **state)
{
	struct findings findings = { 0 };
	struct traffic_split *split;

	(void)state;
	split = split_from(
		"v1alpha1",
		"{service: web, backends: [{service: a, weight: 900m}, {service: b, weight: "
		"1}, {service: c, weight: 1.5}, {service: d, weight: 0m}, {service: e, weight: "
		"1k}, {service: f, weight: 2Ki}, {service: g, weight: 1e3}]}",
		&findings);
	assert_no_finding(&findings);
	assert_false(split->invalid);
	assert_string_equal(split->service, "web");
	assert_int_equal(split->backend_count, 7);
	assert_string_equal(split->backends[0].service, "a");
	assert_int_equal(split->backends[0].weight_milli, 900);
	assert_int_equal(split->backends[1].weight_milli, 1000);
	assert_int_equal(split->backends[2].weight_milli, 1500);
	assert_int_equal(split->backends[3].weight_milli, 0);
	assert_int_equal(split->backends[4].weight_milli, 1000000);
	assert_int_equal(split->backends[5].weight_milli, 2048000);
	assert_int_equal(split->backends[6].weight_milli, 1000000);
	object_free(&split->meta);
	split = split_from(
		"v1alpha4",
		"{service: web, matches: [{kind: HTTPRouteGroup, name: g, apiGroup: "
		"specs.smi-spec.io}], backends: [{service: a, weight: 50}, {service: b, weight: "
		"'50'}, {service: c, weight: .1}]}",
		&findings);
	assert_no_finding(&findings);
	assert_int_equal(split->backends[0].weight_milli, 50000);
	assert_int_equal(split->backends[1].weight_milli, 50000);
	assert_int_equal(split->backends[2].weight_milli, 100);
	assert_int_equal(split->match_count, 1);
	assert_int_equal(split->matches[0].kind, RULE_HTTP_ROUTE_GROUP);
	assert_string_equal(split->matches[0].name, "g");
	assert_true(split->matches[0].all_matches);
	object_free(&split->meta);
}

static void test_service_names(void **state)
{
	static const char *const good[] = { "web", "web.shop", "web.shop.svc",
					    "web.shop.svc.cluster.local" };
	static const struct {
		const char *name, *reason;
	} bad[] = {
		{ "web.other", "ForeignNamespace" },
		{ "web.other.svc.cluster.local", "ForeignNamespace" },
		{ "web.shopping", "ForeignNamespace" },
		{ "web.sho", "ForeignNamespace" },
		{ "web.shop.pod", "InvalidField" },
		{ "web.shop.svcs", "InvalidField" },
		{ "web.shop.", "InvalidField" },
		{ ".shop", "InvalidField" },
		{ "Web", "InvalidField" },
		{ "a/b", "InvalidField" },
		{ "5", "InvalidField" },
		{ "''", "MissingField" },
		{ "null", "MissingField" },
		{ "[a]", "InvalidField" },
	};
	struct findings findings = { 0 };
	struct traffic_split *split;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "{service: %s, backends: [{service: %s, weight: 1}]}",
			 good[i], good[i]);
		split = split_from("v1alpha4", text, &findings);
		assert_no_finding(&findings);
		assert_false(split->invalid || split->backends[0].invalid);
		assert_string_equal(split->service, "web");
		assert_string_equal(split->backends[0].service, "web");
		object_free(&split->meta);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{service: %s, backends: [{service: a, weight: 1}]}",
			 bad[i].name);
		split = split_from("v1alpha4", text, &findings);
		assert_true(split->invalid);
		assert_string_equal(split->service, "");
		assert_finding(&findings, "spec.service", bad[i].reason);
		object_free(&split->meta);
		snprintf(text, sizeof(text), "{service: web, backends: [{service: %s, weight: 1}]}",
			 bad[i].name);
		split = split_from("v1alpha4", text, &findings);
		assert_false(split->invalid);
		assert_true(split->backends[0].invalid);
		assert_finding(&findings, "spec.backends[0].service", bad[i].reason);
		object_free(&split->meta);
	}
}

static void test_bad_weights(void **state)
{
	static const struct {
		const char *weight, *reason;
	} samples[] = {
		{ "-1", "InvalidWeight" },	{ "'-1'", "InvalidWeight" },
		{ "-100m", "InvalidWeight" },	{ "-0.5", "InvalidWeight" },
		{ "x", "InvalidWeight" },	{ "''", "InvalidWeight" },
		{ "50%", "InvalidWeight" },	{ "1e99", "InvalidWeight" },
		{ "1Ei", "InvalidWeight" },	{ "1e-400000000000x", "InvalidWeight" },
		{ "null", "MissingField" },	{ "true", "InvalidField" },
		{ "[1]", "InvalidField" },	{ "{}", "InvalidField" },
		{ "\"1\\0\"", "InvalidField" },
	};
	struct findings findings = { 0 };
	struct traffic_split *split;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(
			text, sizeof(text),
			"{service: web, backends: [{service: a, weight: %s}, {service: b, weight: 1}]}",
			samples[i].weight);
		split = split_from("v1alpha4", text, &findings);
		assert_false(split->invalid);
		assert_int_equal(split->backend_count, 2);
		assert_true(split->backends[0].invalid);
		assert_int_equal(split->backends[0].weight_milli, 0);
		assert_false(split->backends[1].invalid);
		assert_finding(&findings, "spec.backends[0].weight", samples[i].reason);
		object_free(&split->meta);
	}
}

static void test_invalid(void **state)
{
	static const struct {
		const char *spec, *field, *reason;
		size_t findings;
	} samples[] = {
		{ "x", "spec", "InvalidField", 1 },
		{ "null", "spec.service", "MissingField", 2 },
		{ "{service: web}", "spec.backends", "MissingField", 1 },
		{ "{service: web, backends: []}", "spec.backends", "MissingField", 1 },
		{ "{service: web, backends: {}}", "spec.backends", "InvalidField", 1 },
		{ "{service: web, backends: [{service: a, weight: 1}], matches: x}", "spec.matches",
		  "InvalidField", 1 },
		{ "{service: web, backends: [{service: a, weight: 1}], matches: [{kind: TCPRoute, "
		  "name: r}]}",
		  "spec.matches[0].kind", "UnsupportedKind", 2 },
		{ "{service: web, backends: [{service: a, weight: 1}], matches: [{kind: "
		  "HTTPRouteGroup}]}",
		  "spec.matches[0].name", "InvalidField", 2 },
		{ "{service: web, backends: [{service: a, weight: 1}], matches: [null]}",
		  "spec.matches[0]", "MissingField", 2 },
	};
	struct findings findings = { 0 };
	struct traffic_split *split;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		split = split_from("v1alpha4", samples[i].spec, &findings);
		assert_true(split->invalid);
		assert_int_equal(findings.count, samples[i].findings);
		assert_non_null(finding_about(&findings, samples[i].field, samples[i].reason));
		findings_clear(&findings);
		object_free(&split->meta);
	}
	split = split_from(
		"v1alpha4",
		"{service: web, backends: [x, null, {service: a, weight: 1}], matches: [x, "
		"{kind: HTTPRouteGroup, name: g}]}",
		&findings);
	assert_false(split->invalid);
	assert_true(split->backends[0].invalid && split->backends[1].invalid);
	assert_false(split->backends[2].invalid);
	assert_int_equal(split->match_count, 1);
	assert_int_equal(findings.count, 3);
	findings_clear(&findings);
	object_free(&split->meta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_service_names),
		cmocka_unit_test(test_bad_weights),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
