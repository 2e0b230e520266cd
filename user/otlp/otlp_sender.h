/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the bodies of one signal to the collector, one after the other, and again what it did not
 * take. Never blocks: libcurl's multi interface on the event loop.
 */
#ifndef WEFT_USER_OTLP_SENDER_H
#define WEFT_USER_OTLP_SENDER_H

#include <stdbool.h>
#include "user/otlp/otlp_options.h"
#include "user/otlp/otlp_queue.h"

struct uv_loop_s;
struct curl_loop;
struct otlp_sender;

struct otlp_signal {
	const char *name;	   /* "logs" */
	const char *path;	   /* "/v1/logs" */
	const char *rejected_name; /* "rejectedLogRecords" */
	unsigned int max_items;
	size_t max_bytes;
};

/* `signal` and `options` outlive it. */
struct otlp_sender *otlp_sender_new(struct uv_loop_s *loop, struct curl_loop *curl,
				    const struct otlp_signal *signal,
				    const struct otlp_options *options);
/* Before the curl_loop; the loop must run on. NULL is fine. */
void otlp_sender_free(struct otlp_sender *sender);

/* Takes the body over. */
void otlp_sender_push(struct otlp_sender *sender, struct otlp_body *body);
/* So many items were not even made, because the queue is full or the events' ring overran. */
void otlp_sender_lost(struct otlp_sender *sender, uint64_t items);
bool otlp_sender_is_full(const struct otlp_sender *sender);
/* What waits is old: only what is under way may still arrive. */
void otlp_sender_supersede(struct otlp_sender *sender);

/* Tries again now, not later, unless the collector asked for the wait. */
void otlp_sender_hurry(struct otlp_sender *sender);
/* Is a request under way? */
bool otlp_sender_is_busy(const struct otlp_sender *sender);
const struct otlp_queue *otlp_sender_queue(const struct otlp_sender *sender);
const char *otlp_sender_name(const struct otlp_sender *sender);
/* What went wrong with the last request; "" = nothing. */
const char *otlp_sender_problem(const struct otlp_sender *sender);

#endif /* WEFT_USER_OTLP_SENDER_H */
