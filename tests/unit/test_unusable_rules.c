// SPDX-License-Identifier: Apache-2.0
/*
 * A rule that cannot be read must not widen the target's other rules: a TCPRoute
 * beside an HTTPRouteGroup only narrows its ports, so losing either one from the
 * list would grant more than was written.
 */
#include <netinet/in.h>
#include "unit/objects.h"
#include "policy/compile.h"

static const char cluster[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {weft.dev/mesh: enforce}}\n"
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, uid: u1}\n"
	"spec: {nodeName: n, serviceAccountName: a}\n"
	"status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}\n"
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: shop, uid: u2}\n"
	"spec: {nodeName: n, serviceAccountName: b}\n"
	"status: {phase: Running, podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}]}\n"
	"---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: TCPRoute\n"
	"metadata: {name: p, namespace: shop}\nspec: {matches: {ports: [80]}}\n"
	"---\napiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\n"
	"metadata: {name: h, namespace: shop}\nspec: {matches: [{name: m, pathRegex: /}]}\n"
	"---\napiVersion: access.smi-spec.io/v1alpha4\nkind: TrafficTarget\n"
	"metadata: {name: t, namespace: shop}\nspec:\n"
	"  destination: {kind: ServiceAccount, name: a}\n"
	"  sources: [{kind: ServiceAccount, name: b}]\n"
	"  rules: ";

/* What a -> b gets on TCP ports 80 and any, with these rules. */
static void grants(const char *rules, int *on_80, int *on_any)
{
	const struct node_facts facts = { .node = "n", .trust_domain = "cluster.local" };
	struct findings findings = { 0 };
	struct names *names = names_new();
	struct desired desired = { 0 };
	struct store *store;
	char text[4096];
	size_t i, j;

	snprintf(text, sizeof(text), "%s%s\n", cluster, rules);
	store = store_from(text, &findings);
	compile_policy(store, &facts, names, &desired, &findings);
	*on_80 = *on_any = 0;
	for (i = 0; i < desired.dest_count; i++)
		for (j = 0; j < desired.dests[i].entry_count; j++) {
			const struct desired_entry *entry = &desired.dests[i].entries[j];

			assert_int_equal(entry->proto, IPPROTO_TCP);
			if (entry->port == 80)
				*on_80 = entry->action;
			else if (entry->port == WEFT_ANY_PORT)
				*on_any = entry->action;
		}
	findings_clear(&findings);
	desired_clear(&desired);
	names_free(names);
	store_free(store);
}

static void test_unusable_rules(void **state)
{
	static const struct {
		const char *rules;
		int on_80, on_any;
	} cases[] = {
		{ "[{kind: TCPRoute, name: p}]", WEFT_POLICY_ALLOW, 0 },
		{ "[{kind: TCPRoute, name: p}, {kind: HTTPRouteGroup, name: h}]", WEFT_POLICY_HTTP,
		  0 },
		{ "[{kind: TCPRoute, name: p}, {kind: HTTPRouteGrup, name: h}]", 0, 0 },
		{ "[{kind: TCPRoute, name: p}, {kind: HTTPRouteGroup, nmae: h}]", 0, 0 },
		{ "[{kind: TCPRoute, name: p}, {kind: HTTPRouteGroup, name: h, matches: 7}]", 0,
		  0 },
		{ "[{kind: TCPRoute, name: p}, {kind: HTTPRouteGroup, name: h, matches: [7]}]", 0,
		  0 },
		{ "[{kind: TCPRoute, name: p}, null]", 0, 0 },
		{ "[{kind: TCPRout, name: p}, {kind: HTTPRouteGroup, name: h}]", 0, 0 },
		{ "[{kind: TCPRoute, name: gone}, {kind: HTTPRouteGroup, name: h}]", 0, 0 },
		{ "[{kind: TCPRoute, name: 7}, {kind: HTTPRouteGroup, name: h}]", 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int on_80, on_any;

		grants(cases[i].rules, &on_80, &on_any);
		if (on_80 != cases[i].on_80 || on_any != cases[i].on_any)
			fail_msg("%s: port 80 %d, any port %d", cases[i].rules, on_80, on_any);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_unusable_rules) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
