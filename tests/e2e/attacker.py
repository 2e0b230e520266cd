#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An attacker's hands inside a pod: whole frames, written byte by byte.

attacker.py DEVICE   takes JSON lines on standard input: a list of frames, each
{"frame": hex} and optionally "vnet": hex (a virtio_net_hdr, see packet(7), PACKET_VNET_HDR).
Sends them, then answers with a line.
"""
import json
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR = 263, 15
IPV4, IPV6, ARP, VLAN, QINQ = 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8
FIN, SYN, RST, ACK = 1, 2, 4, 16


def checksum(data):
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def pseudo(src, dst, proto, length):
    if len(packed(src)) == 16:
        return packed(src) + packed(dst) + struct.pack("!II", length, proto)
    return packed(src) + packed(dst) + struct.pack("!HH", proto, length)


def udp(src, dst, sport, dport, payload, proto=17):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(src, dst, proto, 8 + len(payload)) + head + payload) or 0xffff
    return head[:6] + struct.pack("!H", total) + payload


def tcp(src, dst, sport, dport, flags=SYN, seq=1000, ack=0, payload=b""):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65535, 0, 0)
    total = checksum(pseudo(src, dst, 6, 20 + len(payload)) + head + payload)
    return head[:16] + struct.pack("!H", total) + head[18:] + payload


def ip(src, dst, proto, payload, fragment=0, number=1, options=b"", header_checksum=None):
    """An IPv4 packet (fragment: flags and offset) or an IPv6 one (plain)."""
    if ":" in src:
        return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + packed(src) + packed(dst) + payload
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), number,
                       fragment, 64, proto, 0) + packed(src) + packed(dst) + options
    if header_checksum is None:
        header_checksum = checksum(head)
    return head[:10] + struct.pack("!H", header_checksum) + head[12:] + payload


def fragment6(proto, payload, offset=0, more=False, number=1):
    """The fragment header and what follows it; its number is 44."""
    return struct.pack("!BBHI", proto, 0, offset | more, number) + payload


def ethernet(dst, src, kind, payload, tags=()):
    return dst + src + b"".join(struct.pack("!HH", *tag) for tag in tags) + struct.pack("!H", kind) + payload


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((sys.argv[1], 0))
    offload = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    offload.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    offload.bind((sys.argv[1], 0))
    for line in sys.stdin:
        for one in json.loads(line):
            frame = bytes.fromhex(one["frame"])
            if "vnet" in one:
                offload.send(bytes.fromhex(one["vnet"]) + frame)
            else:
                sock.send(frame)
        print("sent", flush=True)


if __name__ == "__main__":
    main()
