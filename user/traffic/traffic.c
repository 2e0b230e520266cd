// SPDX-License-Identifier: Apache-2.0
/* Readings: ends that are shared, lists that are sorted, differences and sums. */
#include "user/traffic/traffic.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"
#include "user/traffic/traffic_internal.h"

struct traffic *traffic_new(const char *node)
{
	struct traffic *traffic = memory_alloc(sizeof(*traffic));

	traffic->node = memory_strdup(node);
	return traffic;
}

static void end_free(struct traffic_end *end)
{
	free(end->name_space);
	free(end->kind);
	free(end->name);
	free(end->service_account);
	free(end->pod);
	free(end->key);
	free(end);
}

static void split_clear(struct weighted_split *split)
{
	size_t i;

	for (i = 0; i < split->backend_count; i++)
		free(split->backends[i].name);
	free(split->backends);
	free(split->name_space);
	free(split->name);
	free(split->service);
}

void traffic_clear_edge(struct traffic_edge *edge)
{
	free(edge->service);
	free(edge->backend);
}

void traffic_free(struct traffic *traffic)
{
	struct traffic_end *end, *next;
	size_t i;

	if (!traffic)
		return;
	for (i = 0; i < traffic->edge_count; i++)
		traffic_clear_edge(&traffic->edges[i]);
	for (i = 0; i < traffic->request_count; i++)
		free(traffic->requests[i].buckets);
	for (i = 0; i < traffic->split_count; i++)
		split_clear(&traffic->splits[i]);
	free(traffic->edges);
	free(traffic->requests);
	free(traffic->denials);
	free(traffic->splits);
	HASH_ITER(hh, traffic->ends, end, next) {
		HASH_DEL(traffic->ends, end);
		end_free(end);
	}
	free(traffic->node);
	free(traffic);
}

const struct traffic_end *traffic_end(struct traffic *traffic, const char *name_space,
				      const char *kind, const char *name,
				      const char *service_account, const char *pod)
{
	/* no name of Kubernetes has a line's end */
	char *key =
		memory_printf("%s\n%s\n%s\n%s\n%s", name_space, name, pod, kind, service_account);
	struct traffic_end *end;

	HASH_FIND_STR(traffic->ends, key, end);
	if (end) {
		free(key);
		return end;
	}
	end = memory_alloc(sizeof(*end));
	end->name_space = memory_strdup(name_space);
	end->kind = memory_strdup(kind);
	end->name = memory_strdup(name);
	end->service_account = memory_strdup(service_account);
	end->pod = memory_strdup(pod);
	end->key = key;
	HASH_ADD_KEYPTR(hh, traffic->ends, end->key, strlen(end->key), end);
	return end;
}

/* The same one, in another reading. */
static const struct traffic_end *end_copy(struct traffic *traffic, const struct traffic_end *end)
{
	return traffic_end(traffic, end->name_space, end->kind, end->name, end->service_account,
			   end->pod);
}

struct traffic_edge *traffic_add_edge(struct traffic *traffic)
{
	size_t i = memory_grow(&traffic->edges, &traffic->edge_count, &traffic->edge_capacity,
			       sizeof(*traffic->edges));

	return &traffic->edges[i];
}

struct traffic_requests *traffic_add_requests(struct traffic *traffic)
{
	size_t i = memory_grow(&traffic->requests, &traffic->request_count,
			       &traffic->request_capacity, sizeof(*traffic->requests));

	return &traffic->requests[i];
}

struct traffic_denials *traffic_add_denials(struct traffic *traffic)
{
	size_t i = memory_grow(&traffic->denials, &traffic->denial_count, &traffic->denial_capacity,
			       sizeof(*traffic->denials));

	return &traffic->denials[i];
}

struct weighted_split *traffic_add_split(struct traffic *traffic)
{
	size_t i = memory_grow(&traffic->splits, &traffic->split_count, &traffic->split_capacity,
			       sizeof(*traffic->splits));

	return &traffic->splits[i];
}

static int ends_compare(const struct traffic_end *a, const struct traffic_end *b)
{
	return a == b ? 0 : strcmp(a->key, b->key);
}

static int number_compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int traffic_compare_edges(const void *a, const void *b)
{
	const struct traffic_edge *x = a, *y = b;
	int order = ends_compare(x->source, y->source);

	if (!order)
		order = ends_compare(x->destination, y->destination);
	if (!order)
		order = number_compare(x->port, y->port);
	if (!order)
		order = number_compare(x->proto, y->proto);
	if (!order)
		order = number_compare(x->reporter, y->reporter);
	if (!order)
		order = strcmp(x->service, y->service);
	return order ? order : strcmp(x->backend, y->backend);
}

int traffic_compare_requests(const void *a, const void *b)
{
	const struct traffic_requests *x = a, *y = b;
	int order = ends_compare(x->source, y->source);

	if (!order)
		order = ends_compare(x->destination, y->destination);
	return order ? order : number_compare(x->port, y->port);
}

int traffic_compare_denials(const void *a, const void *b)
{
	const struct traffic_denials *x = a, *y = b;
	int order = ends_compare(x->source, y->source);

	if (!order)
		order = ends_compare(x->destination, y->destination);
	if (!order)
		order = number_compare(x->reason, y->reason);
	if (!order)
		order = number_compare(x->action, y->action);
	if (!order)
		order = number_compare(x->hook, y->hook);
	return order ? order : number_compare(x->proto, y->proto);
}

static int split_compare(const void *a, const void *b)
{
	const struct weighted_split *x = a, *y = b;
	int order = strcmp(x->name_space, y->name_space);

	return order ? order : strcmp(x->name, y->name);
}

static void edge_join(struct traffic_edge *to, struct traffic_edge *from)
{
	__u64 *sums = (__u64 *)&to->count;
	const __u64 *values = (const __u64 *)&from->count;
	size_t i;

	for (i = 0; i < TRAFFIC_COUNTERS; i++)
		sums[i] += values[i];
	traffic_clear_edge(from);
}

void traffic_add_buckets(struct traffic_requests *sum, const struct traffic_requests *requests)
{
	struct latency_bucket *merged;
	size_t i = 0, j = 0, count = 0;

	for (i = 0; i < TRAFFIC_STATUS_CLASSES; i++)
		sum->count[i] += requests->count[i];
	sum->latency_ns += requests->latency_ns;
	if (!requests->bucket_count)
		return;
	merged = memory_realloc_array(NULL, sum->bucket_count + requests->bucket_count,
				      sizeof(*merged));
	for (i = 0; i < sum->bucket_count || j < requests->bucket_count;) {
		const struct latency_bucket *x = &sum->buckets[i], *y = &requests->buckets[j];

		if (j == requests->bucket_count ||
		    (i < sum->bucket_count && x->bucket < y->bucket)) {
			merged[count++] = *x;
			i++;
			continue;
		}
		merged[count] = *y;
		if (i < sum->bucket_count && x->bucket == y->bucket)
			merged[count].count += sum->buckets[i++].count;
		count++;
		j++;
	}
	free(sum->buckets);
	sum->buckets = merged;
	sum->bucket_count = count;
	sum->bucket_capacity = count;
}

static void edges_finish(struct traffic *traffic)
{
	size_t i, kept = 0;

	if (!traffic->edge_count)
		return;
	qsort(traffic->edges, traffic->edge_count, sizeof(*traffic->edges), traffic_compare_edges);
	for (i = 1; i < traffic->edge_count; i++) {
		if (traffic_compare_edges(&traffic->edges[kept], &traffic->edges[i]))
			traffic->edges[++kept] = traffic->edges[i];
		else
			edge_join(&traffic->edges[kept], &traffic->edges[i]);
	}
	traffic->edge_count = kept + 1;
}

static void requests_finish(struct traffic *traffic)
{
	size_t i, kept = 0;

	if (!traffic->request_count)
		return;
	qsort(traffic->requests, traffic->request_count, sizeof(*traffic->requests),
	      traffic_compare_requests);
	for (i = 1; i < traffic->request_count; i++) {
		if (traffic_compare_requests(&traffic->requests[kept], &traffic->requests[i])) {
			traffic->requests[++kept] = traffic->requests[i];
			continue;
		}
		traffic_add_buckets(&traffic->requests[kept], &traffic->requests[i]);
		free(traffic->requests[i].buckets);
	}
	traffic->request_count = kept + 1;
}

static void denials_finish(struct traffic *traffic)
{
	size_t i, kept = 0;

	if (!traffic->denial_count)
		return;
	qsort(traffic->denials, traffic->denial_count, sizeof(*traffic->denials),
	      traffic_compare_denials);
	for (i = 1; i < traffic->denial_count; i++) {
		if (traffic_compare_denials(&traffic->denials[kept], &traffic->denials[i]))
			traffic->denials[++kept] = traffic->denials[i];
		else
			traffic->denials[kept].count += traffic->denials[i].count;
	}
	traffic->denial_count = kept + 1;
}

/* Every agent knows all splits: the first that tells of one has said it. */
static void splits_finish(struct traffic *traffic)
{
	size_t i, kept = 0;

	if (!traffic->split_count)
		return;
	qsort(traffic->splits, traffic->split_count, sizeof(*traffic->splits), split_compare);
	for (i = 1; i < traffic->split_count; i++) {
		if (split_compare(&traffic->splits[kept], &traffic->splits[i]))
			traffic->splits[++kept] = traffic->splits[i];
		else
			split_clear(&traffic->splits[i]);
	}
	traffic->split_count = kept + 1;
}

void traffic_finish(struct traffic *traffic)
{
	edges_finish(traffic);
	requests_finish(traffic);
	denials_finish(traffic);
	splits_finish(traffic);
}

static void put_edge(struct traffic *to, const struct traffic_edge *edge)
{
	struct traffic_edge *copy = traffic_add_edge(to);

	*copy = *edge;
	copy->source = end_copy(to, edge->source);
	copy->destination = end_copy(to, edge->destination);
	copy->service = memory_strdup(edge->service);
	copy->backend = memory_strdup(edge->backend);
}

static void put_requests(struct traffic *to, const struct traffic_requests *requests)
{
	struct traffic_requests *copy = traffic_add_requests(to);

	copy->source = end_copy(to, requests->source);
	copy->destination = end_copy(to, requests->destination);
	copy->port = requests->port;
	traffic_add_buckets(copy, requests);
}

static void put_denials(struct traffic *to, const struct traffic_denials *denials)
{
	struct traffic_denials *copy = traffic_add_denials(to);

	*copy = *denials;
	copy->source = end_copy(to, denials->source);
	copy->destination = end_copy(to, denials->destination);
}

static void put_split(struct traffic *to, const struct weighted_split *split)
{
	struct weighted_split *copy = traffic_add_split(to);
	size_t i, j;

	copy->name_space = memory_strdup(split->name_space);
	copy->name = memory_strdup(split->name);
	copy->service = memory_strdup(split->service);
	for (i = 0; i < split->backend_count; i++) {
		j = memory_grow(&copy->backends, &copy->backend_count, &copy->backend_capacity,
				sizeof(*copy->backends));
		copy->backends[j].name = memory_strdup(split->backends[i].name);
		copy->backends[j].weight = split->backends[i].weight;
	}
}

void traffic_add(struct traffic *sum, const struct traffic *traffic)
{
	size_t i;

	for (i = 0; i < traffic->edge_count; i++)
		put_edge(sum, &traffic->edges[i]);
	for (i = 0; i < traffic->request_count; i++)
		put_requests(sum, &traffic->requests[i]);
	for (i = 0; i < traffic->denial_count; i++)
		put_denials(sum, &traffic->denials[i]);
	for (i = 0; i < traffic->split_count; i++)
		put_split(sum, &traffic->splits[i]);
	/* All agents have the findings on what is not a node's own. */
	if (traffic->findings > sum->findings)
		sum->findings = traffic->findings;
	if (traffic->time > sum->time)
		sum->time = traffic->time;
	if (traffic->window > sum->window)
		sum->window = traffic->window;
	traffic_finish(sum);
}

uint64_t traffic_succeeded(const struct traffic_requests *requests)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 1; i < 5; i++)
		sum += requests->count[i];
	return sum;
}

uint64_t traffic_failed(const struct traffic_requests *requests)
{
	return requests->count[0] + requests->count[5];
}

uint64_t traffic_quantile(const struct traffic_requests *requests, double share)
{
	return latency_quantile(requests->buckets, requests->bucket_count, share);
}
