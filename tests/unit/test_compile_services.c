// SPDX-License-Identifier: Apache-2.0
/* Services and TrafficSplits: endpoints and their shares. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "unit/cluster.h"

enum { TCP = IPPROTO_TCP, UDP = IPPROTO_UDP };

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

static void put_service(struct cluster *c, const char *name, const char *vips, const char *ports)
{
	cluster_put(c, "Service",
		    "'metadata':{'name':'%s','namespace':'shop'},"
		    "'spec':{'clusterIPs':[%s],'ports':[%s]}",
		    name, vips, ports);
}

/* A slice with `count` ready endpoints 10.1.<net>.1 and so on, for port `port`. */
static void put_slice(struct cluster *c, const char *service, unsigned int net, unsigned int count,
		      unsigned int port)
{
	char *list = memory_strdup(""), *longer;
	unsigned int i;

	for (i = 1; i <= count; i++) {
		longer = memory_printf("%s%s{'addresses':['10.1.%u.%u']}", list, i > 1 ? "," : "",
				       net, i);
		free(list);
		list = longer;
	}
	cluster_put(c, "EndpointSlice",
		    "'metadata':{'name':'%s-%u','namespace':'shop','labels':"
		    "{'kubernetes.io/service-name':'%s'}},'addressType':'IPv4',"
		    "'ports':[{'name':'','port':%u}],'endpoints':[%s]",
		    service, net, service, port, list);
	free(list);
}

static void put_split(struct cluster *c, const char *name, const char *created, const char *spec)
{
	cluster_put(c, "TrafficSplit",
		    "'metadata':{'name':'%s','namespace':'shop','creationTimestamp':'%s'},"
		    "'spec':{'service':'web',%s}",
		    name, created, spec);
}

/* The share of all connections that go to a backend, by the alias table. */
static double share_of(struct cluster *c, const struct desired_service *service,
		       const char *backend)
{
	uint32_t id = names_find(c->names, WEFT_NAME_SERVICE, "shop", backend, "");
	double share = 0, own;
	size_t i;

	for (i = 0; i < service->endpoint_count; i++) {
		const struct weft_alias *alias = &service->alias[i];

		own = alias->threshold == UINT32_MAX ? 1 : alias->threshold / 0x1p32;
		if (service->endpoints[i].backend == id)
			share += own;
		if (service->endpoints[alias->alias].backend == id)
			share += 1 - own;
	}
	return share / (double)service->endpoint_count;
}

static void assert_share(struct cluster *c, const char *vip, const char *backend, double share)
{
	const struct desired_service *service = cluster_service(c, vip, TCP, 80);

	assert_non_null(service);
	assert_true(service->endpoint_count > 0);
	assert_true(fabs(share_of(c, service, backend) - share) < 0x1p-31);
}

/* web at 10.9.0.1 with v1 (3 endpoints on 8080) and v2 (2 endpoints on 9090). */
static void put_canary(struct cluster *c)
{
	put_service(c, "web", "'10.9.0.1'", "{'port':80}");
	put_service(c, "v1", "'10.9.0.2'", "{'port':80,'targetPort':8080}");
	put_service(c, "v2", "'10.9.0.3'", "{'port':80,'targetPort':9090}");
	put_slice(c, "web", 0, 5, 80);
	put_slice(c, "v1", 1, 3, 8080);
	put_slice(c, "v2", 2, 2, 9090);
}

static void test_plain_service(void **state)
{
	struct cluster *c = *state;
	const struct desired_service *service;

	put_service(c, "web", "'10.9.0.1','fd09::1'",
		    "{'name':'a','port':80},{'name':'b','port':80,'protocol':'UDP'}");
	cluster_put(c, "EndpointSlice",
		    "'metadata':{'name':'s4','namespace':'shop','labels':"
		    "{'kubernetes.io/service-name':'web'}},'addressType':'IPv4',"
		    "'ports':[{'name':'a','port':8080},{'name':'b','port':53,'protocol':'UDP'}],"
		    "'endpoints':[{'addresses':['10.1.0.2']},{'addresses':['10.1.0.1']},"
		    "{'addresses':['10.1.0.3'],'conditions':{'ready':false}},"
		    "{'addresses':['10.1.0.4'],'conditions':{'ready':true,'terminating':true}}]");
	/* the same endpoint again, as while the controller moves it */
	cluster_put(c, "EndpointSlice",
		    "'metadata':{'name':'s4-more','namespace':'shop','labels':"
		    "{'kubernetes.io/service-name':'web'}},'addressType':'IPv4',"
		    "'ports':[{'name':'a','port':8080}],'endpoints':[{'addresses':['10.1.0.1']}]");
	cluster_put(c, "EndpointSlice",
		    "'metadata':{'name':'s6','namespace':'shop','labels':"
		    "{'kubernetes.io/service-name':'web'}},'addressType':'IPv6',"
		    "'ports':[{'name':'a','port':8080}],'endpoints':[{'addresses':['fd00::1']}]");
	cluster_compile(c);
	service = cluster_service(c, "10.9.0.1", TCP, 80);
	assert_int_equal(service->endpoint_count, 2);
	assert_int_equal(service->endpoints[0].addr.b[15], 1);
	assert_int_equal(service->endpoints[1].addr.b[15], 2);
	assert_int_equal(service->endpoints[0].port, 8080);
	assert_int_equal(service->weights[0], 1);
	assert_int_equal(service->weights[1], 1);
	assert_int_equal(service->split, 0);
	assert_int_equal(cluster_service(c, "10.9.0.1", UDP, 80)->endpoint_count, 2);
	assert_int_equal(cluster_service(c, "10.9.0.1", UDP, 80)->endpoints[0].port, 53);
	assert_int_equal(cluster_service(c, "fd09::1", TCP, 80)->endpoint_count, 1);
	assert_int_equal(cluster_service(c, "fd09::1", UDP, 80)->endpoint_count, 0);
	assert_null(cluster_service(c, "10.9.0.1", TCP, 81));
	assert_int_equal(c->findings.count, 0);
	assert_int_equal(cluster_peer(c, "fd09::1")->peer.identity, WEFT_ID_SERVICE);
}

static void test_split_is_exact(void **state)
{
	struct cluster *c = *state;
	const struct desired_service *service;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':90},{'service':'v2','weight':10}]");
	cluster_compile(c);
	service = cluster_service(c, "10.9.0.1", TCP, 80);
	assert_int_equal(service->endpoint_count, 5);
	assert_int_equal(service->split, 1);
	/* 90/3 : 10/2 */
	assert_int_equal(service->weights[0] + service->weights[4], 7);
	assert_share(c, "10.9.0.1", "v1", 0.9);
	assert_share(c, "10.9.0.1", "v2", 0.1);
	/* backends keep being reachable by their own names */
	assert_share(c, "10.9.0.2", "v1", 1);
	assert_int_equal(cluster_service(c, "10.9.0.2", TCP, 80)->split, 0);
	assert_int_equal(c->findings.count, 0);
}

static void test_weights(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':1},{'service':'v2','weight':999}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 0.001);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':'900m'},{'service':'v2','weight':'100m'}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 0.9);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':0},{'service':'v2','weight':5}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v2", 1);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->endpoint_count, 2);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':1},{'service':'v2','weight':1},"
		  "{'service':'v1','weight':2}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 0.75);
	assert_int_equal(cluster_findings(c, "DuplicateBackend", "spec.backends[2].service"), 1);
}

/* Numbers of endpoints whose least common multiple exceeds 64 bits. */
static void test_weights_beyond_64_bits(void **state)
{
	static const unsigned int primes[] = { 211, 223, 227, 229, 233, 239, 241, 251 };
	struct cluster *c = *state;
	struct traffic_split *split;
	char name[16];
	size_t i;

	put_service(c, "web", "'10.9.0.1'", "{'port':80}");
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'b0','weight':1},{'service':'b1','weight':2},"
		  "{'service':'b2','weight':3},{'service':'b3','weight':4},"
		  "{'service':'b4','weight':5},{'service':'b5','weight':6},"
		  "{'service':'b6','weight':7},{'service':'b7','weight':8}]");
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "b%zu", i);
		put_service(c, name, "", "{'port':80}");
		put_slice(c, name, (unsigned int)i, primes[i], 80);
	}
	cluster_compile(c);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "b%zu", i);
		assert_share(c, "10.9.0.1", name, (double)(i + 1) / 36);
	}
	/* the largest weights there can be */
	split = (struct traffic_split *)store_find(c->store, OBJECT_TRAFFIC_SPLIT, "shop", "s");
	for (i = 0; i < 8; i++)
		split->backends[i].weight_milli = UINT64_MAX;
	split->backends[7].weight_milli = 1;
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "b0", 1.0 / 7);
	assert_share(c, "10.9.0.1", "b7", 0);
}

static void test_refusing_splits(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':0},{'service':'v2','weight':0}]");
	cluster_compile(c);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->endpoint_count, 0);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->split, 1);
	assert_int_equal(cluster_findings(c, "NoWeight", "spec.backends"), 1);
	put_split(c, "s", "2024-01-01T00:00:00Z", "'backends':[{'service':'gone','weight':1}]");
	cluster_compile(c);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->endpoint_count, 0);
	assert_int_equal(cluster_findings(c, "MissingBackend", "spec.backends[0].service"), 1);
	assert_int_equal(cluster_findings(c, "NoUsableBackend", "spec.backends"), 1);
}

static void test_backend_without_endpoints(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_service(c, "v3", "", "{'port':80}");
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':50},{'service':'v2','weight':25},"
		  "{'service':'v3','weight':25}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 2.0 / 3);
	assert_share(c, "10.9.0.1", "v2", 1.0 / 3);
	assert_int_equal(c->findings.count, 0);
}

/* SMI's own example: a port takes part where the backend has the same number. */
static void test_ports_join_by_number(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_service(c, "web", "'10.9.0.1'", "{'name':'','port':80},{'name':'x','port':90}");
	put_service(c, "v1", "'10.9.0.2'", "{'port':1024}");
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':90},{'service':'v2','weight':10}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v2", 1);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->endpoints[0].port, 9090);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 90)->endpoint_count, 0);
	assert_int_equal(cluster_findings(c, "MissingBackendPort", "spec.backends[0].service"), 2);
	assert_int_equal(cluster_findings(c, "MissingBackendPort", "spec.backends[1].service"), 1);
	assert_int_equal(cluster_findings(c, "NoUsableBackend", NULL), 1);
}

static void test_root_as_backend(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'web','weight':1},{'service':'v2','weight':3}]");
	/* and a backend that is another split's root */
	cluster_put(c, "TrafficSplit",
		    "'metadata':{'name':'other','namespace':'shop'},'spec':{'service':'v2',"
		    "'backends':[{'service':'v1','weight':1}]}");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "web", 0.25);
	assert_share(c, "10.9.0.1", "v2", 0.75);
	assert_share(c, "10.9.0.3", "v1", 1);
}

static void test_oldest_split_wins(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_split(c, "b", "2024-01-01T00:00:00Z", "'backends':[{'service':'v1','weight':1}]");
	put_split(c, "a", "2024-01-02T00:00:00Z", "'backends':[{'service':'v2','weight':1}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 1);
	assert_int_equal(cluster_findings(c, "DuplicateSplit", "spec.service"), 1);
	put_split(c, "a", "2024-01-01T00:00:00Z", "'backends':[{'service':'v2','weight':1}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v2", 1);
	/* an invalid one does not count */
	put_split(c, "a", "2024-01-01T00:00:00Z", "'backends':[]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "v1", 1);
	assert_int_equal(c->findings.count, 0);
}

static void test_matches(void **state)
{
	struct cluster *c = *state;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v2','weight':1}],"
		  "'matches':[{'kind':'HTTPRouteGroup','name':'g'}]");
	cluster_compile(c);
	assert_share(c, "10.9.0.1", "web", 1);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->split, 0);
	assert_int_equal(cluster_findings(c, "MatchesNotSupportedYet", "spec.matches"), 1);
}

static void test_roots_that_cannot_be_split(void **state)
{
	struct cluster *c = *state;

	put_split(c, "s", "2024-01-01T00:00:00Z", "'backends':[{'service':'v2','weight':1}]");
	cluster_compile(c);
	assert_int_equal(cluster_findings(c, "MissingService", "spec.service"), 1);
	cluster_put(c, "Service",
		    "'metadata':{'name':'web','namespace':'shop'},"
		    "'spec':{'clusterIP':'None','ports':[{'port':80}]}");
	cluster_compile(c);
	assert_int_equal(cluster_findings(c, "NoClusterIP", "spec.service"), 1);
	assert_int_equal(c->desired.service_count, 0);
	cluster_put(c, "Service",
		    "'metadata':{'name':'web','namespace':'shop'},"
		    "'spec':{'type':'ExternalName','externalName':'example.org',"
		    "'clusterIP':'10.9.0.1','ports':[{'port':80}]}");
	cluster_compile(c);
	assert_int_equal(c->desired.service_count, 0);
	assert_int_equal(c->desired.peer_count, 0);
}

static void test_affinity(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Service",
		    "'metadata':{'name':'web','namespace':'shop'},"
		    "'spec':{'clusterIP':'10.9.0.1','ports':[{'port':80}],"
		    "'sessionAffinity':'ClientIP',"
		    "'sessionAffinityConfig':{'clientIP':{'timeoutSeconds':30}}}");
	cluster_compile(c);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->affinity_seconds, 30);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->endpoint_count, 0);
	assert_int_equal(c->findings.count, 0);
}

static void test_one_cluster_ip_twice(void **state)
{
	struct cluster *c = *state;

	put_service(c, "a", "'10.9.0.1'", "{'port':80}");
	put_service(c, "b", "'10.9.0.1'", "{'port':80},{'name':'x','port':90}");
	cluster_compile(c);
	assert_int_equal(c->desired.service_count, 2);
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 80)->service,
			 names_find(c->names, WEFT_NAME_SERVICE, "shop", "a", ""));
	assert_int_equal(cluster_service(c, "10.9.0.1", TCP, 90)->service,
			 names_find(c->names, WEFT_NAME_SERVICE, "shop", "b", ""));
	assert_int_equal(cluster_findings(c, "DuplicateClusterIP", NULL), 1);
}

/* Tables have at most 65,536 endpoints; the shares of the backends stay. */
static void test_table_limit(void **state)
{
	struct cluster *c = *state;
	struct endpoint_slice *slice;
	const struct desired_service *service;
	size_t i;

	put_canary(c);
	put_split(c, "s", "2024-01-01T00:00:00Z",
		  "'backends':[{'service':'v1','weight':1},{'service':'v2','weight':1}]");
	slice = (struct endpoint_slice *)store_find(c->store, OBJECT_ENDPOINT_SLICE, "shop",
						    "v1-1");
	free(slice->endpoints);
	slice->endpoint_count = 70000;
	slice->endpoints = memory_alloc(slice->endpoint_count * sizeof(*slice->endpoints));
	for (i = 0; i < slice->endpoint_count; i++) {
		slice->endpoints[i].address = cluster_addr("10.3.0.0");
		slice->endpoints[i].address.b[13] = (uint8_t)(3 + (i >> 16));
		slice->endpoints[i].address.b[14] = (uint8_t)(i >> 8);
		slice->endpoints[i].address.b[15] = (uint8_t)i;
		slice->endpoints[i].usable = true;
	}
	cluster_compile(c);
	service = cluster_service(c, "10.9.0.1", TCP, 80);
	assert_true(service->endpoint_count <= 65536);
	assert_true(fabs(share_of(c, service, "v1") - 0.5) < 1e-6);
	assert_int_equal(cluster_service(c, "10.9.0.2", TCP, 80)->endpoint_count, 65536);
	assert_int_equal(cluster_findings(c, "TooManyEndpoints", NULL), 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_service),
		TEST(test_split_is_exact),
		TEST(test_weights),
		TEST(test_weights_beyond_64_bits),
		TEST(test_refusing_splits),
		TEST(test_backend_without_endpoints),
		TEST(test_ports_join_by_number),
		TEST(test_root_as_backend),
		TEST(test_oldest_split_wins),
		TEST(test_matches),
		TEST(test_roots_that_cannot_be_split),
		TEST(test_affinity),
		TEST(test_one_cluster_ip_twice),
		TEST(test_table_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
