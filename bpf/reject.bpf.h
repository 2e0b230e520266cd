/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Refusals that the caller notices at once: a TCP RST or an ICMP port
 * unreachable, made out of the refused packet itself and sent back. Only plain
 * packets are answered (no VLAN tag, IP option, extension header, fragment);
 * the others are dropped in silence.
 *
 * Checksums. Is the packet's checksum left to the device (CHECKSUM_PARTIAL),
 * something below us will add up everything from the old transport header on
 * and store the result at the old checksum's place. That cannot be switched
 * off, so the new message lives with it:
 *   RST   has its checksum at the same place: it gets the folded sum of the
 *         pseudo header, the rest is added below.
 *   ICMP  stands where the UDP header stood, and UDP's checksum field is
 *         ICMP's unused field at offset 6. ICMP's own checksum stays 0 and the
 *         word at offset 6 is completed below so that the message adds up.
 * Otherwise the full checksum is computed here.
 */
#ifndef WEFT_REJECT_BPF_H
#define WEFT_REJECT_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "packet.bpf.h"

enum tc_act {
	TC_PASS = -1, /* TC_ACT_UNSPEC */
	TC_DROP = 2,  /* TC_ACT_SHOT */
};

enum reject_number {
	/*
	 * skb->mark of an answer on its way back, which passes weft_from_pod a
	 * second time. Nothing that a pod sends has a mark: it is cleared between
	 * network namespaces.
	 */
	REJECT_MARK = 0x77656674,
	REJECT_TTL = 64,
	REJECT_IPV4_DF = 0x4000,
	REJECT_TCP_CHECK = 16,
	REJECT_ICMPV4_UNREACH = 3,
	REJECT_ICMPV4_PORT = 3,
	REJECT_ICMPV6_UNREACH = 1,
	REJECT_ICMPV6_PORT = 4,
	REJECT_QUOTE_IPV4 = 28, /* IP and UDP header of the refused packet */
	REJECT_QUOTE_IPV6 = 48,
};

/* Which RST: back to who sent the SYN, or to either end of a SYN-ACK that the pod sent. */
enum reject_rst {
	REJECT_SYN,
	REJECT_SYN_ACK_TO_CLIENT,
	REJECT_SYN_ACK_TO_POD,
};

static __always_inline __u16 reject_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline bool reject_is_v4(const struct packet *pkt)
{
	return pkt->ethertype == PACKET_ETH_IPV4;
}

/* Sum of the pseudo header; direction does not matter to it. */
static __always_inline __u64 reject_pseudo_sum(const struct packet *pkt, __u8 proto, __u16 length)
{
	const __u32 *src = (const __u32 *)pkt->src.b, *dst = (const __u32 *)pkt->dst.b;
	__u64 sum = bpf_htons(proto) + bpf_htons(length);

	sum += src[3];
	sum += dst[3];
	for (int i = 0; i < 3 && !reject_is_v4(pkt); i++) {
		sum += src[i];
		sum += dst[i];
	}
	return sum;
}

static __always_inline __u16 reject_checksum(const void *data, __u32 length, __u64 sum)
{
	return ~reject_fold(sum + (__u32)bpf_csum_diff(NULL, 0, (__be32 *)data, length, 0));
}

static __always_inline long reject_store(struct __sk_buff *skb, __u32 off, const void *from,
					 __u32 length)
{
	return bpf_skb_store_bytes(skb, off, from, length, BPF_F_RECOMPUTE_CSUM);
}

/*
 * Is the checksum left to the device? Not visible to programs, but a change
 * announced as "not in the pseudo header" is then no change. Spoils the two
 * bytes at `off`.
 */
static __always_inline bool reject_is_partial(struct __sk_buff *skb, __u32 off)
{
	__u16 before = 0x1111, after = 0;

	reject_store(skb, off, &before, sizeof(before));
	bpf_l4_csum_replace(skb, off, 0, bpf_htons(1), sizeof(before));
	bpf_skb_load_bytes(skb, off, &after, sizeof(after));
	return before == after;
}

static __always_inline long reject_swap_mac(struct __sk_buff *skb)
{
	__u16 mac[6], swapped[6];

	if (bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)))
		return -1;
	for (int i = 0; i < 3; i++) {
		swapped[i] = mac[i + 3];
		swapped[i + 3] = mac[i];
	}
	return reject_store(skb, 0, swapped, sizeof(swapped));
}

/* A fresh header without options; `back`: from the packet's destination to its source. */
static __always_inline long reject_store_ip(struct __sk_buff *skb, const struct packet *pkt,
					    bool back, __u8 proto, __u16 length)
{
	const struct weft_addr *from = back ? &pkt->dst : &pkt->src;
	const struct weft_addr *to = back ? &pkt->src : &pkt->dst;

	/*
	 * Assigned, not initialised: clang relocates (CO-RE) the anonymous union
	 * in an initialiser of iphdr to offset 0, over what stands there.
	 */
	if (reject_is_v4(pkt)) {
		struct iphdr ip;

		__builtin_memset(&ip, 0, sizeof(ip));
		ip.version = 4;
		ip.ihl = sizeof(ip) / 4;
		ip.tot_len = bpf_htons(sizeof(ip) + length);
		ip.frag_off = bpf_htons(REJECT_IPV4_DF);
		ip.ttl = REJECT_TTL;
		ip.protocol = proto;
		__builtin_memcpy(&ip.saddr, &from->b[12], sizeof(ip.saddr));
		__builtin_memcpy(&ip.daddr, &to->b[12], sizeof(ip.daddr));
		ip.check = reject_checksum(&ip, sizeof(ip), 0);
		return reject_store(skb, pkt->l3, &ip, sizeof(ip));
	}

	struct ipv6hdr ip;

	__builtin_memset(&ip, 0, sizeof(ip));
	ip.version = 6;
	ip.payload_len = bpf_htons(length);
	ip.nexthdr = proto;
	ip.hop_limit = REJECT_TTL;
	__builtin_memcpy(&ip.saddr, from->b, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, to->b, sizeof(ip.daddr));
	return reject_store(skb, pkt->l3, &ip, sizeof(ip));
}

/* SYN and FIN count as a byte each (RFC 9293, 3.10.7.1). */
static __always_inline void reject_fill_rst(struct tcphdr *tcp, const struct packet *pkt,
					    enum reject_rst kind)
{
	bool back = kind != REJECT_SYN_ACK_TO_CLIENT;

	tcp->source = bpf_htons(back ? pkt->dport : pkt->sport);
	tcp->dest = bpf_htons(back ? pkt->sport : pkt->dport);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->ack = 1;
	switch (kind) {
	case REJECT_SYN:
		tcp->ack_seq = bpf_htonl(pkt->seq + pkt->payload + 1 +
					 !!(pkt->tcp_flags & PACKET_TCP_FIN));
		break;
	case REJECT_SYN_ACK_TO_CLIENT:
		tcp->seq = bpf_htonl(pkt->seq);
		tcp->ack_seq = bpf_htonl(pkt->ack_seq);
		break;
	case REJECT_SYN_ACK_TO_POD:
		tcp->seq = bpf_htonl(pkt->ack_seq);
		tcp->ack_seq = bpf_htonl(pkt->seq + 1);
		break;
	}
}

/* Turns a TCP packet into a RST, in place; may be called again for the other end. 0 or negative. */
static __noinline int reject_write_rst(struct __sk_buff *skb, const struct packet *pkt,
				       enum reject_rst kind)
{
	bool back = kind != REJECT_SYN_ACK_TO_CLIENT;
	struct tcphdr tcp = {};
	__u64 sum;

	reject_fill_rst(&tcp, pkt, kind);
	sum = reject_pseudo_sum(pkt, IPPROTO_TCP, sizeof(tcp));
	if (bpf_skb_change_tail(skb, pkt->l4 + sizeof(tcp), 0))
		return -1;
	if (reject_is_partial(skb, pkt->l4 + REJECT_TCP_CHECK))
		tcp.check = reject_fold(sum);
	else
		tcp.check = reject_checksum(&tcp, sizeof(tcp), sum);
	if (reject_store_ip(skb, pkt, back, IPPROTO_TCP, sizeof(tcp)) ||
	    reject_store(skb, pkt->l4, &tcp, sizeof(tcp)) || (back && reject_swap_mac(skb)))
		return -1;
	return 0;
}

/* Both families' destination unreachable, up to what it quotes. */
struct reject_icmp {
	__u8 type;
	__u8 code;
	__u16 check;
	__u16 unused;
	__u16 balance; /* unused as well; completed by the device (see above) */
	__u8 quote[REJECT_QUOTE_IPV6];
};

/* `sum` is that of the pseudo header (ICMPv6 only); `length` includes the quote. */
static __always_inline long reject_store_icmp(struct __sk_buff *skb, const struct packet *pkt,
					      struct reject_icmp *icmp, __u32 length, __u64 sum)
{
	__u16 full = reject_checksum(icmp, length, sum);
	bool partial = reject_is_partial(skb, pkt->l4 + offsetof(struct reject_icmp, check));

	icmp->check = partial ? 0 : full;
	icmp->balance = partial ? reject_fold(sum) : 0;
	return reject_store(skb, pkt->l4, icmp, length);
}

static __always_inline long reject_write_icmpv4(struct __sk_buff *skb, const struct packet *pkt)
{
	struct reject_icmp icmp = { .type = REJECT_ICMPV4_UNREACH, .code = REJECT_ICMPV4_PORT };
	const __u32 length = offsetof(struct reject_icmp, quote) + REJECT_QUOTE_IPV4;

	return bpf_skb_load_bytes(skb, pkt->l3, icmp.quote, REJECT_QUOTE_IPV4) ||
	       bpf_skb_change_tail(skb, pkt->l4 + length, 0) ||
	       reject_store_icmp(skb, pkt, &icmp, length, 0) ||
	       reject_store_ip(skb, pkt, true, IPPROTO_ICMP, length);
}

static __always_inline long reject_write_icmpv6(struct __sk_buff *skb, const struct packet *pkt)
{
	struct reject_icmp icmp = { .type = REJECT_ICMPV6_UNREACH, .code = REJECT_ICMPV6_PORT };
	const __u32 length = sizeof(icmp);

	return bpf_skb_load_bytes(skb, pkt->l3, icmp.quote, REJECT_QUOTE_IPV6) ||
	       bpf_skb_change_tail(skb, pkt->l4 + length, 0) ||
	       reject_store_icmp(skb, pkt, &icmp, length,
				 reject_pseudo_sum(pkt, PACKET_NEXT_ICMPV6, length)) ||
	       reject_store_ip(skb, pkt, true, PACKET_NEXT_ICMPV6, length);
}

/* Turns a UDP packet into an ICMP port unreachable that quotes it, in place. 0 or negative. */
static __noinline int reject_write_unreachable(struct __sk_buff *skb, const struct packet *pkt)
{
	if (reject_is_v4(pkt) ? reject_write_icmpv4(skb, pkt) : reject_write_icmpv6(skb, pkt))
		return -1;
	return reject_swap_mac(skb) ? -1 : 0;
}

/* Could this be a sender's own address? Nobody answers to the others. */
static __always_inline bool reject_is_unicast(const struct weft_addr *addr)
{
	if (addr_is_v4(addr))
		return addr->b[12] != 0 && addr->b[12] != 127 && addr->b[12] < 224;
	return addr->b[0] != 0xff && !addr_is_zero(addr);
}

/*
 * May a refused packet towards the pod be answered? Only for the pod's own
 * address: a bridge floods frames of other pods, and an answer to those would
 * break somebody else's connection.
 */
static __always_inline bool reject_may_answer(struct __sk_buff *skb, const struct packet *pkt,
					      const struct weft_local *local)
{
	__u8 mac;

	return pkt->plain && pkt->fragment == PACKET_WHOLE && addr_is_own(local, &pkt->dst) &&
	       reject_is_unicast(&pkt->src) && !bpf_skb_load_bytes(skb, 0, &mac, sizeof(mac)) &&
	       !(mac & 1);
}

#endif /* WEFT_REJECT_BPF_H */
