/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pin root and what lies below it (layout: loader/loader.h). A pin is only ever put in
 * place whole: it is made under a temporary name ("new_...") and renamed over the old one, so
 * that a reader sees the old or the new object at every moment, and so does the next agent.
 */
#ifndef WEFT_LOADER_PINS_H
#define WEFT_LOADER_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include "loader/loader.h"

enum {
	PINS_PATH_LEN = 512,
	PINS_NAME_LEN = 64,
};

enum pins_dir {
	PINS_MAPS, /* the root itself */
	PINS_PROGRAMS,
	PINS_LINKS,
};

/* -ENAMETOOLONG; an empty name gives the directory. */
int pins_path(char path[PINS_PATH_LEN], const char *root, enum pins_dir dir, const char *name);

/* -EINVAL with the remedy unless root, or the nearest existing directory above it, is on a bpffs.
 */
int pins_check(const char *root, char error[LOADER_ERROR_LEN]);

/* Makes root and its two directories where missing. */
int pins_create(const char *root, char error[LOADER_ERROR_LEN]);

/*
 * Takes the root's lock; it lives as long as the returned descriptor. -EBUSY when another
 * process has it, -ENOENT when there is no root.
 */
int pins_lock(const char *root, char error[LOADER_ERROR_LEN]);

/* A new descriptor of the pinned object, or -errno (-ENOENT). */
int pins_get(const char *root, enum pins_dir dir, const char *name);
int pins_get_readonly(const char *root, enum pins_dir dir, const char *name);

/* Pins the object, in the place of what has that name. */
int pins_put(const char *root, enum pins_dir dir, const char *name, int fd);

/* A record is a symbolic link that leads nowhere: a place for text on a bpffs. */
int pins_put_record(const char *root, enum pins_dir dir, const char *name, const char *text);
/* -EINVAL when it is not a record. */
int pins_get_record(const char *root, enum pins_dir dir, const char *name, char *text, size_t size);

/* 0 also when there was none. */
int pins_remove(const char *root, enum pins_dir dir, const char *name);

/*
 * Calls back for every pin and record, sorted by name, without temporary ones; pins may be removed
 * meanwhile. A callback that returns non-zero ends the walk with that value. -ENOENT without the
 * directory.
 */
int pins_each(const char *root, enum pins_dir dir, int (*callback)(const char *name, void *context),
	      void *context);

/* Removes temporary pins, which an agent that was killed may have left. */
int pins_sweep(const char *root);

#endif /* WEFT_LOADER_PINS_H */
