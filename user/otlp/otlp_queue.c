// SPDX-License-Identifier: Apache-2.0
#include "user/otlp/otlp_queue.h"

const char *otlp_drop_name(enum otlp_drop drop)
{
	static const char *const names[OTLP_DROPS] = {
		[OTLP_DROP_QUEUE_FULL] = "queue_full", [OTLP_DROP_EXPIRED] = "expired",
		[OTLP_DROP_SUPERSEDED] = "superseded", [OTLP_DROP_REFUSED] = "refused",
		[OTLP_DROP_REJECTED] = "rejected",     [OTLP_DROP_UNREADABLE] = "unreadable",
	};

	return names[drop];
}

bool otlp_queue_is_full(const struct otlp_queue *queue)
{
	return queue->items >= queue->max_items || queue->bytes >= queue->max_bytes;
}

void otlp_queue_push(struct otlp_queue *queue, struct otlp_body *body)
{
	if (queue->items + body->items > queue->max_items ||
	    queue->bytes + body->size > queue->max_bytes) {
		queue->counts.dropped[OTLP_DROP_QUEUE_FULL] += body->items;
		otlp_body_free(body);
		return;
	}
	if (queue->last)
		queue->last->next = body;
	else
		queue->first = body;
	queue->last = body;
	queue->items += body->items;
	queue->bytes += body->size;
}

static void pop(struct otlp_queue *queue)
{
	struct otlp_body *body = queue->first;

	queue->first = body->next;
	if (!queue->first)
		queue->last = NULL;
	queue->items -= body->items;
	queue->bytes -= body->size;
	otlp_body_free(body);
}

void otlp_queue_sent(struct otlp_queue *queue, uint64_t rejected)
{
	unsigned int items = queue->first->items;

	if (rejected > items)
		rejected = items;
	queue->counts.sent += items - rejected;
	queue->counts.dropped[OTLP_DROP_REJECTED] += rejected;
	pop(queue);
}

void otlp_queue_drop(struct otlp_queue *queue, enum otlp_drop why)
{
	queue->counts.dropped[why] += queue->first->items;
	pop(queue);
}

void otlp_queue_drop_all(struct otlp_queue *queue, bool keep_first, enum otlp_drop why)
{
	struct otlp_body *kept = keep_first ? queue->first : NULL;

	if (kept)
		queue->first = kept->next;
	while (queue->first)
		otlp_queue_drop(queue, why);
	if (!kept)
		return;
	kept->next = NULL;
	queue->first = queue->last = kept;
}

void otlp_queue_expire(struct otlp_queue *queue, uint64_t before_ns)
{
	while (queue->first && queue->first->made_ns < before_ns)
		otlp_queue_drop(queue, OTLP_DROP_EXPIRED);
}

void otlp_queue_clear(struct otlp_queue *queue)
{
	while (queue->first)
		pop(queue);
}
