// SPDX-License-Identifier: Apache-2.0
/* A reading of the maps: numbers become names, CPUs and what is of no interest here are added up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "loader/requests.h"
#include "policy/memory.h"
#include "policy/store.h"
#include "user/traffic/traffic.h"
#include "user/traffic/traffic_internal.h"
#include "policy/workload.h"

struct reading {
	struct traffic *traffic;
	const struct maps *maps;
	const struct names *names;
};

static const struct traffic_end *end_of(const struct reading *reading, uint32_t id)
{
	struct workload workload;

	workload_of(reading->names, id, &workload);
	return traffic_end(reading->traffic, workload.name_space, workload.kind, workload.name,
			   workload.service_account, workload.pod);
}

static bool is_past(const struct reading *reading, uint32_t id)
{
	struct workload workload;

	workload_of(reading->names, id, &workload);
	return workload.past;
}

/* Of a pod that is gone, added up: not traffic of the moment. */
static bool is_old(const struct reading *reading, uint32_t src, uint32_t dst)
{
	return is_past(reading, src) || is_past(reading, dst);
}

static char *service_of(const struct reading *reading, uint32_t id)
{
	const struct weft_name *name = id ? names_lookup(reading->names, WEFT_NAME_SERVICE, id) :
					    NULL;

	return name ? memory_printf("%s/%s", name->name_space, name->name) : memory_strdup("");
}

static int read_edge(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_edge_key *key = raw_key;
	const struct weft_edge *values = raw_values;
	const struct reading *reading = context;
	struct traffic_edge *edge;
	unsigned int cpu;
	size_t i;

	if (is_old(reading, key->src_workload, key->dst_workload))
		return 0;
	edge = traffic_add_edge(reading->traffic);
	edge->source = end_of(reading, key->src_workload);
	edge->destination = end_of(reading, key->dst_workload);
	edge->reporter = key->direction;
	edge->proto = key->proto;
	edge->port = key->port;
	edge->service = service_of(reading, key->service);
	edge->backend = service_of(reading, key->backend);
	for (cpu = 0; cpu < reading->maps->cpus; cpu++)
		for (i = 0; i < TRAFFIC_COUNTERS; i++)
			((__u64 *)&edge->count)[i] += ((const __u64 *)&values[cpu])[i];
	return 0;
}

static int read_denials(const void *raw_key, const void *raw_values, void *context)
{
	const struct weft_verdict_key *key = raw_key;
	const struct weft_verdict *values = raw_values;
	const struct reading *reading = context;
	struct traffic_denials *denials;
	uint64_t count = 0;
	unsigned int cpu;

	if (key->action == WEFT_VERDICT_ALLOW ||
	    is_old(reading, key->src_workload, key->dst_workload))
		return 0;
	for (cpu = 0; cpu < reading->maps->cpus; cpu++)
		count += values[cpu].count;
	/* the entry for what overflows is there from the start */
	if (!count)
		return 0;
	denials = traffic_add_denials(reading->traffic);
	denials->source = end_of(reading, key->src_workload);
	denials->destination = end_of(reading, key->dst_workload);
	denials->reason = key->reason;
	denials->action = key->action;
	denials->hook = key->hook;
	denials->proto = key->proto;
	denials->count = count;
	return 0;
}

static void add_requests(const struct reading *reading, const struct request_edge *edge)
{
	struct traffic_requests *requests;
	size_t i;

	if (is_old(reading, edge->src_workload, edge->dst_workload))
		return;
	requests = traffic_add_requests(reading->traffic);
	requests->source = end_of(reading, edge->src_workload);
	requests->destination = end_of(reading, edge->dst_workload);
	requests->port = edge->port;
	for (i = 0; i < edge->count_count; i++) {
		const struct request_count *count = &edge->counts[i];

		if (count->key.status < TRAFFIC_STATUS_CLASSES)
			requests->count[count->key.status] += count->sum.count;
		requests->latency_ns += count->sum.latency_ns;
	}
	for (i = 0; i < edge->bucket_count; i++) {
		size_t b = memory_grow(&requests->buckets, &requests->bucket_count,
				       &requests->bucket_capacity, sizeof(*requests->buckets));

		requests->buckets[b].bucket = edge->buckets[i].key.bucket;
		requests->buckets[b].count = edge->buckets[i].count;
	}
}

static int read_requests(const struct reading *reading)
{
	struct requests requests = { 0 };
	struct request_edge edge = { 0 };
	int err = requests_read(reading->maps, &requests);

	while (!err && requests_next(&requests, &edge))
		add_requests(reading, &edge);
	requests_clear(&requests);
	return err;
}

static void read_split(struct traffic *traffic, const struct traffic_split *split)
{
	struct weighted_split *copy = traffic_add_split(traffic);
	size_t i, b;

	copy->name_space = memory_strdup(split->meta.name_space);
	copy->name = memory_strdup(split->meta.name);
	copy->service = memory_strdup(split->service);
	for (i = 0; i < split->backend_count; i++) {
		if (split->backends[i].invalid)
			continue;
		b = memory_grow(&copy->backends, &copy->backend_count, &copy->backend_capacity,
				sizeof(*copy->backends));
		copy->backends[b].name = memory_strdup(split->backends[i].service);
		copy->backends[b].weight = split->backends[i].weight_milli;
	}
}

static void read_splits(struct traffic *traffic, const struct store *store)
{
	struct object *object;

	for (object = store_first(store, OBJECT_TRAFFIC_SPLIT); object;
	     object = store_next(object)) {
		const struct traffic_split *split = (const struct traffic_split *)object;

		if (!split->invalid)
			read_split(traffic, split);
	}
}

struct traffic *traffic_read(const struct maps *maps, const struct names *names,
			     const struct store *store, const char *node)
{
	struct reading reading = { traffic_new(node), maps, names };
	struct timespec now;
	int err;

	clock_gettime(CLOCK_REALTIME, &now);
	reading.traffic->time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	err = maps_each(maps, MAP_EDGE, read_edge, &reading);
	if (!err)
		err = maps_each(maps, MAP_VERDICT, read_denials, &reading);
	if (!err)
		err = read_requests(&reading);
	if (err) {
		traffic_free(reading.traffic);
		errno = -err;
		return NULL;
	}
	if (store)
		read_splits(reading.traffic, store);
	traffic_finish(reading.traffic);
	return reading.traffic;
}
