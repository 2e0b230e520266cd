#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keep-alive connections inside a pod. Every line of JSON on standard input is answered by one:

{"open": name, "address", "port"}     true, or an errno's name
{"ask": name, "send": text}           {"status", "weft": by weft?} or {"error": an errno's name or "fin"}
{"busy": [[address, path], ...], "connections": n}   starts n threads per target, each with a
                                      connection that asks again and again; true
{"rest": true}                        ends them: {"requests": n, "failures": {what: n}, "longest_ms"}
{"count": true}                       requests that the busy ones have done so far
"""
import collections
import errno
import json
import socket
import sys
import threading
import time

import http_client

TIMEOUT_S = 5


def errno_name(failure):
    return errno.errorcode.get(failure.errno, "ETIMEDOUT")


def connect(address, port=80):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock, http_client.Stream(sock)


def ask(connection, text):
    sock, stream = connection
    try:
        sock.sendall(text.encode("latin-1"))
        answer = http_client.read_answer(stream, text.split(" ")[0])
    except EOFError:
        return {"error": "fin"}
    except OSError as failure:
        return {"error": errno_name(failure)}
    return {"status": answer["status"], "weft": answer["headers"].get("server") == "weft"}


class Busy:
    """Threads that never rest. None of their connections may end."""

    def __init__(self, targets, connections):
        self.end, self.lock = False, threading.Lock()
        self.requests, self.longest, self.failures = 0, 0.0, collections.Counter()
        self.threads = [threading.Thread(target=self._work, args=target) for target in targets
                        for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def _work(self, address, path):
        text = "GET %s HTTP/1.1\r\nHost: pod\r\nX-Filler: 0123456789\r\n\r\n" % path
        connection = None
        while not self.end:
            begin, answer = time.monotonic(), {}
            try:
                connection = connection or connect(address)
                answer = ask(connection, text)
            except OSError as failure:
                answer["error"] = errno_name(failure)
            if answer.get("status") != 200:
                connection = None
            self._note(answer, path, time.monotonic() - begin)

    def _note(self, answer, path, seconds):
        with self.lock:
            self.requests += 1
            self.longest = max(self.longest, seconds)
            if answer.get("status") != 200:
                self.failures["%s %s" % (path, answer.get("error") or answer["status"])] += 1
        if answer.get("status") != 200:
            time.sleep(0.01)

    def rest(self):
        self.end = True
        for thread in self.threads:
            thread.join()
        return {"requests": self.requests, "failures": self.failures, "longest_ms": round(self.longest * 1000)}


def main():
    connections, busy = {}, None
    for line in sys.stdin:
        request, answer = json.loads(line), True
        if "open" in request:
            try:
                connections[request["open"]] = connect(request["address"], request.get("port", 80))
            except OSError as failure:
                answer = errno_name(failure)
        elif "ask" in request:
            answer = ask(connections[request["ask"]], request["send"])
        elif "busy" in request:
            busy = Busy(request["busy"], request["connections"])
        elif "count" in request:
            answer = busy.requests
        else:
            answer = busy.rest()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
