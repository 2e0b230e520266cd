// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/clsact.h"
#include "loader/log.h"
#include "loader/state.h"
#include "loader/tc.h"

enum {
	TC_F_BEFORE = 1 << 3, /* BPF_F_BEFORE, Linux 6.6 */
	TC_LOOPBACK = 1,      /* lo's ifindex in every network namespace */
};

#define TC_RECORD_FOUND "clsact"       /* the filter's qdisc was there */
#define TC_RECORD_MADE	"clsact+qdisc" /* weft made the qdisc */

static const struct tc_hook tc_hooks[] = {
	{ "weft_to_pod", "to_pod", "tc egress (to pod)", TC_TCX_EGRESS, true },
	{ "weft_from_pod", "from_pod", "tc ingress (from pod)", TC_TCX_INGRESS, false },
};
enum { TC_HOOK_COUNT = sizeof(tc_hooks) / sizeof(tc_hooks[0]) };

static void tc_format_pin(char pin[PINS_NAME_LEN], uint32_t ifindex, const struct tc_hook *hook)
{
	snprintf(pin, PINS_NAME_LEN, "tc_%" PRIu32 "_%s", ifindex, hook->direction);
}

bool tc_parse_pin(const char *pin, uint32_t *ifindex, const struct tc_hook **hook)
{
	char same[PINS_NAME_LEN];
	size_t i;

	if (sscanf(pin, "tc_%" SCNu32, ifindex) != 1)
		return false;
	for (i = 0; i < TC_HOOK_COUNT; i++) {
		tc_format_pin(same, *ifindex, &tc_hooks[i]);
		if (!strcmp(pin, same)) {
			*hook = &tc_hooks[i];
			return true;
		}
	}
	return false;
}

bool tc_has_tcx(void)
{
	const char *forced = getenv("WEFT_TC");
	__u32 count = 0;

	if (forced && !strcmp(forced, "clsact"))
		return false;
	/* an older kernel does not know the attach type: -EINVAL */
	return !bpf_prog_query(TC_LOOPBACK, (enum bpf_attach_type)TC_TCX_INGRESS, 0, NULL, NULL,
			       &count);
}

int tc_look(int link_fd, uint32_t *ifindex, uint32_t *attach_type, uint32_t *program_id)
{
	struct bpf_link_info info = { 0 };
	__u32 length = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link_fd, &info, &length);

	if (err)
		return err;
	if (info.type != TC_LINK_TYPE_TCX)
		return -EINVAL;
	/* the kernel's tcx member { ifindex, attach_type } by the names of older headers */
	*ifindex = info.xdp.ifindex;
	*attach_type = info.netns.attach_type;
	*program_id = info.prog_id;
	return 0;
}

static int tc_create_link(struct loader *loader, const struct loader_slot *slot, const char *pin,
			  uint32_t ifindex, const struct tc_hook *hook)
{
	/* first in line: a program that ends the chain must not keep packets from being judged */
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TC_F_BEFORE);
	int fd, err;

	fd = bpf_link_create(slot->fd, (int)ifindex, (enum bpf_attach_type)hook->attach_type,
			     &opts);
	if (fd < 0)
		return fd;
	err = pins_put(loader->root, PINS_LINKS, pin, fd);
	close(fd);
	return err;
}

/* Whether weft made the qdisc, told by either direction's record. */
static bool tc_made_qdisc(const char *root, uint32_t ifindex)
{
	char pin[PINS_NAME_LEN], text[32];
	bool made = false;
	size_t i;

	for (i = 0; i < TC_HOOK_COUNT; i++) {
		tc_format_pin(pin, ifindex, &tc_hooks[i]);
		made |= !pins_get_record(root, PINS_LINKS, pin, text, sizeof(text)) &&
			!strcmp(text, TC_RECORD_MADE);
	}
	return made;
}

static int tc_attach_filter(struct loader *loader, const struct loader_slot *slot, const char *pin,
			    uint32_t ifindex, const struct tc_hook *hook)
{
	uint32_t program_id = 0;
	bool made;
	int err;

	if (clsact_query(ifindex, hook->egress, &program_id) || program_id != slot->id) {
		err = clsact_attach(ifindex, hook->egress, slot->fd, &made);
		if (err)
			return err;
	} else {
		made = false;
	}
	made |= tc_made_qdisc(loader->root, ifindex);
	return pins_put_record(loader->root, PINS_LINKS, pin,
			       made ? TC_RECORD_MADE : TC_RECORD_FOUND);
}

/* Over a pinned link: 0, or -ENOLINK when it does not lead to this interface (any more). */
static int tc_update_link(const struct loader_slot *slot, int fd, uint32_t ifindex,
			  const struct tc_hook *hook)
{
	uint32_t at_ifindex, at_type, program_id;

	if (tc_look(fd, &at_ifindex, &at_type, &program_id) || at_ifindex != ifindex ||
	    at_type != hook->attach_type)
		return -ENOLINK;
	return program_id == slot->id ? 0 : bpf_link_update(fd, slot->fd, NULL);
}

static int tc_attach(struct loader *loader, uint32_t ifindex, const struct tc_hook *hook)
{
	const struct loader_slot *slot = loader_find_slot(loader, hook->program);
	char pin[PINS_NAME_LEN], record[32];
	bool had_filter;
	int fd, err;

	if (!slot)
		return -ENOENT;
	tc_format_pin(pin, ifindex, hook);
	fd = pins_get(loader->root, PINS_LINKS, pin);
	if (fd >= 0) {
		err = tc_update_link(slot, fd, ifindex, hook);
		close(fd);
		if (err != -ENOLINK)
			return err;
		log_tell(LOADER_LOG_INFO, "link %s led to a device that is gone: replaced", pin);
	}
	if (!tc_has_tcx())
		return tc_attach_filter(loader, slot, pin, ifindex, hook);
	had_filter = !pins_get_record(loader->root, PINS_LINKS, pin, record, sizeof(record));
	err = tc_create_link(loader, slot, pin, ifindex, hook);
	if (!err && had_filter)
		err = clsact_detach(ifindex, hook->egress, !strcmp(record, TC_RECORD_MADE));
	return err;
}

int loader_attach_interface(struct loader *loader, uint32_t ifindex, char error[LOADER_ERROR_LEN])
{
	char name[IF_NAMESIZE];
	int err = 0;
	size_t i;

	error[0] = '\0';
	log_forget();
	if (!if_indextoname(ifindex, name))
		return log_fail(error, -ENODEV, "no interface %" PRIu32, ifindex);
	for (i = 0; !err && i < TC_HOOK_COUNT; i++) {
		err = tc_attach(loader, ifindex, &tc_hooks[i]);
		if (err)
			log_fail(error, err, "cannot attach %s to %s: %s", tc_hooks[i].program,
				 name, strerror(-err));
	}
	return err;
}

int tc_detach(const char *root, const char *pin, uint32_t ifindex, const struct tc_hook *hook)
{
	char text[32], name[IF_NAMESIZE];
	int fd, err = 0;

	if (!pins_get_record(root, PINS_LINKS, pin, text, sizeof(text))) {
		if (if_indextoname(ifindex, name))
			err = clsact_detach(ifindex, hook->egress, !strcmp(text, TC_RECORD_MADE));
		return err ? err : pins_remove(root, PINS_LINKS, pin);
	}
	fd = pins_get(root, PINS_LINKS, pin);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* others may hold the link open; fails when its device is gone, which is as good */
	bpf_link_detach(fd);
	close(fd);
	return pins_remove(root, PINS_LINKS, pin);
}

int loader_detach_interface(struct loader *loader, uint32_t ifindex)
{
	char pin[PINS_NAME_LEN];
	int err, result = 0;
	size_t i;

	log_forget();
	for (i = 0; i < TC_HOOK_COUNT; i++) {
		tc_format_pin(pin, ifindex, &tc_hooks[i]);
		err = tc_detach(loader->root, pin, ifindex, &tc_hooks[i]);
		if (!result)
			result = err;
	}
	return result;
}

static bool tc_is_alive(const char *root, const char *pin, uint32_t ifindex)
{
	uint32_t at_ifindex = 0, at_type, program_id;
	char name[IF_NAMESIZE];
	int fd = pins_get(root, PINS_LINKS, pin);

	if (fd < 0)
		return if_indextoname(ifindex, name);
	if (tc_look(fd, &at_ifindex, &at_type, &program_id))
		at_ifindex = 0;
	close(fd);
	return at_ifindex;
}

static int tc_refresh_one(const char *pin, void *context)
{
	struct loader *loader = context;
	const struct tc_hook *hook;
	uint32_t ifindex;
	int err;

	if (!tc_parse_pin(pin, &ifindex, &hook))
		return 0;
	if (!tc_is_alive(loader->root, pin, ifindex))
		return pins_remove(loader->root, PINS_LINKS, pin);
	err = loader_find_slot(loader, hook->program) ? tc_attach(loader, ifindex, hook) :
							tc_detach(loader->root, pin, ifindex, hook);
	/* the program that is there goes on judging */
	if (err)
		log_tell(LOADER_LOG_WARNING, "cannot bring %s to the new program: %s", pin,
			 strerror(-err));
	return 0;
}

int tc_refresh(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	int err = pins_each(loader->root, PINS_LINKS, tc_refresh_one, loader);

	return err ? log_fail(error, err, "cannot read the links below %s: %s", loader->root,
			      strerror(-err)) :
		     0;
}
