/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames for tests of the TC programs, described by a table row each.
 *
 *                                                 lo (ifindex 1) plays the
 *   ALLY      10.0.0.10  fd00::10  300/1300 -+    host-side interface of
 *   RIVAL     10.0.0.30  fd00::30  500/1500 -+
 *   NODE      10.0.0.1   fd00::1   host     -+--- weft_to_pod --->  POD 10.0.0.20 fd00::20
 *   FAR_NODE  10.0.1.1   fd01::1   host     -+<-- weft_from_pod --  identity 400, workload 1400
 *   STRANGER  192.0.2.9  fd99::9   unknown  -+
 *
 * ALLY may reach TCP 80 and UDP 53 of POD; RIVAL has no rule.
 */
#ifndef WEFT_TESTS_BPF_FRAMES_H
#define WEFT_TESTS_BPF_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frames_number {
	FRAME_MAX = 4096,
	FRAME_EXTENSIONS = 12,
	FRAME_L2 = 14,
	ALLY_IDENTITY = 300,
	ALLY_WORKLOAD = 1300,
	POD_IDENTITY = 400,
	POD_WORKLOAD = 1400,
	RIVAL_IDENTITY = 500,
	RIVAL_WORKLOAD = 1500,
	PORT_HTTP = 80,
	PORT_DNS = 53,
	PORT_CLIENT = 40000,
};

/* DEFAULT is ALLY as a source, POD as a destination. */
enum frames_host {
	DEFAULT,
	ALLY,
	RIVAL,
	NODE,
	FAR_NODE,
	STRANGER,
	POD,
	MULTICAST,
	LINK_LOCAL,
	NOBODY
};

/* Text of a host's address; family 4 or 6. NULL if it has none. */
const char *frames_address(enum frames_host host, int family);

enum frames_tcp_flag {
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
	URG = 32,
	ECE = 64,
	CWR = 128
};

/* An IPv6 header before the upper layer. */
enum frames_extension {
	EXT_END = 0,
	EXT_HOP,
	EXT_ROUTING,
	EXT_DEST,
	EXT_DEST_LONG, /* 2048 bytes */
	EXT_AUTH,
	EXT_ATOMIC,   /* fragment header without fragmentation */
	EXT_FRAGMENT, /* with the row's offset and `more` */
	EXT_NONE,     /* "no next header" */
};

/* Zero means: a well-formed IPv4 frame without payload from ALLY to POD. */
struct frame_row {
	const char *name;
	int family; /* 0: the caller's */
	enum frames_host src;
	enum frames_host dst;
	uint8_t proto;	/* IPPROTO_*; ICMP becomes ICMPv6 in IPv6 */
	uint16_t sport; /* 0: PORT_CLIENT */
	uint16_t dport;
	uint8_t flags; /* TCP */
	uint8_t icmp_type;
	enum frames_host target; /* of a neighbour advertisement */
	uint16_t payload;
	const void *data; /* the payload's bytes; NULL: letters */
	uint16_t vlan_tags;
	uint16_t options; /* bytes of IPv4 options, a multiple of 4 */
	uint8_t extensions[FRAME_EXTENSIONS];
	uint16_t offset;    /* fragment offset in bytes */
	bool more;	    /* more fragments */
	bool fragment;	    /* IPv6: with a fragment header in front of the upper layer */
	uint16_t ethertype; /* 0: by family */
	uint16_t arp_op;    /* not 0: ARP from src for dst instead */
	uint32_t seq;
	uint32_t ack;
	bool acks;   /* `ack` counts; else some number */
	uint32_t id; /* of the fragmented datagram */
};

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
	size_t l3;
	size_t l4;
};

/* Fills `frame`; all checksums are right. */
void frame_build(struct frame *frame, const struct frame_row *row, int family);
/*
 * The shortest piece of the frame that BPF_PROG_TEST_RUN takes: it wants the IP
 * header whole, unless it does not see it behind a VLAN tag.
 */
size_t frame_shortest(const struct frame *frame);
/* Folded one's complement sum of a whole TCP, UDP or ICMP message and its pseudo header: 0xffff =
 * right. */
uint16_t frame_l4_sum(const struct frame *frame, uint8_t proto);
/* The same of the IPv4 header. */
uint16_t frame_ip_sum(const struct frame *frame);

#endif /* WEFT_TESTS_BPF_FRAMES_H */
