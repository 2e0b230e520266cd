// SPDX-License-Identifier: Apache-2.0
#include "user/kube/kube_event_queue.h"

#include <stdlib.h>
#include <string.h>
#include "policy/memory.h"

struct kube_event_queue {
	struct queued_event *by_key;
	unsigned int round;
	bool is_first; /* the report that is being taken */
	size_t beyond; /* findings of it that are more than the limit */
	unsigned int tokens;
	uint64_t filled; /* when the last token was added, 0 = never */
};

struct kube_event_queue *kube_event_queue_new(void)
{
	struct kube_event_queue *queue = memory_alloc(sizeof(*queue));

	queue->tokens = KUBE_EVENT_BURST;
	return queue;
}

static void drop(struct kube_event_queue *queue, struct queued_event *queued)
{
	HASH_DELETE(hh, queue->by_key, queued);
	kube_event_clear(&queued->event);
	free(queued->key);
	free(queued);
}

void kube_event_queue_free(struct kube_event_queue *queue)
{
	struct queued_event *queued, *following;

	if (!queue)
		return;
	HASH_ITER(hh, queue->by_key, queued, following)
		drop(queue, queued);
	free(queue);
}

struct queued_event *kube_event_queue_find(struct kube_event_queue *queue, const char *key)
{
	struct queued_event *queued;

	HASH_FIND_STR(queue->by_key, key, queued);
	return queued;
}

void kube_event_queue_begin(struct kube_event_queue *queue, bool is_first)
{
	queue->round++;
	queue->is_first = is_first;
	queue->beyond = 0;
}

static void come_back(struct queued_event *queued)
{
	queued->is_gone = false;
	queued->is_return = true;
	queued->due = queued->told + KUBE_EVENT_AGAIN_S * KUBE_EVENT_SECOND;
}

void kube_event_queue_add(struct kube_event_queue *queue, struct kube_event *event, uint64_t now)
{
	char *key = memory_printf("%s/%s", event->name_space, event->name);
	struct queued_event *queued = kube_event_queue_find(queue, key);

	if (queued) {
		queued->round = queue->round;
		if (queued->is_gone)
			come_back(queued);
	} else if (HASH_COUNT(queue->by_key) < KUBE_EVENT_LIMIT) {
		queued = memory_alloc(sizeof(*queued));
		queued->key = key;
		queued->event = *event;
		queued->due = now + KUBE_EVENT_STAND_S * KUBE_EVENT_SECOND;
		queued->is_return = !queue->is_first;
		queued->round = queue->round;
		HASH_ADD_KEYPTR(hh, queue->by_key, queued->key, strlen(queued->key), queued);
		*event = (struct kube_event){ 0 };
		return;
	} else {
		queue->beyond++;
	}
	free(key);
	kube_event_clear(event);
}

/* One that may come back is kept until it may be told again: no more than are told meanwhile. */
void kube_event_queue_end(struct kube_event_queue *queue, uint64_t now)
{
	struct queued_event *queued, *following;

	HASH_ITER(hh, queue->by_key, queued, following) {
		if (queued->round == queue->round)
			continue;
		queued->is_gone = true;
		if (!queued->told || now >= queued->told + KUBE_EVENT_AGAIN_S * KUBE_EVENT_SECOND)
			drop(queue, queued);
	}
}

static bool is_before(const struct queued_event *one, const struct queued_event *other)
{
	if (!one->told != !other->told)
		return !one->told;
	return one->due < other->due;
}

static void refill(struct kube_event_queue *queue, uint64_t now)
{
	uint64_t more;

	if (!queue->filled)
		queue->filled = now;
	more = (now - queue->filled) / KUBE_EVENT_SECOND;
	queue->filled += more * KUBE_EVENT_SECOND;
	if (more > KUBE_EVENT_BURST - queue->tokens)
		more = KUBE_EVENT_BURST - queue->tokens;
	queue->tokens += (unsigned int)more;
}

struct queued_event *kube_event_queue_next(struct kube_event_queue *queue, bool only_local,
					   uint64_t now, uint64_t *when)
{
	struct queued_event *queued, *next = NULL;

	*when = UINT64_MAX;
	for (queued = queue->by_key; queued; queued = queued->hh.next) {
		if (queued->is_gone || (only_local && !queued->event.is_local))
			continue;
		if (queued->due > now)
			*when = queued->due < *when ? queued->due : *when;
		else if (!next || is_before(queued, next))
			next = queued;
	}
	refill(queue, now);
	if (next && !queue->tokens) {
		*when = queue->filled + KUBE_EVENT_SECOND;
		return NULL;
	}
	if (next)
		queue->tokens--;
	return next;
}

uint64_t kube_event_queue_patience(const struct queued_event *queued)
{
	return (queued->is_return ? KUBE_EVENT_AGAIN_S : KUBE_EVENT_REFRESH_S) * KUBE_EVENT_SECOND;
}

void kube_event_queue_told(struct queued_event *queued, uint64_t age, uint64_t now)
{
	queued->told = now;
	queued->is_return = false;
	queued->due = now + KUBE_EVENT_REFRESH_S * KUBE_EVENT_SECOND - age;
}

void kube_event_queue_lost(struct queued_event *queued, uint64_t now)
{
	queued->told = 0;
	queued->due = now;
}

size_t kube_event_queue_waiting(const struct kube_event_queue *queue, bool only_local, uint64_t now)
{
	const struct queued_event *queued;
	size_t count = queue->beyond;

	for (queued = queue->by_key; queued; queued = queued->hh.next)
		count += !queued->is_gone && (!only_local || queued->event.is_local) &&
			 queued->due <= now;
	return count;
}
