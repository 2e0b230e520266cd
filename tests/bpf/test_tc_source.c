// SPDX-License-Identifier: Apache-2.0
/* What leaves a pod: its own addresses only, and no connection that policy refuses. */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/tcrun.h"

#define TCP(flag)  .proto = IPPROTO_TCP, .flags = (flag), .dport = PORT_HTTP
#define UDP	   .proto = IPPROTO_UDP, .dport = PORT_DNS, .payload = 16
#define ICMP(type) .proto = IPPROTO_ICMP, .icmp_type = (type)
#define ND(type)   .family = 6, .src = LINK_LOCAL, .dst = MULTICAST, ICMP(type)

enum {
	MLD_QUERY = 130,
	MLD_REPORT = 131,
	MLD_DONE = 132,
	MLDV2_REPORT = 143,
	ECHO_REQUEST6 = 128,
	PROTO_SCTP = 132,
};

struct leaving {
	struct frame_row row;
	enum weft_reason denial; /* 0: passes */
};

static const struct leaving table[] = {
	{ { .name = "own TCP", .src = POD, .dst = RIVAL, TCP(SYN) }, 0 },
	{ { .name = "own data", .src = POD, .dst = RIVAL, TCP(ACK) }, 0 },
	{ { .name = "own UDP", .src = POD, .dst = STRANGER, UDP }, 0 },
	{ { .name = "own echo", .src = POD, .dst = STRANGER, ICMP(8) }, 0 },
	{ { .name = "own SCTP", .src = POD, .dst = RIVAL, .proto = PROTO_SCTP, .payload = 9 }, 0 },
	{ { .name = "VXLAN to a pod", .src = POD, .dst = RIVAL, .proto = IPPROTO_UDP, .dport = 8472 },
	  0 },
	{ { .name = "GRE to a pod", .src = POD, .dst = RIVAL, .proto = 47, .payload = 40 }, 0 },
	{ { .name = "VXLAN to a node",
	    .src = POD,
	    .dst = FAR_NODE,
	    .proto = IPPROTO_UDP,
	    .dport = 8472 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "VXLAN to the own node",
	    .src = POD,
	    .dst = NODE,
	    .proto = IPPROTO_UDP,
	    .dport = 4789 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "Geneve to all",
	    .src = POD,
	    .dst = MULTICAST,
	    .proto = IPPROTO_UDP,
	    .dport = 6081 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "IP in IP to a node", .src = POD, .dst = NODE, .proto = 4, .payload = 40 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "6in4 to another node", .src = POD, .dst = FAR_NODE, .proto = 41, .payload = 40 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "GRE to a stranger", .src = POD, .dst = STRANGER, .proto = 47, .payload = 40 },
	  WEFT_REASON_TUNNEL },
	{ { .name = "own, tagged", .src = POD, .dst = RIVAL, TCP(SYN), .vlan_tags = 1 }, 0 },
	{ { .name = "own, options",
	    .src = POD,
	    .dst = RIVAL,
	    TCP(SYN),
	    .options = 12,
	    .extensions = { EXT_HOP, EXT_DEST } },
	  0 },
	{ { .name = "forged SYN", .src = ALLY, .dst = RIVAL, TCP(SYN) },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged data", .src = NODE, .dst = RIVAL, TCP(ACK) },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged SYN-ACK", .src = ALLY, .dst = RIVAL, TCP(SYN | ACK) },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged UDP", .src = NODE, .dst = RIVAL, UDP }, WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged echo", .src = NODE, .dst = RIVAL, ICMP(8) },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged SCTP", .src = NODE, .dst = RIVAL, .proto = PROTO_SCTP, .payload = 9 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged and tagged", .src = NODE, .dst = RIVAL, TCP(ACK), .vlan_tags = 2 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged behind options",
	    .src = NODE,
	    .dst = RIVAL,
	    TCP(ACK),
	    .options = 8,
	    .extensions = { EXT_ROUTING } },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged fragment",
	    .src = NODE,
	    .dst = RIVAL,
	    UDP,
	    .fragment = true,
	    .offset = 64 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "UDP from nobody", .src = NOBODY, .dst = RIVAL, UDP },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "ARP request", .src = POD, .dst = NODE, .arp_op = 1 }, 0 },
	{ { .name = "ARP reply", .src = POD, .dst = NODE, .arp_op = 2 }, 0 },
	{ { .name = "ARP probe", .src = NOBODY, .dst = POD, .arp_op = 1 }, 0 },
	{ { .name = "forged ARP request", .src = NODE, .dst = ALLY, .arp_op = 1 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged ARP reply", .src = ALLY, .dst = NODE, .arp_op = 2 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged and tagged ARP", .src = ALLY, .dst = NODE, .arp_op = 2, .vlan_tags = 1 },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "router solicitation", ND(ND_ROUTER_SOLICIT) }, 0 },
	{ { .name = "neighbour solicitation", ND(ND_NEIGHBOR_SOLICIT) }, 0 },
	{ { .name = "duplicate address detection",
	    .family = 6,
	    .src = NOBODY,
	    .dst = MULTICAST,
	    ICMP(ND_NEIGHBOR_SOLICIT) },
	  0 },
	{ { .name = "solicitation from the own address",
	    .family = 6,
	    .src = POD,
	    .dst = NODE,
	    ICMP(ND_NEIGHBOR_SOLICIT) },
	  0 },
	{ { .name = "own advertisement", ND(ND_NEIGHBOR_ADVERT), .target = POD }, 0 },
	{ { .name = "link-local advertisement", ND(ND_NEIGHBOR_ADVERT), .target = LINK_LOCAL }, 0 },
	{ { .name = "forged advertisement", ND(ND_NEIGHBOR_ADVERT), .target = NODE },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged advertisement from the own address",
	    .family = 6,
	    .src = POD,
	    .dst = MULTICAST,
	    ICMP(ND_NEIGHBOR_ADVERT),
	    .target = ALLY },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "forged advertisement behind options",
	    .family = 6,
	    .src = POD,
	    .dst = MULTICAST,
	    ICMP(ND_NEIGHBOR_ADVERT),
	    .target = ALLY,
	    .extensions = { EXT_DEST } },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "unreadable from the own address",
	    .family = 6,
	    .src = POD,
	    .dst = MULTICAST,
	    ICMP(ND_NEIGHBOR_ADVERT),
	    .target = ALLY,
	    .extensions = { EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST,
			    EXT_DEST, EXT_DEST } },
	  WEFT_REASON_EXTENSION_HEADER },
	{ { .name = "router advertisement", ND(ND_ROUTER_ADVERT) }, WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "redirect", ND(ND_REDIRECT) }, WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "listener query", ND(MLD_QUERY) }, WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "listener report", ND(MLD_REPORT), .extensions = { EXT_HOP } }, 0 },
	{ { .name = "listener done", ND(MLD_DONE), .extensions = { EXT_HOP } }, 0 },
	{ { .name = "listener report, v2", ND(MLDV2_REPORT), .extensions = { EXT_HOP } }, 0 },
	{ { .name = "link-local echo", ND(ECHO_REQUEST6) }, WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "link-local TCP", .src = LINK_LOCAL, .dst = RIVAL, TCP(SYN) },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "link-local UDP", .src = LINK_LOCAL, .dst = RIVAL, UDP },
	  WEFT_REASON_SPOOFED_SOURCE },
	{ { .name = "unknown ethertype", .src = POD, .dst = RIVAL, TCP(ACK), .ethertype = 0x8864 },
	  WEFT_REASON_ETHERTYPE },
	{ { .name = "three tags", .src = POD, .dst = RIVAL, TCP(ACK), .vlan_tags = 3 },
	  WEFT_REASON_ETHERTYPE },
};

static void check_leaving(struct tcrun *run, const struct leaving *want, int family)
{
	const struct weft_event *event = run->events;
	int result = tcrun_row(run, FROM_POD, &want->row, family);
	enum weft_reason seen;

	tcrun_poll(run);
	seen = run->event_count ? event->reason : WEFT_REASON_NONE;
	if (result != (want->denial ? TCRUN_DROP : TCRUN_PASS) || seen != want->denial)
		fail_msg("%s, IPv%d: returned %d, reason %d", want->row.name, family, result,
			 (int)seen);
	if (!want->denial)
		return;
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_FROM_POD, want->denial, WEFT_VERDICT_DENY),
			 1);
	assert_int_equal(event->hook, WEFT_HOOK_FROM_POD);
	assert_int_equal(event->direction, WEFT_DIRECTION_OUTBOUND);
	/* Blamed is who did it, not whose address was used. */
	assert_int_equal(event->src_identity, POD_IDENTITY);
	assert_int_equal(event->src_workload, POD_WORKLOAD);
}

/* Whatever the pod's mode: others' policies rest on it. */
static void pods_send_from_their_own_addresses(void **state)
{
	static const __u32 modes[] = { 0, WEFT_PEER_PERMISSIVE, WEFT_PEER_ENFORCE };
	struct tcrun *run = tcrun_require(state);

	for (size_t mode = 0; mode < sizeof(modes) / sizeof(modes[0]); mode++) {
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) * 2; i++) {
			int family = i % 2 ? 6 : 4;

			if (table[i / 2].row.family && table[i / 2].row.family != family)
				continue;
			tcrun_test_setup(state);
			tcrun_set_pod(run, modes[mode], true);
			check_leaving(run, &table[i / 2], family);
		}
	}
}

static void no_address_no_traffic(void **state)
{
	struct tcrun *run = tcrun_require(state);
	int passed = 0, dropped = 0;

	tcrun_set_pod(run, 0, false);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct frame_row *row = &table[i].row;
		bool probe = row->arp_op && row->src == NOBODY;
		bool discovery = row->proto == IPPROTO_ICMP && row->src >= LINK_LOCAL &&
				 row->target != POD && !table[i].denial;

		if (table[i].denial && table[i].denial != WEFT_REASON_SPOOFED_SOURCE)
			continue;
		if (tcrun_row(run, FROM_POD, row, 6) == TCRUN_PASS) {
			assert_true(probe || discovery);
			passed++;
		} else {
			assert_false(probe || discovery);
			dropped++;
		}
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_FROM_POD, WEFT_REASON_NO_ADDRESS,
					WEFT_VERDICT_DENY),
			 dropped);
	assert_true(passed >= 7);
	assert_true(dropped >= 20);
}

static void cut_frames_do_not_leave(void **state)
{
	static const struct frame_row rows[] = {
		{ .src = POD, .dst = RIVAL, TCP(SYN) },
		{ .src = POD, .dst = RIVAL, UDP, .vlan_tags = 1 },
		{ .src = POD, .dst = NODE, .arp_op = 1 },
		{ .src = POD, .dst = NODE, .arp_op = 1, .vlan_tags = 2 },
		{ .src = RIVAL, .dst = NODE, TCP(ACK) },
	};
	struct tcrun *run = tcrun_require(state);
	struct frame whole, cut;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++) {
		frame_build(&whole, &rows[i / 2], i % 2 ? 6 : 4);
		for (size_t len = frame_shortest(&whole); len < whole.len; len++) {
			cut = whole;
			cut.len = len;
			assert_int_equal(tcrun_frame(run, FROM_POD, &cut), TCRUN_DROP);
		}
	}
}

/* An answer that weft_to_pod made passes once; the host does not see its mark. */
static void own_answers_pass(void **state)
{
	struct tcrun *run = tcrun_require(state);
	struct frame_row row = { .src = STRANGER, .dst = RIVAL, TCP(RST | ACK) };

	run->mark = TCRUN_MARK;
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_PASS);
	assert_int_equal(run->mark, 0);
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_DROP);
	run->mark = 1;
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_DROP);
}

static void second_lock_resets_what_policy_refuses(void **state)
{
	static const struct frame_row row = {
		.src = POD,
		.dst = RIVAL,
		.sport = PORT_HTTP,
		.dport = 40000,
		.proto = IPPROTO_TCP,
		.flags = SYN | ACK,
		.seq = 1000,
	};
	struct tcrun *run = tcrun_require(state);
	const struct weft_event *event = run->events;
	const __u8 *segment;

	for (int family = 4; family <= 6; family += 2) {
		struct weft_addr rival = tcrun_addr(RIVAL, family);

		tcrun_test_setup(state);
		assert_int_equal(tcrun_row(run, FROM_POD, &row, family), TCRUN_REDIRECT);
		segment = run->out.data + run->out.l4;
		/* what is left of the SYN-ACK is the RST for the pod */
		assert_int_equal(run->out.len - run->out.l4, 20);
		assert_int_equal(segment[13], RST | ACK);
		assert_memory_equal(segment, "\x9c\x40\x00\x50\x01\x02\x03\x04\x00\x00\x03\xe9",
				    12);
		assert_int_equal(frame_l4_sum(&run->out, IPPROTO_TCP), 0xffff);
		assert_int_equal(run->mark, 0);
		tcrun_poll(run);
		assert_int_equal(run->event_count, 1);
		assert_int_equal(event->reason, WEFT_REASON_NO_RULE);
		assert_int_equal(event->hook, WEFT_HOOK_FROM_POD);
		assert_int_equal(event->direction, WEFT_DIRECTION_INBOUND);
		assert_int_equal(event->src_identity, RIVAL_IDENTITY);
		assert_int_equal(event->dst_identity, POD_IDENTITY);
		assert_memory_equal(&event->src, &rival, sizeof(rival));
		assert_int_equal(event->src_port, 40000);
		assert_int_equal(event->dst_port, PORT_HTTP);
	}
}

static void second_lock_opens_where_policy_does(void **state)
{
	struct frame_row row = { .src = POD,
				 .dst = ALLY,
				 .sport = PORT_HTTP,
				 .proto = IPPROTO_TCP,
				 .flags = SYN | ACK };
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_PASS);
	row.flags |= ECE;
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 6), TCRUN_PASS);
	row.dst = NODE;
	row.sport = 1;
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_PASS);
	row.dst = STRANGER;
	tcrun_set_pod(run, WEFT_PEER_PERMISSIVE, true);
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 4), TCRUN_PASS);
	tcrun_set_pod(run, 0, true);
	assert_int_equal(tcrun_row(run, FROM_POD, &row, 6), TCRUN_PASS);
	/* the SYN was reported already */
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_FROM_POD, 0, 0), 0);
}

/* No way round the second lock: what cannot be answered is dropped all the same. */
static void second_lock_sees_through_wrapping(void **state)
{
	static const struct frame_row rows[] = {
		{ .family = 4, .options = 4 },
		{ .vlan_tags = 1 },
		{ .family = 6, .extensions = { EXT_HOP, EXT_ATOMIC } },
		{ .fragment = true, .more = true },
		{ .dst = MULTICAST },
	};
	struct tcrun *run = tcrun_require(state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++) {
		struct frame_row row = rows[i / 2];

		row.src = POD;
		row.dst = row.dst ? row.dst : RIVAL;
		row.proto = IPPROTO_TCP;
		row.flags = SYN | ACK;
		assert_int_equal(tcrun_row(run, FROM_POD, &row, i % 2 ? 6 : 4), TCRUN_DROP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pods_send_from_their_own_addresses, tcrun_test_setup),
		cmocka_unit_test_setup(no_address_no_traffic, tcrun_test_setup),
		cmocka_unit_test_setup(cut_frames_do_not_leave, tcrun_test_setup),
		cmocka_unit_test_setup(own_answers_pass, tcrun_test_setup),
		cmocka_unit_test_setup(second_lock_resets_what_policy_refuses, tcrun_test_setup),
		cmocka_unit_test_setup(second_lock_opens_where_policy_does, tcrun_test_setup),
		cmocka_unit_test_setup(second_lock_sees_through_wrapping, tcrun_test_setup),
	};

	return cmocka_run_group_tests(tests, tcrun_group_setup, tcrun_group_teardown);
}
