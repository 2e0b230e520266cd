/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_service with its tables in weft_alias and weft_endpoint. A changed table is written
 * into a free range, then one write to weft_service switches to it; the old range
 * rests before it is used again.
 */
#ifndef WEFT_USER_RECONCILE_SERVICES_H
#define WEFT_USER_RECONCILE_SERVICES_H

#include "user/reconcile/ranges.h"
#include "user/reconcile/reconcile_write.h"

struct applied_service {
	struct weft_service_key key;
	struct weft_service value;
	struct weft_endpoint *endpoints; /* value.count of both, NULL when there are none */
	struct weft_alias *alias;
	bool broken; /* points to a range that is not its own */
};

struct applied_services {
	struct applied_service *items; /* sorted as desired.services */
	size_t count, capacity;
	struct ranges *ranges;
	uint32_t generation; /* the highest ever given */
};

/* `now_ns`: monotonic clock, here and below. */
int applied_services_load(struct applied_services *services, const struct maps *maps,
			  uint64_t now_ns);
void applied_services_clear(struct applied_services *services);

/* Writes what differs. A service port whose table does not fit keeps its old one. */
void applied_services_put(struct applied_services *services, const struct desired *desired,
			  uint64_t now_ns, struct writer *writer);
void applied_services_prune(struct applied_services *services, const struct desired *desired,
			    uint64_t now_ns, struct writer *writer);

#endif /* WEFT_USER_RECONCILE_SERVICES_H */
