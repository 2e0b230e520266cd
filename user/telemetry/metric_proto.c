// SPDX-License-Identifier: Apache-2.0
/*
 * A family with thousands of samples is never a tree of structs: what the generated code packs is
 * its head and each sample, one behind the other, which is the same message.
 */
#include "user/telemetry/metric_proto.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/memory.h"
#include "user/telemetry/metric_rows.h"
#include "user/telemetry/metrics.pb-c.h"

enum {
	/* Buckets of a native histogram by doubling, as a power of two: 2.2 % each. */
	SCHEMA = 5,
	METRIC_TAG = 4 << 3 | 2, /* MetricFamily.metric, with a length */
	VARINT_LEN = 10,
	BYTES_ROOM = 1 << 16, /* to begin with */
	NAME_LEN = 128,
};

static uint8_t *bytes_reserve(struct metric_bytes *bytes, size_t length)
{
	while (bytes->length + length > bytes->room) {
		bytes->room = bytes->room ? bytes->room * 2 : BYTES_ROOM;
		bytes->bytes = memory_realloc_array(bytes->bytes, bytes->room, 1);
	}
	return bytes->bytes + bytes->length;
}

static void bytes_put_varint(struct metric_bytes *bytes, size_t number)
{
	uint8_t *at = bytes_reserve(bytes, VARINT_LEN);

	for (; number >= 0x80; number >>= 7, bytes->length++)
		*at++ = (uint8_t)(number | 0x80);
	*at = (uint8_t)number;
	bytes->length++;
}

static void family_end(struct metric_proto *proto)
{
	if (!proto->family.length)
		return;
	bytes_put_varint(&proto->message, proto->family.length);
	memcpy(bytes_reserve(&proto->message, proto->family.length), proto->family.bytes,
	       proto->family.length);
	proto->message.length += proto->family.length;
	proto->family.length = 0;
}

static void proto_family(void *context, const struct metric_family *family)
{
	static const Wire__MetricType types[] = {
		[METRIC_COUNTER] = WIRE__METRIC_TYPE__COUNTER,
		[METRIC_GAUGE] = WIRE__METRIC_TYPE__GAUGE,
		[METRIC_HISTOGRAM] = WIRE__METRIC_TYPE__HISTOGRAM,
		[METRIC_INFO] = WIRE__METRIC_TYPE__GAUGE,
	};
	static const char *const suffixes[] = {
		[METRIC_COUNTER] = "_total",
		[METRIC_GAUGE] = "",
		[METRIC_HISTOGRAM] = "",
		[METRIC_INFO] = "_info",
	};
	struct metric_proto *proto = context;
	Wire__MetricFamily head = WIRE__METRIC_FAMILY__INIT;
	char name[NAME_LEN];

	family_end(proto);
	snprintf(name, sizeof(name), "%s%s", family->name, suffixes[family->type]);
	head.name = name;
	head.help = (char *)family->help;
	head.has_type = true;
	head.type = types[family->type];
	wire__metric_family__pack(
		&head, bytes_reserve(&proto->family, wire__metric_family__get_packed_size(&head)));
	proto->family.length = wire__metric_family__get_packed_size(&head);
	proto->type = family->type;
}

/* Adds a sample to the family. */
static void put_metric(struct metric_proto *proto, const struct metric_labels *labels,
		       Wire__Metric *metric)
{
	Wire__LabelPair pairs[METRIC_LABELS_MAX], *pointers[METRIC_LABELS_MAX];
	size_t i, length;

	for (i = 0; i < labels->count && i < METRIC_LABELS_MAX; i++) {
		wire__label_pair__init(&pairs[i]);
		pairs[i].name = (char *)labels->items[i].name;
		pairs[i].value = (char *)labels->items[i].value;
		pointers[i] = &pairs[i];
	}
	metric->n_label = i;
	metric->label = pointers;
	bytes_put_varint(&proto->family, METRIC_TAG);
	length = wire__metric__get_packed_size(metric);
	bytes_put_varint(&proto->family, length);
	wire__metric__pack(metric, bytes_reserve(&proto->family, length));
	proto->family.length += length;
}

static void proto_sample(void *context, const struct metric_labels *labels,
			 const struct metric_value *value)
{
	struct metric_proto *proto = context;
	Wire__Counter counter = WIRE__COUNTER__INIT;
	Wire__Gauge gauge = WIRE__GAUGE__INIT;
	Wire__Metric metric = WIRE__METRIC__INIT;

	if (proto->type == METRIC_COUNTER) {
		counter.has_value = true;
		counter.value = metric_value_real(value);
		metric.counter = &counter;
	} else {
		gauge.has_value = true;
		gauge.value = metric_value_real(value);
		metric.gauge = &gauge;
	}
	put_metric(proto, labels, &metric);
}

static double bound_of(const struct metric_histogram *histogram, size_t i)
{
	const struct metric_value value = { .number = histogram->bounds[i],
					    .decimals = histogram->decimals };

	return metric_value_real(&value);
}

static void put_classic(struct metric_proto *proto, const struct metric_labels *labels,
			const struct metric_histogram *histogram, Wire__Metric *metric)
{
	size_t count = histogram->bound_count, i;
	Wire__Bucket *buckets = memory_alloc(count * sizeof(*buckets));
	Wire__Bucket **pointers = memory_alloc(count * sizeof(*pointers));
	uint64_t sum = 0;

	for (i = 0; i < count; i++) {
		sum += histogram->counts[i];
		wire__bucket__init(&buckets[i]);
		buckets[i].has_cumulative_count = buckets[i].has_upper_bound = true;
		buckets[i].cumulative_count = sum;
		buckets[i].upper_bound = bound_of(histogram, i);
		pointers[i] = &buckets[i];
	}
	metric->histogram->n_bucket = count;
	metric->histogram->bucket = pointers;
	put_metric(proto, labels, metric);
	free(buckets);
	free(pointers);
}

/* The native bucket that the middle of one of ours is in. */
static int32_t native_bucket(const struct metric_histogram *histogram, size_t i)
{
	double low = bound_of(histogram, i ? i - 1 : 0);
	double high = bound_of(histogram, i < histogram->bound_count ? i : i - 1);

	return (int32_t)ceil(log2((low + high) / 2) * (1 << SCHEMA));
}

/* Native buckets that are not empty. */
struct native {
	Wire__BucketSpan *spans, **pointers;
	size_t span_count;
	int64_t *deltas;
	size_t delta_count;
	int32_t last; /* the last bucket */
	int64_t count;
};

static void native_add(struct native *native, int32_t bucket, uint64_t count)
{
	bool is_first = !native->delta_count;
	Wire__BucketSpan *span;

	if (!is_first && bucket == native->last) {
		native->deltas[native->delta_count - 1] += (int64_t)count;
		native->count += (int64_t)count;
		return;
	}
	if (is_first || bucket != native->last + 1) {
		span = &native->spans[native->span_count];
		wire__bucket_span__init(span);
		span->has_offset = span->has_length = true;
		span->offset = is_first ? bucket : bucket - native->last - 1;
		native->pointers[native->span_count++] = span;
	}
	native->spans[native->span_count - 1].length++;
	native->deltas[native->delta_count++] = (int64_t)count - native->count;
	native->count = (int64_t)count;
	native->last = bucket;
}

static void put_native(struct metric_proto *proto, const struct metric_labels *labels,
		       const struct metric_histogram *histogram, Wire__Metric *metric)
{
	size_t most = histogram->bound_count + 1, i;
	struct native native = {
		.spans = memory_alloc(most * sizeof(*native.spans)),
		.pointers = memory_alloc(most * sizeof(*native.pointers)),
		.deltas = memory_alloc(most * sizeof(*native.deltas)),
	};

	for (i = 0; i < most; i++)
		if (histogram->counts[i])
			native_add(&native, native_bucket(histogram, i), histogram->counts[i]);
	metric->histogram->has_schema = metric->histogram->has_zero_threshold = true;
	metric->histogram->has_zero_count = true;
	metric->histogram->schema = SCHEMA;
	metric->histogram->zero_threshold = bound_of(histogram, 0) / 2;
	metric->histogram->n_positive_span = native.span_count;
	metric->histogram->positive_span = native.pointers;
	metric->histogram->n_positive_delta = native.delta_count;
	metric->histogram->positive_delta = native.deltas;
	put_metric(proto, labels, metric);
	free(native.spans);
	free(native.pointers);
	free(native.deltas);
}

static void proto_histogram(void *context, const struct metric_labels *labels,
			    const struct metric_histogram *histogram)
{
	const struct metric_value sum = { .number = histogram->sum,
					  .decimals = histogram->decimals };
	struct metric_proto *proto = context;
	Wire__Histogram message = WIRE__HISTOGRAM__INIT;
	Wire__Metric metric = WIRE__METRIC__INIT;

	message.has_sample_count = message.has_sample_sum = true;
	message.sample_count = metric_histogram_count(histogram);
	message.sample_sum = metric_value_real(&sum);
	metric.histogram = &message;
	if (histogram->is_dense)
		put_native(proto, labels, histogram, &metric);
	else
		put_classic(proto, labels, histogram, &metric);
}

void metric_proto_init(struct metric_proto *proto)
{
	*proto = (struct metric_proto){
		.sink = { proto_family, proto_sample, proto_histogram, proto },
	};
}

char *metric_proto_take(struct metric_proto *proto, size_t *length)
{
	char *taken;

	family_end(proto);
	bytes_reserve(&proto->message, 1);
	taken = (char *)proto->message.bytes;
	*length = proto->message.length;
	free(proto->family.bytes);
	metric_proto_init(proto);
	return taken;
}
