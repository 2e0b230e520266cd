// SPDX-License-Identifier: Apache-2.0
/* The reference evaluator: verdicts, and steps that a person can read. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/evaluate.h"
#include "unit/cluster.h"

enum { TCP = IPPROTO_TCP, UDP = IPPROTO_UDP };

static int setup(void **state)
{
	struct cluster *c = cluster_new();

	cluster_put(c, "Node",
		    "'metadata':{'name':'node-1'},'status':{'addresses':["
		    "{'type':'InternalIP','address':'10.0.0.1'}]}");
	cluster_put(c, "Node",
		    "'metadata':{'name':'node-2'},'status':{'addresses':["
		    "{'type':'InternalIP','address':'10.0.0.2'}]}");
	cluster_put_namespace(c, "shop", "enforce");
	cluster_put_namespace(c, "lab", "permissive");
	cluster_put_pod(c, "shop", "web", "frontend", "10.1.0.1", "'app':'web'");
	cluster_put_pod(c, "shop", "api", "api", "10.1.0.2", "'app':'api'");
	cluster_put_pod(c, "lab", "exp", "exp", "10.1.0.3", "");
	cluster_put_pod(c, "plain", "old", "old", "10.1.0.4", "");
	cluster_put(c, "TCPRoute",
		    "'metadata':{'name':'p80','namespace':'shop'},"
		    "'spec':{'matches':{'ports':[80]}}");
	cluster_put_target(c, "allow", "{'kind':'TCPRoute','name':'p80'}");
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	cluster_free(*state);
	return 0;
}

static struct evaluation ask(struct cluster *c, const char *src, const char *dst, uint8_t proto,
			     uint16_t port)
{
	struct weft_addr src_addr = cluster_addr(src), dst_addr = cluster_addr(dst);
	struct evaluation evaluation;

	evaluate_connection(c->store, &c->facts, &src_addr, &dst_addr, proto, port, &evaluation);
	return evaluation;
}

static void assert_verdict(struct cluster *c, const char *src, const char *dst, uint16_t port,
			   enum weft_verdict_action action, enum weft_reason reason)
{
	struct evaluation evaluation = ask(c, src, dst, TCP, port);

	assert_int_equal(evaluation.action, action);
	assert_int_equal(evaluation.reason, reason);
	evaluation_clear(&evaluation);
}

static void test_verdicts(void **state)
{
	struct cluster *c = *state;

	assert_verdict(c, "10.1.0.1", "10.1.0.2", 80, WEFT_VERDICT_ALLOW, WEFT_REASON_POLICY);
	assert_verdict(c, "10.1.0.1", "10.1.0.2", 81, WEFT_VERDICT_DENY, WEFT_REASON_NO_RULE);
	assert_verdict(c, "10.1.0.2", "10.1.0.1", 80, WEFT_VERDICT_DENY, WEFT_REASON_NO_RULE);
	assert_verdict(c, "10.1.0.2", "10.1.0.2", 80, WEFT_VERDICT_ALLOW, WEFT_REASON_OWN_POD);
	assert_verdict(c, "10.1.0.1", "10.1.0.3", 80, WEFT_VERDICT_WOULD_DENY, WEFT_REASON_NO_RULE);
	assert_verdict(c, "10.1.0.1", "10.1.0.4", 80, WEFT_VERDICT_ALLOW, WEFT_REASON_UNMESHED);
	assert_verdict(c, "10.1.0.1", "10.8.8.8", 80, WEFT_VERDICT_ALLOW, WEFT_REASON_UNMESHED);
	assert_verdict(c, "10.0.0.1", "10.1.0.2", 9, WEFT_VERDICT_ALLOW, WEFT_REASON_LOCAL_HOST);
	assert_verdict(c, "10.0.0.2", "10.1.0.2", 9, WEFT_VERDICT_DENY, WEFT_REASON_REMOTE_HOST);
	assert_verdict(c, "10.8.8.8", "10.1.0.2", 80, WEFT_VERDICT_DENY,
		       WEFT_REASON_UNKNOWN_SOURCE);
	/* an unmeshed source is as good as any */
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'old','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'ServiceAccount','name':'old','namespace':'plain'}],"
		    "'rules':[{'kind':'TCPRoute','name':'p80'}]}");
	assert_verdict(c, "10.1.0.4", "10.1.0.2", 80, WEFT_VERDICT_ALLOW, WEFT_REASON_POLICY);
}

static const struct evaluation_step *find_step(const struct evaluation *evaluation,
					       const char *kind, const char *name)
{
	size_t i;

	for (i = 0; i < evaluation->step_count; i++)
		if (!strcmp(evaluation->steps[i].kind, kind) &&
		    !strcmp(evaluation->steps[i].name, name))
			return &evaluation->steps[i];
	return NULL;
}

static void test_steps_tell_why(void **state)
{
	struct cluster *c = *state;
	const struct evaluation_step *step;
	struct evaluation evaluation;

	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'elsewhere','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'other'},"
		    "'sources':[{'kind':'ServiceAccount','name':'frontend'}],"
		    "'rules':[{'kind':'TCPRoute','name':'p80'}]}");
	cluster_put(c, "TrafficTarget",
		    "'metadata':{'name':'others','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api'},"
		    "'sources':[{'kind':'ServiceAccount','name':'batch'}],"
		    "'rules':[{'kind':'TCPRoute','name':'p80'}]}");
	evaluation = ask(c, "10.1.0.1", "10.1.0.2", TCP, 81);
	assert_non_null(find_step(&evaluation, "Namespace", "shop"));
	step = find_step(&evaluation, "TrafficTarget", "allow");
	assert_non_null(step);
	assert_int_equal(step->allows, 0);
	assert_string_equal(step->text, "no TCPRoute of it covers port 81/tcp");
	step = find_step(&evaluation, "TrafficTarget", "others");
	assert_non_null(step);
	assert_string_equal(step->text, "source pod shop/web of ServiceAccount frontend is not "
					"among its sources");
	assert_null(find_step(&evaluation, "TrafficTarget", "elsewhere"));
	evaluation_clear(&evaluation);

	evaluation = ask(c, "10.1.0.1", "10.1.0.2", TCP, 80);
	step = find_step(&evaluation, "TrafficTarget", "allow");
	assert_int_equal(step->allows, 1);
	assert_string_equal(step->text, "a TCPRoute covers port 80/tcp");
	evaluation_clear(&evaluation);

	evaluation = ask(c, "10.1.0.2", "10.1.0.1", UDP, 53);
	assert_non_null(find_step(&evaluation, "Pod", "web"));
	evaluation_clear(&evaluation);
	evaluation_clear(&evaluation);
}

static void test_annotations(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "Namespace",
		    "'metadata':{'name':'shop','labels':{'weft.dev/mesh':'enforce'},"
		    "'annotations':{'weft.dev/hosts':'cluster','weft.dev/external':'allow'}}");
	assert_verdict(c, "10.0.0.2", "10.1.0.2", 9, WEFT_VERDICT_ALLOW, WEFT_REASON_CLUSTER_HOST);
	assert_verdict(c, "10.8.8.8", "10.1.0.2", 9, WEFT_VERDICT_ALLOW,
		       WEFT_REASON_EXTERNAL_ALLOWED);
	assert_verdict(c, "10.1.0.1", "10.1.0.2", 81, WEFT_VERDICT_DENY, WEFT_REASON_NO_RULE);
}

static void test_http_only(void **state)
{
	struct cluster *c = *state;

	cluster_put(c, "HTTPRouteGroup",
		    "'metadata':{'name':'g','namespace':'shop'},"
		    "'spec':{'matches':[{'name':'all','pathRegex':'/'}]}");
	cluster_put_target(c, "allow", "{'kind':'HTTPRouteGroup','name':'g'}");
	assert_verdict(c, "10.1.0.1", "10.1.0.2", 81, WEFT_VERDICT_ALLOW, WEFT_REASON_HTTP);
}

static void test_service(void **state)
{
	struct weft_addr vip = cluster_addr("10.9.0.1"), pod = cluster_addr("10.1.0.2");
	const struct traffic_split *split;
	struct evaluation_choice *choices;
	struct cluster *c = *state;

	assert_int_equal(evaluate_service(c->store, &vip, TCP, 80, &choices, &split), -ENOENT);
	cluster_put(c, "Service",
		    "'metadata':{'name':'web','namespace':'shop'},"
		    "'spec':{'clusterIP':'10.9.0.1','ports':[{'port':80}]}");
	assert_int_equal(evaluate_service(c->store, &vip, TCP, 80, &choices, &split), 0);
	assert_null(choices);
	cluster_put(c, "EndpointSlice",
		    "'metadata':{'name':'web','namespace':'shop','labels':"
		    "{'kubernetes.io/service-name':'web'}},'addressType':'IPv4',"
		    "'ports':[{'name':'','port':8080}],'endpoints':["
		    "{'addresses':['10.1.0.2']},{'addresses':['10.1.0.1']}]");
	assert_int_equal(evaluate_service(c->store, &vip, TCP, 80, &choices, &split), 2);
	assert_null(split);
	assert_true(fabs(choices[0].share - 0.5) < 1e-12);
	assert_int_equal(choices[0].port, 8080);
	assert_string_equal(choices[0].backend, "web");
	free(choices);
	assert_int_equal(evaluate_service(c->store, &vip, UDP, 80, &choices, &split), -ENOENT);
	assert_int_equal(evaluate_service(c->store, &pod, TCP, 80, &choices, &split), -ENOENT);
	cluster_put(c, "TrafficSplit",
		    "'metadata':{'name':'s','namespace':'shop'},'spec':{'service':'web',"
		    "'backends':[{'service':'web','weight':1}]}");
	assert_int_equal(evaluate_service(c->store, &vip, TCP, 80, &choices, &split), 2);
	assert_string_equal(split->meta.name, "s");
	free(choices);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verdicts),  TEST(test_steps_tell_why), TEST(test_annotations),
		TEST(test_http_only), TEST(test_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
