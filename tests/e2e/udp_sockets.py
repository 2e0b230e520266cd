#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""UDP sockets that stay open: one JSON request per line, one JSON answer each.

{"socket": n, "to": [address, port]}       sends a datagram without connect, waits for the answer
{"socket": n, "connect": [address, port]}  connects; sends and waits
{"socket": n}                              sends on the connected socket and waits
"mapped": true uses an IPv6 socket for an IPv4 address.
Answers: {"server": text, "from": [address, port], "peer": [address, port] or null} or {"errno": name}.
"""
import errno
import json
import socket
import sys

SOCKETS = {}


def plain(address):
    host = address[0]
    return [host[7:] if host.startswith("::ffff:") else host, address[1]]


def exchange(request):
    to, connect = request.get("to"), request.get("connect")
    target = to or connect
    sock = SOCKETS.get(request["socket"])
    if target:
        host = ("::ffff:" if request.get("mapped") else "") + target[0]
        if sock is None:
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            sock.settimeout(2)
            SOCKETS[request["socket"]] = sock
        if connect:
            sock.connect((host, target[1]))
    if to:
        sock.sendto(b"x", (host, to[1]))
    else:
        sock.send(b"x")
    data, source = sock.recvfrom(200)
    return {"server": data.decode().strip(), "from": plain(source),
            "peer": None if to else plain(sock.getpeername())}


for line in sys.stdin:
    try:
        answer = exchange(json.loads(line))
    except OSError as failure:
        answer = {"errno": errno.errorcode.get(failure.errno or errno.ETIMEDOUT)}
    print(json.dumps(answer), flush=True)
