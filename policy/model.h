/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes and SMI objects as the compiler sees them: one shape per kind,
 * whatever version they were written in (policy/parse_*.c converts).
 *
 * A list that may be absent has its own flag where absence means something
 * else than emptiness. `invalid` on an SMI object: it grants nothing; a
 * finding says why. Strings are owned by the object, never NULL unless stated.
 */
#ifndef WEFT_POLICY_MODEL_H
#define WEFT_POLICY_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <uthash.h>
#include "bpf/weft_abi.h"

enum object_kind {
	OBJECT_NAMESPACE,
	OBJECT_NODE,
	OBJECT_SERVICE_ACCOUNT,
	OBJECT_POD,
	OBJECT_SERVICE,
	OBJECT_ENDPOINT_SLICE,
	OBJECT_TRAFFIC_TARGET,
	OBJECT_IDENTITY_BINDING,
	OBJECT_TCP_ROUTE,
	OBJECT_UDP_ROUTE,
	OBJECT_HTTP_ROUTE_GROUP,
	OBJECT_TRAFFIC_SPLIT,
	OBJECT_KIND_COUNT,
};

struct label {
	char *key;
	char *value;
};

struct labels {
	struct label *items;
	size_t count;
};

/* First member of every object below. */
struct object {
	enum object_kind kind;
	char *api_version; /* as written */
	char *name_space;  /* "" for cluster-scoped kinds */
	char *name;
	char *uid;	 /* "" when absent */
	int64_t created; /* Unix seconds; INT64_MAX when absent: the youngest */
	bool deleting;	 /* metadata.deletionTimestamp is set */
	struct labels labels;
	struct labels annotations;
	char *origin;	   /* file name, "" when the source has none */
	char *key;	   /* "namespace/name": hash key within its kind */
	uint64_t revision; /* given by store_put(), never twice; 0 before */
	char *text;	   /* as received: JSON, which takes a tenth of the parsed form's room */
	UT_hash_handle hh;
};

struct namespace
{
	struct object meta;
};

struct node {
	struct object meta;
	struct weft_addr *addresses; /* status.addresses of type InternalIP and ExternalIP */
	size_t address_count;
};

struct service_account {
	struct object meta;
};

struct container_port {
	char *name;    /* "" when unnamed */
	uint16_t port; /* host order */
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP; others are left out */
};

struct pod {
	struct object meta;
	char *node_name;       /* "" when not scheduled */
	char *service_account; /* "default" when absent */
	bool host_network;
	bool finished;		       /* phase Succeeded or Failed: its addresses are free */
	bool ready;		       /* condition Ready is True */
	struct weft_addr addresses[2]; /* IPv4 first when both; all-zero = none */
	struct container_port *ports;
	size_t port_count;
	char *owner_kind; /* controller: Deployment (ReplicaSet with pod-template-hash), ...; "Pod"
			     without */
	char *owner_name;
	char *cgroup_uid; /* in its cgroups' names: metadata.uid, of a static pod the kubelet's */
	bool mirror;	  /* stands for a static pod, which has another uid */
};

struct service_port {
	char *name; /* "" when unnamed */
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP; others are left out */
};

struct service {
	struct object meta;
	bool headless; /* clusterIP: None */
	bool external_name;
	struct weft_addr *cluster_ips;
	size_t cluster_ip_count;
	struct service_port *ports;
	size_t port_count;
	uint32_t affinity_seconds; /* sessionAffinity ClientIP; 0 = none */
};

struct slice_endpoint {
	struct weft_addr address; /* of the slice's family; slices of type FQDN are left out */
	bool usable;		  /* ready (absent counts as true) and not terminating */
};

struct slice_port {
	char *name; /* "" when unnamed */
	uint16_t port;
	uint8_t proto;
};

struct endpoint_slice {
	struct object meta;
	char *service; /* label kubernetes.io/service-name, "" when absent */
	struct slice_endpoint *endpoints;
	size_t endpoint_count;
	struct slice_port *ports;
	size_t port_count;
};

/* metav1.LabelSelector */
enum selector_operator { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_DOES_NOT_EXIST };

struct selector_requirement { /* matchLabels become SELECTOR_IN with one value */
	char *key;
	enum selector_operator op;
	char **values;
	size_t value_count;
};

struct label_selector {
	struct selector_requirement *items; /* AND; none = matches every pod, as in Kubernetes */
	size_t count;
};

struct spiffe_identity { /* <trust domain>/ns/<namespace>/sa/<service account>, parsed */
	char *trust_domain;
	char *name_space;
	char *service_account;
	bool foreign; /* another shape (federated, ...): never matches, finding */
	char *text;   /* as written */
};

struct identity_binding {
	struct object meta;
	bool invalid;
	char *service_account; /* "" when the scheme is absent */
	bool has_selector;
	struct label_selector selector;
	struct spiffe_identity *spiffe;
	size_t spiffe_count;
};

enum subject_kind { SUBJECT_SERVICE_ACCOUNT, SUBJECT_IDENTITY_BINDING, SUBJECT_OTHER };

/* Destination or source of a TrafficTarget. */
struct subject {
	enum subject_kind kind;
	char *name_space; /* defaulted to the target's own */
	char *name;
};

/* RULE_OTHER: of no known kind, or not to be read. It grants nothing and narrows the others. */
enum rule_kind { RULE_TCP_ROUTE, RULE_UDP_ROUTE, RULE_HTTP_ROUTE_GROUP, RULE_OTHER };

struct target_rule {
	enum rule_kind kind;
	char *name;	/* route in the target's namespace */
	char **matches; /* names within an HTTPRouteGroup */
	size_t match_count;
	bool all_matches; /* `matches` absent or empty: the whole group */
};

struct traffic_target {
	struct object meta;
	bool invalid;
	struct subject destination;
	/* destination.port of v1alpha1/2, narrows every rule of this target to one port: */
	uint16_t destination_port;   /* 0 = not given or given by name */
	char *destination_port_name; /* name of a container port; "" = not given by name */
	struct target_rule *rules;
	size_t rule_count;
	struct subject *sources;
	size_t source_count;
};

/* TCPRoute and UDPRoute. */
struct port_route {
	struct object meta;
	bool invalid;
	uint16_t *ports;
	size_t port_count; /* 0 = every port */
};

struct http_header_match {
	char *name; /* lower case */
	char *value_regex;
};

struct http_match {
	char *name;
	bool has_path;
	char *path_regex; /* "" unless has_path; all regexes here compile within the budget */
	char **methods;	  /* as written; empty = any */
	size_t method_count;
	struct http_header_match *headers; /* AND */
	size_t header_count;
};

struct http_route_group {
	struct object meta;
	bool invalid;
	bool full_paths; /* weft.dev/path-match: full; else anchored at the start only */
	struct http_match *matches;
	size_t match_count;
};

struct split_backend {
	char *service;
	uint64_t weight_milli; /* v1alpha1: 900m = 900; whole numbers: weight * 1000 */
	bool invalid;	       /* weight or name does not parse: ignored, finding */
};

struct traffic_split {
	struct object meta;
	bool invalid;
	char *service; /* root, in the split's namespace (a FQDN of it is cut to the name) */
	struct split_backend *backends;
	size_t backend_count;
	struct target_rule *matches; /* HTTPRouteGroups; kind and name */
	size_t match_count;
};

#endif /* WEFT_POLICY_MODEL_H */
