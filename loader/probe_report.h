/* SPDX-License-Identifier: Apache-2.0 */
/* How the parts of probe_run() tell what they found. */
#ifndef WEFT_LOADER_PROBE_REPORT_H
#define WEFT_LOADER_PROBE_REPORT_H

#include <stdbool.h>
#include "loader/probe.h"

struct probe {
	const char *root;
	const char *cgroup; /* NULL when there is none */
	bool privileged;    /* may load BPF programs */
	bool failed;	    /* something was PROBE_FAILED */
	void (*report)(const struct probe_result *result, void *context);
	void *context;
};

__attribute__((format(printf, 5, 6))) void probe_tell(struct probe *probe, const char *name,
						      enum probe_state state, const char *remedy,
						      const char *detail, ...);

void probe_kernel(struct probe *probe);	 /* map types, program types, helpers */
void probe_private(struct probe *probe); /* what is tried in a network namespace of its own */
void probe_cgroups(struct probe *probe); /* others' programs at the cgroup hooks */
void probe_traffic(struct probe *probe); /* others' programs at the TC hooks */

#endif /* WEFT_LOADER_PROBE_REPORT_H */
