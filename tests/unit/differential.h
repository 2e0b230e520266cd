/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the compiler against the reference evaluator: what the kernel would do
 * with the desired map entries must be what the objects say, for every pair of
 * addresses, protocol and port of a random cluster; and where HTTP rules decide, about requests.
 */
#ifndef WEFT_TESTS_UNIT_DIFFERENTIAL_H
#define WEFT_TESTS_UNIT_DIFFERENTIAL_H

#include <math.h>
#include "policy/alias.h"
#include "policy/evaluate.h"
#include "policy/lookup.h"
#include "unit/http_differential.h"
#include "unit/random_cluster.h"

/* How often something was met, so that a test can tell that its clusters are worth judging. */
struct differential_coverage {
	uint64_t reasons[128]; /* by enum weft_reason */
	uint64_t splits;       /* service ports that a split divides between backends */
	uint64_t empty_splits; /* and that refuse */
};

static struct differential_coverage differential_coverage;

static const uint8_t differential_protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

static inline void differential_print(const struct cluster *cluster)
{
	struct object *object;
	int kind;

	for (kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		for (object = store_first(cluster->store, (enum object_kind)kind); object;
		     object = store_next(object))
			fprintf(stderr, "%s\n", object->text);
}

/* A few streams over a connection that HTTP rules decide about. */
static inline bool differential_requests(struct cluster *cluster, const char *src, const char *dst,
					 uint16_t port)
{
	enum { STREAMS = 3 };
	static struct engine *engine;
	struct dice dice = { .state = port + 256U * (uint8_t)src[strlen(src) - 1] };
	struct http_call call;
	size_t i, length;
	bool same = true;
	char *stream;

	if (!http_call_find(&call, cluster, src, dst, port))
		return false;
	if (!engine)
		engine = engine_new(&dice);
	engine->dice = &dice;
	engine_load(engine, call.dest->http, call.dest->http_size);
	for (i = 0; same && i < STREAMS; i++) {
		stream = random_http_stream(&dice, &length);
		same = http_compare_stream(&call, engine, stream, length);
		free(stream);
	}
	return same;
}

static inline bool differential_connection(struct cluster *cluster, size_t src_index,
					   size_t dst_index, uint8_t proto, uint16_t port)
{
	const char *src_text = random_addresses[src_index];
	const char *dst_text = random_addresses[dst_index];
	struct weft_addr src_addr = cluster_addr(src_text), dst_addr = cluster_addr(dst_text);
	struct weft_peer src = lookup_peer(&cluster->desired, &src_addr);
	struct weft_peer dst = lookup_peer(&cluster->desired, &dst_addr);
	enum weft_reason reason = lookup_judge(&cluster->desired, &dst, &src, proto, port);
	enum weft_verdict_action action = lookup_action(dst.flags, reason);
	struct evaluation evaluation;
	bool same;

	evaluate_connection(cluster->store, &cluster->facts, &src_addr, &dst_addr, proto, port,
			    &evaluation);
	same = evaluation.action == action && evaluation.reason == reason;
	/* The maps do not say that two addresses are one remote pod; nobody asks, either. */
	if (evaluation.reason == WEFT_REASON_OWN_POD)
		same = evaluation.action == WEFT_VERDICT_ALLOW && src.identity == dst.identity;
	if (!same)
		fprintf(stderr, "%s -> %s port %u/%u: maps say %d (%d), evaluator says %d (%d)\n",
			src_text, dst_text, (unsigned int)port, (unsigned int)proto, (int)action,
			(int)reason, (int)evaluation.action, (int)evaluation.reason);
	if (same && evaluation.reason == WEFT_REASON_HTTP)
		same = differential_requests(cluster, src_text, dst_text, port);
	differential_coverage.reasons[evaluation.reason]++;
	evaluation_clear(&evaluation);
	return same;
}

static inline bool differential_connections(struct cluster *cluster)
{
	enum { ADDRESSES = sizeof(random_addresses) / sizeof(*random_addresses) };
	enum { PORTS = sizeof(random_ports) / sizeof(*random_ports) };
	size_t src, dst, proto, port;
	bool same = true;

	for (src = 0; src < ADDRESSES; src++)
		for (dst = 0; dst < ADDRESSES; dst++)
			for (proto = 0; proto < 2; proto++)
				for (port = 0; port < PORTS; port++)
					same &= differential_connection(
						cluster, src, dst, differential_protocols[proto],
						random_ports[port]);
	return same;
}

/* The share that a table gives to an endpoint, by its alias entries. */
static inline double differential_share(const struct desired_service *service, const char *backend,
					const struct names *names, const struct weft_addr *addr,
					uint16_t port)
{
	double share = 0, own;
	size_t i, j;

	for (i = 0; i < service->endpoint_count; i++) {
		const struct weft_endpoint *endpoint = &service->endpoints[i];
		const struct weft_name *name =
			names_lookup(names, WEFT_NAME_SERVICE, endpoint->backend);

		if (address_compare(&endpoint->addr, addr) || endpoint->port != port ||
		    strcmp(name->name, backend))
			continue;
		for (j = 0; j < service->endpoint_count; j++) {
			const struct weft_alias *alias = &service->alias[j];

			own = alias->threshold == UINT32_MAX ? 1 : alias->threshold / 0x1p32;
			if (j == i)
				share += own;
			if (alias->alias == i)
				share += 1 - own;
		}
	}
	return share / (double)service->endpoint_count;
}

static inline bool differential_service(struct cluster *cluster, const char *vip, uint8_t proto,
					uint16_t port)
{
	const struct desired_service *service = cluster_service(cluster, vip, proto, port);
	struct weft_addr addr = cluster_addr(vip);
	struct evaluation_choice *choices;
	const struct traffic_split *split;
	bool same = true;
	double share;
	int count, i;

	count = evaluate_service(cluster->store, &addr, proto, port, &choices, &split);
	if (!service || count < 0)
		return !service == (count < 0);
	differential_coverage.splits += split && count > 1;
	differential_coverage.empty_splits += split && !count;
	same = (size_t)count == service->endpoint_count && service->split == (split ? 1 : 0);
	for (i = 0; i < count; i++) {
		share = differential_share(service, choices[i].backend, cluster->names,
					   &choices[i].addr, choices[i].port);
		same &= fabs(share - choices[i].share) < 0x1p-31;
	}
	free(choices);
	return same;
}

static inline bool differential_services(struct cluster *cluster)
{
	static const uint16_t ports[] = { 80, 81, 82 };
	bool same = true, one;
	size_t i, j, k;

	for (i = 0; i < sizeof(random_vips) / sizeof(*random_vips); i++) {
		for (j = 0; j < 2; j++) {
			for (k = 0; k < 3; k++) {
				one = differential_service(cluster, random_vips[i],
							   differential_protocols[j], ports[k]);
				if (!one)
					fprintf(stderr, "service %s port %u/%u differs\n",
						random_vips[i], (unsigned int)ports[k],
						(unsigned int)differential_protocols[j]);
				same &= one;
			}
		}
	}
	return same;
}

/* desired.h promises sorted lists without duplicates, and no empty destination. */
static inline bool differential_sorted(const struct desired *desired)
{
	size_t i, j;

	for (i = 1; i < desired->peer_count; i++)
		if (address_compare(&desired->peers[i - 1].addr, &desired->peers[i].addr) >= 0)
			return false;
	for (i = 1; i < desired->local_count; i++)
		if (strcmp(desired->locals[i - 1].uid, desired->locals[i].uid) >= 0)
			return false;
	for (i = 0; i < desired->dest_count; i++) {
		const struct desired_dest *dest = &desired->dests[i];

		if (!dest->entry_count || (i && dest[-1].identity >= dest->identity))
			return false;
		for (j = 1; j < dest->entry_count; j++) {
			const struct desired_entry *a = &dest->entries[j - 1], *b = a + 1;

			if (a->src_identity > b->src_identity ||
			    (a->src_identity == b->src_identity &&
			     (a->proto > b->proto || (a->proto == b->proto && a->port >= b->port))))
				return false;
		}
	}
	for (i = 1; i < desired->service_count; i++) {
		const struct weft_service_key *a = &desired->services[i - 1].key;
		const struct weft_service_key *b = &desired->services[i].key;
		int order = address_compare(&a->addr, &b->addr);

		if (order > 0 || (!order && (a->proto > b->proto ||
					     (a->proto == b->proto && a->port >= b->port))))
			return false;
	}
	return true;
}

/* A second compilation of the same objects must change nothing. */
static inline bool differential_stable(struct cluster *cluster)
{
	struct desired again = { 0 };
	const struct desired *first = &cluster->desired;
	struct findings findings = { 0 };
	bool same;
	size_t i;

	compile_policy(cluster->store, &cluster->facts, cluster->names, &again, &findings);
	same = again.peer_count == first->peer_count && again.dest_count == first->dest_count &&
	       again.service_count == first->service_count &&
	       again.local_count == first->local_count && findings.count == cluster->findings.count;
	for (i = 0; same && i < again.peer_count; i++)
		same = !memcmp(&again.peers[i], &first->peers[i], sizeof(*again.peers));
	for (i = 0; same && i < again.dest_count; i++)
		same = again.dests[i].identity == first->dests[i].identity &&
		       again.dests[i].entry_count == first->dests[i].entry_count &&
		       !memcmp(again.dests[i].entries, first->dests[i].entries,
			       again.dests[i].entry_count * sizeof(*again.dests[i].entries));
	for (i = 0; same && i < findings.count; i++)
		same = !strcmp(findings.items[i].message, cluster->findings.items[i].message);
	desired_clear(&again);
	findings_clear(&findings);
	return same;
}

/* False, with the reason and the objects on stderr, when anything differs. */
static inline bool differential_check(struct cluster *cluster)
{
	bool same = differential_connections(cluster);

	same &= differential_services(cluster);
	if (!differential_sorted(&cluster->desired)) {
		fprintf(stderr, "a list is not sorted\n");
		same = false;
	}
	if (!differential_stable(cluster)) {
		fprintf(stderr, "the second compilation differs\n");
		same = false;
	}
	if (!same)
		differential_print(cluster);
	return same;
}

#endif /* WEFT_TESTS_UNIT_DIFFERENTIAL_H */
