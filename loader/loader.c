// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include "loader/build.h"
#include "loader/load.h"
#include "loader/log.h"
#include "loader/maps_state.h"
#include "loader/privileges.h"
#include "loader/probe.h"
#include "loader/state.h"

/* Ends a phase: stores its length and starts the next. */
static void loader_mark(uint64_t *last_ns, uint64_t *phase_ns)
{
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (phase_ns)
		*phase_ns = ns - *last_ns;
	*last_ns = ns;
}

static int loader_open_cgroup(struct loader *loader, const char *path, char error[LOADER_ERROR_LEN])
{
	struct statfs fs;
	struct stat st;
	int err;

	loader->cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (loader->cgroup_fd < 0 || fstatfs(loader->cgroup_fd, &fs) ||
	    fstat(loader->cgroup_fd, &st)) {
		err = -errno;
		return log_fail(error, err, "cgroup %s: %s", path, strerror(-err));
	}
	if ((unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
		return log_fail(
			error, -EINVAL,
			"cgroup %s is not in a cgroup v2 hierarchy; remedy: give a directory "
			"of the cgroup2 mount with --cgroup (`findmnt -t cgroup2` shows it)",
			path);
	loader->cgroup_id = st.st_ino; /* the inode's number is the cgroup's id */
	return 0;
}

/* What can be found wrong without leaving a trace. */
static int loader_check(struct loader *loader, const struct loader_options *options,
			char error[LOADER_ERROR_LEN])
{
	size_t length = strlen(options->root);
	int err;

	while (length > 1 && options->root[length - 1] == '/')
		length--;
	if (length >= sizeof(loader->root) - 2 * PINS_NAME_LEN)
		return log_fail(error, -ENAMETOOLONG, "pin root %s: path too long", options->root);
	memcpy(loader->root, options->root, length);
	err = pins_check(loader->root, error);
	if (!err)
		err = privileges_check(error);
	if (!err)
		err = loader_open_cgroup(loader, options->cgroup, error);
	return err;
}

static int loader_enter(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	int err = pins_create(loader->root, error);

	if (err)
		return err;
	loader->lock_fd = pins_lock(loader->root, error);
	if (loader->lock_fd < 0)
		return loader->lock_fd;
	/* an agent that left the lock to us between its own two steps may have removed these */
	err = pins_create(loader->root, error);
	if (!err)
		err = pins_sweep(loader->root);
	return err;
}

/* Per-CPU counters of what has no entry of its own; see bpf/events.bpf.h. */
static int loader_create_overflow(const struct maps *maps, enum map_id id, size_t key_size,
				  size_t value_size)
{
	void *key = calloc(1, key_size), *value = calloc(maps->cpus, value_size);
	int err = -ENOMEM;

	if (key && value)
		err = bpf_map_update_elem(maps->fds[id], key, value, BPF_NOEXIST);
	free(key);
	free(value);
	if (err == -E2BIG) {
		log_tell(LOADER_LOG_WARNING, "map %s is full: what overflows it is not counted",
			 maps_name(id));
		err = 0;
	}
	return err == -EEXIST ? 0 : err;
}

static int loader_fill(const struct maps *maps, char error[LOADER_ERROR_LEN])
{
	int err;

	_Static_assert(sizeof(struct weft_edge) % 8 == 0 && sizeof(struct weft_verdict) % 8 == 0 &&
			       sizeof(struct weft_request) % 8 == 0,
		       "per-CPU values are padded to 8 bytes");
	err = loader_create_overflow(maps, MAP_EDGE, sizeof(struct weft_edge_key),
				     sizeof(struct weft_edge));
	if (!err)
		err = loader_create_overflow(maps, MAP_VERDICT, sizeof(struct weft_verdict_key),
					     sizeof(struct weft_verdict));
	if (!err)
		err = loader_create_overflow(maps, MAP_REQUEST, sizeof(struct weft_request_key),
					     sizeof(struct weft_request));
	return err ? log_fail(error, err, "cannot create the overflow counters: %s",
			      strerror(-err)) :
		     0;
}

static int loader_parse(const struct loader_options *options, struct bpf_object **object,
			char build[BUILD_ID_LEN], char error[LOADER_ERROR_LEN])
{
	int err = load_open(options, object);

	build[0] = '\0';
	if (!options->object)
		build_identify(options, build);
	return err ? log_fail(error, err, "cannot read the BPF object: %s", strerror(-err)) : 0;
}

static int loader_load(const struct loader_options *options, struct bpf_object *object,
		       struct load *load, char error[LOADER_ERROR_LEN])
{
	struct utsname name = { .release = "?" };
	int err = load_start(options, object, load);
	char lacks[256];

	if (!err)
		return 0;
	uname(&name);
	/* in this order: the probe's own attempts make libbpf forget what went wrong here */
	log_fail(error, err,
		 "the kernel %.64s refused the BPF programs: %s; remedy: `weft check` tells more",
		 name.release, strerror(-err));
	if (probe_kernel_lacks(lacks, sizeof(lacks)))
		log_fail(error, err,
			 "the kernel %.64s lacks what weft needs (%s); remedy: boot Linux 6.1 or "
			 "newer, `weft check` tells more",
			 name.release, lacks);
	return err;
}

/* New programs, and maps where there are none. */
static int loader_replace(struct loader *loader, const struct load *load, const char *build,
			  char error[LOADER_ERROR_LEN])
{
	int err = build_forget(loader->root);
	size_t i;

	if (!err)
		err = adopt_take_maps(loader, load->maps, error);
	if (!err)
		err = adopt_pin(loader, error);
	for (i = 0; !err && i < LOAD_SHARES; i++)
		err = programs_pin(loader, load->shares[i], error);
	if (!err && build[0])
		err = build_record(loader, build);
	return err;
}

/* Maps and programs of our own beside those of another ABI version, which go on. */
static int loader_stage(struct loader *loader, const struct load *load,
			char error[LOADER_ERROR_LEN])
{
	int err = adopt_take_maps(loader, load->maps, error);
	size_t i;

	for (i = 0; !err && i < LOAD_SHARES; i++)
		err = programs_hold(loader, load->shares[i], error);
	return err;
}

static int loader_renew(struct loader *loader, const struct loader_options *options,
			struct bpf_object *object, const char *build, uint64_t *last,
			char error[LOADER_ERROR_LEN])
{
	struct load load;
	int err = loader_load(options, object, &load, error);

	loader_mark(last, &loader->timing.load_ns);
	if (!err)
		err = loader->staged_from ? loader_stage(loader, &load, error) :
					    loader_replace(loader, &load, build, error);
	load_close(&load);
	return err;
}

/* Leaves loader->maps and loader->slots filled, and all of them pinned unless they are staged. */
static int loader_provide(struct loader *loader, const struct loader_options *options,
			  uint64_t *last, char error[LOADER_ERROR_LEN])
{
	struct bpf_object *object = NULL;
	char build[BUILD_ID_LEN];
	bool reuse = false;
	int err;

	err = loader_parse(options, &object, build, error);
	if (!err)
		err = adopt_prepare(loader, object, options, error);
	if (!err)
		reuse = loader->maps_adopted && build_is_pinned(loader->root, build) &&
			programs_reuse(loader, object);
	loader_mark(last, &loader->timing.adopt_ns);
	if (!err)
		err = reuse && !loader->staged_from ?
			      adopt_take_maps(loader, object, error) :
			      loader_renew(loader, options, object, build, last, error);
	bpf_object__close(object);
	if (!err)
		err = loader_fill(&loader->maps, error);
	loader_mark(last, &loader->timing.pin_ns);
	return err;
}

int loader_attach(struct loader *loader, char error[LOADER_ERROR_LEN])
{
	int err = 0;
	size_t i;

	for (i = 0; !err && i < loader->slot_count; i++)
		if (cgroup_links_wants(loader->slots[i].type))
			err = cgroup_links_attach(loader, &loader->slots[i], error);
	if (!err)
		err = tc_refresh(loader, error);
	if (!err)
		err = cgroup_links_prune(loader);
	if (!err)
		err = programs_prune(loader);
	return err;
}

/*
 * The secret lives as long as the maps: another one would make the connections that were judged
 * under it look forged.
 */
static int loader_set_http_key(const struct loader *loader, struct weft_config *config)
{
	struct weft_config before;
	uint32_t key = 0;
	int err = maps_get(&loader->maps, MAP_CONFIG, &key, &before);

	if (err)
		return err;
	memcpy(config->http_key, before.http_key, sizeof(config->http_key));
	if (config->http_key[0] || config->http_key[1])
		return 0;
	/* so short a read is never cut short */
	return getrandom(config->http_key, sizeof(config->http_key), 0) < 0 ? -errno : 0;
}

/*
 * Last of all: it says that everything else is in place. That of staged maps is not pinned yet.
 */
static int loader_write_config(const struct loader *loader, const struct loader_options *options,
			       char error[LOADER_ERROR_LEN])
{
	struct weft_config config = {
		.abi_version = WEFT_ABI_VERSION,
		.agent_pid = (uint32_t)getpid(),
		.request_sample = options->request_sample,
		.request_path = options->request_path,
	};
	uint32_t key = 0;
	int err = loader_set_http_key(loader, &config);

	if (err)
		return log_fail(error, err, "cannot make the secret of weft_config: %s",
				strerror(-err));
	if (options->listen)
		snprintf(config.listen, sizeof(config.listen), "%s", options->listen);
	if (options->node)
		snprintf(config.node, sizeof(config.node), "%s", options->node);
	err = maps_set(&loader->maps, MAP_CONFIG, &key, &config);
	return err ? log_fail(error, err, "cannot write weft_config: %s", strerror(-err)) : 0;
}

static int loader_start(struct loader *loader, const struct loader_options *options,
			char error[LOADER_ERROR_LEN])
{
	uint64_t last = 0;
	int err;

	loader_mark(&last, NULL);
	err = loader_check(loader, options, error);
	if (!err)
		err = loader_enter(loader, error);
	loader_mark(&last, &loader->timing.check_ns);
	if (!err)
		err = loader_provide(loader, options, &last, error);
	if (!err && !loader->staged_from)
		err = loader_attach(loader, error);
	if (!err)
		err = loader_write_config(loader, options, error);
	loader_mark(&last, &loader->timing.attach_ns);
	return err;
}

int loader_open(const struct loader_options *options, struct loader **loader,
		char error[LOADER_ERROR_LEN])
{
	struct loader *opened = calloc(1, sizeof(*opened));
	int err;

	error[0] = '\0';
	if (!opened)
		return log_fail(error, -ENOMEM, "out of memory");
	opened->lock_fd = -1;
	opened->cgroup_fd = -1;
	maps_init(&opened->maps);
	log_forget();
	err = loader_start(opened, options, error);
	if (err) {
		if (!error[0])
			log_fail(error, err, "pin root %s: %s", opened->root, strerror(-err));
		loader_close(opened);
		return err;
	}
	*loader = opened;
	return 0;
}

void loader_close(struct loader *loader)
{
	if (!loader)
		return;
	programs_close(loader);
	maps_close(&loader->maps);
	if (loader->cgroup_fd >= 0)
		close(loader->cgroup_fd);
	if (loader->lock_fd >= 0)
		close(loader->lock_fd);
	free(loader);
}

struct maps *loader_maps(struct loader *loader)
{
	return &loader->maps;
}

const struct loader_timing *loader_timing(const struct loader *loader)
{
	return &loader->timing;
}
