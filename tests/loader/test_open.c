// SPDX-License-Identifier: Apache-2.0
/* Opening, adopting, refusing. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include "place.h"

static struct place place;
static char last_warning[LOADER_ERROR_LEN];

static int setup(void **state)
{
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_reset(*state);
	return 0;
}

static void remember(int level, const char *text)
{
	if (level == LOADER_LOG_WARNING)
		snprintf(last_warning, sizeof(last_warning), "%s", text);
}

static void read_map_ids(struct loader *loader, uint32_t ids[MAP_ID_COUNT])
{
	struct map_fill fill;
	enum map_id id;

	for (id = 0; id < MAP_ID_COUNT; id++) {
		assert_int_equal(maps_fill(loader_maps(loader), id, &fill), 0);
		assert_string_equal(fill.name, maps_name(id));
		ids[id] = fill.id;
	}
}

/* Exhaustive over what a fresh root must have. */
static void opens_and_adopts(void **state)
{
	uint32_t before[MAP_ID_COUNT], after[MAP_ID_COUNT], key = 0;
	struct place *at = *state;
	struct loader *loader = place_open(at);
	struct loader_link link = place_find_link(at, "cg_weft_connect4");
	struct loader_program program = place_find_program(at, "weft_to_pod");
	struct weft_config config, adopted;
	struct maps maps;

	read_map_ids(loader, before);
	assert_int_equal(maps_get(loader_maps(loader), MAP_CONFIG, &key, &config), 0);
	assert_int_equal(config.abi_version, WEFT_ABI_VERSION);
	assert_int_equal(config.agent_pid, getpid());
	assert_string_equal(config.node, "node-a");
	assert_true(config.http_key[0] && config.http_key[1]);
	assert_int_equal(config.request_sample, 0);
	assert_int_equal(place_count_links(at), 9);
	assert_true(link.alive && link.current);
	assert_string_equal(link.hook, "cgroup connect4");
	assert_string_equal(link.target, at->cgroup);
	place_close(at);

	/* all of it stays in force, and can be read without the lock */
	assert_int_equal(place_count_attached(at->cgroup, BPF_CGROUP_INET4_CONNECT), 1);
	assert_int_equal(maps_open(&maps, at->root, false, NULL), 0);
	assert_int_equal(maps_set(&maps, MAP_CONFIG, &key, &config), -EPERM);
	maps_close(&maps);

	at->options.request_sample = 7;
	at->options.request_path = 96;
	loader = place_open(at);
	assert_int_equal(maps_get(loader_maps(loader), MAP_CONFIG, &key, &adopted), 0);
	assert_memory_equal(adopted.http_key, config.http_key, sizeof(config.http_key));
	assert_int_equal(adopted.request_sample, 7);
	assert_int_equal(adopted.request_path, 96);
	read_map_ids(loader, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(place_find_link(at, "cg_weft_connect4").link_id, link.link_id);
	assert_int_equal(place_find_program(at, "weft_to_pod").id, program.id);
	assert_int_equal(loader_timing(loader)->load_ns, 0);
	place_close(at);
}

/* Programs of another kind take the place of those that are pinned; the maps stay. */
static void changes_telemetry(void **state)
{
	uint32_t before[MAP_ID_COUNT], after[MAP_ID_COUNT];
	struct loader_program on, off;
	struct place *at = *state;

	read_map_ids(place_open(at), before);
	on = place_find_program(at, "weft_to_pod");
	place_close(at);
	at->options.no_telemetry = true;
	read_map_ids(place_open(at), after);
	off = place_find_program(at, "weft_to_pod");
	assert_int_not_equal(off.id, on.id);
	assert_memory_equal(before, after, sizeof(before));
	assert_true(place_find_link(at, "cg_weft_connect4").current);
	place_close(at);
	assert_int_equal(loader_timing(place_open(at))->load_ns, 0);
	assert_int_equal(place_find_program(at, "weft_to_pod").id, off.id);
	place_close(at);
	at->options.no_telemetry = false;
	place_open(at);
	assert_int_not_equal(place_find_program(at, "weft_to_pod").id, off.id);
	place_close(at);
}

static void keeps_contents(void **state)
{
	struct weft_addr addr = { .b = { 0xfd, [15] = 1 } };
	struct weft_peer peer = { 300, 400, WEFT_PEER_ENFORCE }, found;
	struct weft_edge_key overflow = { 0 };
	struct place *at = *state;
	struct loader *loader = place_open(at);
	struct weft_edge edges[256];

	assert_in_range(loader_maps(loader)->cpus, 1, 256);
	assert_int_equal(maps_set(loader_maps(loader), MAP_IDENT, &addr, &peer), 0);
	memset(edges, 0, sizeof(edges));
	edges[0].opened = 5;
	assert_int_equal(maps_set(loader_maps(loader), MAP_EDGE, &overflow, edges), 0);
	place_close(at);
	loader = place_open(at);
	assert_int_equal(maps_get(loader_maps(loader), MAP_IDENT, &addr, &found), 0);
	assert_memory_equal(&peer, &found, sizeof(peer));
	assert_int_equal(maps_get(loader_maps(loader), MAP_EDGE, &overflow, edges), 0);
	assert_int_equal(edges[0].opened, 5);
	place_close(at);
}

static void refuses_second_agent(void **state)
{
	struct place *at = *state;
	struct loader *second = NULL;

	place_open(at);
	assert_int_equal(loader_open(&at->options, &second, at->error), -EBUSY);
	assert_non_null(strstr(at->error, "an agent is running"));
	assert_int_equal(loader_detach_all(at->root, NULL, NULL, at->error), -EBUSY);
	assert_int_equal(place_count_links(at), 9);
	place_close(at);
}

/* What it does to them stands in test_migrate.c. */
static void leaves_other_abi_alone(void **state)
{
	struct weft_config config = { .abi_version = 99 };
	struct place *at = *state;
	struct loader *loader = place_open(at);
	uint32_t key = 0, abi = 0;
	struct maps maps;

	maps_set(loader_maps(loader), MAP_CONFIG, &key, &config);
	place_close(at);
	loader = place_open(at);
	assert_int_equal(loader_staged_from(loader), 99);
	place_close(at);
	assert_int_equal(maps_open(&maps, at->root, false, &abi), -EPROTO);
	assert_int_equal(abi, 99);
	/* nothing was undone */
	assert_int_equal(place_count_attached(at->cgroup, BPF_CGROUP_INET4_CONNECT), 1);
}

static void replace_map(const struct place *at, const char *name, uint32_t key_size)
{
	char path[PLACE_PATH_LEN + 64];
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, key_size, 8, 16, NULL);

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", at->root, name);
	unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static void refuses_other_layout(void **state)
{
	struct place *at = *state;
	struct loader *loader = place_open(at);
	struct maps maps;

	place_close(at);
	replace_map(at, "weft_ident", 4);
	assert_int_equal(loader_open(&at->options, &loader, at->error), -EPROTO);
	assert_non_null(strstr(at->error, "weft_ident is laid out differently (key of 4 bytes"));
	assert_int_equal(maps_open(&maps, at->root, false, NULL), -EPROTO);
}

/* An agent that was killed in its first start wrote no version: it is no reason to refuse. */
static void replaces_unfinished(void **state)
{
	struct place *at = *state;
	struct loader *loader;

	assert_int_equal(mkdir(at->root, 0700), 0);
	replace_map(at, "weft_ident", 4);
	replace_map(at, "new_weft_iface", 4);
	loader = place_open(at);
	place_close(at);
	loader = place_open(at);
	assert_int_equal(loader_timing(loader)->load_ns, 0);
	place_close(at);
}

static void sizes_maps(void **state)
{
	struct place *at = *state;
	struct loader *loader;

	at->options.max_entries[MAP_IDENT] = 1000;
	at->options.max_entries[MAP_EVENTS] = 1 << 16;
	loader = place_open(at);
	assert_int_equal(maps_max_entries(loader_maps(loader), MAP_IDENT), 1000);
	assert_int_equal(maps_max_entries(loader_maps(loader), MAP_EVENTS), 1 << 16);
	place_close(at);
	at->options.max_entries[MAP_IDENT] = 2000;
	loader_set_log(remember);
	loader = place_open(at);
	assert_non_null(strstr(last_warning, "weft_ident keeps its size of 1000 entries"));
	assert_int_equal(maps_max_entries(loader_maps(loader), MAP_IDENT), 1000);
	place_close(at);
	at->options.max_entries[MAP_STAT] = 100;
	assert_int_equal(loader_open(&at->options, &loader, at->error), -EINVAL);
	assert_non_null(strstr(at->error, "weft_stat is fixed"));
}

static void refuses_other_file_system(void **state)
{
	struct place *at = *state;
	struct loader_options options = at->options;
	struct loader *loader;
	struct stat st;

	options.root = "/tmp/weft-not-there/deep/root";
	assert_int_equal(loader_open(&options, &loader, at->error), -EINVAL);
	assert_non_null(strstr(at->error, "mount -t bpf bpf"));
	assert_int_equal(stat("/tmp/weft-not-there", &st), -1);
	options.root = "relative";
	assert_int_equal(loader_open(&options, &loader, at->error), -EINVAL);
	options = at->options;
	options.cgroup = "/proc";
	assert_int_equal(loader_open(&options, &loader, at->error), -EINVAL);
	assert_non_null(strstr(at->error, "cgroup v2"));
	options.cgroup = "/sys/fs/cgroup/not-there";
	assert_int_equal(loader_open(&options, &loader, at->error), -ENOENT);
	assert_int_equal(stat(at->root, &st), -1);
}

static void refuses_without_privileges(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	struct place *at = *state;
	struct loader *loader;
	int status;
	pid_t child = fork();

	if (!child) {
		syscall(SYS_capset, &header, none);
		_exit(loader_open(&at->options, &loader, at->error) == -EPERM &&
				      strstr(at->error, "CAP_BPF, CAP_NET_ADMIN") ?
			      0 :
			      1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(access(at->root, F_OK), -1);
}

static void moves_to_other_cgroup(void **state)
{
	struct place *at = *state;
	int tries;

	place_open(at);
	place_close(at);
	at->options.cgroup = at->other_cgroup;
	place_open(at);
	assert_int_equal(place_count_attached(at->cgroup, BPF_CGROUP_SOCK_OPS), 0);
	assert_int_equal(place_count_attached(at->other_cgroup, BPF_CGROUP_SOCK_OPS), 1);
	place_close(at);
	/* and from one that is gone */
	assert_int_equal(rmdir(at->other_cgroup), 0);
	for (tries = 0; tries < 200 && place_find_link(at, "cg_weft_sockops").alive; tries++)
		usleep(10000); /* the kernel lets go of it in the background */
	assert_false(place_find_link(at, "cg_weft_sockops").alive);
	at->options.cgroup = at->cgroup;
	place_open(at);
	assert_int_equal(place_count_attached(at->cgroup, BPF_CGROUP_SOCK_OPS), 1);
	assert_true(place_find_link(at, "cg_weft_sockops").alive);
	place_close(at);
	assert_int_equal(mkdir(at->other_cgroup, 0755), 0);
}

static void mends_what_was_removed(void **state)
{
	char path[PLACE_PATH_LEN + 64];
	struct place *at = *state;

	place_open(at);
	place_close(at);
	snprintf(path, sizeof(path), "%s/links/cg_weft_connect6", at->root);
	assert_int_equal(unlink(path), 0);
	assert_false(place_find_link(at, "cg_weft_connect6").alive);
	snprintf(path, sizeof(path), "%s/programs/weft_sendmsg4", at->root);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/weft_iface", at->root);
	assert_int_equal(unlink(path), 0);
	loader_set_log(remember);
	place_open(at);
	assert_non_null(strstr(last_warning, "weft_iface is missing"));
	assert_true(place_find_link(at, "cg_weft_connect6").current);
	assert_true(place_find_link(at, "cg_weft_sendmsg4").current);
	place_close(at);
}

static void count_removed(const char *what, const char *name, void *context)
{
	size_t *count = context;

	assert_non_null(what);
	assert_non_null(name);
	(*count)++;
}

static void detaches_all(void **state)
{
	struct place *at = *state;
	size_t count = 0;

	place_open(at);
	place_close(at);
	assert_int_equal(loader_detach_all(at->root, count_removed, &count, at->error), 0);
	assert_true(count > MAP_ID_COUNT + 9 + 9);
	assert_int_equal(access(at->root, F_OK), -1);
	assert_int_equal(place_count_attached(at->cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	assert_int_equal(loader_detach_all(at->root, NULL, NULL, at->error), -ENOENT);
	assert_int_equal(loader_detach_all("/tmp", NULL, NULL, at->error), -EINVAL);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opens_and_adopts, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_telemetry, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_second_agent, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_other_abi_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_other_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(replaces_unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_other_file_system, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_without_privileges, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_to_other_cgroup, setup, teardown),
		cmocka_unit_test_setup_teardown(mends_what_was_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(detaches_all, setup, teardown),
	};
	int failed;

	if (!place_enter(&place)) {
		place_skip_all(tests, sizeof(tests) / sizeof(tests[0]));
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	place_leave(&place);
	return failed;
}
