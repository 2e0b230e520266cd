// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_streams.h"

#include <json-c/json.h>

#include "user/json_text.h"

static struct json_object *stream_status(const struct kube_stream *stream)
{
	const struct kube_reflector_state *state = &stream->state;
	struct json_object *status = json_object_new_object();

	json_add_text(status, "version", stream->version);
	json_object_object_add(status, "listed", json_object_new_boolean(state->is_listed));
	json_object_object_add(status, "watching", json_object_new_boolean(state->is_watching));
	json_object_object_add(status, "objects", json_object_new_uint64(state->objects));
	json_object_object_add(status, "lists", json_object_new_uint64(state->lists));
	json_object_object_add(status, "watches", json_object_new_uint64(state->watches));
	json_object_object_add(status, "events", json_object_new_uint64(state->events));
	json_add_text(status, "resource_version", state->version);
	if (*state->problem)
		json_add_text(status, "problem", state->problem);
	return status;
}

struct json_object *kube_streams_status(const struct kube_stream *streams, size_t count)
{
	struct json_object *resources = json_object_new_object();
	size_t i;

	for (i = 0; i < count; i++)
		json_object_object_add(resources, streams[i].resource, stream_status(&streams[i]));
	return resources;
}

static void put(const struct metric_sink *sink, const struct kube_stream *stream, uint64_t number)
{
	const struct metric_label label = { "resource", stream->resource };

	metric_put_number(sink, &(struct metric_labels){ &label, 1 }, number);
}

static void write_watching(const struct kube_stream *streams, size_t count,
			   const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_kube_watching",
		.type = METRIC_GAUGE,
		.help = "1 while a watch of the resource is open.",
	};
	size_t i;

	sink->family(sink->context, &family);
	for (i = 0; i < count; i++)
		put(sink, &streams[i], streams[i].state.is_watching);
}

static void write_heard(const struct kube_stream *streams, size_t count,
			const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_kube_last_heard_timestamp_seconds",
		.type = METRIC_GAUGE,
		.unit = "seconds",
		.help = "When the API server last sent something of the resource; bookmarks of a "
			"watch, which come every minute or so, are something, too.",
	};
	size_t i;

	sink->family(sink->context, &family);
	for (i = 0; i < count; i++) {
		const struct metric_label label = { "resource", streams[i].resource };

		if (streams[i].state.heard > 0)
			metric_put_real(sink, &(struct metric_labels){ &label, 1 },
					streams[i].state.heard);
	}
}

static void write_counts(const struct kube_stream *streams, size_t count,
			 const struct metric_sink *sink)
{
	static const struct metric_family
		lists = { .name = "weft_kube_lists", .help = "Complete lists of the resource." },
		watches = { .name = "weft_kube_watches", .help = "Watches of it that were begun." },
		events = { .name = "weft_kube_watch_events",
			   .help = "Events of these watches, bookmarks among them." };
	size_t i;

	sink->family(sink->context, &lists);
	for (i = 0; i < count; i++)
		put(sink, &streams[i], streams[i].state.lists);
	sink->family(sink->context, &watches);
	for (i = 0; i < count; i++)
		put(sink, &streams[i], streams[i].state.watches);
	sink->family(sink->context, &events);
	for (i = 0; i < count; i++)
		put(sink, &streams[i], streams[i].state.events);
}

static void write_errors(const struct kube_stream *streams, size_t count,
			 const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_kube_errors",
		.help = "Lists and watches that failed and were tried again.",
	};
	struct metric_label labels[2];
	const struct metric_labels both = { labels, 2 };
	size_t i;

	sink->family(sink->context, &family);
	for (i = 0; i < count; i++) {
		labels[0] = (struct metric_label){ "resource", streams[i].resource };
		labels[1] = (struct metric_label){ "verb", "list" };
		metric_put_number(sink, &both, streams[i].state.list_errors);
		labels[1].value = "watch";
		metric_put_number(sink, &both, streams[i].state.watch_errors);
	}
}

void kube_streams_write_metrics(const struct kube_stream *streams, size_t count,
				const struct metric_sink *sink)
{
	write_watching(streams, count, sink);
	write_heard(streams, count, sink);
	write_counts(streams, count, sink);
	write_errors(streams, count, sink);
}
