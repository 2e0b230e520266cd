// SPDX-License-Identifier: Apache-2.0
/*
 * Headers in every shape: nothing reaches an enforced pod because it was cut,
 * wrapped, or padded.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/bpf/tcrun.h"

#define TCP_SYN .proto = IPPROTO_TCP, .flags = SYN, .dport = PORT_HTTP
#define TCP_ACK .proto = IPPROTO_TCP, .flags = ACK, .dport = PORT_HTTP
#define UDP	.proto = IPPROTO_UDP, .dport = PORT_DNS, .payload = 16
#define ECHO	.proto = IPPROTO_ICMP, .icmp_type = 8
#define EIGHT	EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST, EXT_DEST

struct shape {
	struct frame_row row;
	enum weft_reason denial; /* 0: judged by its ports like a plain packet */
};

static const struct shape shapes[] = {
	{ { .name = "plain" }, 0 },
	{ { "one tag", .vlan_tags = 1 }, 0 },
	{ { "two tags", .vlan_tags = 2 }, 0 },
	{ { "three tags", .vlan_tags = 3 }, WEFT_REASON_ETHERTYPE },
	{ { "four bytes of options", .family = 4, .options = 4 }, 0 },
	{ { "all options", .family = 4, .options = 40 }, 0 },
	{ { "hop-by-hop", .family = 6, .extensions = { EXT_HOP } }, 0 },
	{ { "routing", .family = 6, .extensions = { EXT_ROUTING } }, 0 },
	{ { "destination", .family = 6, .extensions = { EXT_DEST } }, 0 },
	{ { "long destination", .family = 6, .extensions = { EXT_DEST_LONG } }, 0 },
	{ { "authentication", .family = 6, .extensions = { EXT_AUTH } }, 0 },
	{ { "atomic fragment", .family = 6, .extensions = { EXT_ATOMIC } }, 0 },
	{ { "all of them", .family = 6,
	    .extensions = { EXT_HOP, EXT_DEST, EXT_ROUTING, EXT_ATOMIC, EXT_AUTH, EXT_DEST } },
	  0 },
	{ { "eight", .family = 6, .extensions = { EIGHT } }, 0 },
	{ { "nine", .family = 6, .extensions = { EIGHT, EXT_DEST } },
	  WEFT_REASON_EXTENSION_HEADER },
	{ { "late hop-by-hop", .family = 6, .extensions = { EXT_DEST, EXT_HOP } },
	  WEFT_REASON_EXTENSION_HEADER },
	{ { "two fragment headers", .family = 6, .extensions = { EXT_ATOMIC, EXT_ATOMIC } },
	  WEFT_REASON_EXTENSION_HEADER },
	{ { "no next header", .family = 6, .extensions = { EXT_NONE } }, WEFT_REASON_IP_PROTOCOL },
};

/* Lays the transport fields of `with` into the shape. */
static struct frame_row shaped(const struct shape *shape, const struct frame_row *with)
{
	struct frame_row row = shape->row;

	row.src = with->src;
	row.proto = with->proto;
	row.flags = with->flags;
	row.dport = with->dport;
	row.icmp_type = with->icmp_type;
	row.payload = with->payload;
	return row;
}

static void every_shape_is_judged_by_its_ports(void **state)
{
	static const struct {
		struct frame_row row;
		bool passes;
	} contents[] = {
		{ { .src = ALLY, TCP_SYN }, true },  { { .src = RIVAL, TCP_SYN }, false },
		{ { .src = RIVAL, TCP_ACK }, true }, { { .src = ALLY, UDP }, true },
		{ { .src = STRANGER, UDP }, false }, { { .src = STRANGER, ECHO }, true },
	};
	struct tcrun *run = tcrun_require(state);
	struct frame_row row;
	bool passed;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (size_t k = 0; k < sizeof(contents) / sizeof(contents[0]) * 2; k++) {
			const bool want = contents[k / 2].passes && !shapes[i].denial;

			if (shapes[i].row.family && shapes[i].row.family != (k % 2 ? 6 : 4))
				continue;
			tcrun_test_setup(state);
			row = shaped(&shapes[i], &contents[k / 2].row);
			passed = tcrun_row(run, TO_POD, &row, k % 2 ? 6 : 4) == TCRUN_PASS;
			if (passed != want)
				fail_msg("%s, content %zu", row.name, k);
			if (shapes[i].denial)
				assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD,
								shapes[i].denial,
								WEFT_VERDICT_DENY),
						 1);
		}
	}
}

/*
 * Cut anywhere, a frame that was refused stays refused, and one that only an
 * intact port let in is refused as malformed. What needs no judgement when whole
 * (a segment of an open connection, ICMP) may pass in pieces.
 */
static void cut_frames_never_gain(void **state)
{
	static const struct frame_row rows[] = {
		{ .src = ALLY, TCP_SYN },
		{ .src = RIVAL, TCP_SYN },
		{ .src = ALLY, UDP },
		{ .src = RIVAL, UDP },
		{ .src = RIVAL, TCP_SYN, .options = 12 },
		{ .src = RIVAL, TCP_SYN, .vlan_tags = 2 },
		{ .src = ALLY, UDP, .vlan_tags = 1 },
		{ .src = ALLY, TCP_SYN, .extensions = { EXT_HOP, EXT_DEST, EXT_ATOMIC } },
		{ .src = RIVAL, UDP, .extensions = { EXT_AUTH, EXT_ROUTING } },
	};
	struct tcrun *run = tcrun_require(state);
	struct frame whole, cut;
	__u64 malformed = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++) {
		frame_build(&whole, &rows[i / 2], i % 2 ? 6 : 4);
		for (size_t len = frame_shortest(&whole); len < whole.len; len++) {
			cut = whole;
			cut.len = len;
			run->mark = 0;
			assert_int_equal(tcrun_frame(run, TO_POD, &cut), TCRUN_DROP);
			malformed++;
		}
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_MALFORMED,
					WEFT_VERDICT_DENY),
			 malformed);
}

static void set_length(struct frame *frame, size_t length)
{
	size_t at = frame->data[frame->l3] >> 4 == 6 ? frame->l3 + 4 : frame->l3 + 2;

	if (at == frame->l3 + 4)
		length -= 40;
	frame->data[at] = (uint8_t)(length >> 8);
	frame->data[at + 1] = (uint8_t)length;
}

/* The IP header states less than the frame has (padding), which may hold nothing that counts. */
static void headers_end_where_ip_says(void **state)
{
	static const struct frame_row rows[] = { { .src = ALLY, TCP_SYN }, { .src = ALLY, UDP } };
	struct tcrun *run = tcrun_require(state);
	struct frame frame;
	size_t whole;

	for (size_t i = 0; i < 4; i++) {
		frame_build(&frame, &rows[i / 2], i % 2 ? 6 : 4);
		whole = frame.len - frame.l3;
		for (size_t length = frame.l4 - frame.l3; length < whole; length++) {
			set_length(&frame, length);
			assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_DROP);
		}
		set_length(&frame, whole);
		frame.len += 30; /* padding */
		assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_PASS);
		set_length(&frame, whole + 31);
		assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_DROP);
	}
}

/* Single fields that contradict the others. */
static void contradictions_are_malformed(void **state)
{
	static const struct {
		const char *what;
		int family;
		uint8_t proto;
		int at; /* from l3, or from l4 when negative: -1 is l4 */
		uint8_t value;
	} cases[] = {
		{ "version 5", 4, IPPROTO_TCP, 0, 0x55 },
		{ "version 6 as IPv4", 4, IPPROTO_TCP, 0, 0x65 },
		{ "short header", 4, IPPROTO_TCP, 0, 0x44 },
		{ "header beyond the packet", 4, IPPROTO_TCP, 0, 0x4f },
		{ "version 4 as IPv6", 6, IPPROTO_TCP, 0, 0x40 },
		{ "no data offset", 4, IPPROTO_TCP, -13, 0x40 },
		{ "options beyond the packet", 6, IPPROTO_TCP, -13, 0x60 },
		{ "UDP shorter than its header", 4, IPPROTO_UDP, -6, 7 },
		{ "UDP without length", 6, IPPROTO_UDP, -6, 0 },
		{ "UDP longer than the packet", 6, IPPROTO_UDP, -6, 25 },
	};
	struct tcrun *run = tcrun_require(state);
	struct frame frame;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct frame_row tcp = { .src = ALLY, TCP_SYN }, udp = { .src = ALLY, UDP };

		tcrun_test_setup(state);
		frame_build(&frame, cases[i].proto == IPPROTO_TCP ? &tcp : &udp, cases[i].family);
		if (cases[i].at < 0)
			frame.data[frame.l4 + (size_t)-cases[i].at - 1] = cases[i].value;
		else
			frame.data[frame.l3 + (size_t)cases[i].at] = cases[i].value;
		if (tcrun_frame(run, TO_POD, &frame) != TCRUN_DROP)
			fail_msg("%s passed", cases[i].what);
		if (tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_MALFORMED,
				   WEFT_VERDICT_DENY) != 1)
			fail_msg("%s: another reason", cases[i].what);
	}
}

/* A mapped address in IPv6 would borrow ALLY's identity. */
static void mapped_addresses_do_not_travel(void **state)
{
	const struct weft_addr mapped = tcrun_addr(ALLY, 4);
	struct tcrun *run = tcrun_require(state);
	struct frame frame;

	frame_build(&frame, &(struct frame_row){ TCP_SYN }, 6);
	memcpy(frame.data + frame.l3 + 8, &mapped, sizeof(mapped));
	assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_DROP);
	assert_int_equal(
		tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_MALFORMED, WEFT_VERDICT_DENY), 1);
}

static void tcp_fragments_are_dropped(void **state)
{
	static const struct frame_row rows[] = {
		{ "first", TCP_SYN, .more = true, .fragment = true, .payload = 16 },
		{ "first, open connection", TCP_ACK, .more = true, .fragment = true,
		  .payload = 16 },
		{ "middle", TCP_ACK, .more = true, .fragment = true, .offset = 16, .payload = 16 },
		{ "last", TCP_ACK, .fragment = true, .offset = 32, .payload = 5 },
		{ "first behind options", .family = 6, TCP_SYN, .more = true, .fragment = true,
		  .extensions = { EXT_HOP } },
	};
	struct tcrun *run = tcrun_require(state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++)
		if (tcrun_row(run, TO_POD, &rows[i / 2], i % 2 ? 6 : 4) != TCRUN_DROP)
			fail_msg("%s", rows[i / 2].name);
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_TCP_FRAGMENT,
					WEFT_VERDICT_DENY),
			 sizeof(rows) / sizeof(rows[0]) * 2);
}

static void icmp_passes_in_fragments(void **state)
{
	static const struct frame_row rows[] = {
		{ .src = STRANGER, ECHO, .more = true, .fragment = true, .payload = 1000 },
		{ .src = STRANGER, ECHO, .fragment = true, .offset = 1008, .payload = 9 },
	};
	struct tcrun *run = tcrun_require(state);

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(tcrun_row(run, TO_POD, &rows[i / 2], i % 2 ? 6 : 4), TCRUN_PASS);
}

/* The first fragment ends before its ports do; what stands there is padding. */
static void tiny_first_fragments_are_malformed(void **state)
{
	struct tcrun *run = tcrun_require(state);
	struct frame_row row = { UDP, .more = true, .fragment = true };
	struct frame frame;

	for (int family = 4; family <= 6; family += 2) {
		frame_build(&frame, &row, family);
		for (size_t l4 = 0; l4 < 8; l4++) {
			set_length(&frame, frame.l4 + l4 - frame.l3);
			assert_int_equal(tcrun_frame(run, TO_POD, &frame), TCRUN_DROP);
		}
	}
	assert_int_equal(tcrun_verdicts(run, WEFT_HOOK_TO_POD, WEFT_REASON_MALFORMED,
					WEFT_VERDICT_DENY),
			 16);
}

/* Random bytes behind an IP header: whatever passes says that it is something unjudged. */
static void noise_does_not_get_in(void **state)
{
	struct tcrun *run = tcrun_require(state);
	struct frame frame;
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		struct frame_row row = { .src = RIVAL, TCP_SYN, .payload = 60 };

		frame_build(&frame, &row, i % 2 ? 6 : 4);
		/* Everything but MAC addresses, ethertype, source and destination. */
		for (size_t at = frame.l3; at < frame.len; at++) {
			bool keep = i % 2 ? at < frame.l3 + 40 && at != frame.l3 + 6 &&
						    at != frame.l3 + 5 :
					    at > frame.l3 + 11 && at < frame.l3 + 20;

			seed = seed * 1664525 + 1013904223;
			if (!keep && seed >> 31)
				frame.data[at] = (uint8_t)(seed >> 16);
		}
		run->mark = 0;
		if (tcrun_frame(run, TO_POD, &frame) != TCRUN_PASS)
			continue;
		/* TCP (perhaps behind options), or ICMP: never UDP, which RIVAL may not send. */
		if (i % 2 == 0)
			assert_true(frame.data[frame.l3 + 9] == IPPROTO_TCP ||
				    frame.data[frame.l3 + 9] == IPPROTO_ICMP);
		else
			assert_int_not_equal(frame.data[frame.l3 + 6], IPPROTO_UDP);
		assert_int_equal(tcrun_edges(run), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_shape_is_judged_by_its_ports, tcrun_test_setup),
		cmocka_unit_test_setup(cut_frames_never_gain, tcrun_test_setup),
		cmocka_unit_test_setup(headers_end_where_ip_says, tcrun_test_setup),
		cmocka_unit_test_setup(contradictions_are_malformed, tcrun_test_setup),
		cmocka_unit_test_setup(mapped_addresses_do_not_travel, tcrun_test_setup),
		cmocka_unit_test_setup(tcp_fragments_are_dropped, tcrun_test_setup),
		cmocka_unit_test_setup(icmp_passes_in_fragments, tcrun_test_setup),
		cmocka_unit_test_setup(tiny_first_fragments_are_malformed, tcrun_test_setup),
		cmocka_unit_test_setup(noise_does_not_get_in, tcrun_test_setup),
	};

	return cmocka_run_group_tests(tests, tcrun_group_setup, tcrun_group_teardown);
}
