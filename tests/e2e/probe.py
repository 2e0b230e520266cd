#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A pod's client: a JSON list of probes on standard input, their results on standard output.

A probe: {"proto": "tcp"|"udp", "address": "...", "port": n} and optionally
  "mapped": true      an IPv4 address through an IPv6 socket (::ffff:a.b.c.d)
  "connected": true   UDP: connect() first
  "count": n          repeat; the result then has "servers" and "failures" instead
  "timeout": s        default 1.0
A result: {"ok": bool, "ms": n, "server": pod name, "peer": address that the socket shows}
or {"ok": false, "errno": "ECONNREFUSED", "stage": "connect"|"send"|"receive", "ms": n}.
"""
import collections
import errno
import json
import socket
import sys
import time


def open_socket(probe):
    address = probe["address"]
    kind = socket.SOCK_STREAM if probe["proto"] == "tcp" else socket.SOCK_DGRAM
    if probe.get("mapped"):
        address = "::ffff:" + address
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    sock.settimeout(probe.get("timeout", 1.0))
    return sock, (address, probe["port"])


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


def run_once(probe):
    sock, target = open_socket(probe)
    stage = "connect"
    with sock:
        try:
            if probe["proto"] == "tcp" or probe.get("connected"):
                sock.connect(target)
                stage = "send"
                sock.send(b"ping\n" if probe["proto"] == "tcp" else b"ping")
                stage = "receive"
                data, peer = sock.recv(4096), sock.getpeername()
                if not data:
                    raise OSError(errno.ECONNRESET, "closed")
            else:
                stage = "send"
                sock.sendto(b"ping", target)
                stage = "receive"
                data, peer = sock.recvfrom(4096)
        except OSError as failure:
            code = failure.errno or errno.ETIMEDOUT
            return {"ok": False, "errno": errno.errorcode.get(code, str(code)), "stage": stage}
        return {"ok": True, "server": data.decode().split()[0], "peer": plain(peer[0]),
                "peer_port": peer[1]}


def run(probe):
    start = time.monotonic()
    if "count" in probe:
        servers, failures = collections.Counter(), collections.Counter()
        for _ in range(probe["count"]):
            one = run_once(probe)
            (servers if one["ok"] else failures)[one.get("server") or one["errno"]] += 1
        result = {"servers": dict(servers), "failures": dict(failures)}
    else:
        result = run_once(probe)
    result["ms"] = round((time.monotonic() - start) * 1000, 2)
    return result


if __name__ == "__main__":
    json.dump([run(probe) for probe in json.load(sys.stdin)], sys.stdout)
