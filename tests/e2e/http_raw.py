#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP client of its own, segment by segment, inside a pod whose kernel must not hear of it.

http_raw.py DEVICE OWN_MAC   A line of JSON on standard input, {"source", "address", "port", "hop": MAC,
"scripts": [script, ...]}, is answered by a line: a list of what became of each. A script is
{"isn", "timestamps", "syn": text in the SYN, "steps": [[segment, ...], ...]}. All scripts go step by
step together; a step's segments leave at once. A segment is {"at": offset in the stream, "bytes":
text} and what is odd about it: "flags", "ack" (added to the right number), "far" (added to the
sequence number), "ts" (added to the timestamp), "urgent", "options" (hex), "checksum", "ip_checksum",
"offset" (data offset, in words), "length" (added to IP's), or {"pause": s}.
result: {"open", "received": text, "acked", "reset", "fin"}
"""
import itertools
import json
import select
import socket
import struct
import sys
import time

import attacker as forge

ETH_ALL_IN = 0x0003
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
QUIET_S, PATIENCE_S = 0.02, 1.0
MASK = 0xffffffff


class Connection:
    ports = itertools.count(40000)

    def __init__(self, link, request, script):
        self.link, self.script = link, script
        self.source, self.address, self.peer_port = request["source"], request["address"], request["port"]
        self.port = next(self.ports)
        self.isn, self.clock = script.get("isn", 1000), 100000
        self.server_isn, self.expected, self.echo = None, 0, 0
        self.received, self.acked, self.reset, self.fin = b"", 0, False, False

    def options(self, odd):
        if "options" in odd:
            data = bytes.fromhex(odd["options"])
        elif self.script.get("timestamps"):
            self.clock += 1
            data = struct.pack("!BBBBII", 1, 1, 8, 10, (self.clock + odd.get("ts", 0)) & MASK, self.echo)
        else:
            data = b""
        return data + b"\1" * (-len(data) % 4)

    def send(self, flags, payload=b"", at=0, odd=None, options=None):
        odd = odd or {}
        options = self.options(odd) if options is None else options
        ack = (self.expected + odd.get("ack", 0)) & MASK if self.server_isn is not None else 0
        seq = (self.isn + (0 if flags & SYN and not at else 1 + at) + odd.get("far", 0)) & MASK
        words = odd.get("offset", 5 + len(options) // 4)
        head = struct.pack("!HHIIBBHHH", self.port, self.peer_port, seq, ack, words << 4, flags, 65535, 0,
                           odd.get("urgent", 0)) + options
        pseudo = forge.pseudo(self.source, self.address, 6, len(head) + len(payload))
        total = forge.checksum(pseudo + head + payload)
        if odd.get("checksum"):
            total ^= 0x5555
        head = head[:16] + struct.pack("!H", total) + head[18:]
        packet = forge.ip(self.source, self.address, 6, head + payload,
                          header_checksum=0x1234 if odd.get("ip_checksum") else None)
        self.link.send(packet)

    def open(self):
        options = struct.pack("!BBH", 2, 4, 1400)
        if self.script.get("timestamps"):
            options += struct.pack("!BBBBII", 1, 1, 8, 10, self.clock, 0)
        self.send(SYN, self.script.get("syn", "").encode("latin-1"), options=options)

    def step(self, segments):
        for one in segments:
            if "pause" not in one:
                self.send(one.get("flags", ACK | PSH), one.get("bytes", "").encode("latin-1"), one["at"], one)

    def hear(self, seq, ack, flags, options, payload):
        if flags & RST:
            self.reset = True
            return
        if flags & SYN:
            if self.server_isn is None:
                self.server_isn, self.expected = seq, (seq + 1) & MASK
            payload = b""
        self.note_timestamp(options)
        offset = (ack - self.isn - 1) & MASK
        if offset < 1 << 31:
            self.acked = max(self.acked, offset)
        length = len(payload)
        if length and seq == self.expected:
            self.received += payload
            self.expected = (seq + length) & MASK
        if flags & FIN and (seq + length) & MASK == self.expected and not self.fin:
            self.fin = True
            self.expected = (self.expected + 1) & MASK
        if flags & (SYN | FIN) or length:
            self.send(ACK, at=self.acked)

    def note_timestamp(self, options):
        while options and options[0]:
            length = 1 if options[0] == 1 else options[1]
            if options[0] == 8:
                self.echo = struct.unpack("!I", options[2:6])[0]
            options = options[max(length, 1):]

    def result(self):
        return {"open": self.server_isn is not None, "received": self.received.decode("latin-1"),
                "acked": self.acked, "reset": self.reset, "fin": self.fin}


class Link:
    def __init__(self, device, own):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL_IN))
        self.sock.bind((device, ETH_ALL_IN))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.own, self.hop = self.mac(own), None

    @staticmethod
    def mac(text):
        return bytes.fromhex(text.replace(":", ""))

    def send(self, packet):
        kind = forge.IPV6 if packet[0] >> 4 == 6 else forge.IPV4
        self.sock.send(forge.ethernet(self.hop, self.own, kind, packet))

    def listen(self, connections, done=lambda: False):
        """Until it has been quiet for a moment."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not done():
            if not select.select([self.sock], [], [], QUIET_S)[0]:
                return
            frame, origin = self.sock.recvfrom(1 << 17)
            if origin[2] == socket.PACKET_HOST:
                self.take(frame[14:], connections)

    @staticmethod
    def take(packet, connections):
        if packet[0] >> 4 == 6:
            proto, segment = packet[6], packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
        else:
            start = (packet[0] & 15) * 4
            proto, segment = packet[9], packet[start:struct.unpack("!H", packet[2:4])[0]]
        if proto != 6 or len(segment) < 20:
            return
        port, seq, ack, words, flags = struct.unpack("!2xHIIBB", segment[:14])
        if port in connections:
            head = (words >> 4) * 4
            connections[port].hear(seq, ack, flags, segment[20:head], segment[head:])


def play(link, request):
    link.hop = link.mac(request["hop"])
    connections = [Connection(link, request, script) for script in request["scripts"]]
    by_port = {one.port: one for one in connections}
    for one in connections:
        one.open()
    for _ in range(20):
        link.listen(by_port)
    for number in range(max(len(one.script["steps"]) for one in connections)):
        pause = 0
        for one in connections:
            if number < len(one.script["steps"]):
                one.step(one.script["steps"][number])
                pause = max([pause, *[part.get("pause", 0) for part in one.script["steps"][number]]])
        time.sleep(pause)
        link.listen(by_port)
    results = [one.result() for one in connections]
    for one in connections:
        one.send(RST | ACK, at=one.acked)
    return results


def main():
    link = Link(*sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(play(link, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
