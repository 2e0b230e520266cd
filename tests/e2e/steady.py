#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls without a pause: a JSON request a line on standard input, {"seconds": n, "targets":
[{"proto": "tcp"|"udp", "address", "port", "connected"}, ...]}, is answered with
{"ok": n, "failures": {"PROTO ADDRESS errno": n}}."""
import collections
import errno
import json
import socket
import struct
import sys
import time

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def call(target):
    """None, or the errno's name."""
    tcp = target["proto"] == "tcp"
    family = socket.AF_INET6 if ":" in target["address"] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        where = (target["address"], target["port"])
        try:
            if tcp:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                sock.connect(where)
            elif target.get("connected"):
                sock.connect(where)
                sock.send(b"?")
                sock.recv(100)
            else:
                sock.sendto(b"?", where)
                sock.recv(100)
        except OSError as failure:
            return errno.errorcode.get(failure.errno, "ETIMEDOUT")
    return None


def main():
    for line in sys.stdin:
        request = json.loads(line)
        end = time.monotonic() + request["seconds"]
        ok, failures = 0, collections.Counter()
        while time.monotonic() < end:
            for target in request["targets"]:
                failure = call(target)
                ok += not failure
                if failure:
                    failures["%s %s %s" % (target["proto"], target["address"], failure)] += 1
        print(json.dumps({"ok": ok, "failures": failures}), flush=True)


if __name__ == "__main__":
    main()
