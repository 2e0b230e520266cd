// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include "loader/privileges.h"
#include "loader/probe.h"
#include "place.h"
#include "tests/bpf/upgrade.skel.h"

static void place_write_object(const char *path)
{
	size_t size;
	const void *elf = upgrade__elf_bytes(&size);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(elf, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static const char *place_missing;

static bool place_cannot(const char *what)
{
	place_missing = what;
	return false;
}

static void place_skipped(void **state)
{
	(void)state;
	printf("SKIP: %s; run as root on a machine that permits BPF\n", place_missing);
	skip();
}

void place_skip_all(struct CMUnitTest *tests, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){ .name = tests[i].name, .test_func = place_skipped };
}

/* Cgroups of tests that died. */
static void place_sweep(const char *mount_point)
{
	char pattern[PLACE_PATH_LEN];
	glob_t found;
	size_t i;
	int pid;

	snprintf(pattern, sizeof(pattern), "%s/weft-loader-*", mount_point);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		if (sscanf(strrchr(found.gl_pathv[i], '/'), "/weft-loader-%d", &pid) == 1 &&
		    kill(pid, 0) && errno == ESRCH)
			rmdir(found.gl_pathv[i]);
	globfree(&found);
}

bool place_enter(struct place *place)
{
	char mount_point[PLACE_PATH_LEN - 32];

	memset(place, 0, sizeof(*place));
	if (privileges_try())
		return place_cannot("BPF programs cannot be loaded");
	if (probe_cgroup2_mount(mount_point, sizeof(mount_point)))
		return place_cannot("no cgroup2 mount");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return place_cannot("no new namespaces");
	snprintf(place->directory, sizeof(place->directory), "/tmp/weft-loader-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	assert_int_equal(mount("bpf", place->directory, "bpf", 0, NULL), 0);
	snprintf(place->object, sizeof(place->object), "%.200s.o", place->directory);
	place_write_object(place->object);
	place_sweep(mount_point);
	snprintf(place->root, sizeof(place->root), "%s/weft", place->directory);
	snprintf(place->cgroup, sizeof(place->cgroup), "%s/weft-loader-%d", mount_point, getpid());
	snprintf(place->other_cgroup, sizeof(place->other_cgroup), "%.240s-other", place->cgroup);
	assert_int_equal(mkdir(place->cgroup, 0755), 0);
	assert_int_equal(mkdir(place->other_cgroup, 0755), 0);
	place_reset(place);
	place_run("ip link set lo up");
	return true;
}

void place_leave(struct place *place)
{
	loader_detach_all(place->root, NULL, NULL, place->error);
	umount2(place->directory, MNT_DETACH);
	rmdir(place->directory);
	unlink(place->object);
	rmdir(place->cgroup);
	rmdir(place->other_cgroup);
}

struct loader *place_open(struct place *place)
{
	struct loader *loader = NULL;
	int err = loader_open(&place->options, &loader, place->error);

	if (err)
		fail_msg("loader_open: %d %s", err, place->error);
	place->loader = loader;
	return loader;
}

void place_close(struct place *place)
{
	loader_close(place->loader);
	place->loader = NULL;
}

void place_reset(struct place *place)
{
	place_close(place);
	loader_set_log(NULL);
	place->options = (struct loader_options){
		.root = place->root,
		.cgroup = place->cgroup,
		.node = "node-a",
		.listen = "127.0.0.1:9464",
	};
	loader_detach_all(place->root, NULL, NULL, place->error);
}

void place_run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

uint32_t place_add_veth(const char *name, const char *peer)
{
	place_run("ip link add %s type veth peer name %s", name, peer);
	place_run("ip link set %s up && ip link set %s up", name, peer);
	return if_nametoindex(name);
}

void place_delete_interface(const char *name)
{
	place_run("ip link del %s", name);
}

struct place_wanted {
	const char *name;
	struct loader_link link;
	struct loader_program program;
	size_t count;
};

static int place_look_link(const struct loader_link *link, void *context)
{
	struct place_wanted *wanted = context;

	wanted->count++;
	if (wanted->name && !strcmp(link->name, wanted->name))
		wanted->link = *link;
	return 0;
}

static int place_look_program(const struct loader_program *program, void *context)
{
	struct place_wanted *wanted = context;

	if (!strcmp(program->name, wanted->name))
		wanted->program = *program;
	return 0;
}

struct loader_link place_find_link(const struct place *place, const char *name)
{
	struct place_wanted wanted = { .name = name };

	loader_each_link(place->root, place_look_link, &wanted);
	return wanted.link;
}

struct loader_program place_find_program(const struct place *place, const char *name)
{
	struct place_wanted wanted = { .name = name };

	loader_each_program(place->root, place_look_program, &wanted);
	return wanted.program;
}

size_t place_count_links(const struct place *place)
{
	struct place_wanted wanted = { 0 };

	loader_each_link(place->root, place_look_link, &wanted);
	return wanted.count;
}

uint32_t place_count_attached(const char *cgroup, int attach_type)
{
	int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t count = 0;

	assert_true(fd >= 0);
	assert_int_equal(
		bpf_prog_query(fd, (enum bpf_attach_type)attach_type, 0, NULL, NULL, &count), 0);
	close(fd);
	return count;
}
