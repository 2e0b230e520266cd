// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The choice of an endpoint without a socket: the cgroup programs have no
 * BPF_PROG_TEST_RUN, so a syscall program includes the same inlines.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "service.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum pick_limit {
	PICK_SLOTS = 64,
};

/* Set by the test. */
struct weft_service service = {};
__u32 picks = 0;
/* How often the endpoint with this port was picked, and how often none or an unknown one was. */
__u64 taken[PICK_SLOTS] = {};
__u64 failed = 0;

/* service_has(): the endpoint sought, and the answer. */
struct weft_endpoint sought = {};
bool has = false;

static long pick_one(__u32 round, void *data)
{
	struct weft_endpoint *endpoint = service_pick(data);

	if (!endpoint || endpoint->port >= PICK_SLOTS)
		failed++;
	else
		taken[endpoint->port]++;
	(void)round;
	return 0;
}

SEC("syscall")
int pick_many(void *ctx)
{
	struct weft_service copy = service;

	bpf_loop(picks, pick_one, &copy, 0);
	(void)ctx;
	return 0;
}

SEC("syscall")
int pick_scan(void *ctx)
{
	struct weft_service copy = service;
	struct weft_endpoint endpoint = sought;

	has = service_has(&copy, &endpoint);
	sought.backend = endpoint.backend;
	(void)ctx;
	return 0;
}
