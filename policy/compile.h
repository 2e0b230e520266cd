/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy compiler: objects -> desired map entries. Pure: same input, same
 * output, no clock, no files, no kernel. SEMANTICS of every rule: the SMI
 * specification v0.6.0 and ARCHITECTURE.md "What SMI means here".
 */
#ifndef WEFT_POLICY_COMPILE_H
#define WEFT_POLICY_COMPILE_H

#include "policy/desired.h"
#include "policy/finding.h"
#include "policy/http_cache.h"
#include "policy/names.h"
#include "policy/store.h"
#include "policy/workload.h"

/* What the compiler must know besides the objects. */
struct node_facts {
	const char *node;			/* this node's name */
	const char *trust_domain;		/* of SPIFFE identities: "cluster.local" */
	const struct weft_addr *host_addresses; /* of this node's interfaces, besides its Node
						   object */
	size_t host_address_count;
	enum pod_edges pod_edges;
	uint32_t max_head;	       /* of HTTP requests, bytes; 0 = WEFT_HTTP_HEAD_DEFAULT */
	struct http_cache *http_cache; /* of earlier compilations; NULL = everything anew */
};

/*
 * Compiles everything. `names` gives and keeps numbers. Replaces the content of
 * `desired` and appends to `findings`. Cannot fail: whatever is wrong with an
 * object is a finding and grants nothing.
 *
 * Identities are (namespace, ServiceAccount, class). The class is "" unless an
 * IdentityBinding's podLabelSelector that a TrafficTarget uses, or a destination
 * port given by container-port name, tells pods of one ServiceAccount apart; then it
 * is a text of what they match, so that two pods share an identity only when
 * no rule can tell them apart.
 */
void compile_policy(const struct store *store, const struct node_facts *facts, struct names *names,
		    struct desired *desired, struct findings *findings);

/*
 * Of the valid splits of one service, which one is in force: the older, then the first by name.
 */
bool compile_split_is_older(const struct traffic_split *split, const struct traffic_split *than);

#endif /* WEFT_POLICY_COMPILE_H */
