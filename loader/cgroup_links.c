// SPDX-License-Identifier: Apache-2.0
/*
 * Links of cgroup programs: one per hook, pinned as links/cg_<program>. Links always stand beside
 * other programs of the cgroup (the semantics of BPF_F_ALLOW_MULTI).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/log.h"
#include "loader/state.h"

#define CGROUP_LINKS_PREFIX "cg_"

void cgroup_links_format_pin(char pin[PINS_NAME_LEN], const char *program)
{
	snprintf(pin, PINS_NAME_LEN, CGROUP_LINKS_PREFIX "%s", program);
}

const char *cgroup_links_parse_pin(const char *pin)
{
	size_t length = strlen(CGROUP_LINKS_PREFIX);

	return strncmp(pin, CGROUP_LINKS_PREFIX, length) ? NULL : pin + length;
}

bool cgroup_links_wants(enum bpf_prog_type type)
{
	return type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR || type == BPF_PROG_TYPE_SOCK_OPS;
}

const char *cgroup_links_hook(uint32_t attach_type)
{
	switch (attach_type) {
	case BPF_CGROUP_INET4_CONNECT:
		return "cgroup connect4";
	case BPF_CGROUP_INET6_CONNECT:
		return "cgroup connect6";
	case BPF_CGROUP_UDP4_SENDMSG:
		return "cgroup sendmsg4";
	case BPF_CGROUP_UDP6_SENDMSG:
		return "cgroup sendmsg6";
	case BPF_CGROUP_UDP4_RECVMSG:
		return "cgroup recvmsg4";
	case BPF_CGROUP_UDP6_RECVMSG:
		return "cgroup recvmsg6";
	case BPF_CGROUP_INET4_GETPEERNAME:
		return "cgroup getpeername4";
	case BPF_CGROUP_INET6_GETPEERNAME:
		return "cgroup getpeername6";
	case BPF_CGROUP_SOCK_OPS:
		return "cgroup sockops";
	default:
		return "cgroup";
	}
}

static int cgroup_links_create(struct loader *loader, const struct loader_slot *slot,
			       const char *pin, char error[LOADER_ERROR_LEN])
{
	int fd, err;

	fd = bpf_link_create(slot->fd, loader->cgroup_fd, slot->attach_type, NULL);
	if (fd == -EPERM)
		return log_fail(
			error, fd,
			"cannot attach %s: the cgroup or one above it has a program that was "
			"attached exclusively; remedy: `bpftool cgroup tree` finds it",
			slot->name);
	if (fd < 0)
		return log_fail(error, fd, "cannot attach %s to %s: %s", slot->name,
				cgroup_links_hook(slot->attach_type), strerror(-fd));
	err = pins_put(loader->root, PINS_LINKS, pin, fd);
	close(fd);
	return err ? log_fail(error, err, "cannot pin link %s below %s: %s", pin, loader->root,
			      strerror(-err)) :
		     0;
}

/* Whether the link is at this hook of this cgroup; else it has to be made anew. */
static bool cgroup_links_fits(const struct loader *loader, const struct loader_slot *slot, int fd,
			      uint32_t *program_id)
{
	struct bpf_link_info info = { 0 };
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_LINK_TYPE_CGROUP)
		return false;
	*program_id = info.prog_id;
	/* the id is 0 once the cgroup was removed */
	return info.cgroup.attach_type == slot->attach_type &&
	       info.cgroup.cgroup_id == loader->cgroup_id;
}

int cgroup_links_attach(struct loader *loader, const struct loader_slot *slot,
			char error[LOADER_ERROR_LEN])
{
	char pin[PINS_NAME_LEN];
	uint32_t program_id = 0;
	int fd, err;
	bool fits;

	cgroup_links_format_pin(pin, slot->name);
	fd = pins_get(loader->root, PINS_LINKS, pin);
	if (fd < 0)
		return cgroup_links_create(loader, slot, pin, error);
	fits = cgroup_links_fits(loader, slot, fd, &program_id);
	err = 0;
	if (fits && program_id != slot->id) {
		err = bpf_link_update(fd, slot->fd, NULL);
		fits = err != -ENOLINK;
	}
	if (!fits) {
		log_tell(LOADER_LOG_INFO, "link %s was at another cgroup: moved", pin);
		/* the old link ends when the new one takes its pin */
		err = cgroup_links_create(loader, slot, pin, error);
	} else if (err) {
		log_fail(error, err, "cannot update link %s: %s", pin, strerror(-err));
	}
	close(fd);
	return err;
}

static int cgroup_links_prune_one(const char *name, void *context)
{
	struct loader *loader = context;
	const char *program = cgroup_links_parse_pin(name);

	if (!program || loader_find_slot(loader, program))
		return 0;
	return pins_remove(loader->root, PINS_LINKS, name);
}

int cgroup_links_prune(struct loader *loader)
{
	return pins_each(loader->root, PINS_LINKS, cgroup_links_prune_one, loader);
}
