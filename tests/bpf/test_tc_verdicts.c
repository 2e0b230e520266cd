// SPDX-License-Identifier: Apache-2.0
/* Verdicts towards the pod, with what the sender gets and what is counted and told. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/tcrun.h"

enum {
	PORT_OTHER = 9999,
	PORT_HTTP_RULE = 8080,
	ENFORCE = WEFT_PEER_ENFORCE,
	PERMISSIVE = WEFT_PEER_PERMISSIVE,
	PROTO_SCTP = 132,
	PROTO_UDPLITE = 136,
};

struct expectation {
	struct frame_row row;
	int result;		 /* when enforced */
	enum weft_reason reason; /* 0: nothing is reported */
};

#define TCP_SYN(port) .proto = IPPROTO_TCP, .flags = SYN, .dport = (port)
#define UDP(port)     .proto = IPPROTO_UDP, .dport = (port), .payload = 20

static const struct expectation table[] = {
	{ { "ally, allowed port", TCP_SYN(PORT_HTTP) }, TCRUN_PASS, WEFT_REASON_POLICY },
	{ { "ally, other port", TCP_SYN(PORT_OTHER) }, TCRUN_REDIRECT, WEFT_REASON_NO_RULE },
	{ { "ally, only HTTP rules", TCP_SYN(PORT_HTTP_RULE) }, TCRUN_PASS, WEFT_REASON_HTTP },
	{ { "rival", .src = RIVAL, TCP_SYN(PORT_HTTP) }, TCRUN_REDIRECT, WEFT_REASON_NO_RULE },
	{ { "own node", .src = NODE, TCP_SYN(PORT_OTHER) }, TCRUN_PASS, WEFT_REASON_LOCAL_HOST },
	{ { "other node", .src = FAR_NODE, TCP_SYN(PORT_HTTP) },
	  TCRUN_REDIRECT,
	  WEFT_REASON_REMOTE_HOST },
	{ { "stranger", .src = STRANGER, TCP_SYN(PORT_HTTP) },
	  TCRUN_REDIRECT,
	  WEFT_REASON_UNKNOWN_SOURCE },
	{ { "SYN with data", .src = RIVAL, TCP_SYN(PORT_HTTP), .payload = 100 },
	  TCRUN_REDIRECT,
	  WEFT_REASON_NO_RULE },
	{ { "SYN+FIN", .src = RIVAL, .proto = IPPROTO_TCP, .flags = SYN | FIN, .dport = PORT_HTTP },
	  TCRUN_REDIRECT,
	  WEFT_REASON_NO_RULE },
	{ { "SYN+RST", .src = RIVAL, .proto = IPPROTO_TCP, .flags = SYN | RST, .dport = PORT_HTTP },
	  TCRUN_REDIRECT,
	  WEFT_REASON_NO_RULE },
	{ { "SYN+ECE+CWR", .src = RIVAL, .proto = IPPROTO_TCP, .flags = SYN | ECE | CWR,
	    .dport = PORT_HTTP },
	  TCRUN_REDIRECT,
	  WEFT_REASON_NO_RULE },
	{ { "every flag but ACK", .src = RIVAL, .proto = IPPROTO_TCP, .flags = 0xef,
	    .dport = PORT_HTTP },
	  TCRUN_REDIRECT,
	  WEFT_REASON_NO_RULE },
	{ { "SYN-ACK", .src = RIVAL, .proto = IPPROTO_TCP, .flags = SYN | ACK }, TCRUN_PASS, 0 },
	{ { "ACK", .src = RIVAL, .proto = IPPROTO_TCP, .flags = ACK }, TCRUN_PASS, 0 },
	{ { "data", .src = STRANGER, .proto = IPPROTO_TCP, .flags = ACK | PSH, .payload = 900 },
	  TCRUN_PASS,
	  0 },
	{ { "RST", .src = STRANGER, .proto = IPPROTO_TCP, .flags = RST }, TCRUN_PASS, 0 },
	{ { "no flags", .src = STRANGER, .proto = IPPROTO_TCP }, TCRUN_PASS, 0 },
	{ { "UDP, allowed port", UDP(PORT_DNS) }, TCRUN_PASS, WEFT_REASON_POLICY },
	{ { "UDP, other port", UDP(PORT_OTHER) }, TCRUN_REDIRECT, WEFT_REASON_NO_RULE },
	{ { "UDP from a stranger", .src = STRANGER, UDP(PORT_DNS) },
	  TCRUN_REDIRECT,
	  WEFT_REASON_UNKNOWN_SOURCE },
	{ { "UDP from the node", .src = NODE, UDP(PORT_OTHER) },
	  TCRUN_PASS,
	  WEFT_REASON_LOCAL_HOST },
	{ { "UDP to a group", .src = RIVAL, .dst = MULTICAST, UDP(5353) },
	  TCRUN_DROP,
	  WEFT_REASON_NO_RULE },
	{ { "UDP from nobody", .src = NOBODY, UDP(PORT_DNS) },
	  TCRUN_DROP,
	  WEFT_REASON_UNKNOWN_SOURCE },
	{ { "flooded TCP", .dst = RIVAL, TCP_SYN(PORT_HTTP) },
	  TCRUN_DROP,
	  WEFT_REASON_OTHER_DESTINATION },
	{ { "flooded UDP", .dst = RIVAL, UDP(PORT_DNS) },
	  TCRUN_DROP,
	  WEFT_REASON_OTHER_DESTINATION },
	{ { "an address that nobody knows", .src = RIVAL, .dst = STRANGER, TCP_SYN(PORT_HTTP) },
	  TCRUN_DROP,
	  WEFT_REASON_NO_RULE },
	{ { "echo", .src = STRANGER, .proto = IPPROTO_ICMP, .icmp_type = 8 }, TCRUN_PASS, 0 },
	{ { "SCTP", .proto = PROTO_SCTP, .payload = 20 }, TCRUN_DROP, WEFT_REASON_IP_PROTOCOL },
	{ { "UDP-Lite", .proto = PROTO_UDPLITE, .payload = 20 },
	  TCRUN_DROP,
	  WEFT_REASON_IP_PROTOCOL },
	{ { "IGMP", .proto = IPPROTO_IGMP, .payload = 20 }, TCRUN_DROP, WEFT_REASON_IP_PROTOCOL },
	{ { "IP in IP", .proto = IPPROTO_IPIP, .payload = 40 },
	  TCRUN_DROP,
	  WEFT_REASON_IP_PROTOCOL },
	{ { "ESP", .proto = IPPROTO_ESP, .payload = 40 }, TCRUN_DROP, WEFT_REASON_IP_PROTOCOL },
	{ { "the other family's ICMP", .proto = IPPROTO_ICMPV6, .family = 4, .payload = 8 },
	  TCRUN_DROP,
	  WEFT_REASON_IP_PROTOCOL },
	{ { "ARP", .src = STRANGER, .arp_op = 1 }, TCRUN_PASS, 0 },
	{ { "PPPoE", .ethertype = 0x8864, TCP_SYN(PORT_HTTP) }, TCRUN_DROP, WEFT_REASON_ETHERTYPE },
	{ { "LLC", .ethertype = 0x0026, TCP_SYN(PORT_HTTP) }, TCRUN_DROP, WEFT_REASON_ETHERTYPE },
};

/* What else a sender must be able to rely on in an answer. */
static void check_answer(struct tcrun *run, const struct frame_row *row, int family)
{
	const struct frame *out = &run->out;
	bool tcp = row->proto == IPPROTO_TCP;
	struct frame in;

	frame_build(&in, row, family);
	assert_int_equal(run->mark, TCRUN_MARK);
	assert_memory_equal(out->data, in.data + 6, 6);
	assert_memory_equal(out->data + 6, in.data, 6);
	if (family == 4) {
		assert_int_equal(frame_ip_sum(out), 0xffff);
		assert_memory_equal(out->data + 26, in.data + 30, 4);
		assert_memory_equal(out->data + 30, in.data + 26, 4);
		assert_int_equal(out->data[16] << 8 | out->data[17], out->len - FRAME_L2);
	} else {
		assert_memory_equal(out->data + 22, in.data + 38, 16);
		assert_memory_equal(out->data + 38, in.data + 22, 16);
		assert_int_equal(out->data[18] << 8 | out->data[19], out->len - FRAME_L2 - 40);
	}
	assert_int_equal(frame_l4_sum(out, tcp ? IPPROTO_TCP : IPPROTO_ICMP), 0xffff);
	if (tcp) {
		const __u8 *seg = out->data + out->l4;
		__u32 ack = (__u32)seg[8] << 24 | seg[9] << 16 | seg[10] << 8 | seg[11];

		assert_int_equal(out->len - out->l4, 20);
		assert_int_equal(seg[13], RST | ACK);
		assert_int_equal(seg[0] << 8 | seg[1], row->dport);
		assert_int_equal(seg[2] << 8 | seg[3], PORT_CLIENT);
		assert_int_equal(ack, row->seq + row->payload + 1 + !!(row->flags & FIN));
	} else {
		assert_int_equal(out->data[out->l4], family == 4 ? 3 : 1);
		assert_int_equal(out->data[out->l4 + 1], family == 4 ? 3 : 4);
		/* the quote: headers of the refused packet */
		assert_memory_equal(out->data + out->l4 + 8, in.data + in.l3, in.l4 + 8 - in.l3);
		assert_int_equal(out->len, out->l4 + 8 + in.l4 + 8 - in.l3);
	}
}

static void check_event(struct tcrun *run, const struct expectation *want, int family,
			enum weft_verdict_action action)
{
	struct weft_addr src = tcrun_addr(want->row.src ? want->row.src : ALLY, family);
	const struct weft_event *event = run->events;
	bool ports = want->row.proto == IPPROTO_TCP || want->row.proto == IPPROTO_UDP;

	assert_int_equal(run->event_count, 1);
	assert_int_equal(event->type, WEFT_EVENT_VERDICT);
	assert_int_equal(event->reason, want->reason);
	assert_int_equal(event->action, action);
	assert_int_equal(event->hook, WEFT_HOOK_TO_POD);
	assert_int_equal(event->direction, WEFT_DIRECTION_INBOUND);
	assert_int_equal(event->dst_identity, POD_IDENTITY);
	assert_int_equal(event->dst_workload, POD_WORKLOAD);
	assert_true(event->time_ns > 0);
	if (want->reason == WEFT_REASON_ETHERTYPE)
		return;
	assert_memory_equal(&event->src, &src, sizeof(src));
	assert_int_equal(event->proto, ports ? want->row.proto : 0);
	assert_int_equal(event->dst_port, ports ? want->row.dport : 0);
	assert_int_equal(event->src_port, ports ? PORT_CLIENT : 0);
	if (want->row.src == RIVAL) {
		assert_int_equal(event->src_identity, RIVAL_IDENTITY);
		assert_int_equal(event->src_workload, RIVAL_WORKLOAD);
	}
}

static void run_expectation(struct tcrun *run, const struct expectation *want, int family,
			    __u32 mode)
{
	bool denied = want->reason >= WEFT_REASON_FIRST_DENY;
	enum weft_verdict_action action = !denied	     ? WEFT_VERDICT_ALLOW :
					  mode == PERMISSIVE ? WEFT_VERDICT_WOULD_DENY :
							       WEFT_VERDICT_DENY;
	struct frame_row row = want->row;
	int result;

	row.seq = 0xfffffff0; /* the answer's number wraps */
	result = tcrun_row(run, TO_POD, &row, family);
	if (result != (mode == ENFORCE ? want->result : TCRUN_PASS))
		fail_msg("%s, IPv%d: returned %d", row.name, family, result);
	tcrun_poll(run);
	if (result == TCRUN_REDIRECT)
		check_answer(run, &row, family);
	else
		assert_int_equal(run->mark, 0);
	/* Datagrams that pass are counted on their edge only. */
	if (!want->reason || (!denied && row.proto == IPPROTO_UDP)) {
		assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, 0), 0);
		return;
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, 0), 1);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, want->reason, action), 1);
	if (denied)
		check_event(run, want, family, action);
	else
		assert_int_equal(run->event_count, 0);
}

static void run_table(void **state, __u32 mode)
{
	struct tcrun *run = tcrun_require(state);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int family = 4; family <= 6; family += 2) {
			if (table[i].row.family && table[i].row.family != family)
				continue;
			tcrun_test_setup(state);
			tcrun_set_rule(run, ALLY_IDENTITY, IPPROTO_TCP, PORT_HTTP_RULE,
				       WEFT_POLICY_HTTP);
			tcrun_set_pod(run, mode | WEFT_PEER_HTTP, true);
			run_expectation(run, &table[i], family, mode);
		}
	}
}

/* A connection that only HTTP rules could allow, to a pod whose segments nobody would read. */
static void unread_connections_are_refused(void **state)
{
	struct tcrun *run = tcrun_require(state);
	struct frame_row row = { "ally, only HTTP rules", TCP_SYN(PORT_HTTP_RULE) };

	for (int family = 4; family <= 6; family += 2) {
		tcrun_set_rule(run, ALLY_IDENTITY, IPPROTO_TCP, PORT_HTTP_RULE, WEFT_POLICY_HTTP);
		assert_int_equal(tcrun_row(run, TO_POD, &row, family), TCRUN_REDIRECT);
		assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_INTERNAL,
						WEFT_VERDICT_DENY),
				 family == 4 ? 1 : 2);
	}
}

static void enforced_pod_is_guarded(void **state)
{
	run_table(state, ENFORCE);
}

static void permissive_pod_gets_everything_and_says_so(void **state)
{
	run_table(state, PERMISSIVE);
}

static void others_are_let_be(void **state)
{
	struct tcrun *run = tcrun_require(state);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		tcrun_set_pod(run, 0, true);
		assert_int_equal(tcrun_row(run, TO_POD, &table[i].row, 4), TCRUN_PASS);
		tcrun_drop_pod(run);
		assert_int_equal(tcrun_row(run, TO_POD, &table[i].row, 6), TCRUN_PASS);
		assert_int_equal(tcrun_row(run, FROM_POD, &table[i].row, 6), TCRUN_PASS);
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, 0), 0);
}

static void annotations_admit(void **state)
{
	static const struct frame_row node = { .src = FAR_NODE, TCP_SYN(PORT_OTHER) };
	static const struct frame_row stranger = { .src = STRANGER, UDP(PORT_OTHER) };
	struct tcrun *run = tcrun_require(state);

	tcrun_set_pod(run, ENFORCE | WEFT_PEER_HOSTS_CLUSTER, true);
	assert_int_equal(tcrun_row(run, TO_POD, &node, 6), TCRUN_PASS);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_CLUSTER_HOST,
					WEFT_VERDICT_ALLOW),
			 1);
	assert_int_equal(tcrun_row(run, TO_POD, &stranger, 6), TCRUN_REDIRECT);
	tcrun_set_pod(run, ENFORCE | WEFT_PEER_EXTERNAL_ALLOW, true);
	run->mark = 0;
	assert_int_equal(tcrun_row(run, TO_POD, &node, 4), TCRUN_REDIRECT);
	run->mark = 0;
	assert_int_equal(tcrun_row(run, TO_POD, &stranger, 4), TCRUN_PASS);
}

/* What cannot be answered simply is dropped without an answer. */
static void answers_only_to_plain_frames(void **state)
{
	static const struct frame_row rows[] = {
		{ "IPv4 options", .family = 4, .src = RIVAL, TCP_SYN(80), .options = 8 },
		{ "IPv4 options", .family = 4, .src = RIVAL, UDP(53), .options = 40 },
		{ "options", .family = 6, .src = RIVAL, TCP_SYN(80), .extensions = { EXT_DEST } },
		{ "options", .family = 6, .src = RIVAL, UDP(53), .extensions = { EXT_HOP } },
		{ "VLAN", .src = RIVAL, TCP_SYN(80), .vlan_tags = 1 },
		{ "VLAN", .src = RIVAL, UDP(80), .vlan_tags = 2 },
		{ "fragment", .src = RIVAL, UDP(53), .more = true, .fragment = true },
	};
	struct tcrun *run = tcrun_require(state);
	struct frame frame;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(tcrun_row(run, TO_POD, &rows[i], 4), TCRUN_DROP);
	frame_build(&frame, &(struct frame_row){ .src = RIVAL, TCP_SYN(80) }, 4);
	frame.data[0] |= 1; /* sent to a group of stations */
	assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_DROP);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_NO_RULE,
					WEFT_VERDICT_DENY),
			 sizeof(rows) / sizeof(rows[0]) + 1);
}

/* The node's address on a forwarded packet: a node port's masquerade, whoever the sender was. */
static void the_node_does_not_vouch_for_what_it_forwards(void **state)
{
	struct frame_row syn = { .src = NODE, TCP_SYN(PORT_HTTP) };
	struct frame_row datagram = { .src = NODE, UDP(PORT_DNS) };
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		tcrun_set_pod(run, ENFORCE, true);
		run->mark = run->forwarded_from = 0;
		assert_int_equal(tcrun_row(run, TO_POD, &syn, family), TCRUN_PASS);
		assert_int_equal(tcrun_row(run, TO_POD, &datagram, family), TCRUN_PASS);
		run->forwarded_from = 2;
		assert_int_equal(tcrun_row(run, TO_POD, &syn, family), TCRUN_REDIRECT);
		run->mark = 0;
		assert_int_equal(tcrun_row(run, TO_POD, &datagram, family), TCRUN_REDIRECT);
		run->mark = 0;
		tcrun_set_pod(run, ENFORCE | WEFT_PEER_EXTERNAL_ALLOW, true);
		assert_int_equal(tcrun_row(run, TO_POD, &syn, family), TCRUN_PASS);
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_UNKNOWN_SOURCE, 0), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unread_connections_are_refused, tcrun_test_setup),
		cmocka_unit_test_setup(enforced_pod_is_guarded, tcrun_test_setup),
		cmocka_unit_test_setup(permissive_pod_gets_everything_and_says_so,
				       tcrun_test_setup),
		cmocka_unit_test_setup(others_are_let_be, tcrun_test_setup),
		cmocka_unit_test_setup(annotations_admit, tcrun_test_setup),
		cmocka_unit_test_setup(the_node_does_not_vouch_for_what_it_forwards,
				       tcrun_test_setup),
		cmocka_unit_test_setup(answers_only_to_plain_frames, tcrun_test_setup),
	};

	return cmocka_run_group_tests(tests, tcrun_group_setup, tcrun_group_teardown);
}
