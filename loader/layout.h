/* SPDX-License-Identifier: Apache-2.0 */
/* What this build expects of each map: the user-space view of bpf/maps.bpf.h. */
#ifndef WEFT_LOADER_LAYOUT_H
#define WEFT_LOADER_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/maps.h"

enum layout_class {
	LAYOUT_HASH, /* entries come and go */
	LAYOUT_ARRAY,
	LAYOUT_OTHER, /* ring buffer, socket storage */
};

struct layout {
	const char *name;
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size, value_size;
	enum layout_class class;
	bool per_cpu;
	bool sizable; /* max_entries may be chosen */
};

const struct layout *layout_get(enum map_id id);

/* Whether an open map is laid out so; false with the difference in `text` ("key 20 bytes, not 16").
 */
bool layout_fits(enum map_id id, int fd, char *text, size_t size);

#endif /* WEFT_LOADER_LAYOUT_H */
