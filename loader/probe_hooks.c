// SPDX-License-Identifier: Apache-2.0
/* Others' programs at the hooks that weft uses: not wrong, but worth knowing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include "loader/clsact.h"
#include "loader/log.h"
#include "loader/probe_report.h"
#include "loader/state.h"
#include "loader/tc.h"

enum {
	PROBE_ID_MAX = 64,   /* programs per hook; the kernel's own limit for a cgroup hook */
	PROBE_TELL_MAX = 12, /* findings told one by one */
};

struct probe_hooks {
	struct probe *probe;
	uint32_t *own; /* programs in this root's links */
	size_t own_count;
	size_t told, untold, unseen;
};

static const enum bpf_attach_type probe_cgroup_types[] = {
	BPF_CGROUP_INET4_CONNECT,     BPF_CGROUP_INET6_CONNECT,	    BPF_CGROUP_UDP4_SENDMSG,
	BPF_CGROUP_UDP6_SENDMSG,      BPF_CGROUP_UDP4_RECVMSG,	    BPF_CGROUP_UDP6_RECVMSG,
	BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME, BPF_CGROUP_SOCK_OPS,
};

static int probe_collect_own(const struct loader_link *link, void *context)
{
	struct probe_hooks *hooks = context;
	uint32_t *own = reallocarray(hooks->own, hooks->own_count + 1, sizeof(*own));

	if (!own)
		return -ENOMEM;
	hooks->own = own;
	own[hooks->own_count++] = link->program_id;
	return 0;
}

static bool probe_is_own(const struct probe_hooks *hooks, uint32_t id)
{
	size_t i;

	for (i = 0; i < hooks->own_count; i++)
		if (hooks->own[i] == id)
			return true;
	return false;
}

/* Appends "name (id 5)"; the name is unknown without CAP_SYS_ADMIN. */
static void probe_append_program(char *text, size_t size, uint32_t id, const char *known)
{
	size_t length = strlen(text);
	struct bpf_prog_info info = { 0 };
	__u32 info_length = sizeof(info);
	int fd = id ? bpf_prog_get_fd_by_id(id) : -1;

	if (fd >= 0) {
		if (!bpf_obj_get_info_by_fd(fd, &info, &info_length) && info.name[0])
			known = info.name;
		close(fd);
	}
	snprintf(text + length, size - length, "%s%s (id %u)", length ? ", " : "", known, id);
}

static void probe_tell_hook(struct probe_hooks *hooks, const char *name, enum probe_state state,
			    const char *remedy, const char *programs, const char *where)
{
	if (state == PROBE_WARNING && hooks->told >= PROBE_TELL_MAX) {
		hooks->untold++;
		return;
	}
	hooks->told++;
	probe_tell(hooks->probe, name, state, remedy, "%s at %s", programs, where);
}

static void probe_begin(struct probe_hooks *hooks, struct probe *probe)
{
	memset(hooks, 0, sizeof(*hooks));
	hooks->probe = probe;
	loader_each_link(probe->root, probe_collect_own, hooks);
	log_forget();
}

static void probe_end(struct probe_hooks *hooks, const char *name)
{
	free(hooks->own);
	if (hooks->untold)
		probe_tell(hooks->probe, name, PROBE_WARNING,
			   "`bpftool net` and `bpftool cgroup tree` "
			   "list them all",
			   "%zu more places with programs of others", hooks->untold);
	if (hooks->unseen)
		probe_tell(hooks->probe, name, PROBE_UNKNOWN, "run as root to see them",
			   "the kernel does not say what is attached");
	else if (!hooks->told)
		probe_tell(hooks->probe, name, PROBE_OK, "", "no programs of others");
}

static void probe_cgroup_hook(struct probe_hooks *hooks, const char *path, int fd,
			      enum bpf_attach_type type, bool above)
{
	uint32_t ids[PROBE_ID_MAX], flags = 0, count = PROBE_ID_MAX, i;
	char programs[160] = "";
	bool exclusive;
	int err;

	err = bpf_prog_query(fd, type, 0, &flags, ids, &count);
	if (err) {
		hooks->unseen += err == -EPERM;
		return;
	}
	for (i = 0; i < count; i++)
		if (!probe_is_own(hooks, ids[i]))
			probe_append_program(programs, sizeof(programs), ids[i], "program");
	if (!programs[0])
		return;
	exclusive = !(flags & BPF_F_ALLOW_MULTI) && !(above && flags & BPF_F_ALLOW_OVERRIDE);
	if (exclusive)
		probe_tell_hook(
			hooks, cgroup_links_hook(type), PROBE_FAILED,
			"attached exclusively, so that weft cannot attach below: its owner must "
			"attach it with BPF_F_ALLOW_MULTI or as a link",
			programs, path);
	else
		probe_tell_hook(
			hooks, cgroup_links_hook(type), PROBE_WARNING,
			"both run; see that it leaves the cluster IPs of meshed pods alone (Cilium: "
			"socketLB.hostNamespaceOnly=true)",
			programs, path);
}

static bool probe_is_cgroup2(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC;
}

void probe_cgroups(struct probe *probe)
{
	struct probe_hooks hooks;
	char path[PATH_MAX], *slash;
	bool above = false;
	size_t i;
	int fd;

	if (!probe->cgroup || !realpath(probe->cgroup, path))
		return;
	probe_begin(&hooks, probe);
	for (;;) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			break;
		if (!probe_is_cgroup2(fd)) {
			close(fd);
			break;
		}
		for (i = 0; i < sizeof(probe_cgroup_types) / sizeof(probe_cgroup_types[0]); i++)
			probe_cgroup_hook(&hooks, path, fd, probe_cgroup_types[i], above);
		close(fd);
		above = true;
		slash = strrchr(path, '/');
		if (!slash || slash == path)
			break;
		*slash = '\0';
	}
	probe_end(&hooks, "cgroup programs");
}

struct probe_filters {
	struct probe_hooks *hooks;
	char programs[160];
};

static int probe_collect_filter(const struct clsact_filter *filter, void *context)
{
	struct probe_filters *filters = context;

	if (!filter->ours || !probe_is_own(filters->hooks, filter->program_id))
		probe_append_program(filters->programs, sizeof(filters->programs),
				     filter->program_id, filter->name);
	return 0;
}

static void probe_interface(struct probe_hooks *hooks, const struct if_nameindex *interface,
			    bool egress)
{
	enum tc_kernel_abi type = egress ? TC_TCX_EGRESS : TC_TCX_INGRESS;
	uint32_t ids[PROBE_ID_MAX], count = PROBE_ID_MAX, i;
	struct probe_filters filters = { .hooks = hooks };
	char name[64];
	int err;

	err = bpf_prog_query((int)interface->if_index, (enum bpf_attach_type)type, 0, NULL, ids,
			     &count);
	if (err)
		count = 0;
	hooks->unseen += err == -EPERM;
	for (i = 0; i < count; i++)
		if (!probe_is_own(hooks, ids[i]))
			probe_append_program(filters.programs, sizeof(filters.programs), ids[i],
					     "program");
	err = clsact_each(interface->if_index, egress, probe_collect_filter, &filters);
	hooks->unseen += err == -EPERM;
	if (!filters.programs[0])
		return;
	snprintf(name, sizeof(name), "tc %s", egress ? "egress" : "ingress");
	probe_tell_hook(
		hooks, name, PROBE_WARNING,
		"weft goes first, then passes on to it; packets that it changes afterwards, or "
		"redirects past this interface, are not judged again",
		filters.programs, interface->if_name);
}

void probe_traffic(struct probe *probe)
{
	struct if_nameindex *interfaces = if_nameindex();
	struct probe_hooks hooks;
	size_t i;

	probe_begin(&hooks, probe);
	for (i = 0; interfaces && interfaces[i].if_index; i++) {
		probe_interface(&hooks, &interfaces[i], false);
		probe_interface(&hooks, &interfaces[i], true);
	}
	if_freenameindex(interfaces);
	probe_end(&hooks, "tc programs");
}
