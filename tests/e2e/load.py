#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Traffic from a pod until standard input ends; then one line of JSON about it.

load.py call '{"targets": [["tcp"|"udp", address, port], ...], "pause": s, "timeout": s}'
  One fresh connection (or connected UDP socket) after the other, targets in turn, one line each:
  {"tried", "ok", "failures": {errno name: n}, "first_failures": [[target, errno, stage, ms], ...],
   "first_ok", "last_ok", "first_failed", "last_failed", "longest_ms", "sent", "received"}
load.py hold '{"targets": [...], "pause": s, "timeout": s}'
  One TCP connection to each, kept for good, one line to and fro at every turn:
  [{"target", "exchanges", "longest_ms", "broken": errno name or null, "broken_at"}, ...]

load.py ask '{"timeout": s}'
  Stays; every line of standard input is a list of targets, answered at once by a list of what one
  call to each experiences: "ok" or an errno name.

Times are of CLOCK_MONOTONIC, which all processes of this machine share. "running" is printed
when every target was tried once.
"""
import errno
import json
import select
import socket
import sys
import time

SHOWN_FAILURES = 10


def errno_name(failure):
    if isinstance(failure, TimeoutError):
        return "ETIMEDOUT"
    return errno.errorcode.get(failure.errno, str(failure))


def connect(target, timeout):
    kind, address, port = target
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                         socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def exchange(sock):
    """One line there and one back: how many bytes each way."""
    sock.sendall(b"ping\n")
    data = sock.recv(4096)
    if not data:
        raise OSError(errno.ECONNRESET, "closed")
    return 5, len(data)


def stdin_ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


class Caller:
    """Fresh connections."""

    def __init__(self, options):
        self.timeout = options.get("timeout", 3.0)
        self.result = {"tried": 0, "ok": 0, "failures": {}, "first_failures": [],
                       "first_ok": None, "last_ok": None, "first_failed": None,
                       "last_failed": None, "longest_ms": 0.0, "sent": 0, "received": 0}

    def turn(self, target):
        begin, stage, result = time.monotonic(), "connect", self.result
        result["tried"] += 1
        failure = None
        try:
            with connect(target, self.timeout) as sock:
                stage = "exchange"
                sent, received = exchange(sock)
                result["sent"] += sent
                result["received"] += received
        except OSError as problem:
            failure = errno_name(problem)
        end = time.monotonic()
        result["longest_ms"] = max(result["longest_ms"], round((end - begin) * 1000, 2))
        if failure is None:
            result["ok"] += 1
            result["first_ok"] = result["first_ok"] or end
            result["last_ok"] = end
            return
        result["failures"][failure] = result["failures"].get(failure, 0) + 1
        result["first_failed"] = result["first_failed"] or end
        result["last_failed"] = end
        if len(result["first_failures"]) < SHOWN_FAILURES:
            result["first_failures"].append([target, failure, stage, round((end - begin) * 1000, 2)])


class Holder:
    """Connections that stay."""

    def __init__(self, options):
        self.timeout = options.get("timeout", 3.0)
        self.result, self.sockets = [], []
        for target in options["targets"]:
            self.result.append({"target": target, "exchanges": 0, "longest_ms": 0.0,
                                "broken": None, "broken_at": None})
            self.sockets.append(connect(target, self.timeout))
        self.next = 0

    def turn(self, _target):
        index = self.next
        self.next = (self.next + 1) % len(self.sockets)
        result, sock = self.result[index], self.sockets[index]
        if result["broken"]:
            return
        begin = time.monotonic()
        try:
            exchange(sock)
        except OSError as problem:
            result["broken"] = errno_name(problem)
            result["broken_at"] = time.monotonic()
            return
        result["exchanges"] += 1
        result["longest_ms"] = max(result["longest_ms"],
                                   round((time.monotonic() - begin) * 1000, 2))


def experience(target, timeout):
    try:
        with connect(target, timeout) as sock:
            exchange(sock)
    except OSError as problem:
        return errno_name(problem)
    return "ok"


def answer_questions(timeout):
    print("running", flush=True)
    for line in sys.stdin:
        print(json.dumps([experience(target, timeout) for target in json.loads(line)]), flush=True)


def main():
    options = json.loads(sys.argv[2])
    if sys.argv[1] == "ask":
        answer_questions(options.get("timeout", 3.0))
        return
    traffic = (Caller if sys.argv[1] == "call" else Holder)(options)
    turns = 0
    while not stdin_ended():
        traffic.turn(options["targets"][turns % len(options["targets"])])
        turns += 1
        if turns == len(options["targets"]):
            print("running", flush=True)
        time.sleep(options.get("pause", 0.002))
    print(json.dumps(traffic.result), flush=True)


if __name__ == "__main__":
    main()
