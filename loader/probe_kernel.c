// SPDX-License-Identifier: Apache-2.0
/* Kernel features by trying them: versions lie (backports, trimmed configurations). */
#include <stdio.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/libbpf.h>
#include "loader/layout.h"
#include "loader/log.h"
#include "loader/probe_report.h"

static const char probe_unprivileged[] = "run as root to try it";

static const struct {
	enum bpf_prog_type type;
	const char *name;
	const char *config;
} probe_programs[] = {
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "cgroup_sock_addr", "CONFIG_CGROUP_BPF" },
	{ BPF_PROG_TYPE_SOCK_OPS, "sock_ops", "CONFIG_CGROUP_BPF" },
	{ BPF_PROG_TYPE_SCHED_CLS, "sched_cls", "CONFIG_NET_CLS_BPF or CONFIG_NET_XGRESS" },
	{ BPF_PROG_TYPE_SYSCALL, "syscall", "Linux 5.14" },
};

/* One helper per program type that came late or can be configured away; the others are older. */
static const struct {
	enum bpf_prog_type type;
	enum bpf_func_id helper;
	const char *name;
	const char *since;
} probe_helpers[] = {
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_sk_storage_get, "sk_storage_get", "5.8" },
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_netns_cookie, "get_netns_cookie", "5.8" },
	{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, "set_retval", "5.18" },
	{ BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_sk_storage_get, "sk_storage_get", "5.11" },
	{ BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_netns_cookie, "get_netns_cookie", "5.15" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_ringbuf_output, "ringbuf_output", "5.8" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop, "loop", "5.17" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_csum_diff, "csum_diff", "4.6" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_skb_change_tail, "skb_change_tail", "4.9" },
	{ BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_redirect, "redirect", "4.2" },
};

static void probe_tell_feature(struct probe *probe, const char *name, int supported,
			       const char *missing)
{
	char remedy[160];

	if (!probe->privileged) {
		probe_tell(probe, name, PROBE_UNKNOWN, probe_unprivileged, "not tried");
		return;
	}
	snprintf(remedy, sizeof(remedy), "weft cannot start without it: boot a kernel with %s",
		 missing);
	if (supported < 0)
		probe_tell(probe, name, PROBE_UNKNOWN, remedy, "trying it: %s",
			   strerror(-supported));
	else
		probe_tell(probe, name, supported ? PROBE_OK : PROBE_FAILED, remedy, "%s",
			   supported ? "supported" : "not supported");
}

static const char *probe_hook_name(enum bpf_prog_type type)
{
	switch (type) {
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
		return "cgroup";
	case BPF_PROG_TYPE_SOCK_OPS:
		return "sockops";
	default:
		return "tc";
	}
}

static void probe_map_types(struct probe *probe)
{
	enum map_id id, earlier;
	char name[64];
	const char *type;
	int supported;

	for (id = 0; id < MAP_ID_COUNT; id++) {
		const struct layout *layout = layout_get(id);

		for (earlier = 0; layout_get(earlier)->type != layout->type; earlier++)
			;
		if (earlier != id)
			continue;
		type = libbpf_bpf_map_type_str(layout->type);
		supported = probe->privileged ? libbpf_probe_bpf_map_type(layout->type, NULL) : 0;
		snprintf(name, sizeof(name), "map %s", type ? type : layout->name);
		probe_tell_feature(probe, name, supported, "this map type (Linux 5.8 has all)");
	}
}

void probe_kernel(struct probe *probe)
{
	char name[64], missing[64];
	int supported = 0;
	size_t i;

	log_forget();
	probe_map_types(probe);
	for (i = 0; i < sizeof(probe_programs) / sizeof(probe_programs[0]); i++) {
		if (probe->privileged)
			supported = libbpf_probe_bpf_prog_type(probe_programs[i].type, NULL);
		snprintf(name, sizeof(name), "program %s", probe_programs[i].name);
		probe_tell_feature(probe, name, supported, probe_programs[i].config);
	}
	for (i = 0; i < sizeof(probe_helpers) / sizeof(probe_helpers[0]); i++) {
		if (probe->privileged)
			supported = libbpf_probe_bpf_helper(probe_helpers[i].type,
							    probe_helpers[i].helper, NULL);
		snprintf(name, sizeof(name), "helper %s %s", probe_helpers[i].name,
			 probe_hook_name(probe_helpers[i].type));
		snprintf(missing, sizeof(missing), "this helper (Linux %s)",
			 probe_helpers[i].since);
		probe_tell_feature(probe, name, supported, missing);
	}
}

struct probe_lacks {
	char *text;
	size_t size;
};

static void probe_add_lack(const struct probe_result *result, void *context)
{
	struct probe_lacks *lacks = context;
	size_t length = strlen(lacks->text);

	if (result->state == PROBE_FAILED)
		snprintf(lacks->text + length, lacks->size - length, "%s%s", length ? ", " : "",
			 result->name);
}

bool probe_kernel_lacks(char *text, size_t size)
{
	struct probe_lacks lacks = { text, size };
	struct probe probe = { .privileged = true, .report = probe_add_lack, .context = &lacks };

	text[0] = '\0';
	probe_kernel(&probe);
	return probe.failed;
}
