// SPDX-License-Identifier: Apache-2.0
/* weft check's answers: on a clean node, beside others' programs, without privileges. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/privileges.h"
#include "loader/probe.h"
#include "loader/tc.h"
#include "place.h"

static struct place place;

struct answers {
	struct probe_result results[128];
	size_t count;
};

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

static void keep(const struct probe_result *result, void *context)
{
	struct answers *answers = context;

	assert_true(answers->count < 128);
	assert_true(result->name[0] && result->detail[0]);
	assert_true((result->state == PROBE_OK) == !result->remedy[0]);
	answers->results[answers->count++] = *result;
}

static int ask(const struct place *at, struct answers *answers)
{
	answers->count = 0;
	return probe_run(at->root, at->cgroup, keep, answers);
}

static const struct probe_result *find(const struct answers *answers, const char *name)
{
	static const struct probe_result none;
	size_t i;

	for (i = 0; i < answers->count; i++)
		if (!strcmp(answers->results[i].name, name))
			return &answers->results[i];
	return &none;
}

static void answers_on_clean_node(void **state)
{
	struct answers answers;
	struct place *at = *state;
	size_t i;

	/* its own programs are no finding, at cgroups and at interfaces */
	place_open(at);
	place_run("ip link add probe0 type veth peer name probe1");
	assert_int_equal(loader_attach_interface(at->loader, 2, at->error), 0);
	assert_int_equal(ask(at, &answers), 0);
	for (i = 0; i < answers.count; i++)
		assert_int_not_equal(answers.results[i].state, PROBE_FAILED);
	assert_int_equal(find(&answers, "helper set_retval cgroup")->state, PROBE_OK);
	assert_int_equal(find(&answers, "map ringbuf")->state, PROBE_OK);
	assert_int_equal(find(&answers, "socket destroy")->state, PROBE_OK);
	assert_int_equal(find(&answers, "tc programs")->state, PROBE_OK);
	place_delete_interface("probe0");
}

static int load_connect4(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "foreign_conn", "GPL", insns, 2,
			       &opts);

	assert_true(fd >= 0);
	return fd;
}

static void names_foreign_cgroup_programs(void **state)
{
	struct place *at = *state;
	int program = load_connect4(), fd = open(at->cgroup, O_RDONLY | O_DIRECTORY);
	const struct probe_result *result;
	struct loader *loader = NULL;
	struct answers answers;

	assert_int_equal(bpf_prog_attach(program, fd, BPF_CGROUP_INET4_CONNECT, BPF_F_ALLOW_MULTI),
			 0);
	assert_int_equal(ask(at, &answers), 0);
	result = find(&answers, "cgroup connect4");
	assert_int_equal(result->state, PROBE_WARNING);
	assert_non_null(strstr(result->detail, "foreign_conn (id "));
	assert_non_null(strstr(result->detail, at->cgroup));
	assert_int_equal(bpf_prog_detach2(program, fd, BPF_CGROUP_INET4_CONNECT), 0);
	/* exclusively: the agent could not start, and says why */
	assert_int_equal(bpf_prog_attach(program, fd, BPF_CGROUP_INET4_CONNECT, 0), 0);
	assert_int_equal(ask(at, &answers), 1);
	assert_int_equal(find(&answers, "cgroup connect4")->state, PROBE_FAILED);
	assert_int_equal(loader_open(&at->options, &loader, at->error), -EPERM);
	assert_non_null(strstr(at->error, "attached exclusively"));
	assert_int_equal(bpf_prog_detach2(program, fd, BPF_CGROUP_INET4_CONNECT), 0);
	close(fd);
	close(program);
}

static void names_foreign_tc_programs(void **state)
{
	struct place *at = *state;
	const struct probe_result *result;
	struct answers answers;
	int program, link;

	place_run("ip link add probe0 type veth peer name probe1");
	if (tc_has_tcx()) {
		program = privileges_load();
		link = bpf_link_create(program, 1, (enum bpf_attach_type)TC_TCX_INGRESS, NULL);
		assert_true(link >= 0);
		assert_int_equal(ask(at, &answers), 0);
		result = find(&answers, "tc ingress");
		assert_int_equal(result->state, PROBE_WARNING);
		assert_non_null(strstr(result->detail, "weft_try (id "));
		assert_non_null(strstr(result->detail, " at lo"));
		close(link);
		close(program);
	}
	place_open(at);
	place_run("tc qdisc add dev probe0 clsact && tc filter add dev probe0 egress bpf da "
		  "object-pinned %s/programs/weft_to_pod",
		  at->root);
	ask(at, &answers);
	assert_int_equal(find(&answers, "tc egress")->state, PROBE_WARNING);
	place_delete_interface("probe0");
}

static void finds_what_is_missing(void **state)
{
	struct place *at = *state, lost = *at;
	struct answers answers;

	snprintf(lost.root, sizeof(lost.root), "/tmp/weft-not-there");
	snprintf(lost.cgroup, sizeof(lost.cgroup), "/proc");
	assert_int_equal(ask(&lost, &answers), 1);
	assert_int_equal(find(&answers, "bpffs")->state, PROBE_FAILED);
	assert_memory_equal(find(&answers, "bpffs")->remedy, "mount -t bpf", 12);
	assert_int_equal(find(&answers, "cgroup2")->state, PROBE_FAILED);
	assert_int_equal(probe_run(NULL, NULL, keep, &answers), -EINVAL);
}

static void knows_less_without_root(void **state)
{
	struct place *at = *state;
	struct answers answers;
	int status;
	pid_t child = fork();

	if (!child) {
		if (setgid(65534) || setuid(65534) || ask(at, &answers) != 1)
			_exit(1);
		if (find(&answers, "capabilities")->state != PROBE_FAILED ||
		    find(&answers, "kernel")->state != PROBE_OK ||
		    find(&answers, "map hash")->state != PROBE_UNKNOWN ||
		    find(&answers, "tcx")->state != PROBE_UNKNOWN ||
		    find(&answers, "cgroup programs")->state != PROBE_UNKNOWN)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_on_clean_node, setup, teardown),
		cmocka_unit_test_setup_teardown(names_foreign_cgroup_programs, setup, teardown),
		cmocka_unit_test_setup_teardown(names_foreign_tc_programs, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_what_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_less_without_root, setup, teardown),
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
