// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/log.h"
#include "loader/state.h"

enum { PROGRAMS_MAP_MAX = 64 }; /* the kernel's MAX_USED_MAPS */

struct programs_view {
	struct bpf_prog_info info;
	uint32_t map_ids[PROGRAMS_MAP_MAX];
};

const struct loader_slot *loader_find_slot(const struct loader *loader, const char *name)
{
	size_t i;

	for (i = 0; i < loader->slot_count; i++)
		if (!strcmp(loader->slots[i].name, name))
			return &loader->slots[i];
	return NULL;
}

static int programs_look(int fd, struct programs_view *view)
{
	__u32 length = sizeof(view->info);

	memset(view, 0, sizeof(*view));
	view->info.nr_map_ids = PROGRAMS_MAP_MAX;
	view->info.map_ids = (uintptr_t)view->map_ids;
	return bpf_obj_get_info_by_fd(fd, &view->info, &length);
}

/* A new buffer with the only value of a read-only data map; NULL for any other map. */
static void *programs_read_constants(uint32_t id, uint32_t *size)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), key = 0;
	void *value = NULL;
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return NULL;
	if (!bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == BPF_MAP_TYPE_ARRAY &&
	    info.max_entries == 1 && info.map_flags & BPF_F_RDONLY_PROG)
		value = malloc(info.value_size);
	if (value && bpf_map_lookup_elem(fd, &key, value)) {
		free(value);
		value = NULL;
	}
	close(fd);
	*size = info.value_size;
	return value;
}

static bool programs_same_constants(uint32_t left_id, uint32_t right_id)
{
	uint32_t left_size = 0, right_size = 0;
	void *left = programs_read_constants(left_id, &left_size);
	void *right = programs_read_constants(right_id, &right_size);
	bool same = left && right && left_size == right_size && !memcmp(left, right, left_size);

	free(left);
	free(right);
	return same;
}

/*
 * The tag covers the instructions, but neither which maps they use nor the constants of the
 * object, which are a map of their own, new with every load. In doubt they differ.
 */
static bool programs_same(int left_fd, int right_fd)
{
	struct programs_view left, right;
	uint32_t i;

	if (programs_look(left_fd, &left) || programs_look(right_fd, &right) ||
	    left.info.type != right.info.type || left.info.nr_map_ids != right.info.nr_map_ids ||
	    memcmp(left.info.tag, right.info.tag, sizeof(left.info.tag)))
		return false;
	for (i = 0; i < left.info.nr_map_ids && i < PROGRAMS_MAP_MAX; i++)
		if (left.map_ids[i] != right.map_ids[i] &&
		    !programs_same_constants(left.map_ids[i], right.map_ids[i]))
			return false;
	return true;
}

static int programs_identify(struct loader_slot *slot)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);
	int err = bpf_obj_get_info_by_fd(slot->fd, &info, &length);

	slot->id = info.id;
	return err;
}

/* The pinned program if it is the same, else the new one, now pinned. */
static int programs_pin_one(struct loader *loader, struct loader_slot *slot, int fd)
{
	int pinned, err;

	pinned = pins_get(loader->root, PINS_PROGRAMS, slot->name);
	if (pinned >= 0 && programs_same(pinned, fd)) {
		slot->fd = pinned;
	} else {
		if (pinned >= 0)
			close(pinned);
		slot->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (slot->fd < 0)
			return -errno;
		err = pins_put(loader->root, PINS_PROGRAMS, slot->name, fd);
		if (err)
			return err;
	}
	return programs_identify(slot);
}

/* NULL when there are too many or the name is too long. */
static struct loader_slot *programs_add_slot(struct loader *loader, struct bpf_program *program)
{
	const char *name = bpf_program__name(program);
	struct loader_slot *slot;

	if (loader->slot_count == LOADER_PROGRAM_MAX || strlen(name) >= LOADER_PROGRAM_NAME_LEN)
		return NULL;
	slot = &loader->slots[loader->slot_count++];
	snprintf(slot->name, sizeof(slot->name), "%.15s", name);
	slot->fd = -1;
	slot->type = bpf_program__type(program);
	slot->attach_type = bpf_program__expected_attach_type(program);
	return slot;
}

int programs_pin(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN])
{
	struct bpf_program *program;
	struct loader_slot *slot;
	int err;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__fd(program) < 0)
			continue;
		slot = programs_add_slot(loader, program);
		err = slot ? programs_pin_one(loader, slot, bpf_program__fd(program)) : -E2BIG;
		if (err)
			return log_fail(error, err, "cannot pin program %s below %s: %s",
					bpf_program__name(program), loader->root, strerror(-err));
	}
	return 0;
}

int programs_hold(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN])
{
	struct bpf_program *program;
	struct loader_slot *slot;
	int err;

	bpf_object__for_each_program(program, object) {
		if (bpf_program__fd(program) < 0)
			continue;
		slot = programs_add_slot(loader, program);
		if (slot)
			slot->fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
		err = !slot ? -E2BIG : slot->fd < 0 ? -errno : programs_identify(slot);
		if (err)
			return log_fail(error, err, "cannot keep program %s: %s",
					bpf_program__name(program), strerror(-err));
	}
	return 0;
}

int programs_pin_held(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	size_t i;
	int err;

	for (i = 0; i < loader->slot_count; i++) {
		err = pins_put(loader->root, PINS_PROGRAMS, loader->slots[i].name,
			       loader->slots[i].fd);
		if (err)
			return log_fail(error, err, "cannot pin program %s below %s: %s",
					loader->slots[i].name, loader->root, strerror(-err));
	}
	return 0;
}

bool programs_reuse(struct loader *loader, struct bpf_object *object)
{
	struct bpf_program *program;
	struct loader_slot *slot;

	bpf_object__for_each_program(program, object) {
		if (!bpf_program__autoload(program))
			continue;
		slot = programs_add_slot(loader, program);
		if (slot)
			slot->fd = pins_get(loader->root, PINS_PROGRAMS, slot->name);
		if (!slot || slot->fd < 0 || programs_identify(slot)) {
			programs_close(loader);
			return false;
		}
	}
	return true;
}

static int programs_prune_one(const char *name, void *context)
{
	struct loader *loader = context;

	return loader_find_slot(loader, name) ? 0 : pins_remove(loader->root, PINS_PROGRAMS, name);
}

int programs_prune(struct loader *loader)
{
	return pins_each(loader->root, PINS_PROGRAMS, programs_prune_one, loader);
}

void programs_close(struct loader *loader)
{
	size_t i;

	for (i = 0; i < loader->slot_count; i++)
		if (loader->slots[i].fd >= 0)
			close(loader->slots[i].fd);
	loader->slot_count = 0;
}
