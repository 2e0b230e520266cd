// SPDX-License-Identifier: Apache-2.0
/*
 * Large clusters: the result is checked on every run; with WEFT_TEST_TIMING set,
 * the processor time of a compilation is printed (build without sanitizers for that).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "unit/cluster.h"

struct scale {
	unsigned int pods, services, targets, endpoints; /* endpoints of each service */
};

/* Ten ServiceAccounts per namespace, ten pods per ServiceAccount. */
static void put_pods(struct cluster *c, const struct scale *scale)
{
	char ns[32], name[32], account[32], ip[32];
	unsigned int i;

	for (i = 0; i < scale->pods; i++) {
		snprintf(ns, sizeof(ns), "ns%u", i / 100);
		if (i % 100 == 0)
			cluster_put_namespace(c, ns, "enforce");
		snprintf(name, sizeof(name), "p%u", i);
		snprintf(account, sizeof(account), "sa%u", i / 10 % 10);
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		cluster_put_pod(c, ns, name, account, ip, i % 2 ? "'v':'1'" : "'v':'2'");
	}
}

static void put_services(struct cluster *c, const struct scale *scale)
{
	char *list, *longer;
	unsigned int i, j;

	for (i = 0; i < scale->services; i++) {
		cluster_put(c, "Service",
			    "'metadata':{'name':'s%u','namespace':'ns0'},"
			    "'spec':{'clusterIP':'10.96.%u.%u','ports':[{'port':80}]}",
			    i, i >> 8, i & 255);
		list = memory_strdup("");
		for (j = 0; j < scale->endpoints; j++) {
			longer = memory_printf("%s%s{'addresses':['10.20.%u.%u']}", list,
					       j ? "," : "", i & 255, j);
			free(list);
			list = longer;
		}
		cluster_put(c, "EndpointSlice",
			    "'metadata':{'name':'s%u','namespace':'ns0','labels':"
			    "{'kubernetes.io/service-name':'s%u'}},'addressType':'IPv4',"
			    "'ports':[{'name':'','port':8080}],'endpoints':[%s]",
			    i, i, list);
		free(list);
		if (i % 4 == 0)
			cluster_put(c, "TrafficSplit",
				    "'metadata':{'name':'s%u','namespace':'ns0'},'spec':{"
				    "'service':'s%u','backends':[{'service':'s%u','weight':9},"
				    "{'service':'s%u','weight':1}]}",
				    i, i, i, i + 1);
	}
}

static void put_targets(struct cluster *c, const struct scale *scale)
{
	unsigned int i, ns;

	for (i = 0; i < scale->targets; i++) {
		ns = i % (scale->pods / 100);
		cluster_put(c, "TCPRoute",
			    "'metadata':{'name':'r%u','namespace':'ns%u'},"
			    "'spec':{'matches':{'ports':[80,%u]}}",
			    i, ns, 1000 + i);
		cluster_put(c, "IdentityBinding",
			    "'metadata':{'name':'b%u','namespace':'ns%u'},'spec':{'schemes':"
			    "{'podLabelSelector':{'matchLabels':{'v':'%u'}}}}",
			    i, ns, 1 + i % 2);
		cluster_put(c, "TrafficTarget",
			    "'metadata':{'name':'t%u','namespace':'ns%u'},'spec':{"
			    "'destination':{'kind':'%s','name':'%s%u'},'sources':["
			    "{'kind':'ServiceAccount','name':'sa%u'},"
			    "{'kind':'ServiceAccount','name':'sa1','namespace':'ns0'}],"
			    "'rules':[{'kind':'TCPRoute','name':'r%u'}]}",
			    i, ns, i % 4 ? "ServiceAccount" : "IdentityBinding", i % 4 ? "sa" : "b",
			    i % 4 ? i % 10 : i, (i + 1) % 10, i);
	}
}

static void compile_scale(const struct scale *scale)
{
	const char *timing = getenv("WEFT_TEST_TIMING");
	struct cluster *c = cluster_new();
	struct timespec start, end;
	double took, best = 1e9;
	unsigned int round;

	put_pods(c, scale);
	put_services(c, scale);
	put_targets(c, scale);
	for (round = 0; round < (timing ? 10 : 1); round++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		cluster_compile(c);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		took = (double)(end.tv_sec - start.tv_sec) * 1e3 +
		       (double)(end.tv_nsec - start.tv_nsec) / 1e6;
		if (took < best)
			best = took;
		if (timing)
			print_message("round %u: %.2f ms\n", round, took);
	}
	if (timing)
		print_message("%u pods, %u services of %u endpoints, %u targets: best %.2f ms\n",
			      scale->pods, scale->services, scale->endpoints, scale->targets, best);
	assert_int_equal(c->desired.peer_count, scale->pods + scale->services);
	assert_int_equal(c->desired.local_count, scale->pods);
	assert_int_equal(c->desired.service_count, scale->services);
	assert_true(c->desired.dest_count > 0);
	cluster_free(c);
}

static void test_ordinary(void **state)
{
	const struct scale scale = { .pods = 1000, .services = 500, .targets = 200, .endpoints = 4 };

	(void)state;
	compile_scale(&scale);
}

/* Slow to set up under the sanitizers: only when timing is asked for. */
static void test_large(void **state)
{
	const struct scale scale = {
		.pods = 10000, .services = 2000, .targets = 500, .endpoints = 25
	};

	(void)state;
	if (getenv("WEFT_TEST_TIMING"))
		compile_scale(&scale);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
