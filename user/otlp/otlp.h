/* SPDX-License-Identifier: Apache-2.0 */
/* Export of metrics and events to an OpenTelemetry collector, by OTLP/HTTP in JSON. */
#ifndef WEFT_USER_OTLP_H
#define WEFT_USER_OTLP_H

#include <stdbool.h>
#include "user/otlp/otlp_options.h"
#include "user/telemetry/telemetry.h"

struct json_object;
struct metric_sink;
struct otlp;
struct uv_loop_s;

struct otlp_agent {
	const char *node;
	const char *pins;    /* root of the pinned maps */
	uint64_t started_ns; /* the agent, since 1970 */
	/* Writes all metrics. */
	void (*write)(void *context, const struct metric_sink *sink);
	/* Takes in what the kernel's ring buffer has. */
	void (*drain)(void *context);
	void *context;
};

/* -errno when the file of headers or of authorities cannot be used, which the log says. */
int otlp_check_files(const struct otlp_options *options);

/*
 * Exports metrics at each interval, events within a second. `options`, and the texts of `agent`,
 * outlive it. -ENOMEM
 */
int otlp_new(struct uv_loop_s *loop, const struct otlp_options *options,
	     const struct otlp_agent *agent, struct telemetry *telemetry, struct otlp **otlp);

/* The loop must run on to close what is open. NULL is fine. */
void otlp_free(struct otlp *otlp);

/*
 * The agent ends: sends what there is, once. True as long as that is under way; to be called until
 * it is false, or the patience is over, with the loop running in between.
 */
bool otlp_leave(struct otlp *otlp);

/* What became of what was to be exported, as families of metrics. */
void otlp_write_metrics(const struct otlp *otlp, const struct metric_sink *sink);

/* How the export is going; for /v1/status. New reference. */
struct json_object *otlp_status(const struct otlp *otlp);

#endif /* WEFT_USER_OTLP_H */
