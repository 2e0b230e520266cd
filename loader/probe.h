/* SPDX-License-Identifier: Apache-2.0 */
/* Can this node run weft? Each answer with consequence and remedy. Changes nothing on the node. */
#ifndef WEFT_LOADER_PROBE_H
#define WEFT_LOADER_PROBE_H

#include <stdbool.h>
#include <stddef.h>

enum probe_state { PROBE_OK, PROBE_WARNING, PROBE_FAILED, PROBE_UNKNOWN };

struct probe_result {
	char name[32]; /* "kernel", "btf", "cgroup2", "bpffs", "capabilities", "helper bpf_loop",
			  ... */
	enum probe_state state;
	char detail[256]; /* what was found: "6.18.0, tcx links" */
	char remedy[256]; /* "" when ok */
};

/*
 * Checks kernel version, BTF, cgroup v2 mount, bpffs, capabilities and locked-down BPF, map and
 * program types, helpers, tcx, SOCK_DESTROY, and other programs at the hooks weft uses (cgroup and,
 * for the interfaces of this namespace, TC). `root` and `cgroup` as in loader_options; cgroup may
 * be NULL (found). Returns 0 when nothing failed, 1 when something failed; -errno when it could not
 * look.
 */
int probe_run(const char *root, const char *cgroup,
	      void (*report)(const struct probe_result *result, void *context), void *context);

/*
 * Writes the names of the kernel features that weft needs and this kernel has not, separated by
 * ", " and cut off at `size` (at least 1) bytes. False, and "", when it has all. Takes a few
 * milliseconds: for explaining a failure. Needs the privileges of loader_open().
 */
bool probe_kernel_lacks(char *text, size_t size);

/* The cgroup2 mount from /proc/self/mounts (hybrid hosts: not /sys/fs/cgroup). -ENOENT without one.
 */
int probe_cgroup2_mount(char *path, size_t size);

#endif /* WEFT_LOADER_PROBE_H */
