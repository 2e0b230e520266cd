// SPDX-License-Identifier: Apache-2.0
/* Namespaces, pods, nodes and cluster IPs: who is who. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/cluster.h"

static int setup(void **state)
{
	*state = cluster_new();
	return 0;
}

static int teardown(void **state)
{
	cluster_free(*state);
	return 0;
}

static uint32_t flags_of(struct cluster *c, const char *ip)
{
	assert_non_null(cluster_peer(c, ip));
	return cluster_peer(c, ip)->peer.flags;
}

static const char *detail_of(struct cluster *c, const char *ip)
{
	const struct desired_peer *peer = cluster_peer(c, ip);

	assert_non_null(peer);
	return names_lookup(c->names, WEFT_NAME_IDENTITY, peer->peer.identity)->detail;
}

static void test_modes(void **state)
{
	struct cluster *c = *state;

	cluster_put_namespace(c, "enforced", "enforce");
	cluster_put_namespace(c, "lenient", "permissive");
	cluster_put_namespace(c, "off", "disabled");
	cluster_put_namespace(c, "typo", "Enforce");
	cluster_put(c, "Namespace", "'metadata':{'name':'plain'}");
	cluster_put_pod(c, "enforced", "p", "a", "10.0.1.1", "");
	cluster_put_pod(c, "lenient", "p", "a", "10.0.1.2", "");
	cluster_put_pod(c, "off", "p", "a", "10.0.1.3", "");
	cluster_put_pod(c, "typo", "p", "a", "10.0.1.4", "");
	cluster_put_pod(c, "plain", "p", "a", "10.0.1.5", "");
	cluster_put_pod(c, "unknown", "p", "a", "10.0.1.6", "");
	cluster_compile(c);
	assert_int_equal(flags_of(c, "10.0.1.1"), WEFT_PEER_ENFORCE);
	assert_int_equal(flags_of(c, "10.0.1.2"), WEFT_PEER_PERMISSIVE);
	assert_int_equal(flags_of(c, "10.0.1.3"), 0);
	assert_int_equal(flags_of(c, "10.0.1.4"), WEFT_PEER_ENFORCE);
	assert_int_equal(flags_of(c, "10.0.1.5"), 0);
	assert_int_equal(flags_of(c, "10.0.1.6"), 0);
	assert_int_equal(c->findings.count, 1);
	assert_string_equal(c->findings.items[0].name, "typo");
	assert_string_equal(c->findings.items[0].field, "metadata.labels[weft.dev/mesh]");
	assert_string_equal(c->findings.items[0].reason, "InvalidValue");
}

static void test_annotations(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/hosts':'cluster','weft.dev/external':'no'}}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'gate','namespace':'shop','uid':'1','annotations':"
		    "{'weft.dev/external':'allow','weft.dev/mesh':'permissive'}},"
		    "'status':{'podIP':'10.0.1.1'}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'out','namespace':'shop','uid':'2','annotations':"
		    "{'weft.dev/external':'allow','weft.dev/mesh':'disabled'}},"
		    "'status':{'podIP':'10.0.1.2'}");
	cluster_compile(c);
	assert_int_equal(flags_of(c, "10.0.1.1"),
			 WEFT_PEER_ENFORCE | WEFT_PEER_HOSTS_CLUSTER | WEFT_PEER_EXTERNAL_ALLOW);
	assert_int_equal(flags_of(c, "10.0.1.2"), 0);
	assert_int_equal(
		cluster_findings(c, "InvalidValue", "metadata.annotations[weft.dev/external]"), 1);
	assert_int_equal(cluster_findings(c, "InvalidValue", "metadata.annotations[weft.dev/mesh]"),
			 1);
}

static void test_identity_is_the_service_account(void **state)
{
	struct cluster *c = *state;

	cluster_put_pod(c, "shop", "p1", "api", "10.0.1.1", "'app':'x'");
	cluster_put_pod(c, "shop", "p2", "api", "10.0.1.2", "'app':'y'");
	cluster_put_pod(c, "shop", "p3", "web", "10.0.1.3", "");
	cluster_put_pod(c, "other", "p1", "api", "10.0.1.4", "");
	cluster_compile(c);
	assert_int_equal(cluster_peer(c, "10.0.1.1")->peer.identity,
			 cluster_peer(c, "10.0.1.2")->peer.identity);
	assert_int_not_equal(cluster_peer(c, "10.0.1.1")->peer.identity,
			     cluster_peer(c, "10.0.1.3")->peer.identity);
	assert_int_not_equal(cluster_peer(c, "10.0.1.1")->peer.identity,
			     cluster_peer(c, "10.0.1.4")->peer.identity);
	assert_string_equal(detail_of(c, "10.0.1.1"), "");
	assert_int_equal(cluster_peer(c, "10.0.1.1")->peer.workload,
			 names_find(c->names, WEFT_NAME_WORKLOAD, "shop", "p1", "Pod/api"));
}

/* A pod of a Deployment, on this node or another. */
static void put_replica(struct cluster *c, const char *name, const char *node, const char *address)
{
	cluster_put(c, "Pod",
		    "'metadata':{'name':'%s','namespace':'shop',"
		    "'uid':'%s','labels':{'pod-template-hash':'7d9'},'ownerReferences':[{"
		    "'apiVersion':'apps/v1','kind':'ReplicaSet','name':'web-7d9','uid':'r',"
		    "'controller':true}]},'spec':{'nodeName':'%s','serviceAccountName':'web'},"
		    "'status':{'phase':'Running','podIP':'%s','podIPs':[{'ip':'%s'}]}",
		    name, name, node, address, address);
}

static const char *pod_at(struct cluster *c, const char *address)
{
	static struct workload workload;

	workload_of(c->names, cluster_peer(c, address)->peer.workload, &workload);
	assert_string_equal(workload.name_space, "shop");
	assert_string_equal(workload.kind, "Deployment");
	assert_string_equal(workload.name, "web");
	assert_string_equal(workload.service_account, "web");
	assert_false(workload.past);
	return workload.pod;
}

static void test_which_pods_are_counted_by_themselves(void **state)
{
	struct cluster *c = *state;

	put_replica(c, "web-7d9-a", "node-1", "10.0.1.1");
	put_replica(c, "web-7d9-b", "node-1", "10.0.1.2");
	put_replica(c, "web-7d9-c", "node-2", "10.0.1.3");
	put_replica(c, "web-7d9-d", "node-2", "10.0.1.4");
	cluster_compile(c);
	assert_string_equal(pod_at(c, "10.0.1.1"), "");
	assert_int_equal(cluster_peer(c, "10.0.1.1")->peer.workload,
			 cluster_peer(c, "10.0.1.4")->peer.workload);
	c->facts.pod_edges = POD_EDGES_LOCAL;
	cluster_compile(c);
	assert_string_equal(pod_at(c, "10.0.1.1"), "web-7d9-a");
	assert_string_equal(pod_at(c, "10.0.1.2"), "web-7d9-b");
	assert_string_equal(pod_at(c, "10.0.1.3"), "");
	assert_int_equal(cluster_peer(c, "10.0.1.3")->peer.workload,
			 cluster_peer(c, "10.0.1.4")->peer.workload);
	c->facts.pod_edges = POD_EDGES_ALL;
	cluster_compile(c);
	assert_string_equal(pod_at(c, "10.0.1.3"), "web-7d9-c");
	assert_string_equal(pod_at(c, "10.0.1.4"), "web-7d9-d");
}

/* Only what a valid target uses divides a ServiceAccount. */
static void test_classes(void **state)
{
	struct cluster *c = *state;

	cluster_put_pod(c, "shop", "p1", "api", "10.0.1.1", "'app':'x','v':'2'");
	cluster_put_pod(c, "shop", "p2", "api", "10.0.1.2", "'app':'x','v':'1'");
	cluster_put_pod(c, "shop", "p3", "api", "10.0.1.3", "'app':'y'");
	cluster_put(c, "IdentityBinding",
		    "'metadata':{'name':'x','namespace':'shop'},'spec':{'schemes':"
		    "{'podLabelSelector':{'matchLabels':{'app':'x'}}}}");
	cluster_put(c, "IdentityBinding",
		    "'metadata':{'name':'x-too','namespace':'shop'},'spec':{'schemes':"
		    "{'podLabelSelector':{'matchLabels':{'app':'x'},"
		    "'matchExpressions':[{'key':'v','operator':'NotIn','values':['1']}]}}}");
	cluster_put(c, "IdentityBinding",
		    "'metadata':{'name':'unused','namespace':'shop'},'spec':{'schemes':"
		    "{'podLabelSelector':{'matchLabels':{'app':'y'}}}}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'IdentityBinding','name':'x'},"
		    "'sources':[{'kind':'IdentityBinding','name':'x-too'}],"
		    "'rules':[{'kind':'TCPRoute','name':'r'}]}");
	cluster_compile(c);
	assert_string_equal(detail_of(c, "10.0.1.1"), "selector:shop/x,selector:shop/x-too");
	assert_string_equal(detail_of(c, "10.0.1.2"), "selector:shop/x");
	assert_string_equal(detail_of(c, "10.0.1.3"), "");
}

static void put_ported_pod(struct cluster *c, const char *name, const char *ip, const char *ports)
{
	cluster_put(c, "Pod",
		    "'metadata':{'name':'%s','namespace':'shop','uid':'%s'},"
		    "'spec':{'serviceAccountName':'api','containers':[{'ports':[%s]}]},"
		    "'status':{'podIP':'%s'}",
		    name, name, ports, ip);
}

static void test_port_names_divide(void **state)
{
	struct cluster *c = *state;

	put_ported_pod(c, "p1", "10.0.1.1", "{'name':'http','containerPort':8080}");
	put_ported_pod(c, "p2", "10.0.1.2",
		       "{'name':'http','containerPort':9090},"
		       "{'name':'http','containerPort':53,'protocol':'UDP'}");
	put_ported_pod(c, "p3", "10.0.1.3", "{'name':'other','containerPort':9090}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'t','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api','port':'http'},"
		    "'sources':[{'kind':'ServiceAccount','name':'web'}],"
		    "'rules':[{'kind':'TCPRoute','name':'r'}]}");
	cluster_compile(c);
	assert_string_equal(detail_of(c, "10.0.1.1"), "port:http=8080/tcp");
	assert_string_equal(detail_of(c, "10.0.1.2"), "port:http=9090/tcp,port:http=53/udp");
	assert_string_equal(detail_of(c, "10.0.1.3"), "");
}

static void test_hosts(void **state)
{
	struct weft_addr interfaces[] = { cluster_addr("10.0.0.1"), cluster_addr("10.0.0.2"),
					  cluster_addr("192.168.0.1"), cluster_addr("10.9.0.1") };
	struct cluster *c = *state;

	c->facts.host_addresses = interfaces;
	c->facts.host_address_count = 4;
	cluster_put(c, "Node",
		    "'metadata':{'name':'node-1'},'status':{'addresses':["
		    "{'type':'InternalIP','address':'10.0.0.1'},"
		    "{'type':'Hostname','address':'node-1'}]}");
	cluster_put(c, "Node",
		    "'metadata':{'name':'node-2'},'status':{'addresses':["
		    "{'type':'InternalIP','address':'10.0.0.2'},"
		    "{'type':'InternalIP','address':'fd00::2'}]}");
	cluster_put(c, "Service",
		    "'metadata':{'name':'s','namespace':'shop'},"
		    "'spec':{'clusterIP':'10.9.0.1','ports':[{'port':80}]}");
	cluster_compile(c);
	assert_int_equal(cluster_peer(c, "10.0.0.1")->peer.identity, WEFT_ID_HOST);
	assert_int_equal(flags_of(c, "10.0.0.1"), WEFT_PEER_LOCAL_HOST);
	/* of another node's object, but this node has it */
	assert_int_equal(flags_of(c, "10.0.0.2"), WEFT_PEER_LOCAL_HOST);
	assert_int_equal(flags_of(c, "192.168.0.1"), WEFT_PEER_LOCAL_HOST);
	assert_int_equal(flags_of(c, "fd00::2"), 0);
	assert_int_equal(cluster_peer(c, "fd00::2")->peer.identity, WEFT_ID_HOST);
	/* kube-proxy in IPVS mode puts cluster IPs on an interface */
	assert_int_equal(cluster_peer(c, "10.9.0.1")->peer.identity, WEFT_ID_SERVICE);
	assert_non_null(cluster_service(c, "10.9.0.1", IPPROTO_TCP, 80));
	assert_int_equal(c->findings.count, 0);
}

static void test_conflicts(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Node",
		    "'metadata':{'name':'node-1'},'status':{'addresses':["
		    "{'type':'InternalIP','address':'10.0.0.1'}]}");
	cluster_put_pod(c, "shop", "thief", "api", "10.0.0.1", "");
	cluster_put_pod(c, "shop", "p", "api", "10.0.1.1", "");
	cluster_put(c, "Service",
		    "'metadata':{'name':'s','namespace':'shop'},"
		    "'spec':{'clusterIPs':['10.0.1.1','10.0.0.1'],'ports':[{'port':80}]}");
	cluster_compile(c);
	assert_int_equal(cluster_peer(c, "10.0.0.1")->peer.identity, WEFT_ID_HOST);
	assert_true(cluster_peer(c, "10.0.1.1")->peer.identity >= WEFT_ID_FIRST);
	assert_null(cluster_service(c, "10.0.1.1", IPPROTO_TCP, 80));
	assert_null(cluster_service(c, "10.0.0.1", IPPROTO_TCP, 80));
	assert_int_equal(cluster_findings(c, "AddressConflict", "status.podIPs"), 1);
	assert_int_equal(cluster_findings(c, "AddressConflict", "spec.clusterIPs"), 2);
	/* nor may the thief send from the node's address */
	assert_int_equal(c->desired.local_count, 2);
	assert_string_equal(c->desired.locals[1].name, "thief");
	assert_true(address_is_zero(&c->desired.locals[1].local.addr[0]));
	assert_false(address_is_zero(&c->desired.locals[0].local.addr[0]));
}

static void put_claimant(struct cluster *c, const char *name, const char *account,
			 const char *created, const char *more)
{
	cluster_put(c, "Pod",
		    "'metadata':{'name':'%s','namespace':'shop','uid':'%s',"
		    "'creationTimestamp':'%s'%s},'spec':{'serviceAccountName':'%s'},"
		    "'status':{'podIP':'10.0.1.1'}",
		    name, name, created, more, account);
}

static uint32_t winner_is(struct cluster *c, const char *account)
{
	cluster_compile(c);
	return cluster_peer(c, "10.0.1.1")->peer.identity ==
	       names_find(c->names, WEFT_NAME_IDENTITY, "shop", account, "");
}

static void test_pods_with_one_address(void **state)
{
	struct cluster *c = *state;

	put_claimant(c, "b", "old", "2024-01-01T00:00:00Z", "");
	put_claimant(c, "a", "young", "2024-01-02T00:00:00Z", "");
	assert_true(winner_is(c, "young"));
	assert_int_equal(cluster_findings(c, "AddressConflict", NULL), 1);
	put_claimant(c, "a", "young", "2024-01-02T00:00:00Z",
		     ",'deletionTimestamp':'2024-01-03T00:00:00Z'");
	assert_true(winner_is(c, "old"));
	put_claimant(c, "a", "same", "2024-01-01T00:00:00Z", "");
	assert_true(winner_is(c, "same"));
}

static void test_finished_and_host_pods_have_no_address(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Pod",
		    "'metadata':{'name':'done','namespace':'shop','uid':'1'},"
		    "'spec':{'nodeName':'node-1'},'status':{'phase':'Failed','podIP':'10.0.1.1'}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'host','namespace':'shop','uid':'2'},"
		    "'spec':{'nodeName':'node-1','hostNetwork':true},"
		    "'status':{'podIP':'10.0.0.1'}");
	cluster_compile(c);
	assert_int_equal(c->desired.peer_count, 0);
	assert_int_equal(c->desired.local_count, 0);
}

static void test_locals(void **state)
{
	struct cluster *c = *state;
	const struct desired_local *local;

	cluster_put_namespace(c, "shop", "enforce");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'new','namespace':'shop','uid':'u2'},"
		    "'spec':{'nodeName':'node-1'}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'up','namespace':'shop','uid':'u1'},"
		    "'spec':{'nodeName':'node-1'},"
		    "'status':{'podIPs':[{'ip':'fd00::1'},{'ip':'10.0.1.1'}]}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'copy','namespace':'shop','uid':'u2'},"
		    "'spec':{'nodeName':'node-1'}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'nameless','namespace':'shop'},"
		    "'spec':{'nodeName':'node-1'}");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'away','namespace':'shop','uid':'u4'},"
		    "'spec':{'nodeName':'node-2'}");
	cluster_compile(c);
	assert_int_equal(c->desired.local_count, 2);
	local = c->desired.locals;
	assert_string_equal(local[0].uid, "u1");
	assert_string_equal(local[0].name, "up");
	assert_true(address_is_v4(&local[0].local.addr[0]));
	assert_false(address_is_v4(&local[0].local.addr[1]));
	assert_memory_equal(&local[0].local.peer, &cluster_peer(c, "fd00::1")->peer,
			    sizeof(struct weft_peer));
	assert_string_equal(local[1].name, "copy");
	assert_int_equal(local[1].local.peer.flags, WEFT_PEER_ENFORCE);
	assert_true(local[1].local.peer.identity >= WEFT_ID_FIRST);
	assert_true(address_is_zero(&local[1].local.addr[0]));
	assert_int_equal(cluster_findings(c, "DuplicateUid", "metadata.uid"), 1);
	assert_int_equal(cluster_findings(c, "MissingUid", "metadata.uid"), 1);
}

static void put_mirror(struct cluster *c, const char *space, const char *name, const char *created,
		       const char *uid)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "'metadata':{'name':'%s','namespace':'%s','uid':'%s','creationTimestamp':'%s',"
		 "'annotations':{'kubernetes.io/config.mirror':'%s'},"
		 "'ownerReferences':[{'kind':'Node','name':'node-1','controller':true}]},"
		 "'spec':{'nodeName':'node-1'}",
		 name, space, name, created, uid);
	cluster_put(c, "Pod", text);
}

/* Whoever may create pods can make one that looks like the mirror of another's static pod. */
static void test_mirrors(void **state)
{
	static const char field[] = "metadata.annotations[kubernetes.io/config.mirror]";
	const struct desired_local *local;
	struct cluster *c = *state;

	put_mirror(c, "shop", "static", "2024-01-02T00:00:00Z", "0b26");
	cluster_compile(c);
	assert_int_equal(c->desired.local_count, 1);
	assert_string_equal(c->desired.locals->uid, "0b26");
	assert_int_equal(cluster_findings(c, "DuplicateUid", field), 0);
	put_mirror(c, "a-younger", "a", "2024-01-02T00:00:01Z", "0b26");
	cluster_put(c, "Pod",
		    "'metadata':{'name':'own','namespace':'shop','uid':'by-hand'},"
		    "'spec':{'nodeName':'node-1'}");
	put_mirror(c, "a-younger", "b", "2000-01-01T00:00:00Z", "by-hand");
	cluster_compile(c);
	assert_int_equal(c->desired.local_count, 2);
	local = c->desired.locals;
	assert_string_equal(local[0].name, "static");
	assert_string_equal(local[1].uid, "by-hand");
	assert_string_equal(local[1].name, "own");
	assert_int_equal(cluster_findings(c, "DuplicateUid", field), 2);
}

static void test_numbers_survive_a_change(void **state)
{
	struct cluster *c = *state;
	uint32_t identity;

	cluster_put_pod(c, "shop", "p", "z", "10.0.1.1", "");
	cluster_compile(c);
	identity = cluster_peer(c, "10.0.1.1")->peer.identity;
	cluster_put_pod(c, "shop", "a", "a", "10.0.1.2", "");
	cluster_compile(c);
	assert_int_equal(cluster_peer(c, "10.0.1.1")->peer.identity, identity);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_modes),
		TEST(test_annotations),
		TEST(test_identity_is_the_service_account),
		TEST(test_which_pods_are_counted_by_themselves),
		TEST(test_classes),
		TEST(test_port_names_divide),
		TEST(test_hosts),
		TEST(test_conflicts),
		TEST(test_pods_with_one_address),
		TEST(test_finished_and_host_pods_have_no_address),
		TEST(test_locals),
		TEST(test_mirrors),
		TEST(test_numbers_survive_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
