// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include "loader/log.h"
#include "loader/pins.h"

/* A bpffs refuses names with a dot. */
#define PINS_TEMPORARY "new_"

static const char *const pins_dirs[] = {
	[PINS_MAPS] = "",
	[PINS_PROGRAMS] = "/programs",
	[PINS_LINKS] = "/links",
};

static int pins_format(char path[PINS_PATH_LEN], const char *root, enum pins_dir dir,
		       const char *prefix, const char *name)
{
	int length = snprintf(path, PINS_PATH_LEN, "%s%s%s%s%s", root, pins_dirs[dir],
			      *name ? "/" : "", prefix, name);

	return length < 0 || length >= PINS_PATH_LEN ? -ENAMETOOLONG : 0;
}

int pins_path(char path[PINS_PATH_LEN], const char *root, enum pins_dir dir, const char *name)
{
	return pins_format(path, root, dir, "", name);
}

/* Cuts the last component off; false when nothing remains to look at. */
static bool pins_parent(char *path)
{
	char *slash;

	for (slash = path + strlen(path); slash > path && slash[-1] == '/'; slash--)
		;
	*slash = '\0';
	slash = strrchr(path, '/');
	if (!slash || !path[1])
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}

int pins_check(const char *root, char error[LOADER_ERROR_LEN])
{
	char path[PINS_PATH_LEN];
	struct statfs fs;

	if (pins_path(path, root, PINS_MAPS, ""))
		return log_fail(error, -ENAMETOOLONG, "pin root %s: path too long", root);
	if (path[0] != '/')
		return log_fail(error, -EINVAL, "pin root %s: give an absolute path", root);
	while (statfs(path, &fs)) {
		if (errno != ENOENT)
			return log_fail(error, -errno, "pin root %s: %s: %s", root, path,
					strerror(errno));
		if (!pins_parent(path))
			return log_fail(error, -EINVAL, "pin root %s: no such path", root);
	}
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		return log_fail(
			error, -EINVAL,
			"pin root %s: %s is not on a bpf file system; remedy: mount -t bpf bpf "
			"/sys/fs/bpf, or choose a root on a mounted one with --bpffs",
			root, path);
	return 0;
}

static int pins_make_directories(char *path)
{
	char *slash = path;
	int err = 0;

	while (!err && slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			err = -errno;
		if (slash)
			*slash = '/';
	}
	return err;
}

int pins_create(const char *root, char error[LOADER_ERROR_LEN])
{
	char path[PINS_PATH_LEN];
	enum pins_dir dir;
	int err;

	for (dir = PINS_MAPS; dir <= PINS_LINKS; dir++) {
		err = pins_path(path, root, dir, "");
		if (!err)
			err = pins_make_directories(path);
		if (err)
			return log_fail(error, err, "cannot make %s: %s", path, strerror(-err));
	}
	return 0;
}

int pins_lock(const char *root, char error[LOADER_ERROR_LEN])
{
	struct stat opened, named;
	int fd, err;

	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		return log_fail(error, err, "pin root %s: %s", root, strerror(-err));
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return log_fail(error, err,
				err == -EBUSY ?
					"pin root %s: an agent is running on it; remedy: stop "
					"it first, or use another --bpffs" :
					"pin root %s: cannot lock it",
				root);
	}
	/* weft detach may have removed the directory between open and lock */
	if (fstat(fd, &opened) || stat(root, &named) || opened.st_ino != named.st_ino ||
	    opened.st_dev != named.st_dev) {
		close(fd);
		return log_fail(error, -EBUSY,
				"pin root %s: it is being removed; remedy: try again", root);
	}
	return fd;
}

static int pins_open(const char *root, enum pins_dir dir, const char *name, __u32 flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = flags);
	char path[PINS_PATH_LEN];
	int err = pins_path(path, root, dir, name);

	return err ? err : bpf_obj_get_opts(path, &opts);
}

int pins_get(const char *root, enum pins_dir dir, const char *name)
{
	return pins_open(root, dir, name, 0);
}

int pins_get_readonly(const char *root, enum pins_dir dir, const char *name)
{
	return pins_open(root, dir, name, BPF_F_RDONLY);
}

static int pins_rename(const char *root, enum pins_dir dir, const char *name, const char *temporary)
{
	char path[PINS_PATH_LEN];
	int err = pins_path(path, root, dir, name);

	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err;
}

int pins_put(const char *root, enum pins_dir dir, const char *name, int fd)
{
	char temporary[PINS_PATH_LEN];
	int err = pins_format(temporary, root, dir, PINS_TEMPORARY, name);

	if (err)
		return err;
	unlink(temporary);
	err = bpf_obj_pin(fd, temporary);
	return err ? err : pins_rename(root, dir, name, temporary);
}

int pins_put_record(const char *root, enum pins_dir dir, const char *name, const char *text)
{
	char temporary[PINS_PATH_LEN];
	int err = pins_format(temporary, root, dir, PINS_TEMPORARY, name);

	if (err)
		return err;
	unlink(temporary);
	if (symlink(text, temporary))
		return -errno;
	return pins_rename(root, dir, name, temporary);
}

int pins_get_record(const char *root, enum pins_dir dir, const char *name, char *text, size_t size)
{
	char path[PINS_PATH_LEN];
	int err = pins_path(path, root, dir, name);
	ssize_t length;

	if (err)
		return err;
	length = readlink(path, text, size - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	return 0;
}

int pins_remove(const char *root, enum pins_dir dir, const char *name)
{
	char path[PINS_PATH_LEN];
	int err = pins_path(path, root, dir, name);

	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	return err;
}

static int pins_is_entry(const struct dirent *entry)
{
	return entry->d_type != DT_DIR && entry->d_name[0] != '.' &&
	       strncmp(entry->d_name, PINS_TEMPORARY, strlen(PINS_TEMPORARY));
}

static int pins_is_temporary(const struct dirent *entry)
{
	return entry->d_type != DT_DIR &&
	       !strncmp(entry->d_name, PINS_TEMPORARY, strlen(PINS_TEMPORARY));
}

static int pins_scan(const char *root, enum pins_dir dir, int (*filter)(const struct dirent *entry),
		     int (*callback)(const char *name, void *context), void *context)
{
	struct dirent **entries;
	char path[PINS_PATH_LEN];
	int count, i, err;

	err = pins_path(path, root, dir, "");
	if (err)
		return err;
	count = scandir(path, &entries, filter, alphasort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		if (!err)
			err = callback(entries[i]->d_name, context);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int pins_each(const char *root, enum pins_dir dir, int (*callback)(const char *name, void *context),
	      void *context)
{
	return pins_scan(root, dir, pins_is_entry, callback, context);
}

struct pins_place {
	const char *root;
	enum pins_dir dir;
};

static int pins_sweep_one(const char *name, void *context)
{
	const struct pins_place *place = context;

	return pins_remove(place->root, place->dir, name);
}

int pins_sweep(const char *root)
{
	struct pins_place place = { .root = root };
	int err = 0;

	for (place.dir = PINS_MAPS; !err && place.dir <= PINS_LINKS; place.dir++) {
		err = pins_scan(root, place.dir, pins_is_temporary, pins_sweep_one, &place);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}
