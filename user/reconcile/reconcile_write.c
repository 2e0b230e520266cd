// SPDX-License-Identifier: Apache-2.0
#include "user/reconcile/reconcile_write.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include "loader/maps_http.h"
#include "user/config/config.h"

void writer_begin(struct writer *writer)
{
	writer->err = 0;
	writer->result->error[0] = '\0';
}

int writer_set(struct writer *writer, enum map_id id, const void *key, const void *value)
{
	int err = maps_set(writer->maps, id, key, value);

	if (!err)
		writer->result->written++;
	return err;
}

int writer_set_range(struct writer *writer, enum map_id id, uint32_t first, uint32_t count,
		     const void *values)
{
	int err = maps_set_range(writer->maps, id, first, count, values);

	if (!err)
		writer->result->written += count;
	return err;
}

int writer_delete(struct writer *writer, enum map_id id, const void *key)
{
	int err = maps_delete(writer->maps, id, key);

	if (err == -ENOENT)
		return 0;
	if (!err)
		writer->result->deleted++;
	return err;
}

int writer_set_http(struct writer *writer, struct maps_http *http, uint32_t offset,
		    const void *bytes, uint32_t size, uint32_t generation)
{
	int err = maps_http_write(http, offset, bytes, size, generation);

	if (!err)
		writer->result->written++;
	return err;
}

uint64_t writer_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void writer_wait_for_readers(void)
{
	/*
	 * This command is synchronize_rcu(), and BPF programs run inside RCU readers. A kernel
	 * without it (CONFIG_MEMBARRIER=n) gets a pause far longer than a program runs.
	 */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(20000);
}

void writer_fail(struct writer *writer, enum map_id id, int err, const char *consequence, ...)
{
	const char *flag = config_map_flag(id);
	char effect[128];
	va_list arguments;

	if (writer->err)
		return;
	writer->err = err;
	va_start(arguments, consequence);
	vsnprintf(effect, sizeof(effect), consequence, arguments);
	va_end(arguments);
	if (id == MAP_HTTP && err == -ENOSPC)
		snprintf(writer->result->error, sizeof(writer->result->error),
			 "%s is full (%u bytes): %s; fewer or simpler HTTP rules need less",
			 maps_name(id), (unsigned int)WEFT_HTTP_ARENA, effect);
	else if (err == -E2BIG || err == -ENOSPC)
		snprintf(writer->result->error, sizeof(writer->result->error),
			 "%s is full (%u entries): %s%s%s", maps_name(id),
			 maps_max_entries(writer->maps, id), effect, flag ? "; raise " : "",
			 flag ? flag : "");
	else
		snprintf(writer->result->error, sizeof(writer->result->error), "%s: %s: %s",
			 maps_name(id), strerror(-err), effect);
}
