// SPDX-License-Identifier: Apache-2.0
/* The TC programs on single frames. */
#include "tests/bpf/tcrun.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "weft.skel.h"

enum {
	IFINDEX_LO = 1,
	MAX_CPUS = 1024,
	GENERATION = 7,
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct tcrun *run = ctx;

	if (size == sizeof(struct weft_event) && run->event_count < TCRUN_EVENTS)
		run->events[run->event_count++] = *(struct weft_event *)data;
	return 0;
}

bool tcrun_bulk;

/* No tick is long enough to send 4 GiB and go on on another CPU, but tests only say they do. */
static int stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	return sched_setaffinity(0, sizeof(here), &here);
}

/* The TC programs only: other hooks have their own tests. */
static int open_programs(struct tcrun *run)
{
	struct bpf_program *program;

	run->skel = weft_bpf__open();
	if (!run->skel)
		return -errno;
	bpf_object__for_each_program(program, run->skel->obj) {
		bool tc = program == run->skel->progs.weft_to_pod ||
			  program == run->skel->progs.weft_from_pod;

		bpf_program__set_autoload(program, tc);
	}
	if (tcrun_bulk)
		run->skel->rodata->weft_http_bulk = 0;
	return weft_bpf__load(run->skel);
}

int tcrun_group_setup(void **state)
{
	struct tcrun *run = calloc(1, sizeof(*run));
	int err;

	if (!run)
		return -1;
	libbpf_set_print(quiet);
	if (tcrun_bulk && stay_here())
		return -1;
	/* Lost with the process: redirected clones must not reach anybody's interface. */
	err = unshare(CLONE_NEWNET) ? -errno : open_programs(run);
	if (err == -EPERM) {
		weft_bpf__destroy(run->skel);
		free(run);
		*state = NULL;
		return 0;
	}
	*state = run;
	if (err)
		return -1;
	run->ring = ring_buffer__new(bpf_map__fd(run->skel->maps.weft_events), on_event, run, NULL);
	return run->ring ? 0 : -1;
}

int tcrun_group_teardown(void **state)
{
	struct tcrun *run = *state;

	if (!run)
		return 0;
	ring_buffer__free(run->ring);
	weft_bpf__destroy(run->skel);
	free(run);
	return 0;
}

struct tcrun *tcrun_require(void **state)
{
	if (!*state) {
		print_message("SKIP: the kernel does not permit BPF or network namespaces; "
			      "run as root with CAP_BPF and CAP_SYS_ADMIN\n");
		skip();
	}
	return *state;
}

struct weft_addr tcrun_addr(enum frames_host host, int family)
{
	const char *text = frames_address(host, family);
	struct weft_addr addr = {};

	if (family == 6) {
		inet_pton(AF_INET6, text, addr.b);
	} else {
		addr.b[10] = addr.b[11] = 0xff;
		inet_pton(AF_INET, text, &addr.b[12]);
	}
	return addr;
}

static void update(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void tcrun_touch(struct tcrun *run)
{
	static __u64 epoch;
	__u32 zero = 0;

	if (!tcrun_bulk)
		return;
	epoch++;
	update(run->skel->maps.weft_epoch, &zero, &epoch);
}

static void clear(struct bpf_map *map)
{
	__u8 key[256];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

static void set_peer(struct tcrun *run, enum frames_host host, __u32 identity, __u32 workload,
		     __u32 flags)
{
	struct weft_peer peer = { .identity = identity, .workload = workload, .flags = flags };
	struct weft_addr addr;

	for (int family = 4; family <= 6; family += 2) {
		addr = tcrun_addr(host, family);
		update(run->skel->maps.weft_ident, &addr, &peer);
	}
	tcrun_touch(run);
}

void tcrun_set_rival(struct tcrun *run, __u32 flags)
{
	set_peer(run, RIVAL, RIVAL_IDENTITY, RIVAL_WORKLOAD, flags);
}

void tcrun_set_pod(struct tcrun *run, __u32 flags, bool published)
{
	struct weft_local local = {
		.peer = { .identity = POD_IDENTITY, .workload = POD_WORKLOAD, .flags = flags },
	};
	__u32 ifindex = IFINDEX_LO;

	if (published) {
		local.addr[0] = tcrun_addr(POD, 4);
		local.addr[1] = tcrun_addr(POD, 6);
		set_peer(run, POD, POD_IDENTITY, POD_WORKLOAD, flags);
	}
	update(run->skel->maps.weft_iface, &ifindex, &local);
	tcrun_touch(run);
}

void tcrun_drop_pod(struct tcrun *run)
{
	clear(run->skel->maps.weft_iface);
	tcrun_touch(run);
}

static struct weft_policy_key rule_key(__u32 src_identity, __u8 proto, __u16 port)
{
	return (struct weft_policy_key){
		.dst_identity = POD_IDENTITY,
		.generation = GENERATION,
		.src_identity = src_identity,
		.port = port,
		.proto = proto,
	};
}

void tcrun_set_rule(struct tcrun *run, __u32 src_identity, __u8 proto, __u16 port,
		    enum weft_policy_action action)
{
	struct weft_policy_key key = rule_key(src_identity, proto, port);
	struct weft_policy policy = { .action = action };

	update(run->skel->maps.weft_policy, &key, &policy);
	tcrun_touch(run);
}

void tcrun_drop_rule(struct tcrun *run, __u32 src_identity, __u8 proto, __u16 port)
{
	struct weft_policy_key key = rule_key(src_identity, proto, port);

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(run->skel->maps.weft_policy), &key), 0);
	tcrun_touch(run);
}

int tcrun_test_setup(void **state)
{
	struct tcrun *run = *state;
	struct weft_dest dest = { .generation = GENERATION };
	__u32 identity = POD_IDENTITY, stat;
	static __u64 zeroes[MAX_CPUS];

	if (!run)
		return 0;
	clear(run->skel->maps.weft_iface);
	clear(run->skel->maps.weft_ident);
	clear(run->skel->maps.weft_policy);
	clear(run->skel->maps.weft_udp_flow);
	clear(run->skel->maps.weft_frag);
	clear(run->skel->maps.weft_edge);
	clear(run->skel->maps.weft_verdict);
	for (stat = 0; stat < WEFT_STAT_COUNT; stat++)
		update(run->skel->maps.weft_stat, &stat, zeroes);
	update(run->skel->maps.weft_dest, &identity, &dest);
	set_peer(run, ALLY, ALLY_IDENTITY, ALLY_WORKLOAD, 0);
	set_peer(run, RIVAL, RIVAL_IDENTITY, RIVAL_WORKLOAD, 0);
	set_peer(run, NODE, WEFT_ID_HOST, WEFT_ID_HOST, WEFT_PEER_LOCAL_HOST);
	set_peer(run, FAR_NODE, WEFT_ID_HOST, WEFT_ID_HOST, 0);
	tcrun_set_pod(run, WEFT_PEER_ENFORCE, true);
	tcrun_set_rule(run, ALLY_IDENTITY, IPPROTO_TCP, PORT_HTTP, WEFT_POLICY_ALLOW);
	tcrun_set_rule(run, ALLY_IDENTITY, IPPROTO_UDP, PORT_DNS, WEFT_POLICY_ALLOW);
	run->mark = 0;
	run->gso_segs = 0;
	run->forwarded_from = 0;
	tcrun_poll(run);
	run->event_count = 0;
	return 0;
}

int tcrun_frame(struct tcrun *run, enum tcrun_hook hook, const struct frame *frame)
{
	struct __sk_buff ctx = { .mark = run->mark, .ingress_ifindex = run->forwarded_from },
			 after = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .data_out = run->out.data, .data_size_out = sizeof(run->out.data),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .ctx_out = &after,
		    .ctx_size_out = sizeof(after), );
	struct bpf_program *program = hook == TO_POD ? run->skel->progs.weft_to_pod :
						       run->skel->progs.weft_from_pod;

	if (run->gso_segs) {
		ctx.gso_segs = run->gso_segs;
		ctx.gso_size = 100;
	}
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	run->mark = after.mark;
	run->out.len = opts.data_size_out;
	run->out.l3 = FRAME_L2;
	run->out.l4 =
		FRAME_L2 + (run->out.len > FRAME_L2 && run->out.data[FRAME_L2] >> 4 == 6 ? 40 : 20);
	return (int)opts.retval;
}

int tcrun_row(struct tcrun *run, enum tcrun_hook hook, const struct frame_row *row, int family)
{
	struct frame frame;

	frame_build(&frame, row, family);
	return tcrun_frame(run, hook, &frame);
}

__u64 tcrun_verdicts(struct tcrun *run, enum weft_hook hook, enum weft_reason reason,
		     enum weft_verdict_action action)
{
	int fd = bpf_map__fd(run->skel->maps.weft_verdict), cpus = libbpf_num_possible_cpus();
	static struct weft_verdict values[MAX_CPUS];
	struct weft_verdict_key key, *last = NULL;
	__u64 count = 0;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if (key.hook != hook || (reason && key.reason != reason) ||
		    (action && key.action != action))
			continue;
		assert_int_equal(bpf_map_lookup_elem(fd, &key, values), 0);
		for (int i = 0; i < cpus; i++)
			count += values[i].count;
	}
	return count;
}

__u64 tcrun_stat(struct tcrun *run, enum weft_stat stat)
{
	static __u64 values[MAX_CPUS];
	__u32 key = stat;
	__u64 sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(run->skel->maps.weft_stat), &key, values),
			 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += values[i];
	return sum;
}

struct weft_edge tcrun_edge(struct tcrun *run, const struct weft_edge_key *key)
{
	static struct weft_edge values[MAX_CPUS];
	struct weft_edge sum = {};

	if (bpf_map_lookup_elem(bpf_map__fd(run->skel->maps.weft_edge), key, values))
		return sum;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.datagrams_to_dst += values[i].datagrams_to_dst;
		sum.datagrams_to_src += values[i].datagrams_to_src;
		sum.bytes_to_dst += values[i].bytes_to_dst;
		sum.bytes_to_src += values[i].bytes_to_src;
	}
	return sum;
}

size_t tcrun_edges(struct tcrun *run)
{
	struct weft_edge_key key, *last = NULL;
	size_t count = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(run->skel->maps.weft_edge), last, &key)) {
		last = &key;
		count++;
	}
	return count;
}

struct weft_udp_flow tcrun_flow(struct tcrun *run, int family, __u16 pod_port,
				enum frames_host peer, __u16 peer_port)
{
	struct weft_udp_flow_key key = {
		.pod = tcrun_addr(POD, family),
		.peer = tcrun_addr(peer, family),
		.pod_port = pod_port,
		.peer_port = peer_port,
	};
	struct weft_udp_flow flow = {};

	if (bpf_map_lookup_elem(bpf_map__fd(run->skel->maps.weft_udp_flow), &key, &flow))
		flow.direction = WEFT_DIRECTION_UNKNOWN;
	return flow;
}

void tcrun_move_flows(struct tcrun *run)
{
	int flows = bpf_map__fd(run->skel->maps.weft_udp_flow);
	struct weft_udp_flow_key key, *last = NULL;
	struct weft_udp_flow flow;

	while (!bpf_map_get_next_key(flows, last, &key)) {
		last = &key;
		assert_int_equal(bpf_map_lookup_elem(flows, &key, &flow), 0);
		flow.ifindex++;
		assert_int_equal(bpf_map_update_elem(flows, &key, &flow, BPF_EXIST), 0);
	}
}

void tcrun_age(struct tcrun *run, __u64 seconds)
{
	int flows = bpf_map__fd(run->skel->maps.weft_udp_flow);
	int fragments = bpf_map__fd(run->skel->maps.weft_frag);
	struct weft_udp_flow_key flow_key, *last_flow = NULL;
	struct weft_frag_key frag_key, *last_frag = NULL;
	struct weft_udp_flow flow;
	struct weft_frag frag;

	while (!bpf_map_get_next_key(flows, last_flow, &flow_key)) {
		last_flow = &flow_key;
		assert_int_equal(bpf_map_lookup_elem(flows, &flow_key, &flow), 0);
		flow.last_ns -= seconds * 1000000000ULL;
		assert_int_equal(bpf_map_update_elem(flows, &flow_key, &flow, BPF_EXIST), 0);
	}
	while (!bpf_map_get_next_key(fragments, last_frag, &frag_key)) {
		last_frag = &frag_key;
		assert_int_equal(bpf_map_lookup_elem(fragments, &frag_key, &frag), 0);
		frag.last_ns -= seconds * 1000000000ULL;
		assert_int_equal(bpf_map_update_elem(fragments, &frag_key, &frag, BPF_EXIST), 0);
	}
}

void tcrun_poll(struct tcrun *run)
{
	run->event_count = 0;
	ring_buffer__consume(run->ring);
}
