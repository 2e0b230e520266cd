/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node to load on: the test's own mount namespace with a bpf file system in it, its own network
 * namespace, and a cgroup. All of it ends with the process, the cgroup with place_leave() (or,
 * after a crash, with the next test's place_enter()).
 */
#ifndef WEFT_TESTS_LOADER_PLACE_H
#define WEFT_TESTS_LOADER_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "loader/loader.h"

enum { PLACE_PATH_LEN = 256 };

struct place {
	char directory[PLACE_PATH_LEN]; /* the mount point */
	char root[PLACE_PATH_LEN + 8];	/* the pin root on it */
	char cgroup[PLACE_PATH_LEN];
	char other_cgroup[PLACE_PATH_LEN];
	char object[PLACE_PATH_LEN]; /* a file with tests/bpf/upgrade.bpf.c */
	struct loader_options options;
	struct loader *loader; /* of place_open() */
	char error[LOADER_ERROR_LEN];
};

/* False when this cannot be tested here: then place_skip_all() makes the tests say so. */
bool place_enter(struct place *place);
void place_skip_all(struct CMUnitTest *tests, size_t count);
void place_leave(struct place *place);

/* loader_open(), which must succeed. */
struct loader *place_open(struct place *place);
void place_close(struct place *place);
/* Between tests: nothing open, nothing attached, default options. */
void place_reset(struct place *place);

/* Makes a veth pair, up, and returns the first one's index. */
uint32_t place_add_veth(const char *name, const char *peer);
void place_delete_interface(const char *name);
/* Runs a command of iproute2; it must succeed. */
void place_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The link of that name as loader_each_link() tells it; name[0] is 0 when there is none. */
struct loader_link place_find_link(const struct place *place, const char *name);
struct loader_program place_find_program(const struct place *place, const char *name);
size_t place_count_links(const struct place *place);

/* Programs at a hook of a cgroup. */
uint32_t place_count_attached(const char *cgroup, int attach_type);

#endif /* WEFT_TESTS_LOADER_PLACE_H */
