// SPDX-License-Identifier: Apache-2.0
/* Builds frames from table rows. */
#include "tests/bpf/frames.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

static const char *const addresses[][2] = {
	[ALLY] = { "10.0.0.10", "fd00::10" },
	[RIVAL] = { "10.0.0.30", "fd00::30" },
	[NODE] = { "10.0.0.1", "fd00::1" },
	[FAR_NODE] = { "10.0.1.1", "fd01::1" },
	[STRANGER] = { "192.0.2.9", "fd99::9" },
	[POD] = { "10.0.0.20", "fd00::20" },
	[MULTICAST] = { "224.0.0.251", "ff02::fb" },
	[LINK_LOCAL] = { "169.254.1.1", "fe80::1" },
	[NOBODY] = { "0.0.0.0", "::" },
};

const char *frames_address(enum frames_host host, int family)
{
	return addresses[host][family == 6];
}

static void put(struct frame *frame, const void *data, size_t len)
{
	memcpy(frame->data + frame->len, data, len);
	frame->len += len;
}

static void put_zero(struct frame *frame, size_t len)
{
	memset(frame->data + frame->len, 0, len);
	frame->len += len;
}

static void put_be16(struct frame *frame, uint16_t value)
{
	value = htons(value);
	put(frame, &value, sizeof(value));
}

static uint32_t sum_bytes(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : data[i] << 8;
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool frame_is_v6(const struct frame *frame)
{
	return frame->data[frame->l3] >> 4 == 6;
}

size_t frame_shortest(const struct frame *frame)
{
	if (frame->l3 > FRAME_L2)
		return FRAME_L2 + 1;
	return frame->l3 + (frame_is_v6(frame) ? 40 : 20);
}

uint16_t frame_ip_sum(const struct frame *frame)
{
	return sum_fold(sum_bytes(frame->data + frame->l3, (frame->data[frame->l3] & 15) * 4));
}

uint16_t frame_l4_sum(const struct frame *frame, uint8_t proto)
{
	uint32_t sum = sum_bytes(frame->data + frame->l4, frame->len - frame->l4);

	if (proto == IPPROTO_ICMP && !frame_is_v6(frame))
		return sum_fold(sum);
	if (proto == IPPROTO_ICMP)
		proto = IPPROTO_ICMPV6;
	sum += frame_is_v6(frame) ? sum_bytes(frame->data + frame->l3 + 8, 32) :
				    sum_bytes(frame->data + frame->l3 + 12, 8);
	return sum_fold(sum + proto + frame->len - frame->l4);
}

static void put_arp(struct frame *frame, const struct frame_row *row)
{
	struct in_addr addr;

	put_be16(frame, 1);
	put_be16(frame, ETHERTYPE_IP);
	put(frame, "\x06\x04", 2);
	put_be16(frame, row->arp_op);
	put(frame, frame->data + 6, 6);
	inet_pton(AF_INET, frames_address(row->src, 4), &addr);
	put(frame, &addr, sizeof(addr));
	put_zero(frame, 6);
	inet_pton(AF_INET, frames_address(row->dst, 4), &addr);
	put(frame, &addr, sizeof(addr));
}

static void put_ipv4(struct frame *frame, const struct frame_row *row)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5 + row->options / 4,
		.id = htons(row->id),
		.frag_off = htons((row->more ? 0x2000 : 0) | row->offset / 8),
		.ttl = 63,
		.protocol = row->proto,
	};

	inet_pton(AF_INET, frames_address(row->src, 4), &ip.saddr);
	inet_pton(AF_INET, frames_address(row->dst, 4), &ip.daddr);
	put(frame, &ip, sizeof(ip));
	memset(frame->data + frame->len, 1, row->options); /* no operation */
	frame->len += row->options;
}

static uint8_t upper_layer(const struct frame_row *row)
{
	return row->proto == IPPROTO_ICMP ? IPPROTO_ICMPV6 : row->proto;
}

static uint8_t extension_number(enum frames_extension extension, const struct frame_row *row)
{
	static const uint8_t numbers[] = {
		[EXT_HOP] = 0,	 [EXT_ROUTING] = 43, [EXT_DEST] = 60,	  [EXT_DEST_LONG] = 60,
		[EXT_AUTH] = 51, [EXT_ATOMIC] = 44,  [EXT_FRAGMENT] = 44, [EXT_NONE] = 59,
	};

	return extension == EXT_END ? upper_layer(row) : numbers[extension];
}

static void put_extension(struct frame *frame, enum frames_extension extension, uint8_t next,
			  const struct frame_row *row)
{
	struct ip6_frag fragment = { .ip6f_nxt = next, .ip6f_ident = htonl(row->id) };
	size_t len = extension == EXT_DEST_LONG ? 2048 : extension == EXT_AUTH ? 12 : 8;
	uint8_t *header = frame->data + frame->len;

	if (extension == EXT_NONE)
		return;
	if (extension == EXT_FRAGMENT)
		fragment.ip6f_offlg = htons(row->offset | row->more);
	if (extension == EXT_FRAGMENT || extension == EXT_ATOMIC) {
		put(frame, &fragment, sizeof(fragment));
		return;
	}
	put_zero(frame, len);
	header[0] = next;
	header[1] = extension == EXT_AUTH ? len / 4 - 2 : len / 8 - 1;
}

static void put_ipv6(struct frame *frame, const struct frame_row *row)
{
	uint8_t chain[FRAME_EXTENSIONS + 2] = {};
	struct ip6_hdr ip = {};
	int count = 0;

	while (count < FRAME_EXTENSIONS && row->extensions[count]) {
		chain[count] = row->extensions[count];
		count++;
	}
	if (row->fragment)
		chain[count] = EXT_FRAGMENT;
	ip.ip6_hlim = 63;
	ip.ip6_vfc = 0x60;
	ip.ip6_nxt = extension_number(chain[0], row);
	inet_pton(AF_INET6, frames_address(row->src, 6), &ip.ip6_src);
	inet_pton(AF_INET6, frames_address(row->dst, 6), &ip.ip6_dst);
	put(frame, &ip, sizeof(ip));
	for (int i = 0; chain[i]; i++)
		put_extension(frame, chain[i], extension_number(chain[i + 1], row), row);
}

static void put_transport(struct frame *frame, const struct frame_row *row, int family)
{
	uint16_t sport = htons(row->sport ? row->sport : PORT_CLIENT), dport = htons(row->dport);
	uint8_t icmp[8] = { row->icmp_type };

	if (row->proto == IPPROTO_TCP) {
		struct tcphdr tcp = {
			.source = sport,
			.dest = dport,
			.seq = htonl(row->seq),
			.ack_seq = htonl(row->acks ? row->ack : 0x01020304),
			.doff = 5,
			.window = htons(1000),
		};

		((uint8_t *)&tcp)[13] = row->flags;
		put(frame, &tcp, sizeof(tcp));
	} else if (row->proto == IPPROTO_UDP) {
		struct udphdr udp = { .source = sport, .dest = dport };

		udp.len = htons(sizeof(udp) + row->payload);
		put(frame, &udp, sizeof(udp));
	} else if (row->proto == IPPROTO_ICMP) {
		put(frame, icmp, sizeof(icmp));
		if (family == 6 && row->icmp_type == ND_NEIGHBOR_ADVERT) {
			struct in6_addr target;

			inet_pton(AF_INET6, frames_address(row->target, 6), &target);
			put(frame, &target, sizeof(target));
		}
	}
}

static void set_be16(struct frame *frame, size_t at, uint16_t value)
{
	frame->data[at] = value >> 8;
	frame->data[at + 1] = value;
}

/* Lengths and checksums, once everything stands. */
static void finish(struct frame *frame, const struct frame_row *row, int family)
{
	static const size_t check_at[] = {
		[IPPROTO_TCP] = 16,
		[IPPROTO_UDP] = 6,
		[IPPROTO_ICMP] = 2,
	};

	if (family == 6) {
		set_be16(frame, frame->l3 + 4, frame->len - frame->l3 - 40);
	} else {
		set_be16(frame, frame->l3 + 2, frame->len - frame->l3);
		set_be16(frame, frame->l3 + 10, ~frame_ip_sum(frame));
	}
	if (!row->offset &&
	    (row->proto == IPPROTO_TCP || row->proto == IPPROTO_UDP || row->proto == IPPROTO_ICMP))
		set_be16(frame, frame->l4 + check_at[row->proto], ~frame_l4_sum(frame, row->proto));
}

void frame_build(struct frame *frame, const struct frame_row *given, int family)
{
	struct frame_row resolved = *given, *row = &resolved;

	row->src = row->src ? row->src : ALLY;
	row->dst = row->dst ? row->dst : POD;
	family = row->family ? row->family : family;
	frame->len = 0;
	put(frame, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
	for (int i = 0; i < row->vlan_tags; i++) {
		put_be16(frame, i ? ETHERTYPE_VLAN : 0x88a8);
		put_be16(frame, 5 + i);
	}
	put_be16(frame, row->arp_op    ? ETHERTYPE_ARP :
			row->ethertype ? row->ethertype :
			family == 6    ? ETHERTYPE_IPV6 :
					 ETHERTYPE_IP);
	frame->l3 = frame->len;
	if (row->arp_op) {
		put_arp(frame, row);
		return;
	}
	if (family == 6)
		put_ipv6(frame, row);
	else
		put_ipv4(frame, row);
	frame->l4 = frame->len;
	if (!row->offset)
		put_transport(frame, row, family);
	if (row->data)
		put(frame, row->data, row->payload);
	for (int i = 0; !row->data && i < row->payload; i++)
		frame->data[frame->len++] = 'a' + i % 26;
	finish(frame, row, family);
}
