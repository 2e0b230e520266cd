// SPDX-License-Identifier: Apache-2.0
#include "loader/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "loader/latency.h"

/* What the keys of both maps begin with, in order. */
struct edge_order {
	uint32_t src_workload, dst_workload, rule;
	uint16_t port;
};

static struct edge_order order_of_count(const struct request_count *count)
{
	const struct weft_request_key *key = &count->key;

	return (struct edge_order){ key->src_workload, key->dst_workload, key->rule, key->port };
}

static struct edge_order order_of_bucket(const struct request_bucket *bucket)
{
	const struct weft_latency_key *key = &bucket->key;

	return (struct edge_order){ key->src_workload, key->dst_workload, key->rule, key->port };
}

static int order_compare(struct edge_order a, struct edge_order b)
{
	if (a.src_workload != b.src_workload)
		return a.src_workload < b.src_workload ? -1 : 1;
	if (a.dst_workload != b.dst_workload)
		return a.dst_workload < b.dst_workload ? -1 : 1;
	if (a.rule != b.rule)
		return a.rule < b.rule ? -1 : 1;
	return a.port < b.port ? -1 : a.port > b.port;
}

static int count_compare(const void *a, const void *b)
{
	const struct request_count *x = a, *y = b;
	int order = order_compare(order_of_count(x), order_of_count(y));

	if (order)
		return order;
	if (x->key.method != y->key.method)
		return x->key.method < y->key.method ? -1 : 1;
	return x->key.status < y->key.status ? -1 : x->key.status > y->key.status;
}

static int bucket_compare(const void *a, const void *b)
{
	const struct request_bucket *x = a, *y = b;
	int order = order_compare(order_of_bucket(x), order_of_bucket(y));

	if (order)
		return order;
	return x->key.bucket < y->key.bucket ? -1 : x->key.bucket > y->key.bucket;
}

/* Room for one more element. */
static void *list_grow(void *items, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? *capacity * 2 : 256;
	void *grown;

	if (count < *capacity)
		return items;
	grown = reallocarray(items, wanted, size);
	if (grown)
		*capacity = wanted;
	return grown;
}

struct reading {
	struct requests *requests;
	unsigned int cpus;
};

static int read_count(const void *key, const void *raw_values, void *context)
{
	const struct weft_request *values = raw_values;
	const struct reading *reading = context;
	struct requests *requests = reading->requests;
	struct request_count count = { 0 }, *grown;
	unsigned int cpu;

	requests->request_entries++;
	memcpy(&count.key, key, sizeof(count.key));
	for (cpu = 0; cpu < reading->cpus; cpu++) {
		count.sum.count += values[cpu].count;
		count.sum.latency_ns += values[cpu].latency_ns;
	}
	/* the entry for what overflows is there from the start */
	if (!count.sum.count)
		return 0;
	grown = list_grow(requests->counts, requests->count_count, &requests->count_capacity,
			  sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	requests->counts = grown;
	requests->counts[requests->count_count++] = count;
	return 0;
}

static int read_bucket(const void *key, const void *raw_values, void *context)
{
	const struct weft_latency *values = raw_values;
	const struct reading *reading = context;
	struct requests *requests = reading->requests;
	struct request_bucket bucket = { 0 }, *grown;
	unsigned int cpu;

	requests->latency_entries++;
	memcpy(&bucket.key, key, sizeof(bucket.key));
	for (cpu = 0; cpu < reading->cpus; cpu++)
		bucket.count += values[cpu].count;
	if (!bucket.count || bucket.key.bucket >= WEFT_LATENCY_BUCKETS)
		return 0;
	grown = list_grow(requests->buckets, requests->bucket_count, &requests->bucket_capacity,
			  sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	requests->buckets = grown;
	requests->buckets[requests->bucket_count++] = bucket;
	return 0;
}

int requests_read(const struct maps *maps, struct requests *requests)
{
	struct reading reading = { requests, maps->cpus };
	int err;

	err = maps_each(maps, MAP_REQUEST, read_count, &reading);
	if (!err)
		err = maps_each(maps, MAP_LATENCY, read_bucket, &reading);
	if (err)
		return err;
	if (requests->count_count)
		qsort(requests->counts, requests->count_count, sizeof(*requests->counts),
		      count_compare);
	if (requests->bucket_count)
		qsort(requests->buckets, requests->bucket_count, sizeof(*requests->buckets),
		      bucket_compare);
	return 0;
}

void requests_clear(struct requests *requests)
{
	free(requests->counts);
	free(requests->buckets);
	memset(requests, 0, sizeof(*requests));
}

bool requests_next(const struct requests *requests, struct request_edge *edge)
{
	size_t c = edge->counts ? (size_t)(edge->counts - requests->counts) + edge->count_count : 0;
	size_t b = edge->buckets ?
			   (size_t)(edge->buckets - requests->buckets) + edge->bucket_count :
			   0;
	bool has_count = c < requests->count_count, has_bucket = b < requests->bucket_count;
	struct edge_order order;

	if (!has_count && !has_bucket)
		return false;
	if (!has_bucket || (has_count && order_compare(order_of_count(&requests->counts[c]),
						       order_of_bucket(&requests->buckets[b])) < 0))
		order = order_of_count(&requests->counts[c]);
	else
		order = order_of_bucket(&requests->buckets[b]);
	*edge = (struct request_edge){
		.src_workload = order.src_workload,
		.dst_workload = order.dst_workload,
		.rule = order.rule,
		.port = order.port,
		/* where the next edge goes on, also when this one has none */
		.counts = requests->counts ? requests->counts + c : NULL,
		.buckets = requests->buckets ? requests->buckets + b : NULL,
	};
	for (; c < requests->count_count; c++, edge->count_count++)
		if (order_compare(order_of_count(&requests->counts[c]), order))
			break;
	for (; b < requests->bucket_count; b++, edge->bucket_count++)
		if (order_compare(order_of_bucket(&requests->buckets[b]), order))
			break;
	return true;
}

uint64_t request_edge_total(const struct request_edge *edge, uint64_t *latency_ns)
{
	uint64_t total = 0;
	size_t i;

	*latency_ns = 0;
	for (i = 0; i < edge->count_count; i++) {
		total += edge->counts[i].sum.count;
		*latency_ns += edge->counts[i].sum.latency_ns;
	}
	return total;
}

uint64_t request_edge_quantile(const struct request_edge *edge, double share)
{
	struct latency_bucket buckets[WEFT_LATENCY_BUCKETS];
	size_t i;

	for (i = 0; i < edge->bucket_count; i++) {
		buckets[i].bucket = edge->buckets[i].key.bucket;
		buckets[i].count = edge->buckets[i].count;
	}
	return latency_quantile(buckets, edge->bucket_count, share);
}
