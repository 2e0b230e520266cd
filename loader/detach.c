// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/build.h"
#include "loader/log.h"
#include "loader/state.h"
#include "loader/tc.h"

struct detach_walk {
	const char *root;
	enum pins_dir dir;
	const char *what;
	void (*report)(const char *what, const char *name, void *context);
	void *context;
	char *error;
};

static int detach_failed(const struct detach_walk *walk, const char *name, int err)
{
	return log_fail(walk->error, err, "cannot remove %s %s below %s: %s", walk->what, name,
			walk->root, strerror(-err));
}

static int detach_link(const char *root, const char *name)
{
	const struct tc_hook *hook;
	uint32_t ifindex;
	int fd;

	if (tc_parse_pin(name, &ifindex, &hook))
		return tc_detach(root, name, ifindex, hook);
	fd = pins_get(root, PINS_LINKS, name);
	if (fd >= 0) {
		/* somebody else may have the link open; fails when its cgroup is gone */
		bpf_link_detach(fd);
		close(fd);
	}
	return pins_remove(root, PINS_LINKS, name);
}

static int detach_one(const char *name, void *context)
{
	const struct detach_walk *walk = context;
	int err;

	err = walk->dir == PINS_LINKS ? detach_link(walk->root, name) :
					pins_remove(walk->root, walk->dir, name);
	if (err)
		return detach_failed(walk, name, err);
	if (walk->report)
		walk->report(walk->what, name, walk->context);
	return 0;
}

/* Only weft's own names: the root may be a bpffs that others use, too. */
static int detach_maps(struct detach_walk *walk)
{
	enum map_id id;
	int fd, err = 0;

	for (id = 0; !err && id < MAP_ID_COUNT; id++) {
		fd = pins_get(walk->root, PINS_MAPS, maps_name(id));
		if (fd == -ENOENT)
			continue;
		if (fd >= 0)
			close(fd);
		err = detach_one(maps_name(id), walk);
	}
	return err;
}

static int detach_directory(struct detach_walk *walk, enum pins_dir dir)
{
	char path[PINS_PATH_LEN];
	int err = pins_path(path, walk->root, dir, "");

	if (!err && rmdir(path))
		err = -errno;
	/* pins of others are below, or it is the mount point itself: it stays */
	if (err == -ENOENT || (dir == PINS_MAPS && (err == -ENOTEMPTY || err == -EBUSY)))
		return 0;
	if (!err && walk->report)
		walk->report(walk->what, path, walk->context);
	return err ? detach_failed(walk, path, err) : 0;
}

static int detach_pins(struct detach_walk *walk, enum pins_dir dir, const char *what)
{
	int err;

	walk->dir = dir;
	walk->what = what;
	if (dir == PINS_MAPS)
		return detach_maps(walk);
	err = pins_each(walk->root, dir, detach_one, walk);
	return err == -ENOENT ? 0 : err;
}

int loader_detach_all(const char *root,
		      void (*report)(const char *what, const char *name, void *context),
		      void *context, char error[LOADER_ERROR_LEN])
{
	struct detach_walk walk = {
		.root = root, .report = report, .context = context, .error = error
	};
	int lock, err;

	error[0] = '\0';
	log_forget();
	err = pins_check(root, error);
	if (err)
		return err;
	lock = pins_lock(root, error);
	if (lock < 0)
		return lock;
	/* from the outside in: nothing may be attached that has lost its maps */
	err = detach_pins(&walk, PINS_LINKS, "link");
	if (!err)
		err = detach_pins(&walk, PINS_PROGRAMS, "program");
	if (!err)
		err = detach_pins(&walk, PINS_MAPS, "map");
	if (!err)
		err = build_forget(root);
	if (!err)
		err = pins_sweep(root);
	walk.what = "directory";
	if (!err)
		err = detach_directory(&walk, PINS_LINKS);
	if (!err)
		err = detach_directory(&walk, PINS_PROGRAMS);
	if (!err)
		err = detach_directory(&walk, PINS_MAPS);
	close(lock);
	if (err && !error[0])
		log_fail(error, err, "pin root %s: %s", root, strerror(-err));
	return err;
}
