/* SPDX-License-Identifier: Apache-2.0 */
/* weft's filter in a direction of an interface's clsact qdisc: TC without tcx. */
#ifndef WEFT_LOADER_CLSACT_H
#define WEFT_LOADER_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

/* A foreign or own bpf filter. */
struct clsact_filter {
	uint32_t program_id;
	uint32_t handle;
	uint16_t priority;
	bool ours;
	char name[64];
};

/* Makes the qdisc at need (then *made is set) and the filter, or puts the program into the existing
 * one. */
int clsact_attach(uint32_t ifindex, bool egress, int program_fd, bool *made);

/* 0 also when there was none. `drop_qdisc`: the qdisc goes too when nobody else has a filter there.
 */
int clsact_detach(uint32_t ifindex, bool egress, bool drop_qdisc);

/* The program in weft's filter. -ENOENT. */
int clsact_query(uint32_t ifindex, bool egress, uint32_t *program_id);

/* Calls back for each filter of that direction (kinds other than bpf: program_id 0, name = kind).
 */
int clsact_each(uint32_t ifindex, bool egress,
		int (*callback)(const struct clsact_filter *filter, void *context), void *context);

#endif /* WEFT_LOADER_CLSACT_H */
