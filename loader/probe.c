// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include "loader/log.h"
#include "loader/pins.h"
#include "loader/privileges.h"
#include "loader/probe_report.h"

enum { PROBE_KERNEL_MAJOR = 6, PROBE_KERNEL_MINOR = 1 };

void probe_tell(struct probe *probe, const char *name, enum probe_state state, const char *remedy,
		const char *detail, ...)
{
	struct probe_result result = { .state = state };
	va_list args;

	snprintf(result.name, sizeof(result.name), "%s", name);
	if (state != PROBE_OK)
		snprintf(result.remedy, sizeof(result.remedy), "%s", remedy);
	va_start(args, detail);
	vsnprintf(result.detail, sizeof(result.detail), detail, args);
	va_end(args);
	if (state == PROBE_FAILED)
		probe->failed = true;
	probe->report(&result, probe->context);
}

int probe_cgroup2_mount(char *path, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	int err = -ENOENT;

	if (!mounts)
		return -errno;
	while (err == -ENOENT && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "cgroup2"))
			err = (size_t)snprintf(path, size, "%s", mount->mnt_dir) < size ?
				      0 :
				      -ENAMETOOLONG;
	endmntent(mounts);
	return err;
}

static void probe_version(struct probe *probe)
{
	struct utsname name;
	int major = 0, minor = 0;

	if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2) {
		probe_tell(probe, "kernel", PROBE_UNKNOWN, "uname -r should show a version",
			   "no version found");
		return;
	}
	probe_tell(probe, "kernel",
		   major > PROBE_KERNEL_MAJOR ||
				   (major == PROBE_KERNEL_MAJOR && minor >= PROBE_KERNEL_MINOR) ?
			   PROBE_OK :
			   PROBE_FAILED,
		   "weft needs Linux 6.1 or newer: boot a newer kernel", "%s, %s", name.release,
		   name.machine);
}

static void probe_btf(struct probe *probe)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	if (access(path, R_OK))
		probe_tell(probe, "btf", PROBE_FAILED,
			   "programs cannot be fitted to this kernel: boot one built with "
			   "CONFIG_DEBUG_INFO_BTF, and mount /sys",
			   "%s: %s", path, strerror(errno));
	else
		probe_tell(probe, "btf", PROBE_OK, "", "%s", path);
}

static void probe_cgroup2(struct probe *probe, int found)
{
	struct statfs fs;

	if (!probe->cgroup)
		probe_tell(
			probe, "cgroup2", PROBE_FAILED,
			"connections of pods could not be steered: mount -t cgroup2 none "
			"/sys/fs/cgroup/unified (or boot with systemd.unified_cgroup_hierarchy=1)",
			"no cgroup2 mount: %s", strerror(-found));
	else if (statfs(probe->cgroup, &fs))
		probe_tell(probe, "cgroup2", PROBE_FAILED,
			   "name an existing directory with --cgroup", "%s: %s", probe->cgroup,
			   strerror(errno));
	else if ((unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
		probe_tell(probe, "cgroup2", PROBE_FAILED,
			   "name a directory below the cgroup2 mount with --cgroup; `findmnt -t "
			   "cgroup2` shows it",
			   "%s is not in a cgroup v2 hierarchy", probe->cgroup);
	else
		probe_tell(probe, "cgroup2", PROBE_OK, "", "%s", probe->cgroup);
}

static void probe_bpffs(struct probe *probe)
{
	char error[LOADER_ERROR_LEN] = "", *remedy;
	int err;

	log_forget();
	err = pins_check(probe->root, error);
	if (!err) {
		probe_tell(probe, "bpffs", PROBE_OK, "", "%s", probe->root);
		return;
	}
	remedy = strstr(error, "; remedy: ");
	if (remedy) {
		*remedy = '\0';
		remedy += strlen("; remedy: ");
	}
	if (err == -EACCES || err == -EPERM)
		probe_tell(probe, "bpffs", PROBE_UNKNOWN, "run as root to see it", "%s", error);
	else
		probe_tell(probe, "bpffs", PROBE_FAILED,
			   remedy ? remedy : "choose another root with --bpffs", "%s", error);
}

static void probe_privileges(struct probe *probe)
{
	char missing[96];
	int err;

	privileges_missing(missing, sizeof(missing));
	probe_tell(
		probe, "capabilities", missing[0] ? PROBE_FAILED : PROBE_OK,
		"weftd must run as root or with these capabilities; the rest of this check knows "
		"less without them",
		"%s%s",
		missing[0] ? "missing: " :
			     "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE",
		missing);
	err = privileges_try();
	probe->privileged = !err;
	if (!err)
		probe_tell(probe, "bpf", PROBE_OK, "", "programs can be loaded");
	else if (missing[0])
		probe_tell(probe, "bpf", PROBE_UNKNOWN, "run as root to try it",
			   "loading a program: %s", strerror(-err));
	else
		probe_tell(
			probe, "bpf", PROBE_FAILED,
			"look for kernel lockdown (cat /sys/kernel/security/lockdown), a seccomp "
			"profile, or a user namespace",
			"loading a program: %s, in spite of the capabilities", strerror(-err));
}

static void probe_jit(struct probe *probe)
{
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int err = errno, enabled = -1;

	if (file) {
		if (fscanf(file, "%d", &enabled) != 1)
			enabled = -1;
		fclose(file);
	} else if (err == ENOENT) {
		/* a switch of the whole kernel, shown to its first network namespace only */
		probe_tell(probe, "bpf jit", PROBE_UNKNOWN,
			   "run this check in the host's network namespace to see it",
			   "net.core.bpf_jit_enable is not visible here");
		return;
	}
	if (enabled < 0)
		probe_tell(probe, "bpf jit", PROBE_UNKNOWN, "run as root to see it",
			   "net.core.bpf_jit_enable cannot be read");
	else
		probe_tell(probe, "bpf jit", enabled ? PROBE_OK : PROBE_WARNING,
			   "programs are interpreted, several times slower: sysctl "
			   "net.core.bpf_jit_enable=1",
			   "net.core.bpf_jit_enable = %d", enabled);
}

int probe_run(const char *root, const char *cgroup,
	      void (*report)(const struct probe_result *result, void *context), void *context)
{
	struct probe probe = {
		.root = root, .cgroup = cgroup, .report = report, .context = context
	};
	char mount[PINS_PATH_LEN];
	int err = 0;

	if (!root || !report)
		return -EINVAL;
	if (!cgroup) {
		err = probe_cgroup2_mount(mount, sizeof(mount));
		probe.cgroup = err ? NULL : mount;
	}
	probe_version(&probe);
	probe_btf(&probe);
	probe_cgroup2(&probe, err);
	probe_bpffs(&probe);
	probe_privileges(&probe);
	probe_jit(&probe);
	probe_kernel(&probe);
	probe_private(&probe);
	probe_cgroups(&probe);
	probe_traffic(&probe);
	return probe.failed;
}
