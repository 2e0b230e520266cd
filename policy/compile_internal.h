/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the compiler share. One compilation runs in this order:
 *
 *   compile_realms      namespaces: modes and annotations
 *   compile_uses        TrafficTargets: what tells pods of one ServiceAccount apart
 *   compile_identities  pods: classes, identities, desired.locals
 *   compile_peers       addresses: who claims them, desired.peers
 *   compile_targets     TrafficTargets: desired.dests, with compile_rules and compile_http
 *   compile_services    services and splits: desired.services, with compile_tables
 *
 * Everything here lives for one compilation; strings belong to the store.
 */
#ifndef WEFT_POLICY_COMPILE_INTERNAL_H
#define WEFT_POLICY_COMPILE_INTERNAL_H

#include <stdbool.h>
#include <uthash.h>
#include "policy/compile.h"
#include "policy/http_program.h"

/* What a container port's name means in the pods of a class. */
struct class_port {
	const char *name;
	uint16_t port;
	uint8_t proto;
};

/* Pods that no rule can tell apart. Exists as soon as there is one such pod. */
struct identity_class {
	char *detail; /* hash key within its account; "" for the usual class */
	uint32_t identity;
	struct class_port *ports; /* of names that targets use, sorted by (name, proto) */
	size_t port_count;
	unsigned int mark; /* compilation.mark when last put into a list */
	UT_hash_handle hh;
};

struct class_list {
	struct identity_class **items; /* not owned */
	size_t count, capacity;
};

struct text_list {
	const char **items;
	size_t count, capacity;
};

/* A ServiceAccount, whether or not its object exists. */
struct account {
	const char *name;	      /* hash key within its realm */
	struct text_list port_names;  /* that targets use for this destination */
	struct identity_class *usual; /* the class without a detail; most accounts have no other */
	struct identity_class *classes; /* the others, by detail */
	UT_hash_handle hh;
};

/* An IdentityBinding with a podLabelSelector that a valid target uses. */
struct binding_use {
	const struct identity_binding *binding;
	struct text_list port_names; /* that targets use for this destination */
	struct class_list classes;   /* of the pods that the selector matches */
	struct binding_use *next;    /* in the same label_bucket */
	UT_hash_handle hh;	     /* by binding's address, within its realm */
};

struct use_list {
	struct binding_use **items; /* not owned */
	size_t count, capacity;
};

/* Selectors that demand one certain label, so that a pod meets only those it may match. */
struct label_bucket {
	char *label; /* hash key: key NUL value */
	unsigned int label_len;
	struct binding_use *uses;
	UT_hash_handle hh;
};

/* A namespace, whether or not its object exists. */
struct realm {
	const char *name;		/* hash key */
	uint32_t flags;			/* enum weft_peer_flag of its pods */
	bool ambiguous_paths;		/* weft.dev/ambiguous-paths: allow */
	struct account *accounts;	/* by name */
	struct binding_use *uses;	/* by binding */
	struct label_bucket *buckets;	/* uses by demanded label */
	struct binding_use *unlabelled; /* uses that demand no certain label */
	UT_hash_handle hh;
};

/* An address that a pod publishes, and what the pod is. */
struct pod_address {
	const struct pod *pod;
	struct weft_addr addr;
	struct weft_peer peer;
};

struct compilation {
	const struct store *store;
	const struct node_facts *facts;
	struct names *names;
	struct desired *desired;
	struct findings *findings;
	struct object *const *pods; /* sorted by key */
	size_t pod_count;
	struct object *const *targets; /* sorted by key */
	size_t target_count;
	struct object *const *services; /* sorted by key */
	size_t service_count;
	struct realm *realms;	       /* by name */
	unsigned int mark;	       /* counted up for every list that must have no duplicates */
	struct pod_address *addresses; /* that pods publish */
	size_t address_count, address_capacity;
	struct weft_addr *refused_vips; /* cluster IPs that a pod or node has; sorted */
	size_t refused_vip_count, refused_vip_capacity;
	struct desired_service *former; /* tables of the last compilation, by key */
	size_t former_count, former_at;
	struct http_cache *http_cache;
	struct http_target *http_targets; /* in the order of `targets` */
	size_t http_target_count, http_target_capacity;
};

/* compile.c */
/* Does the pod have an identity of its own? Not with the host's network, and not when finished. */
bool compile_pod_counts(const struct pod *pod);
/* Adds a text unless the list has it; texts are not copied. */
void compile_text_add(struct text_list *list, const char *text);

/* compile_realms.c */
void compile_realms(struct compilation *c);
void compile_realms_free(struct compilation *c);
struct realm *compile_realm(struct compilation *c, const char *name);	/* never NULL */
struct account *compile_account(struct realm *realm, const char *name); /* never NULL */
uint32_t compile_pod_flags(struct compilation *c, const struct realm *realm, const struct pod *pod);

/* compile_bindings.c */
/* The binding that a subject names, NULL when there is none that is valid. */
const struct identity_binding *compile_binding(const struct compilation *c,
					       const struct subject *subject);
/* Does the SPIFFE identity name a ServiceAccount that the binding may bind? */
bool compile_spiffe_binds(const struct compilation *c, const struct identity_binding *binding,
			  const struct spiffe_identity *spiffe);
/* Remembers that a valid target uses the subject; port_name: "" or a destination port's name. */
void compile_use_subject(struct compilation *c, const struct subject *subject,
			 const char *port_name);
/* Appends the uses whose selectors match the pod, sorted by name. */
void compile_match_uses(const struct realm *realm, const struct pod *pod, struct use_list *list);
/* Appends the classes that a subject covers, unless they carry compilation.mark; marks them. */
void compile_subject_classes(struct compilation *c, const struct subject *subject,
			     struct class_list *list);
void compile_bindings_check(struct compilation *c); /* findings about SPIFFE identities */
void compile_uses_free(struct realm *realm);

/* compile_identities.c */
void compile_identities(struct compilation *c);

/* compile_peers.c */
void compile_peers(struct compilation *c);

/* Ports that a kind of rule grants; sorted, without duplicates and without 0. */
struct port_set {
	bool any;
	uint16_t *items;
	size_t count, capacity;
};

/* A match that a target's rule grants. */
struct granted_match {
	size_t rule; /* of the target */
	const struct http_route_group *group;
	const struct http_match *match;
};

struct match_list {
	struct granted_match *items; /* by rule, then in the order of the group */
	size_t count, capacity;
};

/* What a target's rules grant, before its destination port narrows it. */
struct target_grants {
	struct port_set tcp;  /* at L4 */
	struct port_set http; /* over TCP: only requests of `matches` */
	struct port_set udp;
	struct match_list matches;
};

/* compile_rules.c: what a target's rules grant, with findings about them */
void compile_target_grants(struct compilation *c, const struct traffic_target *target,
			   struct target_grants *grants);
void compile_grants_free(struct target_grants *grants);
bool compile_port_set_has(const struct port_set *set, uint16_t port);

/* A target that grants HTTP. */
struct http_target {
	const struct traffic_target *target;
	struct match_list matches;
	size_t first; /* of its rules in the program at hand */
};

/* An entry and its destination, before they are sorted by destination. */
struct entry {
	uint32_t dst_identity;
	uint32_t target; /* HTTP: index in compilation.http_targets */
	struct desired_entry entry;
};

/* compile_http.c */
/* Takes over the matches; returns what entry.target is to be. */
uint32_t compile_http_target(struct compilation *c, const struct traffic_target *target,
			     struct match_list *matches);
/*
 * Fills a destination with its entries and its HTTP program, given all that targets grant there:
 * sorted by peers, port and target. Several for the same peers and port are all HTTP.
 */
void compile_http(struct compilation *c, const struct entry *entries, size_t count,
		  struct desired_dest *dest);
void compile_http_free(struct compilation *c);

/* compile_targets.c */
void compile_uses(struct compilation *c);
void compile_targets(struct compilation *c);

/* A service as splits and tables look it up. */
struct service_entry {
	const struct service *service;	      /* key: its "namespace/name" */
	const struct endpoint_slice **slices; /* not owned */
	size_t slice_count, slice_capacity;
	const struct traffic_split *split; /* in force for it, or NULL */
	uint32_t number;		   /* WEFT_NAME_SERVICE, 0 = not asked for yet */
	uint64_t inputs;		   /* of the service and its slices */
	unsigned int mark;		   /* compilation.mark when last listed as a backend */
	size_t position;		   /* in that list */
	UT_hash_handle hh;
};

/* A port of a cluster IP, and who claims it. */
struct table {
	struct weft_service_key key;
	struct service_entry *entry;
	const struct service_port *port;
};

/* A backend of a split: a service, listed once or several times. */
struct backend {
	struct service_entry *entry;
	uint64_t weight; /* sum, milli; saturates */
};

struct backend_list {
	struct backend *items;
	size_t count, capacity;
};

/* compile_splits.c */
/* Gives every service the split in force for it; findings about all splits. */
void compile_splits(struct compilation *c, struct service_entry *services);
/* The backends of a split that exist, without duplicates. */
void compile_split_backends(struct compilation *c, struct service_entry *services,
			    const struct traffic_split *split, struct backend_list *backends);

/* compile_tables.c */
void compile_table(struct compilation *c, struct service_entry *services,
		   const struct table *table);
/* Takes the tables of the last compilation out of `desired`; those that are still good are used. */
void compile_tables_begin(struct compilation *c, struct desired *desired);
void compile_tables_end(struct compilation *c);
/* A digest of revisions, one more. */
uint64_t compile_inputs_mix(uint64_t inputs, uint64_t revision);

/* compile_services.c */
void compile_services(struct compilation *c);
struct service_entry *compile_service_find(struct service_entry *services, const char *name_space,
					   const char *name);
/* NULL when the service has no such port. */
const struct service_port *compile_service_port(const struct service *service, uint16_t port,
						uint8_t proto);

#endif /* WEFT_POLICY_COMPILE_INTERNAL_H */
