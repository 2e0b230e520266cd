#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A pod's server that records everything that reaches it: the judge of what got through.

server.py FILE tcp:PORT|udp:PORT|http:PORT ...   listens on both families; one JSON line per accepted
connection ("accept"), per piece of data and per datagram. Answers with the pod's name.
A TCP client may send lines; each is answered with `<pod name> <line>`. On an http port nothing is
answered before an empty line, as no HTTP server answers half a head.
"""
import json
import os
import selectors
import socket
import sys

NAME = os.environ.get("POD_NAME", "?")


class Recorder:
    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, **record):
        os.write(self.file, (json.dumps(record) + "\n").encode())


def listener(kind, port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    if kind != "udp":
        sock.listen(1024)
    sock.setblocking(False)
    return sock


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


def serve_tcp(recorder, selector, sock, port, peer, head):
    """`head`: what was read of a head that has not ended; None where every line is answered."""
    try:
        data = sock.recv(65536)
    except OSError:
        data = b""
    if not data:
        selector.unregister(sock)
        sock.close()
        return
    recorder.write(event="data", proto="tcp", port=port, peer=plain(peer[0]), peer_port=peer[1],
                   bytes=len(data))
    if head is not None:
        head += data
        if b"\r\n\r\n" not in head:
            return
        data = bytes(head)
        head.clear()
    try:
        sock.sendall(b"".join(NAME.encode() + b" " + line + b"\n" for line in data.splitlines()))
    except OSError:
        pass


def main():
    recorder, selector = Recorder(sys.argv[1]), selectors.DefaultSelector()
    for argument in sys.argv[2:]:
        kind, port = argument.split(":")
        selector.register(listener(kind, int(port)), selectors.EVENT_READ, (kind, int(port), None, None))
    while True:
        for key, _ in selector.select():
            kind, port, peer, head = key.data
            if kind == "connection":
                serve_tcp(recorder, selector, key.fileobj, port, peer, head)
            elif kind != "udp":
                try:
                    sock, peer = key.fileobj.accept()
                except OSError:
                    continue
                recorder.write(event="accept", proto="tcp", port=port, peer=plain(peer[0]), peer_port=peer[1])
                selector.register(sock, selectors.EVENT_READ,
                                  ("connection", port, peer, bytearray() if kind == "http" else None))
            else:
                data, peer = key.fileobj.recvfrom(65536)
                recorder.write(event="datagram", proto="udp", port=port, peer=plain(peer[0]),
                               peer_port=peer[1], bytes=len(data))
                try:
                    key.fileobj.sendto(NAME.encode() + b" " + data[:1000], peer)
                except OSError:
                    recorder.write(event="unanswered", proto="udp", port=port, peer=plain(peer[0]),
                                   peer_port=peer[1])


if __name__ == "__main__":
    main()
