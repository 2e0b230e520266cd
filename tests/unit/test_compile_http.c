// SPDX-License-Identifier: Apache-2.0
/* TrafficTargets with HTTP rules: programs, and the masks of those who may use them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/lookup.h"
#include "unit/cluster.h"
#include "unit/http_check.h"

/* shop/frontend at 10.0.1.1, shop/admin at 10.0.1.3, shop/api at 10.0.1.2. */
static int setup(void **state)
{
	struct cluster *c = cluster_new();

	cluster_put_namespace(c, "shop", "enforce");
	cluster_put_pod(c, "shop", "web", "frontend", "10.0.1.1", "'app':'web'");
	cluster_put_pod(c, "shop", "api", "api", "10.0.1.2", "'app':'api'");
	cluster_put_pod(c, "shop", "admin", "admin", "10.0.1.3", "'app':'admin'");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'p80','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80]}}");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'any','namespace':'shop'},'spec':{'matches':{}}");
	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'g','namespace':'shop'},'spec':{'matches':["
		    "{'name':'read','pathRegex':'/read','methods':['GET']},"
		    "{'name':'write','pathRegex':'/write','headers':{'X-A':'1','x-b':'2'}}]}");
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cluster_free(*state);
	return 0;
}

static const char HTTP_READ_ONLY[] = "{'kind':'HTTPRouteGroup','name':'g','matches':['read']}";
static const char HTTP_WRITE[] = "{'kind':'HTTPRouteGroup','name':'g','matches':['write']}";
static const char HTTP_ALL[] = "{'kind':'HTTPRouteGroup','name':'g'}";
static const char TCP_80[] = "{'kind':'TCPRoute','name':'p80'}";
static const char TCP_ANY[] = "{'kind':'TCPRoute','name':'any'}";

static void put_target(struct cluster *c, const char *name, const char *source, const char *rules,
		       const char *more)
{
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'%s','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api','namespace':'shop'},"
		    "'sources':[{'kind':'ServiceAccount','name':'%s','namespace':'shop'}],"
		    "'rules':[%s%s%s]}",
		    name, source, rules, *more ? "," : "", more);
}

static const struct desired_dest *only_dest(const struct cluster *c)
{
	assert_int_equal(c->desired.dest_count, 1);
	return &c->desired.dests[0];
}

static const struct weft_http_program *only_program(const struct cluster *c)
{
	const struct desired_dest *dest = only_dest(c);

	assert_non_null(dest->http);
	assert_int_equal(((const struct weft_http_program *)dest->http)->size, dest->http_size);
	return (const struct weft_http_program *)dest->http;
}

static const struct desired_entry *find_entry(const struct cluster *c, const char *source,
					      uint16_t port)
{
	const struct desired_dest *dest = only_dest(c);
	uint32_t identity = cluster_peer(c, source)->peer.identity;
	size_t i;

	for (i = 0; i < dest->entry_count; i++)
		if (dest->entries[i].src_identity == identity && dest->entries[i].port == port)
			return &dest->entries[i];
	return NULL;
}

/* The rules that an entry may use: "target group/match", ... in the order of bits. */
static void expect_rules(const struct cluster *c, const char *source, uint16_t port,
			 const char *expected)
{
	const struct desired_entry *entry = find_entry(c, source, port);
	const struct weft_http_program *program = only_program(c);
	const struct weft_http_set *mask;
	char *text = memory_strdup(""), *longer;
	unsigned int bit;

	assert_non_null(entry);
	assert_int_equal(entry->action, WEFT_POLICY_HTTP);
	assert_true(entry->mask < program->set_count);
	mask = (const struct weft_http_set *)((const uint8_t *)program + program->sets) +
	       entry->mask;
	for (bit = 0; bit < WEFT_HTTP_BITS; bit++) {
		const struct weft_name *name;

		/* a separator follows the last unit of its rule */
		if (!program->rules[bit] ||
		    !(mask->words[bit / 64] >> bit % 64 & 1 ||
		      (program->separators.words[bit / 64] >> bit % 64 & 1 &&
		       mask->words[(bit - 1) / 64] >> (bit - 1) % 64 & 1)))
			continue;
		name = names_lookup(c->names, WEFT_NAME_RULE, program->rules[bit]);
		assert_non_null(name);
		assert_string_equal(name->name_space, "shop");
		longer = memory_printf("%s%s%s %s", text, *text ? ", " : "", name->name,
				       name->detail);
		free(text);
		text = longer;
	}
	assert_string_equal(text, expected);
	free(text);
}

static void test_names_and_masks(void **state)
{
	struct cluster *c = *state;

	put_target(c, "b", "frontend", HTTP_ALL, "");
	put_target(c, "a", "admin", HTTP_WRITE, TCP_80);
	cluster_compile(c);
	assert_int_equal(c->findings.count, 0);
	expect_rules(c, "10.0.1.1", WEFT_ANY_PORT, "b g/read, b g/write");
	expect_rules(c, "10.0.1.3", 80, "a g/write");
	assert_int_equal(only_dest(c)->entry_count, 2);
}

static void test_exact_ports_include_any_port(void **state)
{
	struct cluster *c = *state;

	put_target(c, "any", "frontend", HTTP_READ_ONLY, "");
	put_target(c, "exact", "frontend", HTTP_WRITE, TCP_80);
	put_target(c, "other", "admin", HTTP_WRITE, TCP_80);
	cluster_compile(c);
	expect_rules(c, "10.0.1.1", WEFT_ANY_PORT, "any g/read");
	expect_rules(c, "10.0.1.1", 80, "any g/read, exact g/write");
	expect_rules(c, "10.0.1.3", 80, "other g/write");
}

static void test_allow_outweighs_http(void **state)
{
	struct cluster *c = *state;

	put_target(c, "http", "frontend", HTTP_ALL, "");
	put_target(c, "http80", "frontend", HTTP_ALL, TCP_80);
	put_target(c, "tcp", "frontend", TCP_80, "");
	cluster_compile(c);
	expect_rules(c, "10.0.1.1", WEFT_ANY_PORT, "http g/read, http g/write");
	assert_int_equal(find_entry(c, "10.0.1.1", 80)->action, WEFT_POLICY_ALLOW);
	assert_int_equal(find_entry(c, "10.0.1.1", 80)->mask, 0);

	put_target(c, "tcp", "frontend", TCP_ANY, "");
	cluster_compile(c);
	assert_int_equal(only_dest(c)->entry_count, 1);
	assert_int_equal(find_entry(c, "10.0.1.1", WEFT_ANY_PORT)->action, WEFT_POLICY_ALLOW);
	assert_null(only_dest(c)->http);
	assert_int_equal(only_dest(c)->http_size, 0);
}

/* What is listed twice is one rule. */
static void test_duplicates(void **state)
{
	struct cluster *c = *state;
	char *rules = memory_printf("%s,%s,%s", HTTP_READ_ONLY, HTTP_ALL, HTTP_ALL);

	put_target(c, "t", "frontend", rules, "");
	cluster_compile(c);
	expect_rules(c, "10.0.1.1", WEFT_ANY_PORT, "t g/read, t g/write");
	free(rules);
}

/* A match that is refused grants nothing, and the others stand. */
static void test_refusals(void **state)
{
	struct cluster *c = *state;
	char *matches = memory_strdup("{'name':'m0','pathRegex':'/0'}"), *longer;
	unsigned int i;

	for (i = 1; i < 258; i++) {
		longer = memory_printf("%s,{'name':'m%u','pathRegex':'/%u'}", matches, i, i);
		free(matches);
		matches = longer;
	}
	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'many','namespace':'shop'},'spec':{'matches':[%s]}",
		    matches);
	free(matches);
	put_target(c, "t", "frontend", TCP_80, "{'kind':'HTTPRouteGroup','name':'many'}");
	cluster_compile(c);
	assert_int_equal(c->findings.count, 2);
	assert_int_equal(cluster_findings(c, "HttpRuleRefused", "spec.rules[1].name"), 2);
	assert_string_equal(c->findings.items[0].message,
			    "match \"m256\" of HTTPRouteGroup shop/many: its destination has more "
			    "than 256 rules");
	assert_int_equal(find_entry(c, "10.0.1.1", 80)->action, WEFT_POLICY_HTTP);
	assert_int_not_equal(find_entry(c, "10.0.1.1", 80)->mask, 0);
}

static void test_options(void **state)
{
	struct cluster *c = *state;
	uint32_t size;

	put_target(c, "t", "frontend", HTTP_ALL, "");
	cluster_compile(c);
	size = only_program(c)->size;
	assert_int_equal(only_program(c)->max_head, WEFT_HTTP_HEAD_DEFAULT);
	cluster_put(c, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/ambiguous-paths':'allow'}}");
	c->facts.max_head = 1000;
	cluster_compile(c);
	assert_int_equal(c->findings.count, 0);
	assert_true(only_program(c)->size < size);
	assert_int_equal(only_program(c)->max_head, 1000);
	cluster_put(c, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/ambiguous-paths':'maybe'}}");
	cluster_compile(c);
	assert_int_equal(only_program(c)->size, size);
	assert_int_equal(cluster_findings(c, "InvalidValue",
					  "metadata.annotations[weft.dev/ambiguous-paths]"),
			 1);
}

/* With and without the programs of earlier compilations the result is the same. */
static void test_cache(void **state)
{
	struct cluster *c = *state;
	uint8_t *bytes;
	uint32_t size;
	int round;

	put_target(c, "t", "frontend", HTTP_ALL, "");
	cluster_compile(c);
	size = only_dest(c)->http_size;
	bytes = memory_alloc(size);
	memcpy(bytes, only_dest(c)->http, size);
	c->facts.http_cache = http_cache_new();
	for (round = 0; round < 3; round++) {
		cluster_compile(c);
		assert_int_equal(only_dest(c)->http_size, size);
		assert_memory_equal(only_dest(c)->http, bytes, size);
	}
	put_target(c, "t", "frontend", HTTP_READ_ONLY, "");
	cluster_compile(c);
	assert_int_not_equal(only_dest(c)->http_size, size);
	put_target(c, "t", "frontend", HTTP_ALL, "");
	cluster_compile(c);
	assert_int_equal(only_dest(c)->http_size, size);
	assert_memory_equal(only_dest(c)->http, bytes, size);
	http_cache_free(c->facts.http_cache);
	c->facts.http_cache = NULL;
	free(bytes);
}

/* Pods of one ServiceAccount that a port's name tells apart have a program each. */
static void test_classes(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Pod",
		    "'metadata':{'name':'api2','namespace':'shop','uid':'u2'},"
		    "'spec':{'nodeName':'node-1','serviceAccountName':'api','containers':["
		    "{'name':'c','ports':[{'name':'web','containerPort':81}]}]},"
		    "'status':{'phase':'Running','podIP':'10.0.1.4',"
		    "'podIPs':[{'ip':'10.0.1.4'}]}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api','namespace':'shop',"
		    "'port':'web'},"
		    "'sources':[{'kind':'ServiceAccount','name':'frontend','namespace':'shop'}],"
		    "'rules':[%s]}",
		    HTTP_ALL);
	put_target(c, "u", "frontend", HTTP_READ_ONLY, "");
	cluster_compile(c);
	assert_int_equal(c->desired.dest_count, 2);
	assert_non_null(c->desired.dests[0].http);
	assert_non_null(c->desired.dests[1].http);
	assert_ptr_not_equal(c->desired.dests[0].http, c->desired.dests[1].http);
}

int main(void)
{
#define HTTP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		HTTP_TEST(test_names_and_masks),
		HTTP_TEST(test_exact_ports_include_any_port),
		HTTP_TEST(test_allow_outweighs_http),
		HTTP_TEST(test_duplicates),
		HTTP_TEST(test_refusals),
		HTTP_TEST(test_options),
		HTTP_TEST(test_cache),
		HTTP_TEST(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
