// SPDX-License-Identifier: Apache-2.0
/* Every row of every agent's window, handed to who adds it up by resource. */
#include "user/smi/smi_view.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/smi/smi_view_internal.h"

static const char *const older_splits[] = { "v1alpha3", "v1alpha2", "v1alpha1", NULL };

const struct smi_kind_info smi_kinds[SMI_KIND_COUNT] = {
	[SMI_NAMESPACE] = { "namespaces", "Namespace", "", "v1", NULL, false },
	[SMI_NODE] = { "nodes", "Node", "", "v1", NULL, false },
	[SMI_POD] = { "pods", "Pod", "", "v1", NULL, true },
	[SMI_REPLICATION_CONTROLLER] = { "replicationcontrollers", "ReplicationController", "",
					 "v1", NULL, true },
	[SMI_SERVICE] = { "services", "Service", "", "v1", NULL, true },
	[SMI_DAEMON_SET] = { "daemonsets", "DaemonSet", "apps", "v1", NULL, true },
	[SMI_DEPLOYMENT] = { "deployments", "Deployment", "apps", "v1", NULL, true },
	[SMI_REPLICA_SET] = { "replicasets", "ReplicaSet", "apps", "v1", NULL, true },
	[SMI_STATEFUL_SET] = { "statefulsets", "StatefulSet", "apps", "v1", NULL, true },
	[SMI_JOB] = { "jobs", "Job", "batch", "v1", NULL, true },
	[SMI_TRAFFIC_SPLIT] = { "trafficsplits", "TrafficSplit", "split.smi-spec.io", "v1alpha4",
				older_splits, true },
};

enum { POD_SUFFIX_LEN = 6 }; /* of a pod that a ReplicaSet makes: "-x7k2p" */

void smi_sum_clear(struct smi_sum *sum)
{
	free(sum->latencies.buckets);
	memset(sum, 0, sizeof(*sum));
}

void smi_sum_add(struct smi_sum *sum, const struct smi_sum *other)
{
	sum->success += other->success;
	sum->failure += other->failure;
	traffic_add_buckets(&sum->latencies, &other->latencies);
}

/* Where a pod is, as far as its own node's agent has counted something of it. */
static void place_add(struct smi_view *view, const struct traffic_end *end, const char *node)
{
	struct smi_place *place;

	if (!*end->pod)
		return;
	HASH_FIND_STR(view->places, end->key, place);
	if (place)
		return;
	place = memory_alloc(sizeof(*place));
	place->key = end->key;
	place->node = node;
	HASH_ADD_KEYPTR(hh, view->places, place->key, strlen(place->key), place);
}

char *smi_flow_key(const struct traffic_end *source, const struct traffic_end *destination,
		   uint16_t port)
{
	return memory_printf("%s/%s/%s\n%s/%s/%s\n%u", source->name_space, source->kind,
			     source->name, destination->name_space, destination->kind,
			     destination->name, port);
}

static void pair_add(struct smi_view *view, const struct traffic_requests *requests)
{
	char *key = smi_flow_key(requests->source, requests->destination, requests->port);
	struct smi_pair *pair;

	HASH_FIND_STR(view->http, key, pair);
	if (pair) {
		free(key);
		return;
	}
	pair = memory_alloc(sizeof(*pair));
	pair->key = key;
	HASH_ADD_KEYPTR(hh, view->http, pair->key, strlen(pair->key), pair);
}

bool smi_view_is_http(const struct smi_view *view, const struct traffic_edge *edge)
{
	char *key = smi_flow_key(edge->source, edge->destination, edge->port);
	struct smi_pair *pair;

	HASH_FIND_STR(view->http, key, pair);
	free(key);
	return pair;
}

struct smi_view *smi_view_new(const struct smi_node *nodes, size_t count)
{
	struct smi_view *view = memory_alloc(sizeof(*view));
	size_t n, i;

	view->nodes = nodes;
	view->count = count;
	for (n = 0; n < count; n++) {
		const struct traffic *latest = nodes[n].latest;

		for (i = 0; i < latest->edge_count; i++) {
			const struct traffic_edge *edge = &latest->edges[i];
			bool inbound = edge->reporter == WEFT_DIRECTION_INBOUND;

			place_add(view, inbound ? edge->destination : edge->source, latest->node);
		}
		for (i = 0; i < latest->request_count; i++) {
			place_add(view, latest->requests[i].destination, latest->node);
			pair_add(view, &latest->requests[i]);
		}
	}
	return view;
}

void smi_view_free(struct smi_view *view)
{
	struct smi_place *place, *next_place;
	struct smi_pair *pair, *next_pair;

	if (!view)
		return;
	HASH_ITER(hh, view->places, place, next_place) {
		HASH_DEL(view->places, place);
		free(place);
	}
	HASH_ITER(hh, view->http, pair, next_pair) {
		HASH_DEL(view->http, pair);
		free(pair->key);
		free(pair);
	}
	free(view);
}

/* "" when it is not known. */
static const char *node_of(const struct smi_view *view, const struct traffic_end *end)
{
	struct smi_place *place;

	HASH_FIND_STR(view->places, end->key, place);
	return place ? place->node : "";
}

/* ReplicaSets of a Deployment are known by their pods' names. */
static char *replica_set_of(const struct traffic_end *end)
{
	size_t length = strlen(end->pod);

	if (!strcmp(end->kind, "ReplicaSet"))
		return memory_strdup(end->name);
	if (strcmp(end->kind, "Deployment") || length <= POD_SUFFIX_LEN ||
	    end->pod[length - POD_SUFFIX_LEN] != '-')
		return NULL;
	return memory_printf("%.*s", (int)(length - POD_SUFFIX_LEN), end->pod);
}

char *smi_name_of(const struct smi_view *view, enum smi_kind kind, const struct traffic_end *end)
{
	const char *node;

	if (!*end->name_space)
		return NULL;
	switch (kind) {
	case SMI_NAMESPACE:
		return memory_strdup(end->name_space);
	case SMI_NODE:
		node = node_of(view, end);
		return *node ? memory_strdup(node) : NULL;
	case SMI_POD:
	case SMI_SERVICE:
		return *end->pod ? memory_strdup(end->pod) : NULL;
	case SMI_REPLICA_SET:
		return replica_set_of(end);
	default:
		return strcmp(end->kind, smi_kinds[kind].kind) ? NULL : memory_strdup(end->name);
	}
}

/* One row of a window, as a sum. */
static void row_requests(const struct traffic_requests *requests, struct smi_sum *sum)
{
	*sum = (struct smi_sum){
		.success = traffic_succeeded(requests),
		.failure = traffic_failed(requests),
	};
	sum->latencies.buckets = requests->buckets;
	sum->latencies.bucket_count = requests->bucket_count;
}

bool smi_is_failure(const struct traffic_denials *denials)
{
	return denials->action == WEFT_VERDICT_DENY && denials->proto == IPPROTO_TCP;
}

/* A connection that is a success by itself. Those of a node are its kubelet's probes. */
static bool is_plain(const struct smi_view *view, const struct traffic_edge *edge)
{
	bool by_host = !*edge->source->name_space && !strcmp(edge->source->name, "host");

	return edge->reporter == WEFT_DIRECTION_INBOUND && edge->proto == IPPROTO_TCP && !by_host &&
	       !smi_view_is_http(view, edge);
}

void smi_view_each(const struct smi_view *view,
		   void (*add)(void *context, const struct traffic_end *source,
			       const struct traffic_end *destination, const struct smi_sum *sum),
		   void *context)
{
	struct smi_sum sum;
	size_t n, i;

	for (n = 0; n < view->count; n++) {
		const struct traffic *window = view->nodes[n].window;

		for (i = 0; i < window->request_count; i++) {
			row_requests(&window->requests[i], &sum);
			add(context, window->requests[i].source, window->requests[i].destination,
			    &sum);
		}
		for (i = 0; i < window->denial_count; i++) {
			sum = (struct smi_sum){ .failure = window->denials[i].count };
			if (smi_is_failure(&window->denials[i]))
				add(context, window->denials[i].source,
				    window->denials[i].destination, &sum);
		}
		for (i = 0; i < window->edge_count; i++) {
			const struct traffic_edge *edge = &window->edges[i];

			sum = (struct smi_sum){ .success = edge->count.opened };
			if (edge->count.opened && is_plain(view, edge))
				add(context, edge->source, edge->destination, &sum);
		}
	}
}

struct totalling {
	const struct smi_view *view;
	enum smi_kind kind;
	struct smi_total *totals;
};

static void add_total(void *context, const struct traffic_end *source,
		      const struct traffic_end *destination, const struct smi_sum *sum)
{
	struct totalling *totalling = context;
	char *name = smi_name_of(totalling->view, totalling->kind, destination), *key;
	struct smi_total *total;

	(void)source;
	if (!name)
		return;
	key = memory_printf("%s/%s",
			    smi_kinds[totalling->kind].is_namespaced ? destination->name_space : "",
			    name);
	free(name);
	HASH_FIND_STR(totalling->totals, key, total);
	if (total) {
		free(key);
	} else {
		total = memory_alloc(sizeof(*total));
		total->key = key;
		HASH_ADD_KEYPTR(hh, totalling->totals, total->key, strlen(total->key), total);
	}
	smi_sum_add(&total->sum, sum);
}

struct smi_total *smi_view_totals(const struct smi_view *view, enum smi_kind kind)
{
	struct totalling totalling = { view, kind, NULL };

	smi_view_each(view, add_total, &totalling);
	return totalling.totals;
}

struct smi_total *smi_totals_find(struct smi_total *totals, const char *name_space,
				  const char *name)
{
	char *key = memory_printf("%s/%s", name_space, name);
	struct smi_total *total;

	HASH_FIND_STR(totals, key, total);
	free(key);
	return total;
}

void smi_totals_free(struct smi_total *totals)
{
	struct smi_total *total, *next;

	HASH_ITER(hh, totals, total, next) {
		HASH_DEL(totals, total);
		smi_sum_clear(&total->sum);
		free(total->key);
		free(total);
	}
}
