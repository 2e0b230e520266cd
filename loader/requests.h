/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counted of HTTP requests: weft_request and weft_latency, CPUs added up, put
 * together by edge and rule. The two maps are read one after the other, under traffic.
 */
#ifndef WEFT_LOADER_REQUESTS_H
#define WEFT_LOADER_REQUESTS_H

#include "loader/maps.h"

struct request_count {
	struct weft_request_key key;
	struct weft_request sum;
};

struct request_bucket {
	struct weft_latency_key key;
	uint64_t count;
};

struct requests {
	/* sorted by source, destination, rule, port; then method and status, or bucket */
	struct request_count *counts;
	size_t count_count, count_capacity;
	struct request_bucket *buckets;
	size_t bucket_count, bucket_capacity;
	uint32_t request_entries, latency_entries; /* of the maps, those of zero among them */
};

/* Requests of one source workload to one port of a destination by one rule. */
struct request_edge {
	uint32_t src_workload;
	uint32_t dst_workload;
	uint32_t rule; /* weft_name id; 0 = none */
	uint16_t port; /* host order; 0 = what found no room in weft_request, all edges together */
	const struct request_count *counts; /* may be none */
	size_t count_count;
	const struct request_bucket *buckets; /* may be none */
	size_t bucket_count;
};

/* -errno when a map cannot be read; requests_clear() in any case. `requests` is zeroed before. */
int requests_read(const struct maps *maps, struct requests *requests);
void requests_clear(struct requests *requests);

/* The edge after `edge`, in order; the first after a zeroed one. False: there is none. */
bool requests_next(const struct requests *requests, struct request_edge *edge);

/* Answered and unanswered requests, and the sum of their latencies, in ns. */
uint64_t request_edge_total(const struct request_edge *edge, uint64_t *latency_ns);

/*
 * The latency in ns that this share (0..1) of the answered requests did not exceed, as if they
 * were spread evenly over each bucket: at most 1/32 off. 0 when none was answered.
 */
uint64_t request_edge_quantile(const struct request_edge *edge, double share);

#endif /* WEFT_LOADER_REQUESTS_H */
