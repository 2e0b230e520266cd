// SPDX-License-Identifier: Apache-2.0
/* TCPRoute, UDPRoute, HTTPRouteGroup of all versions. */
#include "objects.h"

static struct object *spec_from(const char *kind, const char *version, const char *rest,
				struct findings *findings)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{apiVersion: specs.smi-spec.io/%s, kind: %s, metadata: {name: r}%s%s}", version,
		 kind, *rest ? ", " : "", rest);
	return object_from(text, findings);
}

static struct port_route *route_from(const char *rest, struct findings *findings)
{
	return (struct port_route *)spec_from("TCPRoute", "v1alpha4", rest, findings);
}

static void test_ports(void **state)
{
	static const char *const every[] = {
		"",
		"spec: {}",
		"spec: null",
		"spec: {matches: {}}",
		"spec: {matches: null}",
		"spec: {matches: {ports: []}}",
		"spec: {matches: {ports: null}}",
	};
	struct findings findings = { 0 };
	struct port_route *route;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
		route = route_from(every[i], &findings);
		assert_no_finding(&findings);
		assert_false(route->invalid);
		assert_int_equal(route->port_count, 0);
		object_free(&route->meta);
	}
	route = (struct port_route *)spec_from("TCPRoute", "v1alpha1", "", &findings);
	assert_false(route->invalid);
	object_free(&route->meta);
	route = (struct port_route *)spec_from(
		"UDPRoute", "v1alpha4", "spec: {matches: {name: x, ports: [1, 65535]}}", &findings);
	assert_no_finding(&findings);
	assert_int_equal(route->meta.kind, OBJECT_UDP_ROUTE);
	assert_int_equal(route->port_count, 2);
	assert_int_equal(route->ports[1], 65535);
	object_free(&route->meta);
	route = route_from("matches: {ports: [80]}", &findings);
	assert_no_finding(&findings);
	assert_int_equal(route->port_count, 1);
	object_free(&route->meta);
}

/* A list of which nothing is left must not become "every port". */
static void test_bad_ports(void **state)
{
	static const struct {
		const char *rest, *field, *reason;
	} samples[] = {
		{ "spec: x", "spec", "InvalidField" },
		{ "spec: []", "spec", "InvalidField" },
		{ "spec: {matches: [{ports: [80]}]}", "spec.matches", "InvalidField" },
		{ "spec: {matches: x}", "spec.matches", "InvalidField" },
		{ "spec: {matches: {ports: 80}}", "spec.matches.ports", "InvalidField" },
		{ "spec: {matches: {ports: '80'}}", "spec.matches.ports", "InvalidField" },
		{ "spec: {matches: {ports: {}}}", "spec.matches.ports", "InvalidField" },
		{ "spec: {matches: {port: [80]}}", "spec.matches.port", "UnknownField" },
		{ "spec: {ports: [80]}", "spec.ports", "UnknownField" },
		{ "spec: {matches: {}}, matches: {ports: [80]}", "matches", "Ambiguous" },
	};
	static const char *const dropped[] = {
		"0",	"-1",	"65536", "'80'", "80.5",
		"null", "[80]", "true",	 "{}",	 "9223372036854775808"
	};
	struct findings findings = { 0 };
	struct port_route *route;
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		route = route_from(samples[i].rest, &findings);
		assert_true(route->invalid);
		assert_finding(&findings, samples[i].field, samples[i].reason);
		object_free(&route->meta);
	}
	for (i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		snprintf(text, sizeof(text), "spec: {matches: {ports: [%s]}}", dropped[i]);
		route = route_from(text, &findings);
		assert_true(route->invalid);
		assert_int_equal(findings.count, 2);
		findings_clear(&findings);
		object_free(&route->meta);
		snprintf(text, sizeof(text), "spec: {matches: {ports: [%s, 80]}}", dropped[i]);
		route = route_from(text, &findings);
		assert_false(route->invalid);
		assert_int_equal(route->port_count, 1);
		assert_int_equal(route->ports[0], 80);
		assert_finding(&findings, "spec.matches.ports[0]", "InvalidField");
		object_free(&route->meta);
	}
}

static void test_matches(void **state)
{
	static const char body[] =
		"[{name: m, pathRegex: /metrics, methods: [GET, '*']}, {name: h, headers: {User-Agent: "
		"'.*Firefox.*', cookie: x}}, {name: l, headers: [{A: 1x}, {b: 2x, C: 3x}]}, {name: e, "
		"pathRegex: '', methods: [], headers: null}]";
	static const char *const versions[] = { "v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4" };
	struct findings findings = { 0 };
	struct http_route_group *group;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), i % 2 ? "spec: {matches: %s}" : "matches: %s", body);
		group = (struct http_route_group *)spec_from("HTTPRouteGroup", versions[i / 2],
							     text, &findings);
		assert_no_finding(&findings);
		assert_false(group->invalid);
		assert_int_equal(group->match_count, 4);
		assert_string_equal(group->matches[0].name, "m");
		assert_true(group->matches[0].has_path);
		assert_string_equal(group->matches[0].path_regex, "/metrics");
		assert_int_equal(group->matches[0].method_count, 2);
		assert_string_equal(group->matches[0].methods[1], "*");
		assert_int_equal(group->matches[0].header_count, 0);
		assert_false(group->matches[1].has_path);
		assert_int_equal(group->matches[1].method_count, 0);
		assert_int_equal(group->matches[1].header_count, 2);
		assert_string_equal(group->matches[1].headers[0].name, "user-agent");
		assert_string_equal(group->matches[1].headers[0].value_regex, ".*Firefox.*");
		assert_int_equal(group->matches[2].header_count, 3);
		assert_string_equal(group->matches[2].headers[2].name, "c");
		assert_false(group->matches[3].has_path);
		object_free(&group->meta);
	}
}

static void test_bad_matches(void **state)
{
	static const struct {
		const char *match, *field, *reason;
	} samples[] = {
		{ "x", "", "InvalidField" },
		{ "null", "", "MissingField" },
		{ "{}", ".name", "MissingField" },
		{ "{name: ''}", ".name", "MissingField" },
		{ "{name: 5}", ".name", "InvalidField" },
		{ "{name: m, path: /x}", ".path", "UnknownField" },
		{ "{name: m, pathRegex: [x]}", ".pathRegex", "InvalidField" },
		{ "{name: m, pathRegex: \"a\\0b\"}", ".pathRegex", "InvalidField" },
		{ "{name: m, methods: GET}", ".methods", "InvalidField" },
		{ "{name: m, methods: [1]}", ".methods[0]", "InvalidField" },
		{ "{name: m, methods: [null]}", ".methods[0]", "InvalidField" },
		{ "{name: m, methods: ['GET ']}", ".methods[0]", "InvalidField" },
		{ "{name: m, headers: x}", ".headers", "InvalidField" },
		{ "{name: m, headers: {a: 1}}", ".headers.a", "InvalidField" },
		{ "{name: m, headers: {a: null}}", ".headers.a", "InvalidField" },
		{ "{name: m, headers: {'a b': x}}", ".headers[\"a b\"]", "InvalidField" },
		{ "{name: m, headers: [x]}", ".headers[0]", "InvalidField" },
		{ "{name: m, headers: [{a: [b]}]}", ".headers[0].a", "InvalidField" },
		{ "{name: m, pathRegex: '/a('}", ".pathRegex", "InvalidRegex" },
		{ "{name: m, pathRegex: '(a|b)*a(a|b){20}'}", ".pathRegex", "InvalidRegex" },
		{ "{name: m, headers: {a: '(?=x)'}}", ".headers.a", "InvalidRegex" },
		{ "{name: m, headers: [{a: x}, {b: '*'}]}", ".headers[1].b", "InvalidRegex" },
	};
	struct findings findings = { 0 };
	struct http_route_group *group;
	char text[256], field[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(field, sizeof(field), "spec.matches[0]%s", samples[i].field);
		snprintf(text, sizeof(text), "spec: {matches: [%s]}", samples[i].match);
		group = (struct http_route_group *)spec_from("HTTPRouteGroup", "v1alpha4", text,
							     &findings);
		assert_true(group->invalid);
		assert_finding(&findings, field, samples[i].reason);
		object_free(&group->meta);
		snprintf(text, sizeof(text), "spec: {matches: [%s, {name: o}]}", samples[i].match);
		group = (struct http_route_group *)spec_from("HTTPRouteGroup", "v1alpha4", text,
							     &findings);
		assert_false(group->invalid);
		assert_int_equal(group->match_count, 1);
		assert_string_equal(group->matches[0].name, "o");
		assert_finding(&findings, field, samples[i].reason);
		object_free(&group->meta);
	}
}

/* Users are told where and why, and what it means. */
static void test_regex_findings(void **state)
{
	struct findings findings = { 0 };
	struct http_route_group *group;

	(void)state;
	group = (struct http_route_group *)spec_from(
		"HTTPRouteGroup", "v1alpha4", "spec: {matches: [{name: m, pathRegex: '/a/(?!b)'}]}",
		&findings);
	assert_int_equal(findings.count, 1);
	assert_string_equal(findings.items[0].field, "spec.matches[0].pathRegex");
	assert_string_equal(findings.items[0].message,
			    "\"/a/(?!b)\" is no RE2 syntax: at position 4: lookahead does not "
			    "exist in RE2 syntax");
	assert_string_equal(findings.items[0].consequence, "the match grants nothing");
	findings_clear(&findings);
	object_free(&group->meta);
	group = (struct http_route_group *)spec_from(
		"HTTPRouteGroup", "v1alpha4",
		"spec: {matches: [{name: m, pathRegex: '(.{1,32}){1,31}$'}]}", &findings);
	assert_int_equal(findings.count, 1);
	assert_string_equal(findings.items[0].message,
			    "\"(.{1,32}){1,31}$\" cannot be compiled within the budget: too "
			    "many steps");
	findings_clear(&findings);
	object_free(&group->meta);
}

static void test_path_match(void **state)
{
	static const struct {
		const char *value;
		bool full, finding;
	} samples[] = {
		{ "full", true, false },
		{ "prefix", false, false },
		{ "Full", true, true },
	};
	struct findings findings = { 0 };
	struct http_route_group *group;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		snprintf(text, sizeof(text),
			 "{apiVersion: specs.smi-spec.io/v1alpha4, kind: HTTPRouteGroup, metadata: "
			 "{name: r, annotations: {weft.dev/path-match: %s}}, spec: {matches: "
			 "[{name: m, pathRegex: /a}]}}",
			 samples[i].value);
		group = (struct http_route_group *)object_from(text, &findings);
		assert_false(group->invalid);
		assert_int_equal(group->full_paths, samples[i].full);
		if (samples[i].finding)
			assert_finding(&findings, "metadata.annotations[weft.dev/path-match]",
				       "InvalidValue");
		assert_no_finding(&findings);
		object_free(&group->meta);
	}
}

/* One object cannot take more than its share, however many regexes it has. */
static void test_regexes_share_their_budget(void **state)
{
	static const char match[] = "{name: m, pathRegex: '(.{1,32}){1,31}$'},";
	struct findings findings = { 0 };
	struct http_route_group *group;
	char text[1024] = "spec: {matches: [";
	size_t i;

	(void)state;
	for (i = 0; i < 12; i++)
		strcat(text, match);
	strcat(text, "{name: o, pathRegex: /}]}");
	group = (struct http_route_group *)spec_from("HTTPRouteGroup", "v1alpha4", text, &findings);
	assert_true(group->invalid);
	assert_int_equal(findings.count, 13);
	assert_non_null(strstr(findings.items[12].message, "used up"));
	findings_clear(&findings);
	object_free(&group->meta);
}

static void test_bad_groups(void **state)
{
	static const struct {
		const char *rest, *field, *reason;
	} samples[] = {
		{ "", "spec.matches", "MissingField" },
		{ "spec: x", "spec", "InvalidField" },
		{ "spec: {matches: {}}", "spec.matches", "InvalidField" },
		{ "matches: x", "matches", "InvalidField" },
		{ "matches: []", "matches", "MissingField" },
		{ "matches: [{name: a}], spec: {matches: [{name: a}]}", "matches", "Ambiguous" },
	};
	struct findings findings = { 0 };
	struct http_route_group *group;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		group = (struct http_route_group *)spec_from("HTTPRouteGroup", "v1alpha2",
							     samples[i].rest, &findings);
		assert_true(group->invalid);
		assert_finding(&findings, samples[i].field, samples[i].reason);
		object_free(&group->meta);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_bad_matches),
		cmocka_unit_test(test_bad_groups),
		cmocka_unit_test(test_regex_findings),
		cmocka_unit_test(test_path_match),
		cmocka_unit_test(test_regexes_share_their_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
