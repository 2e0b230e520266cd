/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Events there should be, and which of them is to be written next. No longer than a limit:
 * more could not be kept alive anyway, at the rate that they are written. Pure: times are given, as
 * nanoseconds of a monotonic clock.
 */
#ifndef WEFT_USER_KUBE_EVENT_QUEUE_H
#define WEFT_USER_KUBE_EVENT_QUEUE_H

#include <stdint.h>
#include <uthash.h>
#include "user/kube/kube_event.h"

#define KUBE_EVENT_SECOND UINT64_C(1000000000)

enum {
	KUBE_EVENT_STAND_S = 2, /* so long a finding has to stand: others come a moment later */
	KUBE_EVENT_AGAIN_S = 6 * 60,	/* one that comes back is told again no sooner than this */
	KUBE_EVENT_REFRESH_S = 30 * 60, /* of one that stays; API servers forget after an hour */
	KUBE_EVENT_LIMIT = 1000,
	KUBE_EVENT_BURST = 25, /* written at once; then one a second */
};

struct queued_event {
	char *key; /* namespace/name */
	struct kube_event event;
	uint64_t due;
	uint64_t told;	/* 0 = not yet */
	bool is_return; /* it has come about, rather than being there when the agent began */
	bool is_gone;	/* its finding has gone a short while ago */
	unsigned int round;
	UT_hash_handle hh;
};

struct kube_event_queue;

struct kube_event_queue *kube_event_queue_new(void);
void kube_event_queue_free(struct kube_event_queue *queue);

/*
 * A report: begin, add all that there is, end. add() takes over the contents. `is_first`: what is
 * new in it need not have come about just now.
 */
void kube_event_queue_begin(struct kube_event_queue *queue, bool is_first);
void kube_event_queue_add(struct kube_event_queue *queue, struct kube_event *event, uint64_t now);
void kube_event_queue_end(struct kube_event_queue *queue, uint64_t now);

/*
 * The one to write now, and takes a token for it; NULL = none before *when (UINT64_MAX: never).
 * `only_local`: others are not this agent's to write.
 */
struct queued_event *kube_event_queue_next(struct kube_event_queue *queue, bool only_local,
					   uint64_t now, uint64_t *when);
/* NULL when it is not there any more. */
struct queued_event *kube_event_queue_find(struct kube_event_queue *queue, const char *key);

/* It is there and was told `age` nanoseconds ago. */
void kube_event_queue_told(struct queued_event *queued, uint64_t age, uint64_t now);
/* It is not there (any more), write it. */
void kube_event_queue_lost(struct queued_event *queued, uint64_t now);
/* So old it may be without being written again. */
uint64_t kube_event_queue_patience(const struct queued_event *queued);

/* How many could be written now if they all might at once, and those beyond the limit. */
size_t kube_event_queue_waiting(const struct kube_event_queue *queue, bool only_local,
				uint64_t now);

#endif /* WEFT_USER_KUBE_EVENT_QUEUE_H */
