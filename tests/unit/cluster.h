/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster in a test: objects from JSON written with single quotes, and what
 * the compiler makes of them. Objects pass through the parser as they would
 * in the agent.
 */
#ifndef WEFT_TESTS_UNIT_CLUSTER_H
#define WEFT_TESTS_UNIT_CLUSTER_H

#include <json-c/json.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy/address.h"
#include "policy/compile.h"
#include "policy/memory.h"

struct cluster {
	struct store *store;
	struct names *names;
	struct desired desired;
	struct findings parsed;	  /* of the objects by themselves */
	struct findings findings; /* of the last compilation */
	struct node_facts facts;
};

static inline struct cluster *cluster_new(void)
{
	struct cluster *cluster = memory_alloc(sizeof(*cluster));

	cluster->store = store_new();
	cluster->names = names_new();
	cluster->facts.node = "node-1";
	cluster->facts.trust_domain = "cluster.local";
	return cluster;
}

static inline void cluster_free(struct cluster *cluster)
{
	store_free(cluster->store);
	names_free(cluster->names);
	desired_clear(&cluster->desired);
	findings_clear(&cluster->parsed);
	findings_clear(&cluster->findings);
	free(cluster);
}

/* Puts one object in; `kind` also gives the apiVersion, `rest` is what follows metadata's name. */
static inline void cluster_put_text(struct cluster *cluster, const char *kind, const char *text)
{
	static const struct {
		const char *kind, *api_version;
	} versions[] = {
		{ "EndpointSlice", "discovery.k8s.io/v1" },
		{ "TrafficTarget", "access.smi-spec.io/v1alpha4" },
		{ "IdentityBinding", "access.smi-spec.io/v1alpha4" },
		{ "TCPRoute", "specs.smi-spec.io/v1alpha4" },
		{ "UDPRoute", "specs.smi-spec.io/v1alpha4" },
		{ "HTTPRouteGroup", "specs.smi-spec.io/v1alpha4" },
		{ "TrafficSplit", "split.smi-spec.io/v1alpha4" },
	};
	struct json_object *json = json_tokener_parse(text);
	const char *api_version = "v1";
	struct object *object;
	size_t i;

	if (!json) {
		fprintf(stderr, "not JSON: %s\n", text);
		abort();
	}
	for (i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		if (!strcmp(versions[i].kind, kind))
			api_version = versions[i].api_version;
	json_object_object_add(json, "apiVersion", json_object_new_string(api_version));
	json_object_object_add(json, "kind", json_object_new_string(kind));
	object = object_parse(json, "test.yaml", &cluster->parsed);
	if (object)
		store_put(cluster->store, object);
	json_object_put(json);
}

/*
 * cluster_put(c, "Pod", "'metadata':{'name':'a','namespace':'shop'},'spec':{...}"):
 * the object's members as a printf format, without the outer braces.
 */
__attribute__((format(printf, 3, 4))) static inline void
cluster_put(struct cluster *cluster, const char *kind, const char *format, ...)
{
	char *members, *text;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&members, format, arguments) < 0)
		abort();
	va_end(arguments);
	text = memory_printf("{%s}", members);
	cluster_put_text(cluster, kind, text);
	free(text);
	free(members);
}

static inline void cluster_put_namespace(struct cluster *cluster, const char *name,
					 const char *mode)
{
	cluster_put(cluster, "Namespace",
		    "'metadata':{'name':'%s','labels':{'weft.dev/mesh':'%s'}}", name, mode);
}

/* A pod of node-1, its ServiceAccount and IPv4 address; `labels` like "'app':'api'". */
static inline void cluster_put_pod(struct cluster *cluster, const char *name_space,
				   const char *name, const char *account, const char *ip,
				   const char *labels)
{
	cluster_put(cluster, "Pod",
		    "'metadata':{'name':'%s','namespace':'%s','uid':'uid-%s-%s','labels':{%s}},"
		    "'spec':{'nodeName':'node-1','serviceAccountName':'%s'},"
		    "'status':{'phase':'Running','podIP':'%s','podIPs':[{'ip':'%s'}]}",
		    name, name_space, name_space, name, labels, account, ip, ip);
}

/* From ServiceAccount shop/frontend to shop/api unless `spec` says otherwise. */
static inline void cluster_put_target(struct cluster *cluster, const char *name, const char *rules)
{
	cluster_put(cluster, "TrafficTarget",
		    "'metadata':{'name':'%s','namespace':'shop'},'spec':{"
		    "'destination':{'kind':'ServiceAccount','name':'api','namespace':'shop'},"
		    "'sources':[{'kind':'ServiceAccount','name':'frontend','namespace':'shop'}],"
		    "'rules':[%s]}",
		    name, rules);
}

static inline void cluster_compile(struct cluster *cluster)
{
	findings_clear(&cluster->findings);
	compile_policy(cluster->store, &cluster->facts, cluster->names, &cluster->desired,
		       &cluster->findings);
}

static inline struct weft_addr cluster_addr(const char *text)
{
	struct weft_addr addr;

	if (address_parse(text, &addr))
		abort();
	return addr;
}

/* How many findings of this reason (and field, unless NULL) the last compilation made. */
static inline size_t cluster_findings(const struct cluster *cluster, const char *reason,
				      const char *field)
{
	size_t i, count = 0;

	for (i = 0; i < cluster->findings.count; i++)
		count += !strcmp(cluster->findings.items[i].reason, reason) &&
			 (!field || !strcmp(cluster->findings.items[i].field, field));
	return count;
}

static inline const struct desired_peer *cluster_peer(const struct cluster *cluster,
						      const char *text)
{
	struct weft_addr addr = cluster_addr(text);
	size_t i;

	for (i = 0; i < cluster->desired.peer_count; i++)
		if (!address_compare(&cluster->desired.peers[i].addr, &addr))
			return &cluster->desired.peers[i];
	return NULL;
}

static inline const struct desired_service *
cluster_service(const struct cluster *cluster, const char *vip, uint8_t proto, uint16_t port)
{
	struct weft_addr addr = cluster_addr(vip);
	size_t i;

	for (i = 0; i < cluster->desired.service_count; i++) {
		const struct desired_service *service = &cluster->desired.services[i];

		if (!address_compare(&service->key.addr, &addr) && service->key.proto == proto &&
		    service->key.port == port)
			return service;
	}
	return NULL;
}

#endif /* WEFT_TESTS_UNIT_CLUSTER_H */
