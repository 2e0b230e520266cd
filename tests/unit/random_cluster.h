/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clusters made of dice: small name spaces, so that objects refer to each
 * other, collide and miss each other often.
 */
#ifndef WEFT_TESTS_UNIT_RANDOM_CLUSTER_H
#define WEFT_TESTS_UNIT_RANDOM_CLUSTER_H

#include "unit/cluster.h"
#include "unit/dice.h"

/* Addresses that anything in a random cluster may have; all pairs are judged. */
static const char *const random_addresses[] = {
	"10.1.0.1", "10.1.0.2", "10.1.0.3", "fd00::1",	"10.0.0.1",
	"10.0.0.2", "fd00::2",	"10.9.0.1", "10.9.0.2",
};
static const char *const random_vips[] = { "10.9.0.1", "10.9.0.2", "fd09::1", "10.1.0.3" };
static const uint16_t random_ports[] = { 80, 81, 53 };

static const char *const random_namespaces[] = { "a", "b", "a" };
static const char *const random_accounts[] = { "default", "x" };
static const char *const random_names[] = { "n1", "n2" };
static const char *const random_timestamps[] = { "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z" };

/* Every object's metadata but labels; with the braces left open. */
static inline void random_metadata(struct dice *dice, FILE *out, const char *name_space,
				   const char *name)
{
	fprintf(out, "'metadata':{'name':'%s','namespace':'%s'", name, name_space);
	if (dice_roll(dice, 3))
		fprintf(out, ",'creationTimestamp':'%s'", DICE_PICK(dice, random_timestamps));
}

static inline void random_namespace(struct dice *dice, FILE *out, const char *name)
{
	static const char *const modes[] = { "enforce",	   "enforce",  "enforce",
					     "permissive", "disabled", "enforced" };
	static const char *const hosts[] = { "cluster", "local", "all" };

	fprintf(out, "'metadata':{'name':'%s'", name);
	if (dice_roll(dice, 8))
		fprintf(out, ",'labels':{'weft.dev/mesh':'%s'}", DICE_PICK(dice, modes));
	fprintf(out, ",'annotations':{");
	if (dice_roll(dice, 2))
		fprintf(out, "'weft.dev/hosts':'%s',", DICE_PICK(dice, hosts));
	if (!dice_roll(dice, 3))
		fprintf(out, "'weft.dev/ambiguous-paths':'allow',");
	fprintf(out, "'weft.dev/external':'%s'}}", dice_roll(dice, 3) ? "deny" : "allow");
}

static inline void random_pod(struct dice *dice, FILE *out, unsigned int number)
{
	static const char *const ips[] = { "10.1.0.1", "10.1.0.1", "10.1.0.2",
					   "10.1.0.2", "10.1.0.3", "10.0.0.2" };
	char name[16];

	snprintf(name, sizeof(name), "p%u", number);
	random_metadata(dice, out, DICE_PICK(dice, random_namespaces), name);
	fprintf(out, ",'uid':'u%u','labels':{'app':'%u'", dice_roll(dice, 8) ? number : 0,
		dice_roll(dice, 2));
	if (dice_roll(dice, 2))
		fprintf(out, ",'tier':'%u'", dice_roll(dice, 2));
	fprintf(out, "},'annotations':{");
	if (!dice_roll(dice, 6))
		fprintf(out, "'weft.dev/mesh':'%s',", dice_roll(dice, 2) ? "disabled" : "enforce");
	fprintf(out, "'weft.dev/external':'%s'}", dice_roll(dice, 4) ? "no" : "allow");
	if (!dice_roll(dice, 6))
		fprintf(out, ",'deletionTimestamp':'2024-02-01T00:00:00Z'");
	fprintf(out, "},'spec':{'nodeName':'node-%u','hostNetwork':%s,", 1 + dice_roll(dice, 2),
		dice_roll(dice, 10) ? "false" : "true");
	fprintf(out, "'serviceAccountName':'%s',", DICE_PICK(dice, random_accounts));
	fprintf(out,
		"'containers':[{'name':'c','ports':["
		"{'name':'web','containerPort':%d},{'name':'web','containerPort':53,"
		"'protocol':'UDP'},{'name':'alt','containerPort':81}]}]},",
		dice_roll(dice, 2) ? 80 : 81);
	fprintf(out, "'status':{'phase':'%s'", dice_roll(dice, 10) ? "Running" : "Succeeded");
	if (dice_roll(dice, 8))
		fprintf(out, ",'podIPs':[{'ip':'%s'},{'ip':'fd00::%u'}]", DICE_PICK(dice, ips),
			1 + dice_roll(dice, 6));
	fprintf(out, "}");
}

static inline void random_selector(struct dice *dice, FILE *out)
{
	static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist" };
	uint32_t op;

	fprintf(out, "'podLabelSelector':{");
	if (dice_roll(dice, 2))
		fprintf(out, "'matchLabels':{'app':'%u'},", dice_roll(dice, 2));
	fprintf(out, "'matchExpressions':[");
	if (dice_roll(dice, 2)) {
		op = dice_roll(dice, 4);
		fprintf(out, "{'key':'tier','operator':'%s'", operators[op]);
		if (op < 2)
			fprintf(out, ",'values':['%u']", dice_roll(dice, 2));
		fprintf(out, "}");
	}
	fprintf(out, "]}");
}

static inline void random_binding(struct dice *dice, FILE *out, const char *name_space,
				  const char *name)
{
	random_metadata(dice, out, name_space, name);
	fprintf(out, "},'spec':{'schemes':{");
	if (dice_roll(dice, 3))
		random_selector(dice, out);
	else
		fprintf(out, "'serviceAccount':'%s'", DICE_PICK(dice, random_accounts));
	if (!dice_roll(dice, 3))
		fprintf(out, ",'spiffeIdentities':['cluster.%s/ns/%s/sa/%s','other/shape']",
			dice_roll(dice, 4) ? "local" : "other", DICE_PICK(dice, random_namespaces),
			DICE_PICK(dice, random_accounts));
	if (!dice_roll(dice, 10))
		fprintf(out, ",'serviceAccount':'x'");
	fprintf(out, "}}");
}

static inline void random_route(struct dice *dice, FILE *out, const char *name_space,
				const char *name)
{
	static const char *const ports[] = { "[80]",   "[80,81]", "[53,53,80]", "[]",
					     "[80,0]", "[81,53]", "[0]",	"'80'" };

	random_metadata(dice, out, name_space, name);
	fprintf(out, "},'spec':{'matches':{'ports':%s}}", DICE_PICK(dice, ports));
}

static inline void random_group(struct dice *dice, FILE *out, const char *name_space,
				const char *name)
{
	static const char *const matches[] = {
		"'pathRegex':'/','methods':['GET']",	 "'pathRegex':'/a'",
		"'methods':['POST','CONNECT']",		 "'pathRegex':'.*b','headers':{'x-a':'1'}",
		"'headers':[{'x-a':'a'},{'host':'^e'}]",
	};

	random_metadata(dice, out, name_space, name);
	fprintf(out, ",'annotations':{'weft.dev/path-match':'%s'}},'spec':{'matches':[",
		dice_roll(dice, 4) ? "prefix" : "full");
	fprintf(out, "{'name':'%s',%s}", DICE_PICK(dice, random_names), DICE_PICK(dice, matches));
	if (dice_roll(dice, 2))
		fprintf(out, ",{'name':'%s',%s}", DICE_PICK(dice, random_names),
			DICE_PICK(dice, matches));
	fprintf(out, "]}");
}

static inline void random_subject(struct dice *dice, FILE *out)
{
	if (dice_roll(dice, 2))
		fprintf(out, "'kind':'ServiceAccount','name':'%s'",
			DICE_PICK(dice, random_accounts));
	else
		fprintf(out, "'kind':'IdentityBinding','name':'%s'", DICE_PICK(dice, random_names));
}

static inline void random_rule(struct dice *dice, FILE *out)
{
	static const char *const kinds[] = { "TCPRoute",       "TCPRoute", "TCPRoute",
					     "UDPRoute",       "UDPRoute", "HTTPRouteGroup",
					     "HTTPRouteGroup", "Other" };
	/* An unknown kind is rarer than the rest. */
	uint32_t kind = dice_roll(dice, dice_roll(dice, 2) ? 7 : 8);

	fprintf(out, "{'kind':'%s','name':'%s'", kinds[kind],
		dice_roll(dice, 10) ? DICE_PICK(dice, random_names) : "missing");
	if (!strcmp(kinds[kind], "HTTPRouteGroup") && dice_roll(dice, 2))
		fprintf(out, ",'matches':['%s']", DICE_PICK(dice, random_names));
	fprintf(out, "}");
}

static inline void random_target(struct dice *dice, FILE *out, unsigned int number)
{
	static const char *const ports[] = { "80", "81", "'web'", "'alt'", "'none'" };
	const char *name_space = DICE_PICK(dice, random_namespaces);
	uint32_t count, i;
	char name[16];

	snprintf(name, sizeof(name), "t%u", number);
	random_metadata(dice, out, name_space, name);
	fprintf(out, "},'spec':{'destination':{");
	random_subject(dice, out);
	if (!dice_roll(dice, 3))
		fprintf(out, ",'port':%s", DICE_PICK(dice, ports));
	fprintf(out, ",'namespace':'%s'},'sources':[", dice_roll(dice, 12) ? name_space : "b");
	count = 1 + dice_roll(dice, 3);
	for (i = 0; i < count; i++) {
		fprintf(out, "%s{", i ? "," : "");
		random_subject(dice, out);
		fprintf(out, ",'namespace':'%s'}", DICE_PICK(dice, random_namespaces));
	}
	fprintf(out, "],'rules':[");
	count = 1 + dice_roll(dice, 3);
	for (i = 0; i < count; i++) {
		fprintf(out, "%s", i ? "," : "");
		random_rule(dice, out);
	}
	fprintf(out, "]}");
}

static const char *const random_services[] = { "s1", "s2", "s3" };

static inline void random_service(struct dice *dice, FILE *out, const char *name)
{
	random_metadata(dice, out, "a", name);
	fprintf(out, "},'spec':{'type':'%s','clusterIPs':['%s'",
		dice_roll(dice, 12) ? "ClusterIP" : "ExternalName",
		dice_roll(dice, 8) ? DICE_PICK(dice, random_vips) : "None");
	if (dice_roll(dice, 2))
		fprintf(out, ",'%s'", DICE_PICK(dice, random_vips));
	fprintf(out, "],'ports':[{'name':'w','port':80}");
	if (dice_roll(dice, 3))
		fprintf(out, ",{'name':'x','port':81,'protocol':'%s'}",
			dice_roll(dice, 2) ? "UDP" : "TCP");
	fprintf(out, "]}");
}

static inline void random_slice(struct dice *dice, FILE *out, unsigned int number)
{
	uint32_t v6 = !dice_roll(dice, 3), count = 1 + dice_roll(dice, 4), i;
	char name[16];

	snprintf(name, sizeof(name), "e%u", number);
	random_metadata(dice, out, "a", name);
	fprintf(out, ",'labels':{'kubernetes.io/service-name':'%s'}},'addressType':'%s',",
		DICE_PICK(dice, random_services), v6 ? "IPv6" : "IPv4");
	fprintf(out, "'ports':[{'name':'w','port':%d},{'name':'x','port':8081,'protocol':'%s'}],",
		dice_roll(dice, 3) ? 8080 : 80, dice_roll(dice, 2) ? "UDP" : "TCP");
	fprintf(out, "'endpoints':[");
	for (i = 0; i < count; i++)
		fprintf(out, "%s{'addresses':['%s%u'],'conditions':{'ready':%s}}", i ? "," : "",
			v6 ? "fd00::" : "10.1.0.", 1 + dice_roll(dice, 4),
			dice_roll(dice, 5) ? "true" : "false");
	fprintf(out, "]");
}

static inline void random_split(struct dice *dice, FILE *out, unsigned int number)
{
	static const char *const weights[] = {
		"0", "1", "3", "90", "'500m'", "-1", "9000000000000000", "'1'"
	};
	uint32_t count = 1 + dice_roll(dice, 4), i;
	char name[16];

	snprintf(name, sizeof(name), "split%u", number);
	random_metadata(dice, out, "a", name);
	fprintf(out, "},'spec':{'service':'%s','backends':[", DICE_PICK(dice, random_services));
	for (i = 0; i < count; i++)
		fprintf(out, "%s{'service':'%s','weight':%s}", i ? "," : "",
			dice_roll(dice, 8) ? DICE_PICK(dice, random_services) : "missing",
			DICE_PICK(dice, weights));
	fprintf(out, "]");
	if (!dice_roll(dice, 8))
		fprintf(out, ",'matches':[{'kind':'HTTPRouteGroup','name':'n1'}]");
	fprintf(out, "}");
}

struct random_text {
	FILE *stream;
	char *text;
	size_t len;
};

static inline FILE *random_begin(struct random_text *text)
{
	text->stream = open_memstream(&text->text, &text->len);
	if (!text->stream)
		abort();
	fputc('{', text->stream);
	return text->stream;
}

static inline void random_end(struct random_text *text, struct cluster *cluster, const char *kind)
{
	fputc('}', text->stream);
	fclose(text->stream);
	cluster_put_text(cluster, kind, text->text);
	free(text->text);
}

#define RANDOM_PUT(kind, function, ...)                              \
	do {                                                         \
		struct random_text text_;                            \
		function(dice, random_begin(&text_), ##__VA_ARGS__); \
		random_end(&text_, cluster, kind);                   \
	} while (0)

static inline void random_policy(struct dice *dice, struct cluster *cluster)
{
	uint32_t i, count;

	for (i = 0; i < 2; i++)
		if (dice_roll(dice, 10))
			RANDOM_PUT("Namespace", random_namespace, random_namespaces[i]);
	for (i = 0, count = 2 + dice_roll(dice, 4); i < count; i++)
		RANDOM_PUT("Pod", random_pod, i);
	for (i = 0; i < 4; i++) { /* both names in both namespaces */
		const char *name_space = random_namespaces[i / 2], *name = random_names[i % 2];

		if (dice_roll(dice, 4))
			RANDOM_PUT("IdentityBinding", random_binding, name_space, name);
		if (dice_roll(dice, 4))
			RANDOM_PUT("TCPRoute", random_route, name_space, name);
		if (dice_roll(dice, 4))
			RANDOM_PUT("UDPRoute", random_route, name_space, name);
		if (dice_roll(dice, 4))
			RANDOM_PUT("HTTPRouteGroup", random_group, name_space, name);
	}
	for (i = 0, count = 2 + dice_roll(dice, 5); i < count; i++)
		RANDOM_PUT("TrafficTarget", random_target, i);
}

static inline void random_routing(struct dice *dice, struct cluster *cluster)
{
	uint32_t i, count;

	for (i = 0; i < 3; i++)
		if (dice_roll(dice, 4))
			RANDOM_PUT("Service", random_service, random_services[i]);
	for (i = 0, count = dice_roll(dice, 8); i < count; i++)
		RANDOM_PUT("EndpointSlice", random_slice, i);
	for (i = 0, count = 1 + dice_roll(dice, 2); i < count; i++)
		RANDOM_PUT("TrafficSplit", random_split, i);
}

/* A cluster that is compiled, too. cluster_free() ends it. */
static inline struct cluster *random_cluster(struct dice *dice)
{
	static struct weft_addr interfaces[2];
	struct cluster *cluster = cluster_new();

	/* One address without a Node object; one that may be a pod's, a cluster IP or both. */
	interfaces[0] = cluster_addr("10.0.0.1");
	interfaces[1] = cluster_addr(dice_roll(dice, 2) ? "10.9.0.1" : "10.1.0.3");
	cluster->facts.host_addresses = interfaces;
	cluster->facts.host_address_count = dice_roll(dice, 3);
	if (dice_roll(dice, 2))
		cluster_put(cluster, "Node",
			    "'metadata':{'name':'node-1'},'status':{'addresses':"
			    "[{'type':'InternalIP','address':'10.0.0.1'}]}");
	if (dice_roll(dice, 2))
		cluster_put(cluster, "Node",
			    "'metadata':{'name':'node-2'},'status':{'addresses':"
			    "[{'type':'InternalIP','address':'10.0.0.2'}]}");
	random_policy(dice, cluster);
	random_routing(dice, cluster);
	cluster_compile(cluster);
	return cluster;
}

#endif /* WEFT_TESTS_UNIT_RANDOM_CLUSTER_H */
