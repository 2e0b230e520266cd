// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "loader/layout.h"
#include "loader/log.h"
#include "loader/maps_state.h"
#include "loader/pins.h"

enum {
	MAPS_RANGE_CHUNK = 1024, /* array elements per system call */
	MAPS_EACH_CHUNK = 256,	 /* hash entries per system call, at first */
	MAPS_EACH_MAX = 1 << 20,
};

const char *maps_name(enum map_id id)
{
	return layout_get(id)->name;
}

/* The inode of a pin has the time when it was made, and keeps it when the pin is renamed. */
int maps_since(const char *root, enum map_id id, uint64_t *since_ns)
{
	char path[PINS_PATH_LEN];
	struct stat stat_of;
	int err = pins_path(path, root, PINS_MAPS, maps_name(id));

	if (err)
		return err;
	if (stat(path, &stat_of))
		return -errno;
	*since_ns =
		(uint64_t)stat_of.st_mtim.tv_sec * 1000000000 + (uint64_t)stat_of.st_mtim.tv_nsec;
	return 0;
}

int maps_fd(const struct maps *maps, enum map_id id)
{
	return maps->fds[id];
}

void maps_init(struct maps *maps)
{
	int cpus = libbpf_num_possible_cpus();
	enum map_id id;

	for (id = 0; id < MAP_ID_COUNT; id++)
		maps->fds[id] = -1;
	maps->cpus = cpus > 0 ? (unsigned int)cpus : 1;
}

void maps_close(struct maps *maps)
{
	enum map_id id;

	if (!maps)
		return;
	for (id = 0; id < MAP_ID_COUNT; id++) {
		if (maps->fds[id] >= 0)
			close(maps->fds[id]);
		maps->fds[id] = -1;
	}
}

int maps_read_abi(int config_fd, uint32_t *abi)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), key = 0;
	void *value;
	int err;

	err = bpf_obj_get_info_by_fd(config_fd, &info, &length);
	if (err)
		return err;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size < sizeof(*abi))
		return -EPROTO;
	value = malloc(info.value_size);
	if (!value)
		return -ENOMEM;
	err = bpf_map_lookup_elem(config_fd, &key, value);
	if (!err)
		memcpy(abi, value, sizeof(*abi));
	free(value);
	return err;
}

int maps_open(struct maps *maps, const char *root, bool writable, uint32_t *abi)
{
	char text[64];
	uint32_t found = 0;
	enum map_id id;
	int fd, err;

	log_forget();
	maps_init(maps);
	for (id = 0; id < MAP_ID_COUNT; id++) {
		fd = writable ? pins_get(root, PINS_MAPS, maps_name(id)) :
				pins_get_readonly(root, PINS_MAPS, maps_name(id));
		err = fd < 0 ? fd : 0;
		if (err)
			goto fail;
		maps->fds[id] = fd;
		if (id == MAP_CONFIG) {
			err = maps_read_abi(fd, &found);
			/* the agent writes it last: before that the maps are not all there */
			if (!err && !found)
				err = -ENOENT;
			if (!err && abi)
				*abi = found;
			if (!err && found != WEFT_ABI_VERSION)
				err = -EPROTO;
		}
		if (!err && !layout_fits(id, fd, text, sizeof(text)))
			err = -EPROTO;
		if (err)
			goto fail;
	}
	return 0;

fail:
	maps_close(maps);
	return err;
}

/* Do programs keep what they have found there? See weft_epoch. */
static bool maps_is_kept(enum map_id id)
{
	return id == MAP_IDENT || id == MAP_IFACE || id == MAP_DEST || id == MAP_POLICY;
}

int maps_touch(const struct maps *maps)
{
	uint32_t key = 0;
	uint64_t epoch;
	int err = bpf_map_lookup_elem(maps->fds[MAP_EPOCH], &key, &epoch);

	if (err)
		return err;
	epoch++;
	/* What was changed is to be seen before it is said. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return bpf_map_update_elem(maps->fds[MAP_EPOCH], &key, &epoch, BPF_ANY);
}

int maps_set(const struct maps *maps, enum map_id id, const void *key, const void *value)
{
	int err = bpf_map_update_elem(maps->fds[id], key, value, BPF_ANY);

	return err || !maps_is_kept(id) ? err : maps_touch(maps);
}

int maps_get(const struct maps *maps, enum map_id id, const void *key, void *value)
{
	return bpf_map_lookup_elem(maps->fds[id], key, value);
}

int maps_delete(const struct maps *maps, enum map_id id, const void *key)
{
	int err = bpf_map_delete_elem(maps->fds[id], key);

	return err || !maps_is_kept(id) ? err : maps_touch(maps);
}

static size_t maps_value_size(const struct maps *maps, const struct layout *layout)
{
	if (!layout->per_cpu)
		return layout->value_size;
	return (layout->value_size + 7) / 8 * 8 * (size_t)maps->cpus;
}

static int maps_zero(const struct maps *maps, enum map_id id)
{
	uint32_t index, count = maps_max_entries(maps, id);
	void *zero = calloc(1, maps_value_size(maps, layout_get(id)));
	int err = zero ? 0 : -ENOMEM;

	for (index = 0; !err && index < count; index++)
		err = maps_set(maps, id, &index, zero);
	free(zero);
	return err;
}

int maps_forget(const struct maps *maps)
{
	int err = maps_zero(maps, MAP_HTTP_MEMO);

	if (!err)
		err = maps_zero(maps, MAP_ANSWER_MEMO);
	return err ? err : maps_touch(maps);
}

static int maps_each_element(const struct maps *maps, enum map_id id,
			     int (*callback)(const void *key, const void *value, void *context),
			     void *context)
{
	uint32_t index, count = maps_max_entries(maps, id);
	void *value = malloc(maps_value_size(maps, layout_get(id)));
	int err = value ? 0 : -ENOMEM;

	for (index = 0; !err && index < count; index++) {
		err = maps_get(maps, id, &index, value);
		if (!err)
			err = callback(&index, value, context);
	}
	free(value);
	return err;
}

struct maps_batch {
	size_t key_size, value_size;
	uint32_t capacity, count;
	void *keys, *values;
	uint32_t position; /* the kernel's: next bucket */
	bool started;
};

static int maps_batch_resize(struct maps_batch *batch, uint32_t capacity)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = malloc(batch->key_size * capacity);
	batch->values = malloc(batch->value_size * capacity);
	batch->capacity = capacity;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

/* 1 = there is more, 0 = these were the last. */
static int maps_batch_next(struct maps_batch *batch, int fd)
{
	uint32_t next;
	int err;

	for (;;) {
		next = 0;
		batch->count = batch->capacity;
		err = bpf_map_lookup_batch(fd, batch->started ? &batch->position : NULL, &next,
					   batch->keys, batch->values, &batch->count, NULL);
		/* a bucket is handed out whole or not at all */
		if (err != -ENOSPC || batch->capacity >= MAPS_EACH_MAX)
			break;
		err = maps_batch_resize(batch, batch->capacity * 2);
		if (err)
			return err;
	}
	if (err && err != -ENOENT)
		return err;
	batch->position = next;
	batch->started = true;
	return !err;
}

/*
 * By batches, that is by buckets: a walk by key starts over when the key it stands on is
 * deleted, and on a busy map would never end.
 */
int maps_each(const struct maps *maps, enum map_id id,
	      int (*callback)(const void *key, const void *value, void *context), void *context)
{
	const struct layout *layout = layout_get(id);
	struct maps_batch batch = {
		.key_size = layout->key_size,
		.value_size = maps_value_size(maps, layout),
	};
	int err, more;
	uint32_t i;

	if (layout->class == LAYOUT_ARRAY)
		return maps_each_element(maps, id, callback, context);
	if (layout->class != LAYOUT_HASH)
		return -EINVAL;
	err = maps_batch_resize(&batch, MAPS_EACH_CHUNK);
	more = !err;
	while (more > 0) {
		more = maps_batch_next(&batch, maps->fds[id]);
		err = more < 0 ? more : 0;
		for (i = 0; !err && i < batch.count; i++)
			err = callback((char *)batch.keys + i * batch.key_size,
				       (char *)batch.values + i * batch.value_size, context);
		if (err)
			break;
	}
	free(batch.keys);
	free(batch.values);
	return err;
}

int maps_set_range(const struct maps *maps, enum map_id id, uint32_t first, uint32_t count,
		   const void *values)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = BPF_ANY);
	const struct layout *layout = layout_get(id);
	uint32_t keys[MAPS_RANGE_CHUNK], max = maps_max_entries(maps, id);
	uint32_t done, chunk, i;
	int err = 0;

	if (layout->type != BPF_MAP_TYPE_ARRAY)
		return -EINVAL;
	if (first > max || count > max - first)
		return -E2BIG;
	for (done = 0; !err && done < count; done += chunk) {
		chunk = count - done < MAPS_RANGE_CHUNK ? count - done : MAPS_RANGE_CHUNK;
		for (i = 0; i < chunk; i++)
			keys[i] = first + done + i;
		i = chunk;
		err = bpf_map_update_batch(maps->fds[id], keys,
					   (const char *)values + (size_t)done * layout->value_size,
					   &i, &opts);
	}
	return err;
}

int maps_get_range(const struct maps *maps, enum map_id id, uint32_t first, uint32_t count,
		   void *values)
{
	const struct layout *layout = layout_get(id);
	uint32_t keys[MAPS_RANGE_CHUNK], max = maps_max_entries(maps, id);
	uint32_t done, chunk, before, next;
	int err = 0;

	if (layout->type != BPF_MAP_TYPE_ARRAY)
		return -EINVAL;
	if (first > max || count > max - first)
		return -E2BIG;
	for (done = 0; !err && done < count; done += chunk) {
		chunk = count - done < MAPS_RANGE_CHUNK ? count - done : MAPS_RANGE_CHUNK;
		/* the kernel is told the key before the first */
		before = first + done - 1;
		err = bpf_map_lookup_batch(maps->fds[id], first + done ? &before : NULL, &next,
					   keys, (char *)values + (size_t)done * layout->value_size,
					   &chunk, NULL);
		/* -ENOENT says that the last element of the map was among them */
		if (err == -ENOENT && chunk == count - done)
			err = 0;
		if (!err && !chunk)
			err = -EIO;
	}
	return err;
}

uint32_t maps_max_entries(const struct maps *maps, enum map_id id)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(maps->fds[id], &info, &length) ? 0 : info.max_entries;
}

static uint64_t maps_memory(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

static int maps_count_one(const void *key, const void *value, void *context)
{
	uint32_t *count = context;

	(void)key;
	(void)value;
	(*count)++;
	return 0;
}

int maps_describe(const struct maps *maps, enum map_id id, struct map_fill *fill)
{
	static const char *const types[] = {
		[BPF_MAP_TYPE_HASH] = "hash",
		[BPF_MAP_TYPE_ARRAY] = "array",
		[BPF_MAP_TYPE_PERCPU_HASH] = "percpu_hash",
		[BPF_MAP_TYPE_PERCPU_ARRAY] = "percpu_array",
		[BPF_MAP_TYPE_LRU_HASH] = "lru_hash",
		[BPF_MAP_TYPE_SK_STORAGE] = "sk_storage",
		[BPF_MAP_TYPE_RINGBUF] = "ringbuf",
	};
	const struct layout *layout = layout_get(id);
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	int err;

	err = bpf_obj_get_info_by_fd(maps->fds[id], &info, &length);
	if (err)
		return err;
	*fill = (struct map_fill){
		.name = layout->name,
		.type = types[layout->type],
		.id = info.id,
		.max_entries = info.max_entries,
		.countable = layout->class == LAYOUT_HASH,
		.memory_bytes = maps_memory(maps->fds[id]),
	};
	return 0;
}

int maps_fill(const struct maps *maps, enum map_id id, struct map_fill *fill)
{
	int err = maps_describe(maps, id, fill);

	if (err || !fill->countable)
		return err;
	return maps_each(maps, id, maps_count_one, &fill->entries);
}
