/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes findings as Events, one request at a time. What only this node's agent knows of, it writes
 * itself; everything else the holder of the lease.
 */
#ifndef WEFT_USER_KUBE_EVENTS_H
#define WEFT_USER_KUBE_EVENTS_H

#include <stddef.h>
#include "user/kube/kube_http.h"
#include "user/kube/kube_lease.h"
#include "user/source/source.h"

struct uv_loop_s;
struct kube_events;

struct kube_events_state {
	unsigned long sent;   /* Events created, and those told once more */
	unsigned long failed; /* requests that were not granted */
	size_t waiting;	      /* findings to be told as soon as that may be */
	const char *problem;  /* "" = none */
};

/* `lease` must outlive it. */
struct kube_events *kube_events_new(struct uv_loop_s *loop, struct kube_http *http,
				    const struct kube_lease *lease, const char *node);

/* All findings of the moment; to be called as well when the lease has got another holder. */
void kube_events_report(struct kube_events *events, const struct source_report *report);

void kube_events_state(const struct kube_events *events, struct kube_events_state *state);

/* NULL is ignored. */
void kube_events_free(struct kube_events *events);

#endif /* WEFT_USER_KUBE_EVENTS_H */
