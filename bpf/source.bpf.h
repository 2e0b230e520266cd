/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Anti-spoofing: identities are known by address, so a pod may only send from
 * its own addresses, whatever its mode - and may not make neighbours believe
 * that another's address is at its place (ARP, neighbour advertisements).
 *
 * Link-local and unspecified IPv6 sources pass only for the neighbour discovery
 * and multicast listener messages that a host sends. Everything else from a
 * link-local source is dropped: the host's own link-local address cannot be told
 * from the pod's. Router advertisements, redirects and listener queries are
 * a router's, not a pod's.
 */
#ifndef WEFT_SOURCE_BPF_H
#define WEFT_SOURCE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "weft_abi.h"
#include "addr.bpf.h"
#include "packet.bpf.h"

enum source_icmpv6 {
	SOURCE_MLD_REPORT = 131,
	SOURCE_MLD_DONE = 132,
	SOURCE_ND_ROUTER_SOLICIT = 133,
	SOURCE_ND_NEIGHBOUR_SOLICIT = 135,
	SOURCE_ND_NEIGHBOUR_ADVERT = 136,
	SOURCE_MLDV2_REPORT = 143,
	SOURCE_ND_TARGET = 8, /* offset of the target address */
};

/* Tunnels that nodes build overlay networks of; neither protocol names their peers. */
enum source_tunnel {
	SOURCE_PROTO_IPV4 = 4,
	SOURCE_PROTO_IPV6 = 41,
	SOURCE_PROTO_GRE = 47,
	SOURCE_PORT_VXLAN = 4789,
	SOURCE_PORT_VXLAN_GPE = 4790,
	SOURCE_PORT_GENEVE = 6081,
	SOURCE_PORT_VXLAN_LINUX = 8472,
};

/*
 * Whoever sends to the overlay's port of a node has the node unpack a packet
 * from any address it likes, behind our back. Tunnels between pods are their own
 * affair. `parsed`: what the transport header said.
 */
static __always_inline bool source_is_tunnel(const struct packet *pkt, enum weft_reason parsed)
{
	if (parsed == WEFT_REASON_IP_PROTOCOL)
		return pkt->proto == SOURCE_PROTO_IPV4 || pkt->proto == SOURCE_PROTO_IPV6 ||
		       pkt->proto == SOURCE_PROTO_GRE;
	if (parsed || pkt->proto != IPPROTO_UDP || pkt->fragment == PACKET_LATER)
		return false;
	switch (pkt->dport) {
	case SOURCE_PORT_VXLAN:
	case SOURCE_PORT_VXLAN_GPE:
	case SOURCE_PORT_GENEVE:
	case SOURCE_PORT_VXLAN_LINUX:
		return true;
	default:
		return false;
	}
}

/* What a foreign source means: the pod's own address may simply not be known yet. */
static __always_inline enum weft_reason source_foreign(const struct weft_local *local)
{
	return addr_is_zero(&local->addr[0]) && addr_is_zero(&local->addr[1]) ?
		       WEFT_REASON_NO_ADDRESS :
		       WEFT_REASON_SPOOFED_SOURCE;
}

/* ARP names its sender; probes (RFC 5227) name nobody. */
static __always_inline enum weft_reason source_check_arp(const struct weft_local *local,
							 const struct packet *pkt)
{
	__u32 sender;

	__builtin_memcpy(&sender, &pkt->src.b[12], sizeof(sender));
	return !sender || addr_is_own(local, &pkt->src) ? WEFT_REASON_NONE : source_foreign(local);
}

/* An advertisement claims its target: the pod's own address or a link-local one. */
static __always_inline enum weft_reason
source_check_advert(struct __sk_buff *skb, const struct weft_local *local, const struct packet *pkt)
{
	struct weft_addr target;

	if (pkt->l4 + SOURCE_ND_TARGET + sizeof(target) > pkt->end ||
	    bpf_skb_load_bytes(skb, pkt->l4 + SOURCE_ND_TARGET, &target, sizeof(target)))
		return WEFT_REASON_MALFORMED;
	return packet_is_link_local(&target) || addr_is_own(local, &target) ? WEFT_REASON_NONE :
									      source_foreign(local);
}

/* `parsed`: what packet_parse_transport() said; the packet is IPv4 or IPv6. */
static __always_inline enum weft_reason source_check_ip(struct __sk_buff *skb,
							const struct weft_local *local,
							const struct packet *pkt,
							enum weft_reason parsed)
{
	bool icmpv6 = !parsed && pkt->ethertype == PACKET_ETH_IPV6 && pkt->proto == IPPROTO_ICMP &&
		      pkt->fragment == PACKET_WHOLE;

	if (!addr_is_own(local, &pkt->src)) {
		if (!icmpv6 || !(packet_is_link_local(&pkt->src) || addr_is_zero(&pkt->src)))
			return source_foreign(local);
		switch (pkt->icmp_type) {
		case SOURCE_MLD_REPORT:
		case SOURCE_MLD_DONE:
		case SOURCE_ND_ROUTER_SOLICIT:
		case SOURCE_ND_NEIGHBOUR_SOLICIT:
		case SOURCE_ND_NEIGHBOUR_ADVERT:
		case SOURCE_MLDV2_REPORT:
			break;
		default:
			return source_foreign(local);
		}
	}
	if (icmpv6 && pkt->icmp_type == SOURCE_ND_NEIGHBOUR_ADVERT)
		return source_check_advert(skb, local, pkt);
	return WEFT_REASON_NONE;
}

#endif /* WEFT_SOURCE_BPF_H */
