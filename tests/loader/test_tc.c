// SPDX-License-Identifier: Apache-2.0
/* Programs of interfaces: tcx links and clsact filters. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "loader/clsact.h"
#include "loader/privileges.h"
#include "loader/tc.h"
#include "place.h"

static struct place place;
static bool kernel_has_tcx;

static int setup(void **state)
{
	*state = &place;
	kernel_has_tcx = tc_has_tcx();
	place_open(&place);
	return 0;
}

static int teardown(void **state)
{
	unsetenv("WEFT_TC");
	place_reset(*state);
	if (if_nametoindex("pod0"))
		place_delete_interface("pod0");
	return 0;
}

static struct loader_link find(const struct place *at, uint32_t ifindex, const char *direction)
{
	char name[64];

	snprintf(name, sizeof(name), "tc_%u_%s", ifindex, direction);
	return place_find_link(at, name);
}

static void attach(struct place *at, uint32_t ifindex)
{
	int err = loader_attach_interface(at->loader, ifindex, at->error);

	if (err)
		fail_msg("attach: %d %s", err, at->error);
}

static uint32_t count_tcx(uint32_t ifindex, unsigned int type)
{
	uint32_t count = 0;

	if (!kernel_has_tcx)
		return 0;
	assert_int_equal(
		bpf_prog_query((int)ifindex, (enum bpf_attach_type)type, 0, NULL, NULL, &count), 0);
	return count;
}

static int count_filter(const struct clsact_filter *filter, void *context)
{
	(void)filter;
	(*(unsigned int *)context)++;
	return 0;
}

static unsigned int count_filters(uint32_t ifindex, bool egress)
{
	unsigned int count = 0;

	assert_int_equal(clsact_each(ifindex, egress, count_filter, &count), 0);
	return count;
}

/* Programs at a hook, in whichever way this kernel has. */
static unsigned int count_attached(uint32_t ifindex, bool egress)
{
	if (!kernel_has_tcx)
		return count_filters(ifindex, egress);
	return count_tcx(ifindex, egress ? TC_TCX_EGRESS : TC_TCX_INGRESS);
}

static void need_tcx(void)
{
	if (kernel_has_tcx)
		return;
	print_message("SKIP: this kernel has no tcx links; boot Linux 6.6 or newer\n");
	skip();
}

static bool has_clsact(void)
{
	return !system("tc qdisc show dev pod0 | grep -q clsact");
}

static void attaches_and_detaches(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");
	struct loader_link to_pod, from_pod;

	attach(at, ifindex);
	to_pod = find(at, ifindex, "to_pod");
	from_pod = find(at, ifindex, "from_pod");
	assert_true(to_pod.alive && to_pod.current && from_pod.alive && from_pod.current);
	assert_string_equal(to_pod.program, "weft_to_pod");
	assert_string_equal(to_pod.hook, "tc egress (to pod)");
	assert_int_equal(to_pod.ifindex, ifindex);
	assert_memory_equal(to_pod.target, "pod0 (", 6);
	assert_int_equal(count_attached(ifindex, true), 1);
	assert_int_equal(count_attached(ifindex, false), 1);
	/* again, and by the next agent */
	attach(at, ifindex);
	place_close(at);
	place_open(at);
	attach(at, ifindex);
	assert_int_equal(find(at, ifindex, "to_pod").link_id, to_pod.link_id);
	assert_int_equal(count_attached(ifindex, true), 1);
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	assert_int_equal(count_attached(ifindex, true), 0);
	assert_int_equal(count_attached(ifindex, false), 0);
	assert_int_equal(find(at, ifindex, "to_pod").ifindex, 0);
	assert_int_equal(loader_attach_interface(at->loader, 4711, at->error), -ENODEV);
	assert_string_equal(at->error, "no interface 4711");
}

static void survives_deleted_device(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");

	attach(at, ifindex);
	place_delete_interface("pod0");
	assert_false(find(at, ifindex, "to_pod").alive);
	assert_int_equal(loader_attach_interface(at->loader, ifindex, at->error), -ENODEV);
	/* another device gets its number */
	place_run("ip link add pod0 index %u type veth peer name pod1", ifindex);
	assert_false(find(at, ifindex, "to_pod").alive);
	attach(at, ifindex);
	assert_true(find(at, ifindex, "to_pod").alive);
	assert_int_equal(count_attached(ifindex, true), 1);
	place_delete_interface("pod0");
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	/* one that went while no agent lived */
	ifindex = place_add_veth("pod0", "pod1");
	attach(at, ifindex);
	place_close(at);
	place_delete_interface("pod0");
	place_open(at);
	assert_int_equal(find(at, ifindex, "to_pod").ifindex, 0);
	assert_int_equal(place_count_links(at), 9);
}

static void goes_first(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1"), ids[4], count = 4;
	int program, link;

	need_tcx();
	program = privileges_load();
	link = bpf_link_create(program, (int)ifindex, (enum bpf_attach_type)TC_TCX_EGRESS, NULL);
	assert_true(link >= 0);
	attach(at, ifindex);
	assert_int_equal(bpf_prog_query((int)ifindex, (enum bpf_attach_type)TC_TCX_EGRESS, 0, NULL,
					ids, &count),
			 0);
	assert_int_equal(count, 2);
	assert_int_equal(ids[0], find(at, ifindex, "to_pod").program_id);
	close(link);
	close(program);
}

static void uses_clsact(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");

	setenv("WEFT_TC", "clsact", 1);
	attach(at, ifindex);
	assert_int_equal(count_tcx(ifindex, TC_TCX_EGRESS), 0);
	assert_int_equal(count_filters(ifindex, true), 1);
	assert_int_equal(count_filters(ifindex, false), 1);
	assert_true(find(at, ifindex, "to_pod").alive && find(at, ifindex, "to_pod").current);
	assert_true(find(at, ifindex, "from_pod").current);
	/* another build */
	place_close(at);
	at->options.object = at->object;
	place_open(at);
	assert_int_equal(count_filters(ifindex, true), 1);
	assert_true(find(at, ifindex, "to_pod").current);
	/* somebody takes it off */
	place_run("tc qdisc del dev pod0 clsact");
	assert_false(find(at, ifindex, "to_pod").alive);
	attach(at, ifindex);
	assert_true(find(at, ifindex, "to_pod").alive);
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	assert_false(has_clsact());
	assert_int_equal(find(at, ifindex, "to_pod").ifindex, 0);
}

static void leaves_foreign_filters(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");

	setenv("WEFT_TC", "clsact", 1);
	place_run("tc qdisc add dev pod0 clsact");
	attach(at, ifindex);
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	assert_true(has_clsact());
	place_run("tc qdisc del dev pod0 clsact");
	attach(at, ifindex);
	place_run("tc filter add dev pod0 ingress pref 7 bpf da object-pinned "
		  "%s/programs/weft_from_pod",
		  at->root);
	assert_int_equal(count_filters(ifindex, false), 2);
	assert_int_equal(loader_detach_interface(at->loader, ifindex), 0);
	assert_int_equal(count_filters(ifindex, false), 1);
	assert_int_equal(count_filters(ifindex, true), 0);
}

static void moves_from_clsact_to_tcx(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");

	need_tcx();
	setenv("WEFT_TC", "clsact", 1);
	attach(at, ifindex);
	unsetenv("WEFT_TC");
	attach(at, ifindex);
	assert_int_equal(count_tcx(ifindex, TC_TCX_EGRESS), 1);
	assert_int_equal(count_filters(ifindex, true), 0);
	assert_false(has_clsact());
	/* a link that is there stays a link */
	setenv("WEFT_TC", "clsact", 1);
	attach(at, ifindex);
	assert_int_equal(count_tcx(ifindex, TC_TCX_INGRESS), 1);
	assert_false(has_clsact());
}

static void detaches_all(void **state)
{
	struct place *at = *state;
	uint32_t ifindex = place_add_veth("pod0", "pod1");

	attach(at, ifindex);
	setenv("WEFT_TC", "clsact", 1);
	attach(at, if_nametoindex("pod1"));
	place_close(at);
	assert_int_equal(place_count_links(at), 13);
	assert_int_equal(loader_detach_all(at->root, NULL, NULL, at->error), 0);
	assert_int_equal(count_attached(ifindex, true), 0);
	assert_int_equal(count_filters(if_nametoindex("pod1"), true), 0);
	assert_int_not_equal(system("tc qdisc show dev pod1 | grep -q clsact"), 0);
	assert_int_equal(access(at->root, F_OK), -1);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(attaches_and_detaches, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_deleted_device, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(uses_clsact, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_foreign_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_from_clsact_to_tcx, setup, teardown),
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
