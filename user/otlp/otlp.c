// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include "policy/memory.h"
#include "user/http/curl_loop.h"
#include "user/json_text.h"
#include "user/log.h"
#include "user/otlp/otlp_headers.h"
#include "user/otlp/otlp_json.h"
#include "user/otlp/otlp_log.h"
#include "user/otlp/otlp_metric.h"
#include "user/otlp/otlp_sender.h"
#include "user/http/retry.h"
#include "user/source/utf8.h"

enum {
	TICK_MS = 200,
	LOGS_TICKS = 5,	  /* an event waits for so many ticks, that others may go with it */
	LOGS_BATCH = 512, /* as OTEL_BLRP_MAX_EXPORT_BATCH_SIZE is by default */
	LOGS_BATCHES = 4, /* at one tick: making one takes milliseconds */
	QUEUE_LOGS = 16384,
	QUEUE_LOGS_BYTES = 4 << 20,
	QUEUE_POINTS = 1 << 20,
	QUEUE_POINTS_BYTES = 16 << 20,
};

enum signal_id { OTLP_METRICS, OTLP_LOGS, OTLP_SIGNALS };

static const struct otlp_signal signals[OTLP_SIGNALS] = {
	[OTLP_METRICS] = { "metrics", "/v1/metrics", "rejectedDataPoints", QUEUE_POINTS,
			   QUEUE_POINTS_BYTES },
	[OTLP_LOGS] = { "logs", "/v1/logs", "rejectedLogRecords", QUEUE_LOGS, QUEUE_LOGS_BYTES },
};

struct otlp {
	const struct otlp_options *options;
	struct otlp_agent agent;
	struct telemetry *telemetry;
	struct curl_loop *curl;
	struct otlp_sender *senders[OTLP_SIGNALS];
	struct otlp_envelope envelopes[OTLP_SIGNALS];
	uv_timer_t tick;     /* looks for events */
	uv_timer_t interval; /* collects metrics */
	struct telemetry_cursor cursor;
	unsigned int ticks; /* since the first event that waits */
	bool is_leaving;
	unsigned int closed; /* timers, at the end */
};

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What a body of log records is made with. */
struct batch {
	struct otlp_writer *writer;
	uint64_t observed_ns;
	unsigned int records;
};

static void take_event(void *context, struct json_object *event, uint64_t time_ns)
{
	struct batch *batch = context;

	if (batch->records++)
		otlp_writer_put(batch->writer, ",");
	otlp_writer_put_json(batch->writer, otlp_log_record(event, time_ns, batch->observed_ns));
}

static void make_batch(struct otlp *otlp)
{
	const struct otlp_envelope *envelope = &otlp->envelopes[OTLP_LOGS];
	struct otlp_sender *sender = otlp->senders[OTLP_LOGS];
	struct batch batch = {
		.writer = otlp_writer_new(otlp->options->gzip),
		.observed_ns = wall_ns(),
	};
	struct otlp_body *body;
	uint64_t overrun;

	otlp_writer_put(batch.writer, envelope->head);
	overrun = telemetry_export(otlp->telemetry, &otlp->cursor, LOGS_BATCH, take_event, &batch);
	otlp_writer_put(batch.writer, envelope->tail);
	otlp_sender_lost(sender, overrun);
	body = otlp_writer_end(batch.writer, batch.records, uv_hrtime());
	if (body->items)
		otlp_sender_push(sender, body);
	else
		otlp_body_free(body);
}

static void export_events(struct otlp *otlp)
{
	struct otlp_sender *sender = otlp->senders[OTLP_LOGS];
	unsigned int i;

	for (i = 0; i < LOGS_BATCHES; i++) {
		if (!telemetry_export_waiting(otlp->telemetry, &otlp->cursor))
			break;
		if (otlp_sender_is_full(sender))
			otlp_sender_lost(sender,
					 telemetry_export_skip(otlp->telemetry, &otlp->cursor));
		else
			make_batch(otlp);
	}
	otlp->ticks = 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct otlp *otlp = timer->data;
	uint64_t waiting = telemetry_export_waiting(otlp->telemetry, &otlp->cursor);

	otlp->ticks = waiting ? otlp->ticks + 1 : 0;
	if (waiting >= LOGS_BATCH || otlp->ticks >= LOGS_TICKS)
		export_events(otlp);
}

/* The agent's start is what nobody can deny when the maps do not say. */
static uint64_t since(void *context, const struct metric_family *family)
{
	const struct otlp *otlp = context;
	uint64_t ns;

	if (!family->map || maps_since(otlp->agent.pins, family->map, &ns))
		return otlp->agent.started_ns;
	return ns;
}

static void take_metrics(void *context, struct otlp_body *body)
{
	struct otlp *otlp = context;

	otlp_sender_push(otlp->senders[OTLP_METRICS], body);
}

static void export_metrics(struct otlp *otlp)
{
	struct otlp_metrics metrics = {
		.envelope = &otlp->envelopes[OTLP_METRICS],
		.gzip = otlp->options->gzip,
		.time_ns = wall_ns(),
		.monotonic_ns = uv_hrtime(),
		.since = since,
		.body = take_metrics,
		.context = otlp,
	};
	struct metric_sink sink = otlp_metrics_sink(&metrics);

	otlp_sender_supersede(otlp->senders[OTLP_METRICS]);
	otlp->agent.write(otlp->agent.context, &sink);
	otlp_metrics_end(&metrics);
}

static void on_interval(uv_timer_t *timer)
{
	export_metrics(timer->data);
}

/* Whose telemetry it is, by the semantic conventions of resources. */
static struct json_object *resource_of(const struct otlp_agent *agent)
{
	struct json_object *attributes = json_object_new_array();
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	otlp_json_add_text(attributes, "service.name", "weftd");
	otlp_json_add_text(attributes, "service.version", WEFT_VERSION);
	/* Counters go on when the agent starts anew, so what they belong to stays the same. */
	otlp_json_add_text(attributes, "service.instance.id", agent->node);
	otlp_json_add_text(attributes, "host.name", host);
	otlp_json_add_text(attributes, "k8s.node.name", agent->node);
	return attributes;
}

int otlp_check_files(const struct otlp_options *options)
{
	char error[OTLP_HEADERS_ERROR_LEN];
	struct curl_slist *list = NULL;
	int err;

	if (options->headers_file) {
		err = otlp_headers_read(options->headers_file, &list, error);
		curl_slist_free_all(list);
		if (err) {
			log_error("weftd cannot start", "step", "read the headers for OTLP", "path",
				  options->headers_file, "error", error);
			return err;
		}
	}
	if (options->ca_file && access(options->ca_file, R_OK)) {
		err = -errno;
		log_error("weftd cannot start", "step", "read the authorities for OTLP", "path",
			  options->ca_file, "error", strerror(errno));
		return err;
	}
	return 0;
}

int otlp_new(struct uv_loop_s *loop, const struct otlp_options *options,
	     const struct otlp_agent *agent, struct telemetry *telemetry, struct otlp **result)
{
	uint64_t interval_ms = options->interval_s * UINT64_C(1000);
	struct otlp *otlp;
	size_t i;
	int err;

	otlp = memory_alloc(sizeof(*otlp));
	err = curl_loop_new(loop, &otlp->curl);
	if (err) {
		free(otlp);
		return err;
	}
	otlp->options = options;
	otlp->agent = *agent;
	otlp->telemetry = telemetry;
	otlp_envelope_make(&otlp->envelopes[OTLP_METRICS], resource_of(agent), "resourceMetrics",
			   "scopeMetrics", "metrics");
	otlp_envelope_make(&otlp->envelopes[OTLP_LOGS], resource_of(agent), "resourceLogs",
			   "scopeLogs", "logRecords");
	for (i = 0; i < OTLP_SIGNALS; i++)
		otlp->senders[i] = otlp_sender_new(loop, otlp->curl, &signals[i], options);
	uv_timer_init(loop, &otlp->tick);
	uv_timer_init(loop, &otlp->interval);
	otlp->tick.data = otlp->interval.data = otlp;
	uv_timer_start(&otlp->tick, on_tick, TICK_MS, TICK_MS);
	/* Agents that started at the same time shall not export at the same time. */
	uv_timer_start(&otlp->interval, on_interval, retry_spread(interval_ms), interval_ms);
	*result = otlp;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct otlp *otlp = handle->data;

	if (++otlp->closed == 2)
		free(otlp);
}

void otlp_free(struct otlp *otlp)
{
	size_t i;

	if (!otlp)
		return;
	for (i = 0; i < OTLP_SIGNALS; i++) {
		otlp_sender_free(otlp->senders[i]);
		otlp_envelope_clear(&otlp->envelopes[i]);
	}
	curl_loop_free(otlp->curl);
	uv_close((uv_handle_t *)&otlp->tick, on_closed);
	uv_close((uv_handle_t *)&otlp->interval, on_closed);
}

bool otlp_leave(struct otlp *otlp)
{
	size_t i;

	if (!otlp)
		return false;
	if (!otlp->is_leaving) {
		otlp->is_leaving = true;
		uv_timer_stop(&otlp->tick);
		uv_timer_stop(&otlp->interval);
		otlp->agent.drain(otlp->agent.context);
		export_metrics(otlp);
		export_events(otlp);
		for (i = 0; i < OTLP_SIGNALS; i++)
			otlp_sender_hurry(otlp->senders[i]);
	}
	/* What did not fit, as long as it is taken. */
	if (!otlp_sender_is_busy(otlp->senders[OTLP_LOGS]) &&
	    !otlp_sender_problem(otlp->senders[OTLP_LOGS])[0])
		export_events(otlp);
	for (i = 0; i < OTLP_SIGNALS; i++)
		if (otlp_sender_is_busy(otlp->senders[i]))
			return true;
	return false;
}

struct json_object *otlp_status(const struct otlp *otlp)
{
	struct json_object *status = json_object_new_object(), *signal;
	size_t i;

	json_add_text(status, "endpoint", otlp->options->endpoint);
	for (i = 0; i < OTLP_SIGNALS; i++) {
		const struct otlp_queue *queue = otlp_sender_queue(otlp->senders[i]);
		/* A collector may have said anything. */
		char *problem = utf8_clean(otlp_sender_problem(otlp->senders[i]));

		signal = json_object_new_object();
		json_object_object_add(signal, "sent", json_object_new_uint64(queue->counts.sent));
		json_object_object_add(signal, "waiting", json_object_new_uint64(queue->items));
		if (*problem)
			json_add_text(signal, "problem", problem);
		free(problem);
		json_object_object_add(status, signals[i].name, signal);
	}
	return status;
}

static void put_count(const struct metric_sink *sink, const char *signal, const char *reason,
		      uint64_t number)
{
	const struct metric_label labels[] = { { "signal", signal }, { "reason", reason } };

	metric_put_number(sink, &(struct metric_labels){ labels, reason ? 2 : 1 }, number);
}

static void write_drops(const struct otlp *otlp, const struct metric_sink *sink)
{
	static const struct metric_family family = {
		.name = "weft_otlp_dropped",
		.help = "Log records and data points that the OTLP collector did not get.",
	};
	enum otlp_drop why;
	size_t i;

	sink->family(sink->context, &family);
	for (i = 0; i < OTLP_SIGNALS; i++)
		for (why = 0; why < OTLP_DROPS; why++)
			put_count(sink, signals[i].name, otlp_drop_name(why),
				  otlp_sender_queue(otlp->senders[i])->counts.dropped[why]);
}

void otlp_write_metrics(const struct otlp *otlp, const struct metric_sink *sink)
{
	static const struct metric_family sent = {
		.name = "weft_otlp_sent",
		.help = "Log records and data points that the OTLP collector took.",
	};
	static const struct metric_family retries = {
		.name = "weft_otlp_retries",
		.help = "Requests to the OTLP collector that have to be sent again.",
	};
	static const struct metric_family queue = {
		.name = "weft_otlp_queue_length",
		.type = METRIC_GAUGE,
		.help = "Log records and data points that wait for the OTLP collector.",
	};
	size_t i;

	sink->family(sink->context, &sent);
	for (i = 0; i < OTLP_SIGNALS; i++)
		put_count(sink, signals[i].name, NULL,
			  otlp_sender_queue(otlp->senders[i])->counts.sent);
	write_drops(otlp, sink);
	sink->family(sink->context, &retries);
	for (i = 0; i < OTLP_SIGNALS; i++)
		put_count(sink, signals[i].name, NULL,
			  otlp_sender_queue(otlp->senders[i])->counts.retries);
	sink->family(sink->context, &queue);
	for (i = 0; i < OTLP_SIGNALS; i++)
		put_count(sink, signals[i].name, NULL, otlp_sender_queue(otlp->senders[i])->items);
}
