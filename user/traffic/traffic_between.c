// SPDX-License-Identifier: Apache-2.0
/* What happened between two readings: their lists are walked in step. */
#include <stdlib.h>
#include <string.h>
#include "user/traffic/traffic.h"
#include "user/traffic/traffic_internal.h"

/* Counters that went back began anew. */
static bool went_back(const uint64_t *later, const uint64_t *earlier, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (later[i] < earlier[i])
			return true;
	return false;
}

/* True when something was counted since. */
static bool subtract(uint64_t *later, const uint64_t *earlier, size_t count)
{
	bool counted = false;
	size_t i;

	for (i = 0; i < count; i++) {
		later[i] -= earlier[i];
		counted |= later[i] != 0;
	}
	return counted;
}

/* Both in order; those of `later` that are not above 0 afterwards go. */
static void subtract_buckets(struct traffic_requests *later, const struct traffic_requests *earlier)
{
	size_t i, j = 0, kept = 0;

	for (i = 0; i < later->bucket_count; i++) {
		struct latency_bucket one = later->buckets[i];

		while (j < earlier->bucket_count && earlier->buckets[j].bucket < one.bucket)
			j++;
		if (j < earlier->bucket_count && earlier->buckets[j].bucket == one.bucket &&
		    earlier->buckets[j].count <= one.count)
			one.count -= earlier->buckets[j].count;
		if (one.count)
			later->buckets[kept++] = one;
	}
	later->bucket_count = kept;
}

static bool edge_subtract(struct traffic_edge *later, const struct traffic_edge *earlier)
{
	uint64_t values[TRAFFIC_COUNTERS], before[TRAFFIC_COUNTERS];
	bool counted;

	memcpy(values, &later->count, sizeof(values));
	memcpy(before, &earlier->count, sizeof(before));
	if (went_back(values, before, TRAFFIC_COUNTERS))
		return true;
	counted = subtract(values, before, TRAFFIC_COUNTERS);
	memcpy(&later->count, values, sizeof(values));
	return counted;
}

static bool requests_subtract(struct traffic_requests *later,
			      const struct traffic_requests *earlier)
{
	if (went_back(later->count, earlier->count, TRAFFIC_STATUS_CLASSES) ||
	    went_back(&later->latency_ns, &earlier->latency_ns, 1))
		return true;
	subtract_buckets(later, earlier);
	subtract(&later->latency_ns, &earlier->latency_ns, 1);
	return subtract(later->count, earlier->count, TRAFFIC_STATUS_CLASSES);
}

static bool denials_subtract(struct traffic_denials *later, const struct traffic_denials *earlier)
{
	return went_back(&later->count, &earlier->count, 1) ||
	       subtract(&later->count, &earlier->count, 1);
}

static void edges_between(struct traffic *window, const struct traffic *earlier)
{
	size_t i, j = 0, kept = 0;

	for (i = 0; i < window->edge_count; i++) {
		struct traffic_edge *edge = &window->edges[i];

		while (j < earlier->edge_count &&
		       traffic_compare_edges(&earlier->edges[j], edge) < 0)
			j++;
		if (j < earlier->edge_count && !traffic_compare_edges(&earlier->edges[j], edge) &&
		    !edge_subtract(edge, &earlier->edges[j]))
			traffic_clear_edge(edge);
		else
			window->edges[kept++] = *edge;
	}
	window->edge_count = kept;
}

static void requests_between(struct traffic *window, const struct traffic *earlier)
{
	size_t i, j = 0, kept = 0;

	for (i = 0; i < window->request_count; i++) {
		struct traffic_requests *one = &window->requests[i];

		while (j < earlier->request_count &&
		       traffic_compare_requests(&earlier->requests[j], one) < 0)
			j++;
		if (j < earlier->request_count &&
		    !traffic_compare_requests(&earlier->requests[j], one) &&
		    !requests_subtract(one, &earlier->requests[j]))
			free(one->buckets);
		else
			window->requests[kept++] = *one;
	}
	window->request_count = kept;
}

static void denials_between(struct traffic *window, const struct traffic *earlier)
{
	size_t i, j = 0, kept = 0;

	for (i = 0; i < window->denial_count; i++) {
		struct traffic_denials *one = &window->denials[i];

		while (j < earlier->denial_count &&
		       traffic_compare_denials(&earlier->denials[j], one) < 0)
			j++;
		if (j == earlier->denial_count ||
		    traffic_compare_denials(&earlier->denials[j], one) ||
		    denials_subtract(one, &earlier->denials[j]))
			window->denials[kept++] = *one;
	}
	window->denial_count = kept;
}

struct traffic *traffic_between(const struct traffic *earlier, const struct traffic *later)
{
	struct traffic *window = traffic_new(later->node);

	traffic_add(window, later);
	if (!earlier)
		return window;
	window->window = later->time - earlier->time;
	edges_between(window, earlier);
	requests_between(window, earlier);
	denials_between(window, earlier);
	return window;
}
