/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's maps hold, with names: for get, explain and verify. */
#ifndef WEFT_TOOLS_KERNEL_H
#define WEFT_TOOLS_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include "loader/maps.h"
#include "policy/desired.h"
#include "policy/names.h"

/* A name as kernel_name() writes it. */
enum { KERNEL_NAME_LEN = WEFT_NAMESPACE_LEN + 2 * WEFT_NAME_LEN + 8 };

/* The numbers and names of weft_name. NULL when the map cannot be read. */
struct names *kernel_names(const struct maps *maps);

/* "namespace/name" (and " [class]") of a number; "#17" when the map has no name for it. */
const char *kernel_name(const struct names *names, enum weft_name_kind kind, uint32_t id,
			char text[KERNEL_NAME_LEN]);

/*
 * Reads the maps back in the compiler's own shape and order: peers, destinations with the
 * entries of their generation, services with their tables. Weights are not in the kernel: NULL.
 * Entries of weft_policy that no destination's generation owns are counted in *orphans.
 * -errno when a map cannot be read; desired_clear() in any case.
 */
int kernel_read(const struct maps *maps, struct desired *found, unsigned int *orphans);

/* One service port and its table. -ENOENT when the kernel has none. */
int kernel_read_service(const struct maps *maps, const struct weft_service_key *key,
			struct desired_service *service);
void kernel_free_service(struct desired_service *service);

/* Exact share of a slot of an alias table, 0..1. */
double kernel_share(const struct weft_alias *alias, size_t count, size_t slot);

#endif /* WEFT_TOOLS_KERNEL_H */
