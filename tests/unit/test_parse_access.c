// SPDX-License-Identifier: Apache-2.0
/* TrafficTarget of all versions. */
#include "objects.h"

static struct traffic_target *target_from(const char *version, const char *rest,
					  struct findings *findings)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "apiVersion: access.smi-spec.io/%s\nkind: TrafficTarget\n"
		 "metadata: {name: t, namespace: shop}\n%s\n",
		 version, rest);
	return (struct traffic_target *)object_from(text, findings);
}

/* One with a destination, rules and sources given as flow YAML. */
static struct traffic_target *target_of(const char *destination, const char *rules,
					const char *sources, struct findings *findings)
{
	char text[1024];

	snprintf(text, sizeof(text), "spec: {destination: %s, rules: %s, sources: %s}", destination,
		 rules, sources);
	return target_from("v1alpha4", text, findings);
}

static const char destination[] = "{kind: ServiceAccount, name: web}";
static const char rules[] = "[{kind: TCPRoute, name: r}]";
static const char sources[] = "[{kind: ServiceAccount, name: client}]";

static void test_versions(void **state)
{
	static const char old[] = "destination: {kind: ServiceAccount, name: web, port: 8080}\n"
				  "specs: [{kind: HTTPRouteGroup, name: r, matches: [m, o]}]\n"
				  "sources: [{kind: ServiceAccount, name: a, namespace: other}]\n";
	static const char new[] =
		"spec:\n"
		"  destination: {kind: ServiceAccount, name: web, port: 8080}\n"
		"  rules: [{kind: HTTPRouteGroup, name: r, matches: [m, o]}]\n"
		"  sources: [{kind: ServiceAccount, name: a, namespace: other}]\n";
	static const char *const versions[] = { "v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4" };
	struct findings findings = { 0 };
	struct traffic_target *target;
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		target = target_from(versions[i / 2], i % 2 ? new : old, &findings);
		assert_no_finding(&findings);
		assert_false(target->invalid);
		assert_int_equal(target->destination.kind, SUBJECT_SERVICE_ACCOUNT);
		assert_string_equal(target->destination.name, "web");
		assert_string_equal(target->destination.name_space, "shop");
		assert_int_equal(target->destination_port, 8080);
		assert_string_equal(target->destination_port_name, "");
		assert_int_equal(target->rule_count, 1);
		assert_int_equal(target->rules[0].kind, RULE_HTTP_ROUTE_GROUP);
		assert_string_equal(target->rules[0].name, "r");
		assert_int_equal(target->rules[0].match_count, 2);
		assert_string_equal(target->rules[0].matches[1], "o");
		assert_false(target->rules[0].all_matches);
		assert_int_equal(target->source_count, 1);
		assert_string_equal(target->sources[0].name_space, "other");
		object_free(&target->meta);
	}
}

static void test_kinds(void **state)
{
	struct findings findings = { 0 };
	struct traffic_target *target;

	(void)state;
	target = target_of(
		"{kind: IdentityBinding, group: access.smi-spec.io, name: a.b, namespace: "
		"shop}",
		"[{kind: TCPRoute, name: t}, {kind: UDPRoute, name: u}, {kind: "
		"HTTPRouteGroup, name: h, matches: []}, {kind: HTTPRouteGroup, name: h, "
		"matches: null}]",
		"[{kind: IdentityBinding, name: c}, {kind: ServiceAccount, name: d, "
		"namespace: ''}]",
		&findings);
	assert_no_finding(&findings);
	assert_false(target->invalid);
	assert_int_equal(target->destination.kind, SUBJECT_IDENTITY_BINDING);
	assert_int_equal(target->destination_port, 0);
	assert_int_equal(target->rule_count, 4);
	assert_int_equal(target->rules[0].kind, RULE_TCP_ROUTE);
	assert_int_equal(target->rules[1].kind, RULE_UDP_ROUTE);
	assert_true(target->rules[0].all_matches && target->rules[2].all_matches &&
		    target->rules[3].all_matches);
	assert_int_equal(target->sources[0].kind, SUBJECT_IDENTITY_BINDING);
	assert_string_equal(target->sources[1].name_space, "shop");
	object_free(&target->meta);
}

static void test_port(void **state)
{
	static const struct {
		const char *port;
		uint16_t number;
		const char *name;
	} good[] = {
		{ "8080", 8080, "" },  { "'8080'", 8080, "" }, { "65535", 65535, "" },
		{ "http", 0, "http" }, { "'080'", 80, "" },    { "null", 0, "" },
	};
	static const char *const bad[] = {
		"0",  "'0'",   "65536", "'65536'", "-1",     "80.5", "[]",
		"''", "'8 0'", "true",	"Http",	   "'80a-'", "{}",   "'99999999999999999999'"
	};
	struct findings findings = { 0 };
	struct traffic_target *target;
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "{kind: ServiceAccount, name: web, port: %s}",
			 good[i].port);
		target = target_of(text, rules, sources, &findings);
		assert_no_finding(&findings);
		assert_false(target->invalid);
		assert_int_equal(target->destination_port, good[i].number);
		assert_string_equal(target->destination_port_name, good[i].name);
		object_free(&target->meta);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{kind: ServiceAccount, name: web, port: %s}", bad[i]);
		target = target_of(text, rules, sources, &findings);
		assert_true(target->invalid);
		assert_finding(&findings, "spec.destination.port", "InvalidField");
		object_free(&target->meta);
	}
}

/* Whatever is wrong in these: nothing is granted. */
static void test_invalid(void **state)
{
	static const struct {
		const char *spec, *field, *reason;
	} samples[] = {
		{ "x", "spec", "InvalidField" },
		{ "{rules: R, sources: S}", "spec.destination", "MissingField" },
		{ "{destination: x, rules: R, sources: S}", "spec.destination", "InvalidField" },
		{ "{destination: {name: web}, rules: R, sources: S}", "spec.destination.kind",
		  "UnsupportedKind" },
		{ "{destination: {kind: Pod, name: web}, rules: R, sources: S}",
		  "spec.destination.kind", "UnsupportedKind" },
		{ "{destination: {kind: ServiceAccount, group: x, name: web}, rules: R, sources: S}",
		  "spec.destination.kind", "UnsupportedKind" },
		{ "{destination: {kind: IdentityBinding, group: x, name: w}, rules: R, sources: S}",
		  "spec.destination.kind", "UnsupportedKind" },
		{ "{destination: {kind: ServiceAccount}, rules: R, sources: S}",
		  "spec.destination.name", "MissingField" },
		{ "{destination: {kind: ServiceAccount, name: '*'}, rules: R, sources: S}",
		  "spec.destination.name", "InvalidField" },
		{ "{destination: {kind: ServiceAccount, name: w, namespace: x}, rules: R, sources: S}",
		  "spec.destination.namespace", "ForeignNamespace" },
		{ "{destination: {kind: ServiceAccount, name: w, namespace: 5}, rules: R, sources: S}",
		  "spec.destination.namespace", "InvalidField" },
		{ "{destination: {kind: ServiceAccount, name: w, namespace: A}, rules: R, sources: S}",
		  "spec.destination.namespace", "InvalidField" },
		{ "{destination: D, sources: S}", "spec.rules", "MissingField" },
		{ "{destination: D, rules: [], sources: S}", "spec.rules", "MissingField" },
		{ "{destination: D, rules: {}, sources: S}", "spec.rules", "InvalidField" },
		{ "{destination: D, rules: [null], sources: S}", "spec.rules[0]", "MissingField" },
		{ "{destination: D, rules: [x], sources: S}", "spec.rules[0]", "InvalidField" },
		{ "{destination: D, rules: [{kind: GRPCRoute, name: r}], sources: S}",
		  "spec.rules[0].kind", "UnsupportedKind" },
		{ "{destination: D, rules: [{kind: TCPRoute}], sources: S}", "spec.rules[0].name",
		  "MissingField" },
		{ "{destination: D, rules: [{kind: TCPRoute, name: r, namespace: x}], sources: S}",
		  "spec.rules[0].namespace", "ForeignNamespace" },
		{ "{destination: D, rules: [{kind: HTTPRouteGroup, name: r, match: [m]}], sources: S}",
		  "spec.rules[0].match", "UnknownField" },
		{ "{destination: D, rules: [{kind: HTTPRouteGroup, name: r, matches: m}], sources: S}",
		  "spec.rules[0].matches", "InvalidField" },
		{ "{destination: D, rules: [{kind: HTTPRouteGroup, name: r, matches: [1]}], sources: "
		  "S}",
		  "spec.rules[0].matches[0]", "InvalidField" },
		{ "{destination: D, rules: [{kind: HTTPRouteGroup, name: r, matches: [null]}], "
		  "sources: S}",
		  "spec.rules[0].matches[0]", "InvalidField" },
		{ "{destination: D, rules: R, specs: R, sources: S}", "spec.specs", "Ambiguous" },
		{ "{destination: D, rules: R}", "spec.sources", "MissingField" },
		{ "{destination: D, rules: R, sources: []}", "spec.sources", "MissingField" },
		{ "{destination: D, rules: R, sources: {kind: ServiceAccount}}", "spec.sources",
		  "InvalidField" },
		{ "{destination: D, rules: R, sources: [{kind: Group, name: a}]}",
		  "spec.sources[0].kind", "UnsupportedKind" },
		{ "{destination: D, rules: R, sources: [null]}", "spec.sources[0]",
		  "MissingField" },
		{ "{destination: D, rules: R, sources: [{kind: ServiceAccount, name: a, namespace: "
		  "'*'}]}",
		  "spec.sources[0].namespace", "InvalidField" },
	};
	struct findings findings = { 0 };
	struct traffic_target *target;
	char text[1024], *end;
	const char *from;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		/* D, R and S stand for those above */
		end = text + sprintf(text, "spec: ");
		for (from = samples[i].spec; *from; from++) {
			if (from[1] && strchr(",}", from[1]) && from[-1] == ' ' && *from == 'D')
				end += sprintf(end, "%s", destination);
			else if (from[1] && strchr(",}", from[1]) && from[-1] == ' ' &&
				 *from == 'R')
				end += sprintf(end, "%s", rules);
			else if (from[1] && strchr(",}", from[1]) && from[-1] == ' ' &&
				 *from == 'S')
				end += sprintf(end, "%s", sources);
			else
				*end++ = *from;
		}
		*end = '\0';
		target = target_from("v1alpha4", text, &findings);
		assert_true(target->invalid);
		assert_finding(&findings, samples[i].field, samples[i].reason);
		object_free(&target->meta);
	}
}

static void test_both_places(void **state)
{
	struct findings findings = { 0 };
	struct traffic_target *target;

	(void)state;
	target = target_from("v1alpha1",
			     "destination: {kind: ServiceAccount, name: a}\n"
			     "spec: {destination: {kind: ServiceAccount, name: b}}",
			     &findings);
	assert_true(target->invalid);
	assert_finding(&findings, "destination", "Ambiguous");
	object_free(&target->meta);
	target = target_from("v1alpha4", "", &findings);
	assert_true(target->invalid);
	assert_int_equal(findings.count, 3);
	assert_string_equal(target->destination.name, "");
	findings_clear(&findings);
	object_free(&target->meta);
}

/* A source of no use is dropped; a rule stays as RULE_OTHER, since its absence could grant more. */
static void test_partly(void **state)
{
	struct findings findings = { 0 };
	struct traffic_target *target;

	(void)state;
	target = target_of(
		destination,
		"[{kind: Nope, name: a}, {kind: HTTPRouteGroup, name: b, matches: [1, m]}, "
		"5, {kind: TCPRoute, name: c}]",
		"[5, {kind: ServiceAccount, name: a}, {kind: ServiceAccount, name: 7}]", &findings);
	assert_false(target->invalid);
	assert_int_equal(findings.count, 5);
	assert_int_equal(target->rule_count, 4);
	assert_int_equal(target->rules[0].kind, RULE_OTHER);
	assert_string_equal(target->rules[1].name, "b");
	assert_int_equal(target->rules[1].match_count, 1);
	assert_false(target->rules[1].all_matches);
	assert_int_equal(target->rules[2].kind, RULE_OTHER);
	assert_string_equal(target->rules[3].name, "c");
	assert_int_equal(target->source_count, 1);
	assert_non_null(finding_about(&findings, "spec.rules[1].matches[0]", "InvalidField"));
	assert_string_equal(
		finding_about(&findings, "spec.sources[0]", "InvalidField")->consequence,
		"nothing is granted to this source");
	findings_clear(&findings);
	object_free(&target->meta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),    cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_port),	    cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_both_places), cmocka_unit_test(test_partly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
