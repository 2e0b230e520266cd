// SPDX-License-Identifier: Apache-2.0
#include "loader/judge.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int judge(const char *root, const char *program, void *question, size_t size)
{
	/* A syscall program's context is read and written in place: no ctx_out. */
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = question, .ctx_size_in = (__u32)size);
	char path[PATH_MAX];
	int error, fd;

	snprintf(path, sizeof(path), "%s/programs/%s", root, program);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	error = bpf_prog_test_run_opts(fd, &options);
	close(fd);
	return error ? error : (int)options.retval;
}

int loader_judge(const char *root, struct weft_question *question)
{
	return judge(root, "weft_judge", question, sizeof(*question));
}

int loader_judge_http(const char *root, struct weft_http_question *question)
{
	return judge(root, "weft_judge_http", question, sizeof(*question));
}
