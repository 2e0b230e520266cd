// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <bpf/libbpf.h>
#include "loader/log.h"
#include "loader/maps.h"

/* Per drain, so that a flood of events does not hold the event loop; twice what the ring can hold.
 */
enum { MAPS_EVENTS_BATCH = 16384 };

struct maps_events {
	struct ring_buffer *ring;
	int taken; /* in the drain in progress */
	void (*callback)(const struct weft_event *event, void *context);
	void *context;
};

/* A program of another version may still be attached while this one replaces it. */
static bool maps_events_is_whole(const void *data, size_t size)
{
	const struct weft_event *event = data;

	if (size < sizeof(*event))
		return false;
	return event->type != WEFT_EVENT_REQUEST || size >= sizeof(struct weft_request_event);
}

static int maps_events_record(void *context, void *data, size_t size)
{
	struct maps_events *events = context;

	if (maps_events_is_whole(data, size))
		events->callback(data, events->context);
	/* this record counts as read; the rest stays for the next drain */
	return ++events->taken < MAPS_EVENTS_BATCH ? 0 : -EAGAIN;
}

int maps_events_open(const struct maps *maps,
		     void (*callback)(const struct weft_event *event, void *context), void *context,
		     struct maps_events **events)
{
	struct maps_events *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return -ENOMEM;
	opened->callback = callback;
	opened->context = context;
	log_forget();
	opened->ring = ring_buffer__new(maps->fds[MAP_EVENTS], maps_events_record, opened, NULL);
	if (!opened->ring) {
		int err = -errno;

		free(opened);
		return err;
	}
	*events = opened;
	return 0;
}

int maps_events_fd(const struct maps_events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

int maps_events_drain(struct maps_events *events)
{
	int err;

	events->taken = 0;
	err = ring_buffer__consume(events->ring);
	return err < 0 && err != -EAGAIN ? err : events->taken;
}

void maps_events_close(struct maps_events *events)
{
	if (!events)
		return;
	ring_buffer__free(events->ring);
	free(events);
}
