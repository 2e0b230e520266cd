// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include "loader/build.h"
#include "loader/load.h"

/* As much work as all others together. */
static const char load_largest[] = "weft_to_pod";

int load_open(const struct loader_options *options, struct bpf_object **object)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "weft_bpf");
	const void *elf;
	size_t size;

	elf = build_object(&size);
	*object = options->object ? bpf_object__open_file(options->object, &opts) :
				    bpf_object__open_mem(elf, size, &opts);
	return *object ? 0 : -errno;
}

/* Where in the object's read-only data this constant of one byte is. -ENOENT: nowhere. */
static int load_find_constant(const struct bpf_object *object, const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	__s32 id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_var_secinfo *variable;
	__u16 i;

	for (i = 0; section && i < btf_vlen(section); i++) {
		variable = &btf_var_secinfos(section)[i];
		if (variable->size == sizeof(bool) &&
		    !strcmp(name, btf__name_by_offset(
					  btf, btf__type_by_id(btf, variable->type)->name_off)))
			return (int)variable->offset;
	}
	return -ENOENT;
}

static int load_set_constant(struct bpf_object *object, const char *name, bool value)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	int offset = load_find_constant(object, name), err;
	const void *before;
	size_t size = 0;
	char *data;

	if (!map || offset < 0)
		return -ENOENT;
	before = bpf_map__initial_value(map, &size);
	data = before ? malloc(size) : NULL;
	if (!data)
		return before ? -ENOMEM : -ENOENT;
	memcpy(data, before, size);
	data[offset] = value;
	err = bpf_map__set_initial_value(map, data, size);
	free(data);
	return err;
}

/* The maps that the other object has. */
static int load_share_maps(struct bpf_object *share, struct bpf_object *maps)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, share) {
		int fd = bpf_object__find_map_fd_by_name(maps, bpf_map__name(map));

		err = fd < 0 ? -ENOENT : bpf_map__reuse_fd(map, fd);
		if (err)
			break;
	}
	return err;
}

static int load_prepare(const struct loader_options *options, struct load *load, size_t index)
{
	struct bpf_program *program;
	int err = load_open(options, &load->shares[index]);

	if (err)
		return err;
	bpf_object__for_each_program(program, load->shares[index]) {
		bool largest = !strcmp(bpf_program__name(program), load_largest);

		if (largest != (index == 0))
			bpf_program__set_autoload(program, false);
	}
	return load_share_maps(load->shares[index], load->maps);
}

static int load_maps(const struct loader_options *options, struct bpf_object *maps)
{
	struct bpf_program *program;
	int err = 0;

	if (options->no_telemetry)
		err = load_set_constant(maps, "weft_telemetry", false);
	if (err)
		return err;
	bpf_object__for_each_program(program, maps)
		bpf_program__set_autoload(program, false);
	return bpf_object__load(maps);
}

struct load_thread {
	struct bpf_object *share;
	int err;
};

static void *load_run(void *context)
{
	struct load_thread *thread = context;

	thread->err = bpf_object__load(thread->share);
	return NULL;
}

int load_start(const struct loader_options *options, struct bpf_object *maps, struct load *load)
{
	struct load_thread thread = { 0 };
	pthread_t id;
	size_t i;
	int err;

	*load = (struct load){ .maps = maps };
	err = load_maps(options, maps);
	for (i = 0; !err && i < LOAD_SHARES; i++)
		err = load_prepare(options, load, i);
	if (err)
		return err;
	thread.share = load->shares[0];
	err = -pthread_create(&id, NULL, load_run, &thread);
	if (err)
		return err;
	err = bpf_object__load(load->shares[1]);
	pthread_join(id, NULL);
	return err ? err : thread.err;
}

void load_close(struct load *load)
{
	size_t i;

	for (i = 0; i < LOAD_SHARES; i++)
		bpf_object__close(load->shares[i]);
	memset(load, 0, sizeof(*load));
}
