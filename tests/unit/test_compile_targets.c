// SPDX-License-Identifier: Apache-2.0
/* TrafficTargets: what the rules of one target grant, and what they must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/lookup.h"
#include "unit/cluster.h"

enum { TCP = IPPROTO_TCP, UDP = IPPROTO_UDP };
enum { NOTHING = 0, ALLOW = WEFT_POLICY_ALLOW, HTTP = WEFT_POLICY_HTTP };

/* shop/frontend at 10.0.1.1, shop/api at 10.0.1.2, and routes of every kind. */
static int setup(void **state)
{
	struct cluster *c = cluster_new();

	cluster_put_namespace(c, "shop", "enforce");
	cluster_put_pod(c, "shop", "web", "frontend", "10.0.1.1", "'app':'web'");
	cluster_put_pod(c, "shop", "api", "api", "10.0.1.2", "'app':'api'");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'p80','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80,443,80]}}");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'any','namespace':'shop'},'spec':{'matches':{'ports':[]}}");
	cluster_put(c, "UDPRoute",
		    "'metadata':{'name':'dns','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[53]}}");
	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'web','namespace':'shop'},"
		    "'spec':{'matches':[{'name':'all','pathRegex':'/'}]}");
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cluster_free(*state);
	return 0;
}

/* What frontend may do at api. */
static int granted(struct cluster *c, uint8_t proto, uint16_t port)
{
	return (int)lookup_policy(&c->desired, cluster_peer(c, "10.0.1.2")->peer.identity,
				  cluster_peer(c, "10.0.1.1")->peer.identity, proto, port);
}

static const char TCP_80[] = "{'kind':'TCPRoute','name':'p80'}";
static const char TCP_ANY[] = "{'kind':'TCPRoute','name':'any'}";
static const char UDP_53[] = "{'kind':'UDPRoute','name':'dns'}";

static void compile_target(struct cluster *c, const char *rules)
{
	cluster_put_target(c, "t", rules);
	cluster_compile(c);
}

static void test_tcp_ports(void **state)
{
	struct cluster *c = *state;

	compile_target(c, TCP_80);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, TCP, 443), ALLOW);
	assert_int_equal(granted(c, TCP, 81), NOTHING);
	assert_int_equal(granted(c, UDP, 80), NOTHING);
	assert_int_equal(c->findings.count, 0);
	assert_int_equal(c->desired.dest_count, 1);
	assert_int_equal(c->desired.dests[0].entry_count, 2);
}

static void test_any_port(void **state)
{
	struct cluster *c = *state;
	char *rules = memory_printf("%s,%s", TCP_80, TCP_ANY);

	compile_target(c, rules);
	free(rules);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, TCP, 9), ALLOW);
	assert_int_equal(granted(c, UDP, 53), NOTHING);
	assert_int_equal(c->desired.dests[0].entry_count, 1);
}

static void test_udp_stands_beside(void **state)
{
	struct cluster *c = *state;
	char *rules = memory_printf("%s,%s,{'kind':'HTTPRouteGroup','name':'web'}", UDP_53, TCP_80);

	compile_target(c, rules);
	free(rules);
	assert_int_equal(granted(c, UDP, 53), ALLOW);
	assert_int_equal(granted(c, UDP, 80), NOTHING);
	assert_int_equal(granted(c, TCP, 53), NOTHING);
	assert_int_equal(granted(c, TCP, 80), HTTP);
}

static void test_http_alone_is_http_on_every_port(void **state)
{
	struct cluster *c = *state;

	compile_target(c, "{'kind':'HTTPRouteGroup','name':'web'}");
	assert_int_equal(granted(c, TCP, 80), HTTP);
	assert_int_equal(granted(c, TCP, 9), HTTP);
	assert_int_equal(granted(c, UDP, 80), NOTHING);
	assert_int_equal(c->findings.count, 0);
}

static void test_http_with_tcp_is_http_on_its_ports(void **state)
{
	struct cluster *c = *state;
	char *rules = memory_printf("%s,{'kind':'HTTPRouteGroup','name':'web','matches':['all']}",
				    TCP_80);

	compile_target(c, rules);
	free(rules);
	assert_int_equal(granted(c, TCP, 80), HTTP);
	assert_int_equal(granted(c, TCP, 9), NOTHING);
}

/* A rule that is broken must not make the others of its target grant more. */
static void test_broken_rules_never_widen(void **state)
{
	static const struct {
		const char *rules, *reason;
	} cases[] = {
		{ "{'kind':'TCPRoute','name':'gone'},{'kind':'HTTPRouteGroup','name':'web'}",
		  "MissingRoute" },
		{ "{'kind':'TCPRoute','name':'p80'},{'kind':'HTTPRouteGroup','name':'gone'}",
		  "MissingRoute" },
		{ "{'kind':'TCPRoute','name':'p80'},"
		  "{'kind':'HTTPRouteGroup','name':'web','matches':['gone']}",
		  "MissingMatch" },
		{ "{'kind':'TCPRoute','name':'gone'}", "MissingRoute" },
		{ "{'kind':'TCPRoute','name':'bad'}", "InvalidRoute" },
		{ "{'kind':'TCPRoute','name':'bad'},{'kind':'HTTPRouteGroup','name':'web'}",
		  "InvalidRoute" },
	};
	struct cluster *c = *state;
	size_t i;

	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'bad','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[0]}}");
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		compile_target(c, cases[i].rules);
		assert_int_equal(granted(c, TCP, 80), NOTHING);
		assert_int_equal(granted(c, TCP, 9), NOTHING);
		assert_int_equal(c->desired.dest_count, 0);
		assert_int_equal(cluster_findings(c, cases[i].reason, NULL), 1);
	}
}

/* The same for a kind that nobody knows, as the model has it. */
static void test_rules_of_unknown_kinds_never_widen(void **state)
{
	struct cluster *c = *state;
	struct traffic_target *target;
	char *rules = memory_printf("%s,%s", TCP_80, TCP_80);

	cluster_put_target(c, "t", rules);
	free(rules);
	target = (struct traffic_target *)store_find(c->store, OBJECT_TRAFFIC_TARGET, "shop", "t");
	target->rules[1].kind = RULE_OTHER;
	cluster_compile(c);
	assert_int_equal(c->desired.dest_count, 0);
	/* beside a TCPRoute and HTTP, the other rules stand */
	target->rules[1].kind = RULE_HTTP_ROUTE_GROUP;
	free(target->rules[1].name);
	target->rules[1].name = memory_strdup("web");
	target->rules[1].all_matches = true;
	cluster_compile(c);
	assert_int_equal(granted(c, TCP, 80), HTTP);
	target->rules[0].kind = RULE_OTHER;
	cluster_compile(c);
	assert_int_equal(c->desired.dest_count, 0);
}

static void test_allow_outweighs_http(void **state)
{
	struct cluster *c = *state;

	cluster_put_target(c, "http", "{'kind':'HTTPRouteGroup','name':'web'}");
	compile_target(c, TCP_80);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, TCP, 9), HTTP);
	compile_target(c, TCP_ANY);
	assert_int_equal(granted(c, TCP, 9), ALLOW);
}

/* Two targets do not lend each other sources or ports. */
static void test_targets_do_not_mix(void **state)
{
	struct cluster *c = *state;

	cluster_put_pod(c, "shop", "job", "batch", "10.0.1.3", "");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'batch','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'ServiceAccount','name':'batch'}],"
		    "'rules':[{'kind':'UDPRoute','name':'dns'}]}");
	compile_target(c, TCP_80);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, UDP, 53), NOTHING);
}

static void put_ported_target(struct cluster *c, const char *port, const char *rules)
{
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api','port':%s},"
		    "'sources':[{'kind':'ServiceAccount','name':'frontend'}],'rules':[%s]}",
		    port, rules);
	cluster_compile(c);
}

static void test_destination_port_narrows(void **state)
{
	struct cluster *c = *state;

	put_ported_target(c, "80", TCP_ANY);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, TCP, 443), NOTHING);
	put_ported_target(c, "'443'", TCP_80);
	assert_int_equal(granted(c, TCP, 443), ALLOW);
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	assert_int_equal(c->findings.count, 0);
	put_ported_target(c, "81", TCP_80);
	assert_int_equal(c->desired.dest_count, 0);
	assert_int_equal(cluster_findings(c, "DisjointPorts", "spec.rules[0].name"), 1);
	put_ported_target(c, "81", "{'kind':'HTTPRouteGroup','name':'web'}");
	assert_int_equal(granted(c, TCP, 81), HTTP);
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	put_ported_target(c, "53", UDP_53);
	assert_int_equal(granted(c, UDP, 53), ALLOW);
}

static void test_destination_port_name_narrows(void **state)
{
	struct cluster *c = *state;

	put_ported_target(c, "'http'", TCP_ANY);
	assert_int_equal(c->desired.dest_count, 0);
	assert_int_equal(cluster_findings(c, "UnknownPortName", "spec.destination.port"), 1);
	cluster_put(c, "Pod",
		    "'metadata':{'name':'api','namespace':'shop','uid':'2'},"
		    "'spec':{'serviceAccountName':'api','containers':[{'ports':["
		    "{'name':'http','containerPort':80}]}]},'status':{'podIP':'10.0.1.2'}");
	put_ported_target(c, "'http'", TCP_ANY);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(granted(c, TCP, 443), NOTHING);
	assert_int_equal(c->findings.count, 0);
	put_ported_target(c, "'http'", UDP_53);
	assert_int_equal(c->desired.dest_count, 0);
	assert_int_equal(cluster_findings(c, "DisjointPorts", "spec.destination.port"), 1);
}

static void put_bound_target(struct cluster *c, const char *schemes)
{
	cluster_put(c, "IdentityBinding",
		    "'metadata':{'name':'b','namespace':'shop'},'spec':{'schemes':{%s}}", schemes);
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'IdentityBinding','name':'b'}],'rules':[%s]}",
		    TCP_80);
	cluster_compile(c);
}

static void test_bindings(void **state)
{
	struct cluster *c = *state;

	put_bound_target(c, "'serviceAccount':'frontend'");
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	put_bound_target(c, "'serviceAccount':'other'");
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	put_bound_target(c, "'podLabelSelector':{'matchLabels':{'app':'web'}}");
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	put_bound_target(c, "'podLabelSelector':{'matchLabels':{'app':'api'}}");
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	put_bound_target(c, "'podLabelSelector':{}");
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	put_bound_target(c, "'spiffeIdentities':['cluster.local/ns/shop/sa/frontend']");
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(c->findings.count, 0);
	put_bound_target(c, "'spiffeIdentities':['other.org/ns/shop/sa/frontend']");
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	assert_int_equal(
		cluster_findings(c, "ForeignTrustDomain", "spec.schemes.spiffeIdentities[0]"), 1);
	put_bound_target(c, "'spiffeIdentities':['cluster.local/ns/elsewhere/sa/frontend']");
	assert_int_equal(cluster_findings(c, "ForeignNamespace", NULL), 1);
	put_bound_target(c, "'serviceAccount':'frontend','podLabelSelector':{}");
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	assert_int_equal(cluster_findings(c, "InvalidIdentityBinding", "spec.sources[0].name"), 1);
}

/* An invalid binding binds nothing, whatever else of it could be read. */
static void test_invalid_binding_with_content(void **state)
{
	struct cluster *c = *state;
	struct identity_binding *binding;

	put_bound_target(c, "'podLabelSelector':{}");
	binding = (struct identity_binding *)store_find(c->store, OBJECT_IDENTITY_BINDING, "shop",
							"b");
	binding->invalid = true;
	cluster_compile(c);
	assert_int_equal(granted(c, TCP, 80), NOTHING);
}

static void test_missing_binding(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'IdentityBinding','name':'b'},"
		    "'sources':[{'kind':'IdentityBinding','name':'b','namespace':'else'}],"
		    "'rules':[%s]}",
		    TCP_80);
	cluster_compile(c);
	assert_int_equal(cluster_findings(c, "MissingIdentityBinding", "spec.destination.name"), 1);
	assert_int_equal(cluster_findings(c, "MissingIdentityBinding", "spec.sources[0].name"), 1);
	assert_int_equal(c->desired.dest_count, 0);
}

/* A reference that appears later takes effect without touching the target. */
static void test_route_appears(void **state)
{
	struct cluster *c = *state;

	compile_target(c, "{'kind':'TCPRoute','name':'later'}");
	assert_int_equal(granted(c, TCP, 80), NOTHING);
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'later','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80]}}");
	cluster_compile(c);
	assert_int_equal(granted(c, TCP, 80), ALLOW);
	assert_int_equal(c->findings.count, 0);
}

/* A target too large for the kernel grants nothing, rather than part of it. */
static void test_too_many_entries(void **state)
{
	struct cluster *c = *state;
	struct port_route *route;
	unsigned int i;
	char name[16];

	route = (struct port_route *)store_find(c->store, OBJECT_TCP_ROUTE, "shop", "p80");
	free(route->ports);
	route->port_count = 65535;
	route->ports = memory_alloc(route->port_count * sizeof(*route->ports));
	for (i = 0; i < 65535; i++)
		route->ports[i] = (uint16_t)(i + 1);
	compile_target(c, TCP_80);
	assert_int_equal(granted(c, TCP, 65535), ALLOW);
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		cluster_put(c, "Pod",
			    "'metadata':{'name':'%s','namespace':'shop','uid':'%s'},"
			    "'spec':{'serviceAccountName':'%s'}",
			    name, name, name);
	}
	cluster_put(c, "IdentityBinding",
		    "'metadata':{'name':'all','namespace':'shop'},"
		    "'spec':{'schemes':{'podLabelSelector':{}}}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'IdentityBinding','name':'all'}],'rules':[%s]}",
		    TCP_80);
	cluster_compile(c);
	assert_int_equal(c->desired.dest_count, 0);
	assert_int_equal(cluster_findings(c, "TooManyEntries", NULL), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tcp_ports),
		TEST(test_any_port),
		TEST(test_udp_stands_beside),
		TEST(test_http_alone_is_http_on_every_port),
		TEST(test_http_with_tcp_is_http_on_its_ports),
		TEST(test_broken_rules_never_widen),
		TEST(test_rules_of_unknown_kinds_never_widen),
		TEST(test_allow_outweighs_http),
		TEST(test_targets_do_not_mix),
		TEST(test_destination_port_narrows),
		TEST(test_destination_port_name_narrows),
		TEST(test_bindings),
		TEST(test_invalid_binding_with_content),
		TEST(test_missing_binding),
		TEST(test_route_appears),
		TEST(test_too_many_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
