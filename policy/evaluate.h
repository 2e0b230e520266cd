/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference evaluator: judges one connection straight from the objects,
 * the slow and obvious way, without anything of the compiler. It is what the
 * kernel is tested against, and what `weft explain` shows. Pure.
 */
#ifndef WEFT_POLICY_EVALUATE_H
#define WEFT_POLICY_EVALUATE_H

#include "policy/compile.h"

/* One thing that the evaluator looked at. */
struct evaluation_step {
	char *kind; /* "TrafficTarget", "Namespace", ... */
	char *name_space;
	char *name;
	int allows; /* 1: this allows it; 0: it does not, see text */
	char *text; /* "source serviceaccount shop/frontend is not among its sources" */
	char *rule; /* an HTTP rule that allows the request: "namespace/target group/match" */
};

struct evaluation {
	enum weft_verdict_action action;
	enum weft_reason reason;
	struct evaluation_step *steps;
	size_t step_count, step_capacity;
};

/*
 * May `src` open a connection (or send a datagram) to `dst`:`port`? Addresses of
 * pods, of nodes, or unknown ones; dst is an endpoint, not a cluster IP. As the
 * destination's node sees it; `port` in host order. The answer for the source's node is the same
 * except that its own host addresses are not special there.
 */
void evaluate_connection(const struct store *store, const struct node_facts *facts,
			 const struct weft_addr *src, const struct weft_addr *dst, uint8_t proto,
			 uint16_t port, struct evaluation *evaluation);
void evaluation_clear(struct evaluation *evaluation);

/* Is this the address of a meshed pod, one whose calls to cluster IPs weft balances and splits? */
bool evaluate_is_meshed(const struct store *store, const struct node_facts *facts,
			const struct weft_addr *addr);

/* One possible outcome of a connection of a meshed pod to a cluster IP. */
struct evaluation_choice {
	struct weft_addr addr;
	uint16_t port;
	const char *backend; /* service name, owned by the store */
	double share;	     /* 0..1 */
};

/*
 * The endpoints a connection to cluster IP `vip`:`port` may get, with their shares.
 * Returns their number (0: refused) in *choices, which the caller frees;
 * -ENOENT when it is not a service port. *split names the TrafficSplit in force, or NULL.
 */
int evaluate_service(const struct store *store, const struct weft_addr *vip, uint8_t proto,
		     uint16_t port, struct evaluation_choice **choices,
		     const struct traffic_split **split);

#endif /* WEFT_POLICY_EVALUATE_H */
