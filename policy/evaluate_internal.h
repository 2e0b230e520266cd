/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the reference evaluator share. */
#ifndef WEFT_POLICY_EVALUATE_INTERNAL_H
#define WEFT_POLICY_EVALUATE_INTERNAL_H

#include "policy/evaluate_http.h"

/* Who an address is. */
struct party {
	enum party_kind {
		PARTY_UNKNOWN,
		PARTY_HOST,
		PARTY_SERVICE,
		PARTY_POD,
	} kind;
	bool local_host;	 /* PARTY_HOST: of this node */
	const struct pod *pod;	 /* PARTY_POD */
	const struct node *node; /* PARTY_HOST, when a Node object has the address */
};

/* One judgement: what is asked, and where the answer goes. */
struct question {
	const struct store *store;
	const struct node_facts *facts;
	struct party src, dst;
	uint8_t proto;
	uint16_t port;
	const struct http_request *request; /* NULL: the connection is in question */
	char *rule;			    /* the first that allows the request, owned */
	struct evaluation *evaluation;
};

/* Judges a call of one address to another. */
void evaluate_question(struct question *q, const struct weft_addr *src,
		       const struct weft_addr *dst);

/* Notes that the evaluator looked at an object; `format` is a printf format. */
void evaluate_step(struct question *q, const struct object *object, int allows, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));

/* May the source pod reach the destination pod, by TrafficTargets alone? */
enum weft_reason evaluate_targets(struct question *q);

/* The valid group that a rule of a target names, or NULL. */
const struct http_route_group *evaluate_group(const struct question *q,
					      const struct traffic_target *target,
					      const struct target_rule *rule);
/* Is the match among those that the rule means? */
bool evaluate_rule_means(const struct target_rule *rule, const struct http_match *match);
/* Holds the matches of a rule, which applies to the call, against q->request; or lists them. */
void evaluate_matches(struct question *q, const struct traffic_target *target,
		      const struct target_rule *rule);

#endif /* WEFT_POLICY_EVALUATE_INTERNAL_H */
