// SPDX-License-Identifier: Apache-2.0
#include "user/smi/smi_prometheus.h"

#include <json-c/json.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/http_latency.bpf.h"
#include "policy/memory.h"
#include "policy/workload.h"
#include "user/json_text.h"
#include "user/traffic/traffic_names.h"

#define FAMILY_REQUESTS "weft_http_requests_total"
#define FAMILY_BUCKETS	"weft_http_request_duration_seconds_bucket"
#define FAMILY_OPENED	"weft_tcp_connections_opened_total"
#define FAMILY_CLOSED	"weft_tcp_connections_closed_total"
#define FAMILY_VERDICTS "weft_verdicts_total"
#define FAMILY_WEIGHTS	"weft_split_backend_weight"

/* {__name__=~"...|..."} */
const char smi_prometheus_path[] = "/api/v1/query?query=%7B__name__%3D~%22" FAMILY_REQUESTS
				   "%7C" FAMILY_BUCKETS "%7C" FAMILY_OPENED "%7C" FAMILY_CLOSED
				   "%7C" FAMILY_VERDICTS "%7C" FAMILY_WEIGHTS "%22%7D";

/* A sample of a histogram: how many were below a bound. */
struct below {
	struct traffic *traffic;
	char *series; /* everything but the bound */
	const struct traffic_end *source, *destination;
	uint16_t port;
	double bound; /* ns; infinite for the last */
	uint64_t count;
};

struct reading {
	struct traffic **items;
	size_t count, capacity;
	struct below *belows;
	size_t below_count, below_capacity;
};

/* Labels of a sample, and its value. */
struct sample {
	struct traffic *traffic;
	struct json_object *labels;
	const struct traffic_end *source, *destination;
	double value;
};

static struct traffic *instance_of(struct reading *reading, const char *name, double time)
{
	size_t i;

	for (i = 0; i < reading->count; i++)
		if (!strcmp(reading->items[i]->node, name))
			return reading->items[i];
	i = memory_grow(&reading->items, &reading->count, &reading->capacity,
			sizeof(*reading->items));
	reading->items[i] = traffic_new(name);
	reading->items[i]->time = time;
	return reading->items[i];
}

static const char *label(const struct sample *sample, const char *name)
{
	return json_text_of(sample->labels, name);
}

static uint16_t port_of(const struct sample *sample)
{
	return (uint16_t)strtoul(label(sample, "destination_port"), NULL, 10);
}

/* "NAMESPACE/NAME"; services are named without their namespace: the destination's. */
static char *service_of(const struct sample *sample, const char *name)
{
	const char *service = label(sample, name);

	return *service ? memory_printf("%s/%s", label(sample, "destination_namespace"), service) :
			  memory_strdup("");
}

static void take_requests(struct reading *reading, const struct sample *sample)
{
	const char *class = label(sample, "status_class");
	struct traffic_requests *requests = traffic_add_requests(sample->traffic);

	(void)reading;
	requests->source = sample->source;
	requests->destination = sample->destination;
	requests->port = port_of(sample);
	if (*class >= '1' && *class < '0' + TRAFFIC_STATUS_CLASSES)
		requests->count[*class - '0'] = (uint64_t)sample->value;
	else
		requests->count[0] = (uint64_t)sample->value;
}

static void take_below(struct reading *reading, const struct sample *sample)
{
	const char *bound = label(sample, "le");
	struct below *below;
	size_t i;

	i = memory_grow(&reading->belows, &reading->below_count, &reading->below_capacity,
			sizeof(*reading->belows));
	below = &reading->belows[i];
	below->traffic = sample->traffic;
	below->source = sample->source;
	below->destination = sample->destination;
	below->port = port_of(sample);
	below->series = memory_printf("%s\n%s\n%s\n%u\n%s\n%s\n%s", sample->traffic->node,
				      sample->source->key, sample->destination->key, below->port,
				      label(sample, "traffic_target"), label(sample, "route_group"),
				      label(sample, "match"));
	below->bound = strcmp(bound, "+Inf") ? strtod(bound, NULL) * 1e9 : INFINITY;
	below->count = (uint64_t)sample->value;
}

static struct traffic_edge *add_edge(const struct sample *sample)
{
	struct traffic_edge *edge = traffic_add_edge(sample->traffic);

	edge->source = sample->source;
	edge->destination = sample->destination;
	edge->reporter = traffic_reporter_of(label(sample, "reporter"));
	edge->proto = IPPROTO_TCP;
	edge->port = port_of(sample);
	edge->service = service_of(sample, "service");
	edge->backend = service_of(sample, "backend");
	return edge;
}

static void take_opened(struct reading *reading, const struct sample *sample)
{
	(void)reading;
	add_edge(sample)->count.opened = (uint64_t)sample->value;
}

static void take_closed(struct reading *reading, const struct sample *sample)
{
	(void)reading;
	add_edge(sample)->count.closed = (uint64_t)sample->value;
}

static void take_verdict(struct reading *reading, const struct sample *sample)
{
	struct traffic_denials *denials;
	enum weft_verdict_action action = traffic_verdict_of(label(sample, "verdict"));

	(void)reading;
	if (action != WEFT_VERDICT_DENY && action != WEFT_VERDICT_WOULD_DENY)
		return;
	denials = traffic_add_denials(sample->traffic);
	denials->source = sample->source;
	denials->destination = sample->destination;
	denials->action = action;
	denials->reason = traffic_reason_of(label(sample, "reason"));
	denials->hook = traffic_hook_of(label(sample, "hook"));
	denials->proto = traffic_protocol_of(label(sample, "protocol"));
	denials->count = (uint64_t)sample->value;
}

static void take_weight(struct reading *reading, const struct sample *sample)
{
	const char *name_space = label(sample, "destination_namespace");
	const char *name = label(sample, "split");
	struct weighted_split *split = NULL;
	size_t i;

	(void)reading;
	for (i = 0; i < sample->traffic->split_count; i++)
		if (!strcmp(sample->traffic->splits[i].name, name) &&
		    !strcmp(sample->traffic->splits[i].name_space, name_space))
			split = &sample->traffic->splits[i];
	if (!split) {
		split = traffic_add_split(sample->traffic);
		split->name_space = memory_strdup(name_space);
		split->name = memory_strdup(name);
		split->service = memory_strdup(label(sample, "service"));
	}
	i = memory_grow(&split->backends, &split->backend_count, &split->backend_capacity,
			sizeof(*split->backends));
	split->backends[i].name = memory_strdup(label(sample, "backend"));
	split->backends[i].weight = (uint64_t)(sample->value * 1000 + 0.5);
}

static const struct traffic_end *end_of(const struct sample *sample, const char *const names[5])
{
	return traffic_end(sample->traffic, label(sample, names[0]), label(sample, names[1]),
			   label(sample, names[2]), label(sample, names[3]),
			   label(sample, names[4]));
}

static void take_sample(struct reading *reading, struct json_object *item)
{
	static const struct {
		const char *name;
		void (*take)(struct reading *reading, const struct sample *sample);
	} families[] = {
		{ FAMILY_REQUESTS, take_requests }, { FAMILY_BUCKETS, take_below },
		{ FAMILY_OPENED, take_opened },	    { FAMILY_CLOSED, take_closed },
		{ FAMILY_VERDICTS, take_verdict },  { FAMILY_WEIGHTS, take_weight },
	};
	static const char *const source[] = { "source_namespace", "source_kind", "source_workload",
					      "source_service_account", "source_pod" };
	static const char *const destination[] = { "destination_namespace", "destination_kind",
						   "destination_workload",
						   "destination_service_account",
						   "destination_pod" };
	struct json_object *value = NULL;
	struct sample sample = { 0 };
	const char *name;
	double time;
	size_t i;

	if (!json_object_is_type(item, json_type_object) ||
	    !json_object_object_get_ex(item, "metric", &sample.labels) ||
	    !json_object_object_get_ex(item, "value", &value) ||
	    !json_object_is_type(value, json_type_array) || json_object_array_length(value) != 2)
		return;
	time = json_object_get_double(json_object_array_get_idx(value, 0));
	sample.value = json_object_get_double(json_object_array_get_idx(value, 1));
	/* What a scrape configuration calls node is better than an address. */
	name = label(&sample, *label(&sample, "node") ? "node" : "instance");
	if (!(sample.value >= 0) || !*name)
		return;
	/* What was counted long ago is added to it at once: not traffic of the moment. */
	if (!strcmp(label(&sample, "source_pod"), WORKLOAD_GONE) ||
	    !strcmp(label(&sample, "destination_pod"), WORKLOAD_GONE))
		return;
	sample.traffic = instance_of(reading, name, time);
	sample.source = end_of(&sample, source);
	sample.destination = end_of(&sample, destination);
	for (i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (!strcmp(families[i].name, label(&sample, "__name__")))
			families[i].take(reading, &sample);
}

static int below_compare(const void *a, const void *b)
{
	const struct below *x = a, *y = b;
	int order = strcmp(x->series, y->series);

	return order ? order : x->bound < y->bound ? -1 : x->bound > y->bound;
}

/* The first bucket whose floor is not below a bound. */
static uint32_t bucket_at(double bound)
{
	uint32_t low = 0, high = WEFT_LATENCY_BUCKETS - 1, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		/* Bounds are printed with nine decimals of a second: floors, exactly. */
		if ((double)latency_floor(middle) + 0.5 < bound)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What is between two bounds is spread over the buckets there as if it were everywhere alike. */
static void spread(struct traffic_requests *requests, uint32_t from, uint32_t to, uint64_t count)
{
	double begin = (double)latency_floor(from), width = (double)latency_floor(to) - begin;
	uint64_t done = 0, until;
	uint32_t b;
	size_t i;

	for (b = from; b < to; b++) {
		until = (uint64_t)((double)count * ((double)latency_floor(b + 1) - begin) / width +
				   0.5);
		if (until == done)
			continue;
		i = memory_grow(&requests->buckets, &requests->bucket_count,
				&requests->bucket_capacity, sizeof(*requests->buckets));
		requests->buckets[i].bucket = b;
		requests->buckets[i].count = until - done;
		done = until;
	}
}

/* The histogram whose first sample is this; returns how many it has. */
static size_t take_histogram(const struct below *belows, size_t count)
{
	struct traffic_requests *requests = traffic_add_requests(belows->traffic);
	uint32_t from = 0, to;
	uint64_t before = 0;
	size_t i;

	requests->source = belows->source;
	requests->destination = belows->destination;
	requests->port = belows->port;
	for (i = 0; i < count && !strcmp(belows[i].series, belows->series); i++) {
		to = isinf(belows[i].bound) ? WEFT_LATENCY_BUCKETS : bucket_at(belows[i].bound);
		if (to > from && belows[i].count > before)
			spread(requests, from, isinf(belows[i].bound) ? from + 1 : to,
			       belows[i].count - before);
		before = belows[i].count;
		from = to;
	}
	return i;
}

static void take_histograms(struct reading *reading)
{
	size_t i;

	if (reading->below_count)
		qsort(reading->belows, reading->below_count, sizeof(*reading->belows),
		      below_compare);
	for (i = 0; i < reading->below_count;)
		i += take_histogram(&reading->belows[i], reading->below_count - i);
	for (i = 0; i < reading->below_count; i++)
		free(reading->belows[i].series);
	free(reading->belows);
}

struct traffic **smi_prometheus_read(struct json_object *answer, size_t *count, const char **error)
{
	struct json_object *data = NULL, *result = NULL;
	struct reading reading = { 0 };
	size_t i;

	*count = 0;
	*error = "no instant vector of Prometheus";
	if (strcmp(json_text_of(answer, "status"), "success") ||
	    !json_object_object_get_ex(answer, "data", &data) ||
	    strcmp(json_text_of(data, "resultType"), "vector") ||
	    !json_object_object_get_ex(data, "result", &result) ||
	    !json_object_is_type(result, json_type_array))
		return NULL;
	for (i = 0; i < json_object_array_length(result); i++)
		take_sample(&reading, json_object_array_get_idx(result, i));
	take_histograms(&reading);
	for (i = 0; i < reading.count; i++)
		traffic_finish(reading.items[i]);
	*count = reading.count;
	*error = "";
	/* never NULL when it went well */
	return reading.items ? reading.items : memory_alloc(1);
}
