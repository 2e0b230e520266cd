/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the TC programs on single frames (BPF_PROG_TEST_RUN) in a private network
 * namespace, with the maps filled for the topology of frames.h, and shows what
 * they counted and told.
 */
#ifndef WEFT_TESTS_BPF_TCRUN_H
#define WEFT_TESTS_BPF_TCRUN_H

#include <stdbool.h>
#include <stddef.h>
#include "bpf/weft_abi.h"
#include "tests/bpf/frames.h"

struct weft_bpf;

enum tcrun_number {
	TCRUN_PASS = -1,    /* TC_ACT_UNSPEC */
	TCRUN_DROP = 2,	    /* TC_ACT_SHOT */
	TCRUN_REDIRECT = 7, /* TC_ACT_REDIRECT: answered */
	TCRUN_EVENTS = 64,
	TCRUN_MARK = 0x77656674, /* of answers that weft_to_pod made */
};

enum tcrun_hook { TO_POD, FROM_POD };

struct tcrun {
	struct weft_bpf *skel;
	struct ring_buffer *ring;
	struct weft_event events[TCRUN_EVENTS]; /* filled by tcrun_poll() */
	size_t event_count;
	struct frame out;     /* the frame after the program */
	__u32 mark;	      /* skb->mark before and after the program */
	__u32 gso_segs;	      /* of the next frames; 0 = no GSO */
	__u32 forwarded_from; /* ifindex at which the next frames came in; 0 = sent by this node */
};

/*
 * Set before the group's setup: every segment is tried by the programs' way for long transfers, and
 * weft_epoch is counted, as an agent does it. Otherwise it is 0, and nothing is kept of the maps
 * that it counts.
 */
extern bool tcrun_bulk;

/* One of those maps was changed; what is in this header does it by itself. */
void tcrun_touch(struct tcrun *run);

/* cmocka fixtures: *state is the struct tcrun. tcrun_test_setup fills the maps afresh. */
int tcrun_group_setup(void **state);
int tcrun_group_teardown(void **state);
int tcrun_test_setup(void **state);

/* Skips the test, saying why, where BPF is not permitted. */
struct tcrun *tcrun_require(void **state);

/* What the program returns for the frame. */
int tcrun_frame(struct tcrun *run, enum tcrun_hook hook, const struct frame *frame);
int tcrun_row(struct tcrun *run, enum tcrun_hook hook, const struct frame_row *row, int family);

/* The pod's flags (enum weft_peer_flag), and whether its addresses are published. */
void tcrun_set_pod(struct tcrun *run, __u32 flags, bool published);
/* Flags of RIVAL; without rules nobody may call it once it has WEFT_PEER_ENFORCE. */
void tcrun_set_rival(struct tcrun *run, __u32 flags);
/* The pod's interface is not in weft_iface. */
void tcrun_drop_pod(struct tcrun *run);
/* Rules for POD. */
void tcrun_set_rule(struct tcrun *run, __u32 src_identity, __u8 proto, __u16 port,
		    enum weft_policy_action action);
void tcrun_drop_rule(struct tcrun *run, __u32 src_identity, __u8 proto, __u16 port);

/* Verdicts counted since the last setup; reason or action 0: all. */
__u64 tcrun_verdicts(struct tcrun *run, enum weft_hook hook, enum weft_reason reason,
		     enum weft_verdict_action action);
__u64 tcrun_stat(struct tcrun *run, enum weft_stat stat);
struct weft_edge tcrun_edge(struct tcrun *run, const struct weft_edge_key *key);
size_t tcrun_edges(struct tcrun *run);
/* The UDP flow POD:pod_port - peer:peer_port; direction UNKNOWN if there is none. */
struct weft_udp_flow tcrun_flow(struct tcrun *run, int family, __u16 pod_port,
				enum frames_host peer, __u16 peer_port);
/* Every flow was that of a pod with another interface. */
void tcrun_move_flows(struct tcrun *run);
/* Makes every flow and fragment record older. */
void tcrun_age(struct tcrun *run, __u64 seconds);
/* Takes in the events since the last call. */
void tcrun_poll(struct tcrun *run);
struct weft_addr tcrun_addr(enum frames_host host, int family);

#endif /* WEFT_TESTS_BPF_TCRUN_H */
