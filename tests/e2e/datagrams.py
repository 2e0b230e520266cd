#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Streams of datagrams, and when the kernel received the last of each.

A JSON request a line on standard input, a JSON answer a line on standard output:
  {"serve": [port, ...], "stubborn": bool}  receives; a stubborn server goes on sending, every
     5 ms, to everybody that it ever heard from: answers to nothing
  {"send": [{"name", "address", "port", "from", "mapped", "connected"}, ...]}  one datagram each
     every 5 ms, from this own port, where answers are received
  {"report": true} -> {"received": {"PORT PEER'S PORT": [how many, Unix time of the last]},
     "refused": {own port: times that a send failed}}
  {"close": true}  ends all streams, forgets all peers
"""
import collections
import json
import select
import socket
import struct
import sys
import time

TICK_S = 0.005
SO_TIMESTAMPNS = 35


class Datagrams:
    def __init__(self):
        self.poll = select.poll()
        self.poll.register(sys.stdin.fileno(), select.POLLIN)
        self.receivers, self.servers, self.streams, self.peers = {}, set(), {}, set()
        self.received, self.refused = {}, collections.Counter()
        self.stubborn = False

    def receiver(self, family, port):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind(("", port))
        sock.setblocking(False)
        self.receivers[sock.fileno()] = (sock, port)
        self.poll.register(sock.fileno(), select.POLLIN)
        return sock

    def serve(self, ports):
        self.servers = {self.receiver(socket.AF_INET6, port) for port in ports}

    def send(self, wanted):
        address = ("::ffff:" if wanted["mapped"] else "") + wanted["address"]
        sock = self.receiver(socket.AF_INET6 if ":" in address else socket.AF_INET, wanted["from"])
        if wanted["connected"]:
            sock.connect((address, wanted["port"]))
        target = None if wanted["connected"] else (address, wanted["port"])
        self.streams[wanted["from"]] = (sock, target)

    def close(self):
        for sock, _ in self.streams.values():
            del self.receivers[sock.fileno()]
            self.poll.unregister(sock.fileno())
            sock.close()
        self.streams, self.peers, self.received = {}, set(), {}
        self.refused.clear()

    def answer(self, request):
        if "serve" in request:
            self.stubborn = request["stubborn"]
            self.serve(request["serve"])
        elif "send" in request:
            for wanted in request["send"]:
                self.send(wanted)
        elif "close" in request:
            self.close()
        return {"received": self.received, "refused": self.refused}

    def receive(self, sock, port):
        try:
            while True:
                _, extra, _, peer = sock.recvmsg(2000, 128)
                seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
                one = self.received.setdefault("%d %d" % (port, peer[1]), [0, 0])
                one[0] += 1
                one[1] = seconds + nanoseconds / 1e9
                if sock in self.servers:
                    self.peers.add((sock, peer))
        except BlockingIOError:
            pass
        except OSError:
            self.refused[port] += 1

    def tick(self):
        for port, (sock, target) in self.streams.items():
            try:
                if target:
                    sock.sendto(b"x" * 64, target)
                else:
                    sock.send(b"x" * 64)
            except OSError:
                self.refused[port] += 1
        for sock, peer in self.peers if self.stubborn else ():
            try:
                sock.sendto(b"y" * 64, peer)
            except OSError:
                pass

    def run(self):
        due = time.monotonic()
        while True:
            for number, _ in self.poll.poll(max(0, due - time.monotonic()) * 1000):
                if number in self.receivers:
                    self.receive(*self.receivers[number])
                elif number == sys.stdin.fileno():
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(json.dumps(self.answer(json.loads(line))), flush=True)
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_S
                self.tick()


if __name__ == "__main__":
    Datagrams().run()
