/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that wait to be sent, within a limit of items and one of bytes, and what became of all
 * items. As in the SDKs of OpenTelemetry what is new is dropped when the queue is full.
 */
#ifndef WEFT_USER_OTLP_QUEUE_H
#define WEFT_USER_OTLP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/otlp/otlp_body.h"

/* Labels of metrics, see otlp_drop_name(). */
enum otlp_drop {
	OTLP_DROP_QUEUE_FULL, /* no room */
	OTLP_DROP_EXPIRED,    /* waited too long */
	OTLP_DROP_SUPERSEDED, /* data points: the next collection is there */
	OTLP_DROP_REFUSED,    /* a status that says not to try again */
	OTLP_DROP_REJECTED,   /* a partial success */
	OTLP_DROP_UNREADABLE, /* success, by an answer that is none of OTLP */
	OTLP_DROPS,
};

struct otlp_counts {
	uint64_t sent;
	uint64_t dropped[OTLP_DROPS];
	uint64_t retries; /* requests that had to be sent again */
};

struct otlp_queue {
	unsigned int max_items; /* to be set before the first */
	size_t max_bytes;
	struct otlp_body *first, *last;
	unsigned int items;
	size_t bytes;
	struct otlp_counts counts;
};

const char *otlp_drop_name(enum otlp_drop drop);

bool otlp_queue_is_full(const struct otlp_queue *queue);
/* Takes the body over; drops it when there is no room. */
void otlp_queue_push(struct otlp_queue *queue, struct otlp_body *body);
/* The first body was taken, but for `rejected` items of it. */
void otlp_queue_sent(struct otlp_queue *queue, uint64_t rejected);
/* The first body goes. */
void otlp_queue_drop(struct otlp_queue *queue, enum otlp_drop why);
/* All go, or all but the first. */
void otlp_queue_drop_all(struct otlp_queue *queue, bool keep_first, enum otlp_drop why);
/* Those go that were made before. */
void otlp_queue_expire(struct otlp_queue *queue, uint64_t before_ns);
/* Frees what waits. */
void otlp_queue_clear(struct otlp_queue *queue);

#endif /* WEFT_USER_OTLP_QUEUE_H */
