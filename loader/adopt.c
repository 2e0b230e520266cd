// SPDX-License-Identifier: Apache-2.0
/*
 * Pinned maps hold what a node knows: policy, names, counters. The next agent goes on with them as
 * long as they are of its ABI version and laid out as it expects. Those of another version it
 * leaves as they are, and makes its own beside them (migrate.c).
 *
 * An agent that was killed during its first start leaves some maps pinned and no version in
 * weft_config. Nothing is attached then: what fits is taken, what does not is replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/layout.h"
#include "loader/log.h"
#include "loader/maps_state.h"
#include "loader/state.h"

static const char adopt_remedy[] =
	"remedy: run the version of weftd that made them, or drop them with `weft detach` (enforcement "
	"pauses until this agent is ready)";

/* The version of the pinned maps; 0 when nothing is pinned, or not all. */
static int adopt_check_abi(struct loader *loader, uint32_t *abi, char error[LOADER_ERROR_LEN])
{
	int fd, err;

	fd = pins_get(loader->root, PINS_MAPS, maps_name(MAP_CONFIG));
	if (fd == -ENOENT) {
		*abi = 0;
		return 0;
	}
	if (fd < 0)
		return log_fail(error, fd, "cannot open %s/%s: %s", loader->root,
				maps_name(MAP_CONFIG), strerror(-fd));
	err = maps_read_abi(fd, abi);
	close(fd);
	if (err)
		return log_fail(error, err, "%s/%s is no map of weft; %s", loader->root,
				maps_name(MAP_CONFIG), adopt_remedy);
	if (*abi && *abi != WEFT_ABI_VERSION)
		loader->staged_from = *abi;
	return 0;
}

static int adopt_resize(struct bpf_map *map, enum map_id id, uint32_t wanted,
			char error[LOADER_ERROR_LEN])
{
	int err;

	if (!wanted || wanted == bpf_map__max_entries(map))
		return 0;
	if (!layout_get(id)->sizable)
		return log_fail(error, -EINVAL, "the size of map %s is fixed", maps_name(id));
	err = bpf_map__set_max_entries(map, wanted);
	return err ? log_fail(error, err, "map %s cannot have %u entries", maps_name(id), wanted) :
		     0;
}

/* An open map is taken unless it does not fit (that ends it, or with `replace` leaves it). */
static int adopt_take(struct loader *loader, struct bpf_map *map, enum map_id id, int fd,
		      bool replace, char error[LOADER_ERROR_LEN])
{
	uint32_t wanted = bpf_map__max_entries(map), pinned;
	char text[64];
	int err;

	if (!layout_fits(id, fd, text, sizeof(text))) {
		loader->maps_adopted = false;
		if (replace)
			return 0;
		return log_fail(error, -EPROTO, "%s/%s is laid out differently (%s); %s",
				loader->root, maps_name(id), text, adopt_remedy);
	}
	err = bpf_map__reuse_fd(map, fd);
	if (err)
		return log_fail(error, err, "cannot take over %s/%s: %s", loader->root,
				maps_name(id), strerror(-err));
	pinned = bpf_map__max_entries(map);
	if (pinned != wanted)
		log_tell(
			LOADER_LOG_WARNING,
			"map %s keeps its size of %u entries, %u are configured; `weft detach` and a "
			"restart of weftd would change it",
			maps_name(id), pinned, wanted);
	return 0;
}

static int adopt_one(struct loader *loader, struct bpf_object *object, enum map_id id,
		     uint32_t wanted, bool replace, char error[LOADER_ERROR_LEN])
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, maps_name(id));
	int fd, err;

	if (!map)
		return log_fail(error, -EINVAL, "the BPF object has no map %s", maps_name(id));
	err = adopt_resize(map, id, wanted, error);
	if (err)
		return err;
	if (loader->staged_from) {
		loader->maps_adopted = false;
		replace = true;
		if (!migrate_keeps(loader->staged_from, id))
			return 0;
	}
	fd = pins_get(loader->root, PINS_MAPS, maps_name(id));
	if (fd == -ENOENT) {
		loader->maps_adopted = false;
		if (!replace)
			log_tell(LOADER_LOG_WARNING,
				 "%s/%s is missing and made anew: what it held is lost",
				 loader->root, maps_name(id));
		return 0;
	}
	if (fd < 0)
		return log_fail(error, fd, "cannot open %s/%s: %s", loader->root, maps_name(id),
				strerror(-fd));
	err = adopt_take(loader, map, id, fd, replace, error);
	close(fd);
	return err;
}

int adopt_prepare(struct loader *loader, struct bpf_object *object,
		  const struct loader_options *options, char error[LOADER_ERROR_LEN])
{
	enum map_id id;
	uint32_t abi;
	int err;

	loader->maps_adopted = true;
	err = adopt_check_abi(loader, &abi, error);
	for (id = 0; !err && id < MAP_ID_COUNT; id++)
		err = adopt_one(loader, object, id, options->max_entries[id], !abi, error);
	return err;
}

static bool adopt_is_pinned(const struct loader *loader, enum map_id id, int fd)
{
	struct bpf_map_info ours = { 0 }, theirs = { 0 };
	__u32 length = sizeof(ours);
	int pinned = pins_get(loader->root, PINS_MAPS, maps_name(id));
	bool same;

	if (pinned < 0)
		return false;
	same = !bpf_obj_get_info_by_fd(fd, &ours, &length) &&
	       !bpf_obj_get_info_by_fd(pinned, &theirs, &length) && ours.id == theirs.id;
	close(pinned);
	return same;
}

int adopt_take_maps(struct loader *loader, struct bpf_object *object, char error[LOADER_ERROR_LEN])
{
	enum map_id id;
	int fd;

	for (id = 0; id < MAP_ID_COUNT; id++) {
		fd = bpf_object__find_map_fd_by_name(object, maps_name(id));
		fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return log_fail(error, fd == -1 ? -errno : fd, "map %s has no descriptor",
					maps_name(id));
		loader->maps.fds[id] = fd;
	}
	return 0;
}

static int adopt_pin_one(struct loader *loader, enum map_id id, char error[LOADER_ERROR_LEN])
{
	int fd = loader->maps.fds[id], err;

	if (adopt_is_pinned(loader, id, fd))
		return 0;
	err = pins_put(loader->root, PINS_MAPS, maps_name(id), fd);
	return err ? log_fail(error, err, "cannot pin %s/%s: %s", loader->root, maps_name(id),
			      strerror(-err)) :
		     0;
}

int adopt_pin(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	enum map_id id;
	int err = 0;

	for (id = 0; !err && id < MAP_ID_COUNT; id++)
		if (id != MAP_CONFIG)
			err = adopt_pin_one(loader, id, error);
	return err ? err : adopt_pin_one(loader, MAP_CONFIG, error);
}
