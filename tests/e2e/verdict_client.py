#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client that stays in its place (a pod, a node, outside) and makes calls in batches.

Every line of standard input is one JSON batch, answered with one line:
  {"probes": [{"proto": "tcp"|"udp", "address", "port", "from": [address or "", port]
               and optionally "mapped", "connected", "silent", "say"}, ...], "patience": s}
    -> [[outcome, stage, ms], ...]; outcome "ok", an errno name, "silence", or "403" when weft
    answered in the server's place. "say": what is said on a connection, in place of a line.
  Probes marked "silent" are started together and watched together for `patience` seconds: any
  answer at all is reported. The others run one after the other.
  {"route": [address, ...]} -> [own address towards each]
"""
import errno
import json
import select
import socket
import struct
import sys
import time

# Long enough that a SYN sent again after its first loss is seen as what it is: a second.
ANSWER_S = 3.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(probe):
    """A socket bound to the probe's own port, and where to call."""
    address, (own, own_port) = probe["address"], probe["from"]
    if probe.get("mapped"):
        address, own = "::ffff:" + address, own and "::ffff:" + own
    tcp = probe["proto"] == "tcp"
    sock = socket.socket(family_of(address), socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    if tcp:
        # No TIME_WAIT: thousands of ports are used once each.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sock.bind((own, own_port))
    return sock, (address, probe["port"])


def name_of(failure):
    if isinstance(failure, TimeoutError):
        return "silence"
    return errno.errorcode.get(failure.errno, str(failure.errno))


def converse(sock, target, probe, step):
    """The whole exchange and its outcome; `step` is told how far it came."""
    if probe["proto"] == "tcp" or probe.get("connected"):
        step("connect")
        sock.connect(target)
        step("send")
        sock.send(probe.get("say", "ping\n").encode("latin-1"))
        step("receive")
        data = sock.recv(4096)
        if data.startswith(b"HTTP/1.1 403 ") and b"\r\nserver: weft\r\n" in data.lower():
            return "403"
    else:
        step("send")
        sock.sendto(b"ping", target)
        step("receive")
        data, peer = sock.recvfrom(4096)
        if peer[:2] != target:
            raise OSError(errno.EBADMSG, "answer from %s" % (peer,))
    if not data:
        raise OSError(errno.ECONNRESET, "closed")
    return "ok"


def run_aloud(probe):
    stages = ["open"]
    start = time.monotonic()
    try:
        sock, target = open_socket(probe)
    except OSError as failure:
        return ["bind " + name_of(failure), "open", 0]
    with sock:
        sock.settimeout(ANSWER_S)
        start = time.monotonic()
        try:
            outcome = converse(sock, target, probe, stages.append)
        except OSError as failure:
            outcome = name_of(failure)
    return [outcome, stages[-1], round((time.monotonic() - start) * 1000, 2)]


def start_silent(probe):
    """(socket or None, failure or None) of a call that nothing should answer."""
    try:
        sock, target = open_socket(probe)
    except OSError as failure:
        return None, "bind " + name_of(failure)
    sock.setblocking(False)
    try:
        if probe["proto"] == "tcp" or probe.get("connected"):
            sock.connect(target)
        if probe["proto"] == "udp" and probe.get("connected"):
            sock.send(b"ping")
        elif probe["proto"] == "udp":
            sock.sendto(b"ping", target)
    except BlockingIOError:
        pass
    except OSError as failure:
        sock.close()
        return None, name_of(failure)
    return sock, None


def answer_of(sock, probe):
    """What came on a socket that is readable, writable or broken."""
    failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failure:
        return errno.errorcode.get(failure, str(failure))
    if probe["proto"] == "tcp":
        return "ok"
    try:
        sock.recv(4096)
        return "ok"
    except OSError as problem:
        return name_of(problem)


def run_silent(probes, patience):
    results, waiting, poll = [None] * len(probes), {}, select.poll()
    for index, probe in enumerate(probes):
        sock, failure = start_silent(probe)
        if sock is None:
            results[index] = [failure, "send", 0]
            continue
        waiting[sock.fileno()] = (sock, index)
        poll.register(sock, select.POLLIN | (select.POLLOUT if probe["proto"] == "tcp" else 0))
    start = time.monotonic()
    while waiting and time.monotonic() - start < patience:
        for number, _ in poll.poll(max(0, (patience - time.monotonic() + start) * 1000)):
            sock, index = waiting.pop(number)
            poll.unregister(number)
            ms = round((time.monotonic() - start) * 1000, 2)
            results[index] = [answer_of(sock, probes[index]), "wait", ms]
            sock.close()
    for sock, index in waiting.values():
        results[index] = ["silence", "wait", round(patience * 1000, 2)]
        sock.close()
    return results


def run_batch(batch):
    probes = batch["probes"]
    silent = [index for index, probe in enumerate(probes) if probe.get("silent")]
    results = [None if probe.get("silent") else run_aloud(probe) for probe in probes]
    quiet = run_silent([probes[index] for index in silent], batch.get("patience", 0.3))
    for index, result in zip(silent, quiet):
        results[index] = result
    return results


def own_address(address):
    """The address this place calls another from."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, 9))
        return sock.getsockname()[0]


def main():
    for line in sys.stdin:
        request = json.loads(line)
        if "route" in request:
            answer = [own_address(address) for address in request["route"]]
        else:
            answer = run_batch(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
