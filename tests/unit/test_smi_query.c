// SPDX-License-Identifier: Apache-2.0
/* Paths of the TrafficMetrics API, and where their objects are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/objects.h"
#include "user/smi/smi_query.h"

static void test_what_a_path_asks_for(void **state)
{
	static const struct {
		const char *path;
		struct smi_query query;
	} cases[] = {
		{ "/pods", { SMI_POD, "", "", false } },
		{ "/nodes", { SMI_NODE, "", "", false } },
		{ "/nodes/n1/", { SMI_NODE, "", "n1", false } },
		{ "/nodes/n1.example.com/edges", { SMI_NODE, "", "n1.example.com", true } },
		{ "/namespaces", { SMI_NAMESPACE, "", "", false } },
		{ "/namespaces/shop", { SMI_NAMESPACE, "", "shop", false } },
		{ "/namespaces/shop/edges", { SMI_NAMESPACE, "", "shop", true } },
		{ "/namespaces/shop/pods", { SMI_POD, "shop", "", false } },
		{ "/namespaces/shop/pods/web-1", { SMI_POD, "shop", "web-1", false } },
		{ "/namespaces/shop/jobs/a/edges", { SMI_JOB, "shop", "a", true } },
		{ "/namespaces/shop/trafficsplits/a", { SMI_TRAFFIC_SPLIT, "shop", "a", false } },
	};
	struct smi_query query;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(smi_query_parse(cases[i].path, &query), 0);
		assert_int_equal(query.kind, cases[i].query.kind);
		assert_string_equal(query.name_space, cases[i].query.name_space);
		assert_string_equal(query.name, cases[i].query.name);
		assert_int_equal(query.edges, cases[i].query.edges);
	}
}

static void test_what_is_no_resource(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/secrets",
		"/pods/web-1",
		"/pods/web-1/edges",
		"/nodes/n1/vertices",
		"/nodes/n1/edges/x",
		"/namespaces/shop/nodes",
		"/namespaces/shop/nodes/n1",
		"/namespaces/shop/pods/web-1/edges/more",
		"/namespaces/Shop/pods",
		"/namespaces/../pods",
		"/namespaces/shop/pods/..",
		"/namespaces/shop/pods/a%2fb",
		"/namespaces/shop/pods/a?b",
	};
	struct smi_query query;
	char name[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (smi_query_parse(paths[i], &query) != -ENOENT)
			fail_msg("'%s' is a resource", paths[i]);
	memset(name, 'a', sizeof(name));
	memcpy(name, "/nodes/", 7);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(smi_query_parse(name, &query), -ENOENT);
}

static void expect_list(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	free(text);
}

static void test_where_objects_are(void **state)
{
	(void)state;
	expect_list(smi_query_list(SMI_POD, NULL, "", "", "", ""), "/api/v1/pods?limit=500");
	expect_list(smi_query_list(SMI_NODE, NULL, "", "n1", "", ""),
		    "/api/v1/nodes?limit=500&fieldSelector=metadata.name%3Dn1");
	expect_list(smi_query_list(SMI_DEPLOYMENT, NULL, "shop", "", "app in (a,b),!c", "t/="),
		    "/apis/apps/v1/namespaces/shop/deployments?limit=500&labelSelector="
		    "app%20in%20%28a%2Cb%29%2C%21c&continue=t%2F%3D");
	expect_list(smi_query_list(SMI_TRAFFIC_SPLIT, "v1alpha2", "shop", "", "", ""),
		    "/apis/split.smi-spec.io/v1alpha2/namespaces/shop/trafficsplits?limit=500");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_path_asks_for),
		cmocka_unit_test(test_what_is_no_resource),
		cmocka_unit_test(test_where_objects_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
