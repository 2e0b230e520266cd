// SPDX-License-Identifier: Apache-2.0
/* UDP: who opened an exchange, what revocation means to it, fragments, counters. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/tcrun.h"

enum {
	PORT_ANY = 7777,
	PORT_POD = 50000, /* the pod's client port */
	FLOW_LIFETIME_S = 180,
	FRAGMENT_LIFETIME_S = 30,
	PAYLOAD = 100,
};

/* A request of `peer` to the pod's DNS port, and the pod's answer. */
static struct frame_row request(enum frames_host peer)
{
	return (struct frame_row){ .src = peer,
				   .dst = POD,
				   .proto = IPPROTO_UDP,
				   .sport = PORT_CLIENT,
				   .dport = PORT_DNS,
				   .payload = PAYLOAD };
}

static struct frame_row answer(enum frames_host peer)
{
	return (struct frame_row){ .src = POD,
				   .dst = peer,
				   .proto = IPPROTO_UDP,
				   .sport = PORT_DNS,
				   .dport = PORT_CLIENT,
				   .payload = PAYLOAD };
}

/* The pod asks `peer` on PORT_ANY, and peer's answer. */
static struct frame_row query(enum frames_host peer)
{
	return (struct frame_row){ .src = POD,
				   .dst = peer,
				   .proto = IPPROTO_UDP,
				   .sport = PORT_POD,
				   .dport = PORT_ANY,
				   .payload = PAYLOAD };
}

static struct frame_row reply(enum frames_host peer)
{
	return (struct frame_row){ .src = peer,
				   .dst = POD,
				   .proto = IPPROTO_UDP,
				   .sport = PORT_ANY,
				   .dport = PORT_POD,
				   .payload = PAYLOAD };
}

static int in(struct tcrun *run, struct frame_row row, int family)
{
	run->mark = 0;
	return tcrun_row(run, TO_POD, &row, family);
}

static int out(struct tcrun *run, struct frame_row row, int family)
{
	run->mark = 0;
	return tcrun_row(run, FROM_POD, &row, family);
}

static void revoke(struct tcrun *run)
{
	tcrun_drop_rule(run, ALLY_IDENTITY, IPPROTO_UDP, PORT_DNS);
}

static void replies_pass_as_long_as_the_pod_asks(void **state)
{
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_REDIRECT);
		assert_int_equal(out(run, query(STRANGER), family), TCRUN_PASS);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_PASS);
		/* not from another address, nor between other ports */
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_REDIRECT);
		assert_int_equal(in(run, request(STRANGER), family), TCRUN_REDIRECT);
		tcrun_age(run, FLOW_LIFETIME_S - 2);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_PASS);
		/* the reply did not prolong it, the pod does */
		tcrun_age(run, 2);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_REDIRECT);
		assert_int_equal(out(run, query(STRANGER), family), TCRUN_PASS);
		tcrun_age(run, FLOW_LIFETIME_S - 2);
		assert_int_equal(out(run, query(STRANGER), family), TCRUN_PASS);
		tcrun_age(run, FLOW_LIFETIME_S - 2);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_PASS);
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_FROM_POD, 0, 0), 0);
}

/* And as long as it may ask. */
static void answers_end_with_the_right_to_ask(void **state)
{
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		tcrun_set_rival(run, 0);
		assert_int_equal(out(run, query(RIVAL), family), TCRUN_PASS);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_PASS);
		tcrun_set_rival(run, WEFT_PEER_ENFORCE);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_REDIRECT);
		/* a connected socket that goes on asking changes nothing */
		assert_int_equal(out(run, query(RIVAL), family), TCRUN_PASS);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_REDIRECT);
		tcrun_set_rival(run, WEFT_PEER_PERMISSIVE);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_PASS);
		/* what a permissive pod gets all the same makes no call of it */
		tcrun_set_rival(run, WEFT_PEER_ENFORCE);
		tcrun_set_pod(run, WEFT_PEER_PERMISSIVE, true);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_PASS);
		assert_int_equal(tcrun_flow(run, family, PORT_POD, RIVAL, PORT_ANY).direction,
				 WEFT_DIRECTION_OUTBOUND);
		/* a rule for the peer does */
		tcrun_set_pod(run, WEFT_PEER_ENFORCE, true);
		tcrun_set_rule(run, RIVAL_IDENTITY, IPPROTO_UDP, PORT_POD, WEFT_POLICY_ALLOW);
		assert_int_equal(in(run, reply(RIVAL), family), TCRUN_PASS);
		assert_int_equal(tcrun_flow(run, family, PORT_POD, RIVAL, PORT_ANY).direction,
				 WEFT_DIRECTION_INBOUND);
		tcrun_drop_rule(run, RIVAL_IDENTITY, IPPROTO_UDP, PORT_POD);
	}
}

static void answers_do_not_open_flows(void **state)
{
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(in(run, request(ALLY), 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_INBOUND);
	assert_int_equal(out(run, answer(ALLY), 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_INBOUND);
	revoke(run);
	assert_int_equal(in(run, request(ALLY), 4), TCRUN_REDIRECT);
	/* a server that goes on sending does not let the client back in, however long */
	for (int i = 0; i < 5; i++) {
		tcrun_age(run, FLOW_LIFETIME_S - 20);
		assert_int_equal(out(run, answer(ALLY), 4), TCRUN_PASS);
		assert_int_equal(in(run, request(ALLY), 4), TCRUN_REDIRECT);
	}
	/* what was denied keeps nothing alive: after a silence the pod may open the flow itself */
	tcrun_age(run, FLOW_LIFETIME_S - 1);
	assert_int_equal(in(run, request(ALLY), 4), TCRUN_REDIRECT);
	tcrun_age(run, 2);
	assert_int_equal(in(run, request(ALLY), 4), TCRUN_REDIRECT);
	assert_int_equal(out(run, answer(ALLY), 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_OUTBOUND);
	assert_int_equal(in(run, request(ALLY), 4), TCRUN_PASS);
}

static void denied_datagrams_leave_no_record(void **state)
{
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(in(run, request(RIVAL), 6), TCRUN_REDIRECT);
	assert_int_equal(tcrun_flow(run, 6, PORT_DNS, RIVAL, PORT_CLIENT).direction,
			 WEFT_DIRECTION_UNKNOWN);
	assert_int_equal(tcrun_edges(run), 0);
	assert_int_equal(
		tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_NO_RULE, WEFT_VERDICT_DENY), 1);
}

/* Allowed as well as answered: what the pod opened stays its own. */
static void outbound_stays_outbound(void **state)
{
	struct frame_row both = request(ALLY);
	struct frame_row back = answer(ALLY);
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(out(run, back, 4), TCRUN_PASS);
	assert_int_equal(in(run, both, 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_OUTBOUND);
	tcrun_age(run, FLOW_LIFETIME_S);
	assert_int_equal(in(run, both, 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_INBOUND);
}

/* Leaving permissive mode revokes; what passed there does not linger as a flow of the pod's. */
static void permissive_passes_leave_inbound_records(void **state)
{
	struct tcrun *run = tcrun_require(state);

	tcrun_set_pod(run, WEFT_PEER_PERMISSIVE, true);
	assert_int_equal(in(run, request(RIVAL), 4), TCRUN_PASS);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_NO_RULE,
					WEFT_VERDICT_WOULD_DENY),
			 1);
	assert_int_equal(out(run, answer(RIVAL), 4), TCRUN_PASS);
	assert_int_equal(out(run, query(RIVAL), 4), TCRUN_PASS);
	tcrun_set_pod(run, WEFT_PEER_ENFORCE, true);
	assert_int_equal(in(run, request(RIVAL), 4), TCRUN_REDIRECT);
	assert_int_equal(in(run, reply(RIVAL), 4), TCRUN_PASS);
}

static void permissive_replies_are_no_would_be_denials(void **state)
{
	struct tcrun *run = tcrun_require(state);

	tcrun_set_pod(run, WEFT_PEER_PERMISSIVE, true);
	assert_int_equal(out(run, query(STRANGER), 4), TCRUN_PASS);
	assert_int_equal(in(run, reply(STRANGER), 4), TCRUN_PASS);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, 0), 0);
}

/* They are judged only when they are enrolled, but by then it must be known who opened what. */
static void unmeshed_pods_have_records_but_no_edges(void **state)
{
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		tcrun_set_pod(run, 0, true);
		assert_int_equal(out(run, query(STRANGER), family), TCRUN_PASS);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_PASS);
		assert_int_equal(in(run, request(RIVAL), family), TCRUN_PASS);
		assert_int_equal(tcrun_edges(run), 0);
		assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, 0), 0);
		/* enrolled while the pod owes rival an answer */
		tcrun_set_pod(run, WEFT_PEER_ENFORCE, true);
		assert_int_equal(out(run, answer(RIVAL), family), TCRUN_PASS);
		assert_int_equal(in(run, request(RIVAL), family), TCRUN_REDIRECT);
		assert_int_equal(in(run, reply(STRANGER), family), TCRUN_PASS);
		tcrun_test_setup(state);
	}
}

/* The address of a pod that is gone may be given to another one at once. */
static void flows_are_not_inherited_with_an_address(void **state)
{
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(out(run, query(STRANGER), 4), TCRUN_PASS);
	assert_int_equal(in(run, reply(STRANGER), 4), TCRUN_PASS);
	tcrun_move_flows(run);
	assert_int_equal(in(run, reply(STRANGER), 4), TCRUN_REDIRECT);
	assert_int_equal(out(run, query(STRANGER), 4), TCRUN_PASS);
	assert_int_equal(in(run, reply(STRANGER), 4), TCRUN_PASS);
	/* nor do a predecessor's clients keep the pod from being one itself */
	assert_int_equal(in(run, request(ALLY), 4), TCRUN_PASS);
	tcrun_move_flows(run);
	assert_int_equal(out(run, answer(ALLY), 4), TCRUN_PASS);
	assert_int_equal(tcrun_flow(run, 4, PORT_DNS, ALLY, PORT_CLIENT).direction,
			 WEFT_DIRECTION_OUTBOUND);
}

/* Records are written anew at most once a second. */
static void refresh_is_rare(void **state)
{
	struct tcrun *run = tcrun_require(state);
	__u64 first, second;

	assert_int_equal(out(run, query(ALLY), 4), TCRUN_PASS);
	first = tcrun_flow(run, 4, PORT_POD, ALLY, PORT_ANY).last_ns;
	assert_int_equal(out(run, query(ALLY), 4), TCRUN_PASS);
	assert_true(tcrun_flow(run, 4, PORT_POD, ALLY, PORT_ANY).last_ns == first);
	tcrun_age(run, 2);
	assert_int_equal(out(run, query(ALLY), 4), TCRUN_PASS);
	second = tcrun_flow(run, 4, PORT_POD, ALLY, PORT_ANY).last_ns;
	assert_true(second > first);
}

static void check_edge(struct tcrun *run, const struct weft_edge_key *key, __u64 to_dst,
		       __u64 to_src)
{
	struct weft_edge edge = tcrun_edge(run, key);

	assert_int_equal(edge.datagrams_to_dst, to_dst);
	assert_int_equal(edge.datagrams_to_src, to_src);
	assert_int_equal(edge.bytes_to_dst, to_dst * PAYLOAD);
	assert_int_equal(edge.bytes_to_src, to_src * PAYLOAD);
}

static void edges_count_both_ways(void **state)
{
	const struct weft_edge_key inbound = {
		.src_workload = ALLY_WORKLOAD,
		.dst_workload = POD_WORKLOAD,
		.port = PORT_DNS,
		.proto = IPPROTO_UDP,
		.direction = WEFT_DIRECTION_INBOUND,
	};
	const struct weft_edge_key outbound = {
		.src_workload = POD_WORKLOAD,
		.dst_workload = RIVAL_WORKLOAD,
		.port = PORT_ANY,
		.proto = IPPROTO_UDP,
		.direction = WEFT_DIRECTION_OUTBOUND,
	};
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		in(run, request(ALLY), family);
		in(run, request(ALLY), family);
		out(run, answer(ALLY), family);
		out(run, query(RIVAL), family);
		in(run, reply(RIVAL), family);
		in(run, reply(RIVAL), family);
		in(run, request(RIVAL), family); /* denied: counted elsewhere */
	}
	check_edge(run, &inbound, 4, 2);
	check_edge(run, &outbound, 2, 4);
	assert_int_equal(tcrun_edges(run), 2);
}

/* A packet of segments counts each of them. */
static void segments_are_datagrams(void **state)
{
	const struct weft_edge_key key = {
		.src_workload = ALLY_WORKLOAD,
		.dst_workload = POD_WORKLOAD,
		.port = PORT_DNS,
		.proto = IPPROTO_UDP,
		.direction = WEFT_DIRECTION_INBOUND,
	};
	struct tcrun *run = tcrun_require(state);
	struct frame_row row = request(ALLY);

	row.payload = 3 * PAYLOAD;
	run->gso_segs = 3;
	assert_int_equal(in(run, row, 4), TCRUN_PASS);
	check_edge(run, &key, 3, 0);
}

static struct frame_row piece(enum frames_host peer, uint32_t id, uint16_t offset, bool more)
{
	struct frame_row row = request(peer);

	row.fragment = true;
	row.id = id;
	row.offset = offset;
	row.more = more;
	row.payload = 64;
	return row;
}

static void fragments_follow_their_first(void **state)
{
	struct tcrun *run = tcrun_require(state);

	for (int family = 4; family <= 6; family += 2) {
		tcrun_test_setup(state);
		/* too early, then in order */
		assert_int_equal(in(run, piece(ALLY, 1, 72, true), family), TCRUN_DROP);
		assert_int_equal(in(run, piece(ALLY, 1, 0, true), family), TCRUN_PASS);
		assert_int_equal(in(run, piece(ALLY, 1, 72, true), family), TCRUN_PASS);
		assert_int_equal(in(run, piece(ALLY, 1, 136, false), family), TCRUN_PASS);
		/* another datagram, another sender */
		assert_int_equal(in(run, piece(ALLY, 2, 72, false), family), TCRUN_DROP);
		assert_int_equal(in(run, piece(RIVAL, 1, 72, false), family), TCRUN_DROP);
		/* the sender cannot be told about a fragment */
		assert_int_equal(in(run, piece(RIVAL, 3, 0, true), family), TCRUN_DROP);
		assert_int_equal(in(run, piece(RIVAL, 3, 72, false), family), TCRUN_DROP);
		/* a later first fragment takes the grant back */
		revoke(run);
		assert_int_equal(in(run, piece(ALLY, 1, 0, true), family), TCRUN_DROP);
		assert_int_equal(in(run, piece(ALLY, 1, 136, false), family), TCRUN_DROP);
		assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_UDP_FRAGMENT,
						WEFT_VERDICT_DENY),
				 5);
		assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_NO_RULE,
						WEFT_VERDICT_DENY),
				 2);
	}
}

static void fragment_grants_expire(void **state)
{
	struct tcrun *run = tcrun_require(state);

	assert_int_equal(in(run, piece(ALLY, 9, 0, true), 6), TCRUN_PASS);
	tcrun_age(run, FRAGMENT_LIFETIME_S - 1);
	assert_int_equal(in(run, piece(ALLY, 9, 72, true), 6), TCRUN_PASS);
	tcrun_age(run, 1);
	assert_int_equal(in(run, piece(ALLY, 9, 136, false), 6), TCRUN_DROP);
}

static void fragments_of_replies_pass(void **state)
{
	struct frame_row first = reply(STRANGER), last = reply(STRANGER);
	struct tcrun *run = tcrun_require(state);

	first.fragment = last.fragment = true;
	first.more = true;
	first.payload = 64;
	last.offset = 72;
	for (int family = 4; family <= 6; family += 2) {
		assert_int_equal(out(run, query(STRANGER), family), TCRUN_PASS);
		assert_int_equal(in(run, first, family), TCRUN_PASS);
		assert_int_equal(in(run, last, family), TCRUN_PASS);
	}
}

static void permissive_gets_all_fragments(void **state)
{
	struct tcrun *run = tcrun_require(state);

	tcrun_set_pod(run, WEFT_PEER_PERMISSIVE, true);
	assert_int_equal(in(run, piece(RIVAL, 1, 72, false), 4), TCRUN_PASS);
	assert_int_equal(in(run, piece(RIVAL, 1, 0, true), 4), TCRUN_PASS);
	assert_int_equal(in(run, piece(RIVAL, 1, 72, false), 4), TCRUN_PASS);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, 0, WEFT_VERDICT_WOULD_DENY), 2);
}

/* The pod's own fragments: the first opens the flow, the others just leave. */
static void fragments_leave(void **state)
{
	struct frame_row first = query(STRANGER), last = query(STRANGER);
	struct tcrun *run = tcrun_require(state);

	first.fragment = last.fragment = first.more = true;
	last.offset = 104;
	assert_int_equal(out(run, last, 6), TCRUN_PASS);
	assert_int_equal(tcrun_edges(run), 0);
	assert_int_equal(out(run, first, 6), TCRUN_PASS);
	assert_int_equal(in(run, reply(STRANGER), 6), TCRUN_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(replies_pass_as_long_as_the_pod_asks, tcrun_test_setup),
		cmocka_unit_test_setup(answers_end_with_the_right_to_ask, tcrun_test_setup),
		cmocka_unit_test_setup(answers_do_not_open_flows, tcrun_test_setup),
		cmocka_unit_test_setup(denied_datagrams_leave_no_record, tcrun_test_setup),
		cmocka_unit_test_setup(outbound_stays_outbound, tcrun_test_setup),
		cmocka_unit_test_setup(permissive_passes_leave_inbound_records, tcrun_test_setup),
		cmocka_unit_test_setup(permissive_replies_are_no_would_be_denials,
				       tcrun_test_setup),
		cmocka_unit_test_setup(unmeshed_pods_have_records_but_no_edges, tcrun_test_setup),
		cmocka_unit_test_setup(flows_are_not_inherited_with_an_address, tcrun_test_setup),
		cmocka_unit_test_setup(refresh_is_rare, tcrun_test_setup),
		cmocka_unit_test_setup(edges_count_both_ways, tcrun_test_setup),
		cmocka_unit_test_setup(segments_are_datagrams, tcrun_test_setup),
		cmocka_unit_test_setup(fragments_follow_their_first, tcrun_test_setup),
		cmocka_unit_test_setup(fragment_grants_expire, tcrun_test_setup),
		cmocka_unit_test_setup(fragments_of_replies_pass, tcrun_test_setup),
		cmocka_unit_test_setup(permissive_gets_all_fragments, tcrun_test_setup),
		cmocka_unit_test_setup(fragments_leave, tcrun_test_setup),
	};

	return cmocka_run_group_tests(tests, tcrun_group_setup, tcrun_group_teardown);
}
