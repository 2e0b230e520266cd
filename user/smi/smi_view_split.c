// SPDX-License-Identifier: Apache-2.0
/*
 * What went by way of a TrafficSplit. Who opens a connection knows by which service; who answers
 * its requests does not. Where two workloads talk by one service and backend alone, as they mostly
 * do, nothing is guessed.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/smi/smi_view_internal.h"

/* Connections of two workloads that were open in the window. */
struct flow {
	char *key;
	double all;    /* by whatever service, or none */
	double by_way; /* by this split, to this backend */
	UT_hash_handle hh;
};

struct splitting {
	const struct smi_view *view;
	char *service, *backend; /* "NAMESPACE/NAME" */
	struct flow *flows;	 /* by workloads and port, and by workloads */
};

/* Port 0: on any port. */
static void flow_add(struct splitting *splitting, const struct traffic_edge *edge, uint16_t port,
		     double connections)
{
	char *key = smi_flow_key(edge->source, edge->destination, port);
	struct flow *flow;

	HASH_FIND_STR(splitting->flows, key, flow);
	if (flow) {
		free(key);
	} else {
		flow = memory_alloc(sizeof(*flow));
		flow->key = key;
		HASH_ADD_KEYPTR(hh, splitting->flows, flow->key, strlen(flow->key), flow);
	}
	flow->all += connections;
	if (!strcmp(edge->service, splitting->service) &&
	    !strcmp(edge->backend, splitting->backend))
		flow->by_way += connections;
}

static bool is_outbound(const struct traffic_edge *edge)
{
	return edge->reporter == WEFT_DIRECTION_OUTBOUND && edge->proto == IPPROTO_TCP;
}

static void flows_add(struct splitting *splitting, const struct traffic_edge *edge,
		      double connections)
{
	if (!is_outbound(edge) || connections <= 0)
		return;
	flow_add(splitting, edge, edge->port, connections);
	flow_add(splitting, edge, 0, connections);
}

/* Those that are open now, and those that were closed in the window. */
static void flows_fill(struct splitting *splitting)
{
	size_t n, i;

	for (n = 0; n < splitting->view->count; n++) {
		const struct smi_node *node = &splitting->view->nodes[n];

		for (i = 0; i < node->latest->edge_count; i++) {
			const struct weft_edge *count = &node->latest->edges[i].count;

			flows_add(splitting, &node->latest->edges[i],
				  (double)count->opened - (double)count->closed);
		}
		for (i = 0; i < node->window->edge_count; i++)
			flows_add(splitting, &node->window->edges[i],
				  (double)node->window->edges[i].count.closed);
	}
}

static double share_of(const struct splitting *splitting, const struct traffic_end *source,
		       const struct traffic_end *destination, uint16_t port)
{
	char *key = smi_flow_key(source, destination, port);
	struct flow *flow;

	HASH_FIND_STR(splitting->flows, key, flow);
	free(key);
	return flow && flow->all > 0 ? flow->by_way / flow->all : 0;
}

static uint64_t scale(uint64_t count, double share)
{
	return (uint64_t)((double)count * share + 0.5);
}

static void put_requests(const struct traffic_requests *requests, double share, struct smi_sum *sum)
{
	struct traffic_requests scaled = { 0 };
	size_t i, b;

	sum->success += scale(traffic_succeeded(requests), share);
	sum->failure += scale(traffic_failed(requests), share);
	for (i = 0; i < requests->bucket_count; i++) {
		b = memory_grow(&scaled.buckets, &scaled.bucket_count, &scaled.bucket_capacity,
				sizeof(*scaled.buckets));
		scaled.buckets[b].bucket = requests->buckets[i].bucket;
		scaled.buckets[b].count = scale(requests->buckets[i].count, share);
	}
	traffic_add_buckets(&sum->latencies, &scaled);
	free(scaled.buckets);
}

/* Where the sums go: one for all, or one by source. */
struct splitting_sums {
	struct smi_sum *sum;
	struct smi_edge **edges;
};

static struct smi_sum *sum_of(const struct splitting *splitting, const struct splitting_sums *sums,
			      const struct traffic_end *source)
{
	if (sums->sum)
		return sums->sum;
	return &smi_edges_get(sums->edges, splitting->view, SMI_TRAFFIC_SPLIT, false, source)->sum;
}

static void add_window(const struct splitting *splitting, const struct traffic *window,
		       const struct splitting_sums *sums)
{
	double share;
	size_t i;

	for (i = 0; i < window->request_count; i++) {
		const struct traffic_requests *one = &window->requests[i];

		share = share_of(splitting, one->source, one->destination, one->port);
		if (share > 0)
			put_requests(one, share, sum_of(splitting, sums, one->source));
	}
	for (i = 0; i < window->denial_count; i++) {
		const struct traffic_denials *one = &window->denials[i];

		share = share_of(splitting, one->source, one->destination, 0);
		if (smi_is_failure(one) && share > 0)
			sum_of(splitting, sums, one->source)->failure += scale(one->count, share);
	}
	for (i = 0; i < window->edge_count; i++) {
		const struct traffic_edge *edge = &window->edges[i];

		if (is_outbound(edge) && edge->count.opened &&
		    !strcmp(edge->service, splitting->service) &&
		    !strcmp(edge->backend, splitting->backend) &&
		    !smi_view_is_http(splitting->view, edge))
			sum_of(splitting, sums, edge->source)->success += edge->count.opened;
	}
}

static void split_add(const struct smi_view *view, const struct weighted_split *split,
		      const char *backend, const struct splitting_sums *sums)
{
	struct splitting splitting = {
		.view = view,
		.service = memory_printf("%s/%s", split->name_space, split->service),
		.backend = memory_printf("%s/%s", split->name_space, backend),
	};
	struct flow *flow, *next;
	size_t n;

	flows_fill(&splitting);
	for (n = 0; n < view->count; n++)
		add_window(&splitting, view->nodes[n].window, sums);
	HASH_ITER(hh, splitting.flows, flow, next) {
		HASH_DEL(splitting.flows, flow);
		free(flow->key);
		free(flow);
	}
	free(splitting.service);
	free(splitting.backend);
}

void smi_view_backend(const struct smi_view *view, const struct weighted_split *split,
		      const char *backend, struct smi_sum *sum)
{
	const struct splitting_sums sums = { .sum = sum };

	split_add(view, split, backend, &sums);
}

struct smi_edge *smi_view_backend_edges(const struct smi_view *view,
					const struct weighted_split *split, const char *backend)
{
	struct smi_edge *edges = NULL;
	const struct splitting_sums sums = { .edges = &edges };

	split_add(view, split, backend, &sums);
	smi_edges_sort(&edges);
	return edges;
}

const struct weighted_split *smi_view_split(const struct smi_view *view, const char *name_space,
					    const char *name)
{
	size_t n, i;

	for (n = 0; n < view->count; n++) {
		const struct traffic *latest = view->nodes[n].latest;

		for (i = 0; i < latest->split_count; i++)
			if (!strcmp(latest->splits[i].name_space, name_space) &&
			    !strcmp(latest->splits[i].name, name))
				return &latest->splits[i];
	}
	return NULL;
}
