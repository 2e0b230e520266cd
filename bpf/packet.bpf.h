/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a packet at TC: link header, IPv4 or IPv6, extension headers, TCP or
 * UDP ports. Everything is read through bpf_skb_load_bytes, so that paged
 * packets are read like linear ones, and held against the length that the IP
 * header states, as the receiver will do. Whatever a receiver might read in
 * another way than we do is refused with a reason.
 */
#ifndef WEFT_PACKET_BPF_H
#define WEFT_PACKET_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "weft_abi.h"
#include "addr.bpf.h"

enum packet_limit {
	PACKET_MAX_VLANS = 2,	   /* tags inside the frame */
	PACKET_MAX_EXTENSIONS = 8, /* IPv6 headers before the upper layer */
};

/* Not in vmlinux.h: macros of if_ether.h, ip.h and in6.h. */
enum packet_number {
	PACKET_ETHERTYPE_OFFSET = 12,
	PACKET_ETH_IPV4 = 0x0800,
	PACKET_ETH_ARP = 0x0806,
	PACKET_ETH_VLAN = 0x8100,
	PACKET_ETH_QINQ = 0x88a8,
	PACKET_ETH_IPV6 = 0x86dd,
	PACKET_ETH_LEN = 14,
	PACKET_IPV4_MF = 0x2000,
	PACKET_IPV4_OFFSET = 0x1fff,
	PACKET_IPV6_MF = 0x0001,
	PACKET_IPV6_OFFSET = 0xfff8,
	PACKET_NEXT_HOP = 0,
	PACKET_NEXT_ROUTING = 43,
	PACKET_NEXT_FRAGMENT = 44,
	PACKET_NEXT_AUTH = 51,
	PACKET_NEXT_ICMPV6 = 58,
	PACKET_NEXT_DEST = 60,
	PACKET_TCP_FIN = 0x01,
	PACKET_TCP_SYN = 0x02,
	PACKET_TCP_RST = 0x04,
	PACKET_TCP_ACK = 0x10,
	PACKET_TCP_URG = 0x20,
	PACKET_TCP_FLAGS_OFFSET = 13,
};

/*
 * An IPv6 atomic fragment (a fragment header that says "nothing before, nothing
 * after") is WHOLE: receivers take it alone and at once (RFC 6946).
 */
enum packet_fragment {
	PACKET_WHOLE = 0,
	PACKET_FIRST = 1, /* has the ports, more follows */
	PACKET_LATER = 2, /* has no ports */
};

struct packet {
	struct weft_addr src; /* ARP: the sender's, target's protocol address */
	struct weft_addr dst;
	__u32 frag_id; /* network order bits */
	__u32 seq;     /* TCP, host order */
	__u32 ack_seq;
	__u32 payload; /* bytes behind the TCP or UDP header of the whole datagram */
	__u32 end;     /* offset behind the IP packet; what follows is padding */
	__u16 l3;      /* offsets from the start of the frame */
	__u16 l4;
	__u16 ethertype; /* host order, behind the VLAN tags */
	__u16 sport;	 /* host order */
	__u16 dport;
	__u8 next;     /* IPv6: header at l4 before the walk */
	__u8 proto;    /* upper layer, IPPROTO_*; LATER: what the fragment claims */
	__u8 fragment; /* enum packet_fragment */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 plain; /* no tags, options, extension headers: may be answered in place */
	__u8 whole; /* packet_parse_network() has read the transport header, too */
};

static __always_inline bool packet_is_link_local(const struct weft_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

/* Wants to open a connection, whatever else it says. */
static __always_inline bool packet_is_syn(int flags)
{
	return (flags & (PACKET_TCP_SYN | PACKET_TCP_ACK)) == PACKET_TCP_SYN;
}

static __always_inline bool packet_is_syn_ack(int flags)
{
	return (flags & PACKET_TCP_SYN) && (flags & PACKET_TCP_ACK);
}

/*
 * The cheap look for the bulk of traffic: flags of an unfragmented TCP segment
 * behind a plain IP header, or -1 for everything that needs the full parse.
 * The receiver reads the same flags, whatever the lengths say. `src` is set
 * when the result is not -1.
 */
static __always_inline int packet_peek_tcp(struct __sk_buff *skb, struct weft_addr *src)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip4 = data + sizeof(*eth);
	struct ipv6hdr *ip6 = data + sizeof(*eth);
	__u8 *tcp;

	if ((void *)(ip4 + 1) + sizeof(struct tcphdr) > data_end)
		return -1;
	if (eth->h_proto == bpf_htons(PACKET_ETH_IPV4)) {
		if (*(__u8 *)ip4 != 0x45 || ip4->protocol != IPPROTO_TCP ||
		    ip4->frag_off & bpf_htons(PACKET_IPV4_MF | PACKET_IPV4_OFFSET))
			return -1;
		addr_from_v4(src, ip4->saddr);
		tcp = (void *)(ip4 + 1);
		return tcp[PACKET_TCP_FLAGS_OFFSET];
	}
	if ((void *)(ip6 + 1) + sizeof(struct tcphdr) > data_end)
		return -1;
	if (eth->h_proto != bpf_htons(PACKET_ETH_IPV6) || *(__u8 *)ip6 >> 4 != 6 ||
	    ip6->nexthdr != IPPROTO_TCP)
		return -1;
	addr_from_v6(src, ip6->saddr.in6_u.u6_addr32);
	tcp = (void *)(ip6 + 1);
	return tcp[PACKET_TCP_FLAGS_OFFSET];
}

/* Offset of the TCP header in a frame that packet_peek_tcp() could read. */
static __always_inline __u32 packet_peek_l4(const struct weft_addr *src)
{
	return PACKET_ETH_LEN + (addr_is_v4(src) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/*
 * The ethertype that the receiver will see: the frame's, not skb->protocol,
 * which a packet socket may set to anything.
 */
static __always_inline enum weft_reason packet_parse_link(struct __sk_buff *skb, struct packet *pkt)
{
	__u32 off = PACKET_ETHERTYPE_OFFSET;
	__be16 type;

	for (int i = 0; i <= PACKET_MAX_VLANS; i++) {
		if (bpf_skb_load_bytes(skb, off, &type, sizeof(type)))
			return WEFT_REASON_MALFORMED;
		off += sizeof(type);
		if (type != bpf_htons(PACKET_ETH_VLAN) && type != bpf_htons(PACKET_ETH_QINQ)) {
			pkt->ethertype = bpf_ntohs(type);
			pkt->l3 = off;
			return WEFT_REASON_NONE;
		}
		off += 2; /* priority and VLAN number */
	}
	return WEFT_REASON_ETHERTYPE;
}

/* Ethernet and IPv4 addresses only (RFC 826). */
static __always_inline enum weft_reason packet_parse_arp(struct __sk_buff *skb, struct packet *pkt)
{
	struct {
		struct arphdr hdr;
		__u8 sender_mac[6];
		__u8 sender_ip[4];
		__u8 target_mac[6];
		__u8 target_ip[4];
	} __attribute__((packed)) arp;
	__be32 ip;

	if (bpf_skb_load_bytes(skb, pkt->l3, &arp, sizeof(arp)) || arp.hdr.ar_hrd != bpf_htons(1) ||
	    arp.hdr.ar_pro != bpf_htons(PACKET_ETH_IPV4) ||
	    arp.hdr.ar_hln != sizeof(arp.sender_mac) || arp.hdr.ar_pln != sizeof(arp.sender_ip))
		return WEFT_REASON_MALFORMED;
	__builtin_memcpy(&ip, arp.sender_ip, sizeof(ip));
	addr_from_v4(&pkt->src, ip);
	__builtin_memcpy(&ip, arp.target_ip, sizeof(ip));
	addr_from_v4(&pkt->dst, ip);
	return WEFT_REASON_NONE;
}

static __always_inline enum weft_reason packet_parse_ipv4(struct __sk_buff *skb, struct packet *pkt)
{
	struct iphdr ip;
	__u32 header, length;
	__u16 frag;

	if (bpf_skb_load_bytes(skb, pkt->l3, &ip, sizeof(ip)))
		return WEFT_REASON_MALFORMED;
	addr_from_v4(&pkt->src, ip.saddr);
	addr_from_v4(&pkt->dst, ip.daddr);
	header = ip.ihl * 4;
	length = bpf_ntohs(ip.tot_len);
	if (!length && skb->gso_size) /* BIG TCP: too long for the field */
		length = skb->len - pkt->l3;
	if (ip.version != 4 || header < sizeof(ip) || length < header ||
	    pkt->l3 + length > skb->len)
		return WEFT_REASON_MALFORMED;
	pkt->l4 = pkt->l3 + header;
	pkt->end = pkt->l3 + length;
	pkt->proto = ip.protocol;
	pkt->frag_id = ip.id;
	frag = bpf_ntohs(ip.frag_off);
	if (frag & PACKET_IPV4_OFFSET)
		pkt->fragment = PACKET_LATER;
	else if (frag & PACKET_IPV4_MF)
		pkt->fragment = PACKET_FIRST;
	pkt->plain = pkt->l3 == PACKET_ETH_LEN && header == sizeof(ip);
	return WEFT_REASON_NONE;
}

static __always_inline enum weft_reason packet_parse_ipv6(struct __sk_buff *skb, struct packet *pkt)
{
	struct ipv6hdr ip;
	__u32 length;

	if (bpf_skb_load_bytes(skb, pkt->l3, &ip, sizeof(ip)))
		return WEFT_REASON_MALFORMED;
	addr_from_v6(&pkt->src, ip.saddr.in6_u.u6_addr32);
	addr_from_v6(&pkt->dst, ip.daddr.in6_u.u6_addr32);
	length = bpf_ntohs(ip.payload_len);
	pkt->l4 = pkt->l3 + sizeof(ip);
	if (!length && skb->gso_size) /* BIG TCP: the length is in a jumbo option */
		length = skb->len - pkt->l4;
	/* A mapped address on the wire would borrow the identity of an IPv4 one. */
	if (ip.version != 6 || pkt->l4 + length > skb->len || addr_is_v4(&pkt->src) ||
	    addr_is_v4(&pkt->dst))
		return WEFT_REASON_MALFORMED;
	pkt->end = pkt->l4 + length;
	pkt->next = ip.nexthdr;
	pkt->plain = pkt->l3 == PACKET_ETH_LEN;
	return WEFT_REASON_NONE;
}

/* The TCP header of a packet that is parsed as far as that, `tcp` pointing to it. */
static __always_inline bool packet_take_tcp(struct packet *pkt, const struct tcphdr *tcp)
{
	__u32 header = tcp->doff * 4;

	if (header < sizeof(*tcp) || pkt->l4 + header > pkt->end)
		return false;
	pkt->proto = IPPROTO_TCP;
	pkt->sport = bpf_ntohs(tcp->source);
	pkt->dport = bpf_ntohs(tcp->dest);
	pkt->seq = bpf_ntohl(tcp->seq);
	pkt->ack_seq = bpf_ntohl(tcp->ack_seq);
	pkt->payload = pkt->end - pkt->l4 - header;
	pkt->tcp_flags = ((const __u8 *)tcp)[PACKET_TCP_FLAGS_OFFSET];
	return true;
}

/*
 * The bulk of traffic at once and where it lies: unfragmented TCP behind a plain IP header. False:
 * it is something else, or something is wrong with it; nothing that was written to `pkt` counts.
 */
static __always_inline bool packet_parse_plain(struct __sk_buff *skb, struct packet *pkt)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip4 = data + sizeof(*eth);
	struct ipv6hdr *ip6 = data + sizeof(*eth);

	pkt->l3 = PACKET_ETH_LEN;
	pkt->plain = true;
	pkt->fragment = PACKET_WHOLE;
	if ((void *)(ip4 + 1) + sizeof(struct tcphdr) > data_end)
		return false;
	if (eth->h_proto == bpf_htons(PACKET_ETH_IPV4)) {
		__u32 length = bpf_ntohs(ip4->tot_len);

		if (*(__u8 *)ip4 != 0x45 || ip4->protocol != IPPROTO_TCP ||
		    ip4->frag_off & bpf_htons(PACKET_IPV4_MF | PACKET_IPV4_OFFSET) ||
		    length < sizeof(*ip4) + sizeof(struct tcphdr) ||
		    PACKET_ETH_LEN + length > skb->len)
			return false;
		pkt->ethertype = PACKET_ETH_IPV4;
		addr_from_v4(&pkt->src, ip4->saddr);
		addr_from_v4(&pkt->dst, ip4->daddr);
		pkt->l4 = PACKET_ETH_LEN + sizeof(*ip4);
		pkt->end = PACKET_ETH_LEN + length;
		pkt->frag_id = ip4->id;
		return packet_take_tcp(pkt, (void *)(ip4 + 1));
	}
	if (eth->h_proto == bpf_htons(PACKET_ETH_IPV6) &&
	    (void *)(ip6 + 1) + sizeof(struct tcphdr) <= data_end) {
		__u32 length = bpf_ntohs(ip6->payload_len);

		if (*(__u8 *)ip6 >> 4 != 6 || ip6->nexthdr != IPPROTO_TCP ||
		    length < sizeof(struct tcphdr) ||
		    PACKET_ETH_LEN + sizeof(*ip6) + length > skb->len)
			return false;
		pkt->ethertype = PACKET_ETH_IPV6;
		addr_from_v6(&pkt->src, ip6->saddr.in6_u.u6_addr32);
		addr_from_v6(&pkt->dst, ip6->daddr.in6_u.u6_addr32);
		if (addr_is_v4(&pkt->src) || addr_is_v4(&pkt->dst))
			return false;
		pkt->next = IPPROTO_TCP;
		pkt->l4 = PACKET_ETH_LEN + sizeof(*ip6);
		pkt->end = pkt->l4 + length;
		return packet_take_tcp(pkt, (void *)(ip6 + 1));
	}
	return false;
}

/*
 * Ethertype and addresses; ARP and IP have them, other ethertypes are left to the caller.
 * This and the next are global functions: the verifier looks at them once instead of once per
 * path that leads to them, which halves the time to load. It asks for the check of `pkt`.
 */
__noinline enum weft_reason packet_parse_network(struct __sk_buff *skb, struct packet *pkt)
{
	enum weft_reason reason;

	if (!pkt)
		return WEFT_REASON_INTERNAL;
	pkt->whole = packet_parse_plain(skb, pkt);
	if (pkt->whole)
		return WEFT_REASON_NONE;
	__builtin_memset(pkt, 0, sizeof(*pkt));
	reason = packet_parse_link(skb, pkt);

	if (reason)
		return reason;
	switch (pkt->ethertype) {
	case PACKET_ETH_IPV4:
		return packet_parse_ipv4(skb, pkt);
	case PACKET_ETH_IPV6:
		return packet_parse_ipv6(skb, pkt);
	case PACKET_ETH_ARP:
		return packet_parse_arp(skb, pkt);
	default:
		return WEFT_REASON_ETHERTYPE;
	}
}

static __always_inline void packet_parse_fragment(const struct frag_hdr *hdr, struct packet *pkt)
{
	__u16 frag = bpf_ntohs(hdr->frag_off);

	pkt->frag_id = hdr->identification;
	if (frag & PACKET_IPV6_OFFSET)
		pkt->fragment = PACKET_LATER;
	else if (frag & PACKET_IPV6_MF)
		pkt->fragment = PACKET_FIRST;
}

/*
 * Walks to the upper layer. Hop-by-hop options stand first or nowhere, a
 * fragment header stands once: receivers insist on both. A later fragment ends
 * the walk: behind its header there is payload.
 */
static __always_inline enum weft_reason packet_walk_extensions(struct __sk_buff *skb,
							       struct packet *pkt)
{
	__u32 off = pkt->l4;
	__u8 next = pkt->next;
	bool fragment_seen = false;
	struct frag_hdr hdr; /* every extension header has at least these eight bytes */

	/* Kernels before 6.2 refuse the loop as clang would lay it out. */
#pragma clang loop unroll(full)
	for (int i = 0; i <= PACKET_MAX_EXTENSIONS; i++) {
		if (next != PACKET_NEXT_HOP && next != PACKET_NEXT_ROUTING &&
		    next != PACKET_NEXT_DEST && next != PACKET_NEXT_AUTH &&
		    next != PACKET_NEXT_FRAGMENT) {
			pkt->proto = next;
			pkt->l4 = off;
			return off > pkt->end ? WEFT_REASON_MALFORMED : WEFT_REASON_NONE;
		}
		pkt->plain = false;
		if (i == PACKET_MAX_EXTENSIONS || (next == PACKET_NEXT_HOP && i > 0))
			return WEFT_REASON_EXTENSION_HEADER;
		if (off + sizeof(hdr) > pkt->end || bpf_skb_load_bytes(skb, off, &hdr, sizeof(hdr)))
			return WEFT_REASON_MALFORMED;
		if (next == PACKET_NEXT_FRAGMENT) {
			if (fragment_seen)
				return WEFT_REASON_EXTENSION_HEADER;
			fragment_seen = true;
			packet_parse_fragment(&hdr, pkt);
			off += sizeof(hdr);
			if (pkt->fragment == PACKET_LATER) {
				pkt->proto = hdr.nexthdr;
				pkt->l4 = off;
				return WEFT_REASON_NONE;
			}
		} else if (next == PACKET_NEXT_AUTH) {
			off += (hdr.reserved + 2) * 4; /* second byte: length */
		} else {
			off += (hdr.reserved + 1) * 8;
		}
		next = hdr.nexthdr;
	}
	return WEFT_REASON_EXTENSION_HEADER;
}

static __always_inline enum weft_reason packet_parse_tcp(struct __sk_buff *skb, struct packet *pkt)
{
	struct tcphdr tcp;

	if (pkt->l4 + sizeof(tcp) > pkt->end ||
	    bpf_skb_load_bytes(skb, pkt->l4, &tcp, sizeof(tcp)) || !packet_take_tcp(pkt, &tcp))
		return WEFT_REASON_MALFORMED;
	return WEFT_REASON_NONE;
}

/* The length of a first fragment's header is that of the whole datagram. */
static __always_inline enum weft_reason packet_parse_udp(struct __sk_buff *skb, struct packet *pkt)
{
	struct udphdr udp;
	__u32 length;

	if (pkt->l4 + sizeof(udp) > pkt->end || bpf_skb_load_bytes(skb, pkt->l4, &udp, sizeof(udp)))
		return WEFT_REASON_MALFORMED;
	length = bpf_ntohs(udp.len);
	if (length < sizeof(udp) || (pkt->fragment == PACKET_WHOLE && pkt->l4 + length > pkt->end))
		return WEFT_REASON_MALFORMED;
	pkt->sport = bpf_ntohs(udp.source);
	pkt->dport = bpf_ntohs(udp.dest);
	pkt->payload = length - sizeof(udp);
	return WEFT_REASON_NONE;
}

/*
 * Upper layer of an IP packet: extension headers, fragment, ports. On success
 * `proto` is TCP, UDP or ICMP (both families' ICMP are called IPPROTO_ICMP).
 */
__noinline enum weft_reason packet_parse_transport(struct __sk_buff *skb, struct packet *pkt)
{
	enum weft_reason reason;
	bool v6;

	if (!pkt)
		return WEFT_REASON_INTERNAL;
	if (pkt->whole)
		return WEFT_REASON_NONE;
	v6 = pkt->ethertype == PACKET_ETH_IPV6;

	if (v6) {
		reason = packet_walk_extensions(skb, pkt);
		if (reason)
			return reason;
	}
	if (pkt->proto == (v6 ? PACKET_NEXT_ICMPV6 : IPPROTO_ICMP)) {
		pkt->proto = IPPROTO_ICMP;
		if (pkt->fragment != PACKET_LATER && pkt->l4 < pkt->end)
			bpf_skb_load_bytes(skb, pkt->l4, &pkt->icmp_type, 1);
		return WEFT_REASON_NONE;
	}
	if (v6 && pkt->fragment == PACKET_LATER &&
	    (pkt->proto == PACKET_NEXT_DEST || pkt->proto == PACKET_NEXT_ROUTING ||
	     pkt->proto == PACKET_NEXT_AUTH))
		pkt->proto = IPPROTO_UDP; /* only an accepted first fragment makes it pass */
	switch (pkt->proto) {
	case IPPROTO_TCP:
		return pkt->fragment == PACKET_LATER ? WEFT_REASON_NONE :
						       packet_parse_tcp(skb, pkt);
	case IPPROTO_UDP:
		return pkt->fragment == PACKET_LATER ? WEFT_REASON_NONE :
						       packet_parse_udp(skb, pkt);
	default:
		return WEFT_REASON_IP_PROTOCOL;
	}
}

#endif /* WEFT_PACKET_BPF_H */
