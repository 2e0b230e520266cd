/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TC programs of pods' interfaces: a tcx link, pinned as links/tc_<ifindex>_<direction>, or where
 * the kernel has no tcx (before Linux 6.6) a clsact filter, whose pin is a record (pins.h) of that
 * name. Interfaces are those of the calling process's network namespace.
 */
#ifndef WEFT_LOADER_TC_H
#define WEFT_LOADER_TC_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/pins.h"

/* Linux 6.6; the reference build host's headers are older. */
enum tc_kernel_abi {
	TC_TCX_INGRESS = 46,   /* BPF_TCX_INGRESS */
	TC_TCX_EGRESS = 47,    /* BPF_TCX_EGRESS */
	TC_LINK_TYPE_TCX = 11, /* BPF_LINK_TYPE_TCX */
};

struct tc_hook {
	const char *program;
	const char *direction;	  /* in the pin's name: "to_pod" */
	const char *label;	  /* "tc egress (to pod)" */
	unsigned int attach_type; /* enum tc_kernel_abi */
	bool egress;
};

/* False when it is not the name of a TC pin. */
bool tc_parse_pin(const char *pin, uint32_t *ifindex, const struct tc_hook **hook);

/* Whether new programs get a tcx link here; the environment's WEFT_TC=clsact says no. */
bool tc_has_tcx(void);

/* What a tcx link is attached to; ifindex 0 when its device is gone. -EINVAL for other links. */
int tc_look(int link_fd, uint32_t *ifindex, uint32_t *attach_type, uint32_t *program_id);

/* Detaches what the pin stands for, then removes it; 0 also when either is gone. */
int tc_detach(const char *root, const char *pin, uint32_t ifindex, const struct tc_hook *hook);

#endif /* WEFT_LOADER_TC_H */
