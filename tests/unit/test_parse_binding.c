// SPDX-License-Identifier: Apache-2.0
/* IdentityBinding, and label selectors with the meaning of apimachinery. */
#include "objects.h"

static struct identity_binding *binding_from(const char *schemes, struct findings *findings)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{apiVersion: access.smi-spec.io/v1alpha4, kind: IdentityBinding, metadata: {name: b, "
		"namespace: shop}, spec: {schemes: %s}}",
		schemes);
	return (struct identity_binding *)object_from(text, findings);
}

static void test_schemes(void **state)
{
	struct findings findings = { 0 };
	struct identity_binding *binding;

	(void)state;
	binding = binding_from("{serviceAccount: web}", &findings);
	assert_false(binding->invalid || binding->has_selector);
	assert_string_equal(binding->service_account, "web");
	object_free(&binding->meta);
	binding = binding_from("{podLabelSelector: {matchLabels: {app: web}}}", &findings);
	assert_false(binding->invalid);
	assert_true(binding->has_selector);
	assert_string_equal(binding->service_account, "");
	assert_int_equal(binding->selector.count, 1);
	assert_string_equal(binding->selector.items[0].key, "app");
	assert_string_equal(binding->selector.items[0].values[0], "web");
	object_free(&binding->meta);
	binding = binding_from("{podLabelSelector: {}, serviceAccount: null}", &findings);
	assert_false(binding->invalid);
	assert_true(binding->has_selector);
	assert_int_equal(binding->selector.count, 0);
	object_free(&binding->meta);
	assert_no_finding(&findings);
}

static void test_spiffe(void **state)
{
	static const char *const foreign[] = {
		"federated.trustdomain/boundary/boundaryName/identifierType/identifier",
		"",
		"cluster.local",
		"cluster.local/ns/shop/sa",
		"cluster.local/ns/shop/sa/",
		"cluster.local/ns/shop/sa/a/b",
		"cluster.local/ns//sa/a",
		"/ns/shop/sa/a",
		"cluster.local/sa/a/ns/shop",
		"cluster.local/ns/A/sa/a",
		"cluster.local/ns/shop/sa/*",
		"SPIFFE://cluster.local/ns/shop/sa/a",
		"spiffe:///ns/shop/sa/a",
	};
	struct findings findings = { 0 };
	struct identity_binding *binding;
	char text[256];
	size_t i;

	(void)state;
	binding = binding_from("{spiffeIdentities: [cluster.local/ns/shop/sa/web, "
			       "'spiffe://other.org/ns/shop/sa/a.b']}",
			       &findings);
	assert_no_finding(&findings);
	assert_false(binding->invalid);
	assert_int_equal(binding->spiffe_count, 2);
	assert_string_equal(binding->spiffe[0].trust_domain, "cluster.local");
	assert_string_equal(binding->spiffe[0].name_space, "shop");
	assert_string_equal(binding->spiffe[0].service_account, "web");
	assert_false(binding->spiffe[0].foreign);
	assert_string_equal(binding->spiffe[1].trust_domain, "other.org");
	assert_string_equal(binding->spiffe[1].service_account, "a.b");
	assert_string_equal(binding->spiffe[1].text, "spiffe://other.org/ns/shop/sa/a.b");
	object_free(&binding->meta);
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		snprintf(text, sizeof(text), "{spiffeIdentities: ['%s']}", foreign[i]);
		binding = binding_from(text, &findings);
		assert_false(binding->invalid);
		assert_true(binding->spiffe[0].foreign);
		assert_string_equal(binding->spiffe[0].name_space, "");
		assert_string_equal(binding->spiffe[0].text, foreign[i]);
		assert_finding(&findings, "spec.schemes.spiffeIdentities[0]", "ForeignIdentity");
		object_free(&binding->meta);
	}
}

static void test_invalid(void **state)
{
	static const struct {
		const char *schemes, *field, *reason;
	} samples[] = {
		{ "null", "spec.schemes", "MissingField" },
		{ "{}", "spec.schemes", "MissingField" },
		{ "x", "spec.schemes", "InvalidField" },
		{ "{spiffeIdentities: []}", "spec.schemes", "MissingField" },
		{ "{spiffeIdentities: x}", "spec.schemes.spiffeIdentities", "InvalidField" },
		{ "{serviceAccount: web, podLabelSelector: {}}", "spec.schemes",
		  "ExclusiveSchemes" },
		{ "{serviceAccount: ''}", "spec.schemes.serviceAccount", "InvalidField" },
		{ "{serviceAccount: [a]}", "spec.schemes.serviceAccount", "InvalidField" },
		{ "{serviceAccount: a/b}", "spec.schemes.serviceAccount", "InvalidField" },
		{ "{podLabelSelector: x}", "spec.schemes.podLabelSelector", "InvalidField" },
		{ "{podLabelSelector: {matchLables: {a: b}}}",
		  "spec.schemes.podLabelSelector.matchLables", "UnknownField" },
		{ "{podLabelSelector: {matchLabels: [a]}}",
		  "spec.schemes.podLabelSelector.matchLabels", "InvalidField" },
		{ "{podLabelSelector: {matchLabels: {a: 1}}}",
		  "spec.schemes.podLabelSelector.matchLabels.a", "InvalidField" },
		{ "{podLabelSelector: {matchLabels: {a: }}}",
		  "spec.schemes.podLabelSelector.matchLabels.a", "InvalidSelector" },
		{ "{podLabelSelector: {matchLabels: {a: 'b c'}}}",
		  "spec.schemes.podLabelSelector.matchLabels.a", "InvalidSelector" },
		{ "{podLabelSelector: {matchLabels: {-a: b}}}",
		  "spec.schemes.podLabelSelector.matchLabels.-a", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: {}}}",
		  "spec.schemes.podLabelSelector.matchExpressions", "InvalidField" },
		{ "{podLabelSelector: {matchExpressions: [x]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0]", "InvalidField" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].operator", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].operator", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].operator", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{operator: Exists}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].key", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: In}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].values", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].values", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].values", "InvalidSelector" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: In, values: b}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].values", "InvalidField" },
		{ "{podLabelSelector: {matchExpressions: [{key: a, operator: In, values: [b, 1]}]}}",
		  "spec.schemes.podLabelSelector.matchExpressions[0].values[1]", "InvalidField" },
	};
	struct findings findings = { 0 };
	struct identity_binding *binding;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		binding = binding_from(samples[i].schemes, &findings);
		assert_true(binding->invalid);
		assert_finding(&findings, samples[i].field, samples[i].reason);
		object_free(&binding->meta);
	}
	binding = binding_from("{spiffeIdentities: [1, null, cluster.local/ns/shop/sa/a]}",
			       &findings);
	assert_false(binding->invalid);
	assert_int_equal(binding->spiffe_count, 1);
	assert_int_equal(findings.count, 2);
	findings_clear(&findings);
	object_free(&binding->meta);
}

static bool matches(const char *selector, const char *labels)
{
	struct findings findings = { 0 };
	struct identity_binding *binding;
	struct object *pod;
	char text[512];
	bool result;

	snprintf(text, sizeof(text), "{podLabelSelector: %s}", selector);
	binding = binding_from(text, &findings);
	assert_false(binding->invalid);
	snprintf(text, sizeof(text), "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: %s}}",
		 labels);
	pod = object_from(text, &findings);
	assert_no_finding(&findings);
	result = selector_matches(&binding->selector, &pod->labels);
	object_free(&binding->meta);
	object_free(pod);
	return result;
}

static void test_selector(void **state)
{
	static const char in[] = "{matchExpressions: [{key: a, operator: In, values: [x, z]}]}";
	static const char not_in[] =
		"{matchExpressions: [{key: a, operator: NotIn, values: [x, z]}]}";
	static const char exists[] = "{matchExpressions: [{key: a, operator: Exists}]}";
	static const char absent[] = "{matchExpressions: [{key: a, operator: DoesNotExist}]}";
	static const char both[] =
		"{matchLabels: {a: x, b: ''}, matchExpressions: [{key: c, operator: "
		"NotIn, values: ['']}]}";

	(void)state;
	assert_true(matches("{}", "{}"));
	assert_true(matches("{matchLabels: {}, matchExpressions: []}", "{a: x}"));
	assert_true(matches("{matchLabels: {a: x}}", "{a: x, b: c}"));
	assert_false(matches("{matchLabels: {a: x}}", "{a: xx}"));
	assert_false(matches("{matchLabels: {a: x}}", "{}"));
	assert_false(matches("{matchLabels: {a: ''}}", "{}"));
	assert_true(matches("{matchLabels: {a: ''}}", "{a: ''}"));
	assert_true(matches(in, "{a: z}"));
	assert_false(matches(in, "{a: w}"));
	assert_false(matches(in, "{}"));
	assert_false(matches(not_in, "{a: z}"));
	assert_true(matches(not_in, "{a: w}"));
	assert_true(matches(not_in, "{}"));
	assert_true(matches(exists, "{a: ''}"));
	assert_false(matches(exists, "{b: a}"));
	assert_false(matches(absent, "{a: ''}"));
	assert_true(matches(absent, "{b: a}"));
	assert_true(matches(both, "{a: x, b: ''}"));
	assert_true(matches(both, "{a: x, b: '', c: d}"));
	assert_false(matches(both, "{a: x, b: '', c: ''}"));
	assert_false(matches(both, "{a: x}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_spiffe),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_selector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
