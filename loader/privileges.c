// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <bpf/bpf.h>
#include "loader/log.h"
#include "loader/privileges.h"

/*
 * The last two are for finding pods: another process's network namespace is looked up with one
 * and entered with the other. Without them no pod would be governed.
 */
static const struct {
	unsigned int number;
	const char *name;
	bool in_sys_admin; /* CAP_SYS_ADMIN stands for it */
} privileges_needed[] = {
	{ CAP_BPF, "CAP_BPF", true },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN", false },
	{ CAP_PERFMON, "CAP_PERFMON", true },
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", true },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false },
};

static uint64_t privileges_effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

void privileges_missing(char *text, size_t size)
{
	uint64_t effective = privileges_effective();
	size_t i, length = 0;

	text[0] = '\0';
	for (i = 0; i < sizeof(privileges_needed) / sizeof(privileges_needed[0]); i++) {
		unsigned int number = privileges_needed[i].number;

		if (effective >> number & 1 ||
		    (privileges_needed[i].in_sys_admin && effective >> CAP_SYS_ADMIN & 1))
			continue;
		length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "",
					   privileges_needed[i].name);
		if (length >= size)
			return;
	}
}

int privileges_load(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "weft_try", "GPL", insns, 2, NULL);
}

int privileges_try(void)
{
	int fd = privileges_load();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int privileges_check(char error[LOADER_ERROR_LEN])
{
	char missing[96];
	int err;

	privileges_missing(missing, sizeof(missing));
	if (missing[0])
		return log_fail(
			error, -EPERM,
			"not privileged to load BPF programs and to find pods: %s missing; "
			"remedy: run as root, or give the container CAP_BPF, CAP_NET_ADMIN, "
			"CAP_PERFMON, CAP_SYS_ADMIN and CAP_SYS_PTRACE",
			missing);
	err = privileges_try();
	if (!err)
		return 0;
	return log_fail(
		error, err == -EPERM ? -EPERM : err,
		"the kernel does not let this process load BPF programs (%s) although it has the "
		"capabilities; remedy: look for kernel lockdown, a seccomp profile, or a user "
		"namespace",
		strerror(-err));
}
