// SPDX-License-Identifier: Apache-2.0
/* What is pinned, for people and for `weft verify`: needs no lock and changes nothing. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/clsact.h"
#include "loader/log.h"
#include "loader/probe.h"
#include "loader/state.h"
#include "loader/tc.h"

enum { LINKS_KERNFS_HANDLE = 0xfe }; /* the kernel's FILEID_KERNFS: handle = the node's id */

struct links_walk {
	const char *root;
	int (*callback)(const struct loader_link *link, void *context);
	void *context;
	size_t found;
};

static void links_find_cgroup(uint64_t id, char *text, size_t size)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} of = { .handle = { .handle_bytes = sizeof(id), .handle_type = LINKS_KERNFS_HANDLE } };
	char mount[PINS_PATH_LEN], proc[64];
	int mount_fd = -1, fd = -1;
	ssize_t length = -1;

	memcpy(of.handle.f_handle, &id, sizeof(id));
	if (!probe_cgroup2_mount(mount, sizeof(mount)))
		mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd >= 0)
		fd = open_by_handle_at(mount_fd, &of.handle, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
		length = readlink(proc, text, size - 1);
		close(fd);
	}
	if (mount_fd >= 0)
		close(mount_fd);
	if (length >= 0)
		text[length] = '\0';
	else
		snprintf(text, size, "cgroup id %" PRIu64, id);
}

/* The program that is attached, by its id; unknown (empty) without CAP_SYS_ADMIN. */
static void links_describe_attached(struct loader_link *link)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(link->program_id);

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &length)) {
		memcpy(link->program, info.name, sizeof(link->program));
		memcpy(link->tag, info.tag, sizeof(link->tag));
	}
	close(fd);
}

/* Compares with the pinned program, which is the one that should be attached. */
static void links_compare(const char *root, const char *program, struct loader_link *link)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);
	int fd = pins_get(root, PINS_PROGRAMS, program);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &length)) {
		memcpy(link->expected_tag, info.tag, sizeof(link->expected_tag));
		link->current = link->program_id && link->program_id == info.id;
	}
	if (fd >= 0)
		close(fd);
	if (link->current) {
		memcpy(link->program, info.name, sizeof(link->program));
		memcpy(link->tag, info.tag, sizeof(link->tag));
	} else if (link->program_id) {
		links_describe_attached(link);
	}
}

static void links_describe_interface(uint32_t ifindex, struct loader_link *link)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		snprintf(link->target, sizeof(link->target), "%s (%" PRIu32 ")", name, ifindex);
	else
		snprintf(link->target, sizeof(link->target), "interface %" PRIu32, ifindex);
	link->ifindex = ifindex;
}

static void links_look_at_tc(const char *root, uint32_t ifindex, const struct tc_hook *hook,
			     struct loader_link *link)
{
	uint32_t at_ifindex = 0, at_type = 0;
	struct bpf_link_info info = { 0 };
	__u32 length = sizeof(info);
	int fd;

	snprintf(link->hook, sizeof(link->hook), "%s", hook->label);
	links_describe_interface(ifindex, link);
	fd = pins_get(root, PINS_LINKS, link->name);
	if (fd < 0) {
		link->alive = !clsact_query(ifindex, hook->egress, &link->program_id);
	} else if (!tc_look(fd, &at_ifindex, &at_type, &link->program_id)) {
		link->alive = at_ifindex == ifindex && at_type == hook->attach_type;
		if (!bpf_obj_get_info_by_fd(fd, &info, &length))
			link->link_id = info.id;
	}
	if (fd >= 0)
		close(fd);
	links_compare(root, hook->program, link);
}

static void links_look_at_cgroup(const char *root, const char *program, struct loader_link *link)
{
	struct bpf_link_info info = { 0 };
	__u32 length = sizeof(info);
	int fd = pins_get(root, PINS_LINKS, link->name);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &length) &&
	    info.type == BPF_LINK_TYPE_CGROUP) {
		link->link_id = info.id;
		link->program_id = info.prog_id;
		link->alive = info.cgroup.cgroup_id;
		snprintf(link->hook, sizeof(link->hook), "%s",
			 cgroup_links_hook(info.cgroup.attach_type));
		if (link->alive)
			links_find_cgroup(info.cgroup.cgroup_id, link->target,
					  sizeof(link->target));
	}
	if (fd >= 0)
		close(fd);
	links_compare(root, program, link);
}

static int links_report(const char *name, void *context)
{
	struct links_walk *walk = context;
	struct loader_link link = { 0 };
	const struct tc_hook *hook;
	uint32_t ifindex;
	const char *program;

	snprintf(link.name, sizeof(link.name), "%s", name);
	program = cgroup_links_parse_pin(name);
	if (program)
		links_look_at_cgroup(walk->root, program, &link);
	else if (tc_parse_pin(name, &ifindex, &hook))
		links_look_at_tc(walk->root, ifindex, hook, &link);
	else
		return 0;
	walk->found++;
	return walk->callback(&link, walk->context);
}

/* A cgroup program that is pinned and has no link is missing at its hook. */
static int links_report_missing(const char *name, void *context)
{
	struct links_walk *walk = context;
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);
	char pin[PINS_NAME_LEN];
	int fd, link_fd;

	fd = pins_get(walk->root, PINS_PROGRAMS, name);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		info.type = BPF_PROG_TYPE_UNSPEC;
	close(fd);
	if (!cgroup_links_wants(info.type))
		return 0;
	cgroup_links_format_pin(pin, name);
	link_fd = pins_get(walk->root, PINS_LINKS, pin);
	if (link_fd >= 0)
		close(link_fd);
	return link_fd == -ENOENT ? links_report(pin, walk) : 0;
}

int loader_each_link(const char *root,
		     int (*callback)(const struct loader_link *link, void *context), void *context)
{
	struct links_walk walk = { .root = root, .callback = callback, .context = context };
	int err;

	log_forget();
	err = pins_each(root, PINS_LINKS, links_report, &walk);
	if (!err)
		err = pins_each(root, PINS_PROGRAMS, links_report_missing, &walk);
	return !err && !walk.found ? -ENOENT : err;
}

struct links_program_walk {
	const char *root;
	int (*callback)(const struct loader_program *program, void *context);
	void *context;
	uint64_t boot_ns; /* Unix time at which CLOCK_BOOTTIME was 0 */
};

static int links_report_program(const char *name, void *context)
{
	const struct links_program_walk *walk = context;
	struct loader_program program = { 0 };
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);
	const char *type;
	int fd, err;

	fd = pins_get(walk->root, PINS_PROGRAMS, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	if (err)
		return err;
	type = libbpf_bpf_prog_type_str(info.type);
	snprintf(program.name, sizeof(program.name), "%.15s", info.name);
	snprintf(program.type, sizeof(program.type), "%s", type ? type : "unknown");
	program.id = info.id;
	memcpy(program.tag, info.tag, sizeof(program.tag));
	program.loaded_at = (walk->boot_ns + info.load_time) / 1000000000;
	program.instructions = info.xlated_prog_len / 8;
	program.verified_instructions = info.verified_insns;
	program.run_count = info.run_cnt;
	program.run_time_ns = info.run_time_ns;
	return walk->callback(&program, walk->context);
}

static uint64_t links_boot_ns(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)((real.tv_sec - boot.tv_sec) * 1000000000 + real.tv_nsec - boot.tv_nsec);
}

int loader_each_program(const char *root,
			int (*callback)(const struct loader_program *program, void *context),
			void *context)
{
	struct links_program_walk walk = {
		.root = root,
		.callback = callback,
		.context = context,
		.boot_ns = links_boot_ns(),
	};

	log_forget();
	return pins_each(root, PINS_PROGRAMS, links_report_program, &walk);
}
