// SPDX-License-Identifier: Apache-2.0
#include "loader/judge.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "loader/build.h"
#include "loader/layout.h"
#include "loader/load.h"
#include "loader/maps_state.h"
#include "loader/pins.h"

static int judge_run(int program, void *question, size_t size)
{
	/* A syscall program's context is read and written in place: no ctx_out. */
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = question, .ctx_size_in = (__u32)size);
	int error = bpf_prog_test_run_opts(program, &options);

	return error ? error : (int)options.retval;
}

int loader_judge(const char *root, struct weft_question *question)
{
	int error, program = pins_get(root, PINS_PROGRAMS, "weft_judge");

	if (program < 0)
		return program;
	error = judge_run(program, question, sizeof(*question));
	close(program);
	return error;
}

int loader_judge_http(int program, struct weft_http_question *question)
{
	return judge_run(program, question, sizeof(*question));
}

static int judge_use_map(struct bpf_object *object, const char *root, enum map_id id)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, maps_name(id));
	int fd = pins_get(root, PINS_MAPS, maps_name(id)), err;
	char text[64];

	if (fd < 0)
		return fd;
	err = map && layout_fits(id, fd, text, sizeof(text)) ? bpf_map__reuse_fd(map, fd) : -ESTALE;
	close(fd);
	return err;
}

/* The descriptor of the object's weft_judge_http, loaded over the pinned maps. */
static int judge_load(struct bpf_object *object, const char *root)
{
	struct bpf_program *program;
	enum map_id id;
	int fd = -1, err = 0;

	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program,
					  !strcmp(bpf_program__name(program), "weft_judge_http"));
	for (id = 0; !err && id < MAP_ID_COUNT; id++)
		err = judge_use_map(object, root, id);
	if (!err)
		err = bpf_object__load(object);
	if (err)
		return err;
	program = bpf_object__find_program_by_name(object, "weft_judge_http");
	fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

/* With or without telemetry the engine is the same. */
static bool judge_is_pinned(const char *root)
{
	struct loader_options options = { .root = root };
	char build[BUILD_ID_LEN];
	bool pinned;

	build_identify(&options, build);
	pinned = build_is_pinned(root, build);
	options.no_telemetry = true;
	build_identify(&options, build);
	return pinned || build_is_pinned(root, build);
}

int loader_judge_http_open(const char *root)
{
	const struct loader_options options = { .root = root };
	struct bpf_object *object;
	int fd, err;

	fd = pins_get(root, PINS_PROGRAMS, "weft_judge");
	if (fd < 0)
		return fd;
	close(fd);
	if (!judge_is_pinned(root))
		return -ESTALE;
	err = load_open(&options, &object);
	if (err)
		return err;
	fd = judge_load(object, root);
	bpf_object__close(object);
	return fd;
}
