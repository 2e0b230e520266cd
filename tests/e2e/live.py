#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Live TCP connections in one place, from either end, and when and how each of them was cut.

A JSON request a line on standard input, a JSON answer a line on standard output:
  {"listen": [port, ...]}  accepts and echoes
  {"open": [{"name", "address", "port", "kind", and optionally "mapped"}, ...]}
     -> {name: errno, or "403" when that was the answer, or null}. Kinds: "idle", one exchange (a
     line that is no HTTP) and then nothing; "busy", 100 bytes
     every 10 ms, echoed; "stuffed", sent until nothing more goes, the other end does not read;
     "half", this end has shut down its sending side
  {"report": true} -> {name: {"cut": [errno or "end", monotonic time] or null, "last": time of the
     last byte received, "kind"}}; accepted connections are named
     "PEER:PEER'S PORT PORT accepted"
  {"close": true}  closes all but listeners
"""
import errno
import json
import select
import socket
import struct
import sys
import time

TICK_S = 0.01
OPENINGS = {"stuffed": b"stuff", "half": b"half!\n", "idle": b"hello\n", "busy": b"hello\n"}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection:
    def __init__(self, sock, kind):
        self.sock, self.kind = sock, kind
        self.cut, self.last = None, time.monotonic()


class Live:
    def __init__(self):
        self.epoll = select.epoll()
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        self.listeners, self.connections, self.numbers = {}, {}, {}

    def keep(self, name, sock, kind, events=select.EPOLLIN):
        sock.setblocking(False)
        self.connections[name] = Connection(sock, kind)
        self.numbers[sock.fileno()] = self.connections[name]
        self.epoll.register(sock.fileno(), events)

    def lose(self, connection, why):
        connection.cut = [why, time.monotonic()]
        del self.numbers[connection.sock.fileno()]
        self.epoll.unregister(connection.sock.fileno())
        connection.sock.close()

    # --- requests

    def listen(self, ports):
        for port in ports:
            sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True,
                                        backlog=1000)
            sock.setblocking(False)
            self.listeners[sock.fileno()] = sock
            self.epoll.register(sock.fileno(), select.EPOLLIN)
        return True

    def open(self, wanted):
        address = ("::ffff:" if wanted.get("mapped") else "") + wanted["address"]
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.settimeout(3)
        try:
            sock.connect((address, wanted["port"]))
            sock.sendall(OPENINGS[wanted["kind"]])
            if wanted["kind"] != "stuffed" and sock.recv(100).startswith(b"HTTP/1.1 403 "):
                sock.close()
                return "403"
            if wanted["kind"] == "half":
                sock.shutdown(socket.SHUT_WR)
        except OSError as failure:
            sock.close()
            return errno.errorcode.get(failure.errno, "ETIMEDOUT")
        self.keep(wanted["name"], sock, wanted["kind"])
        if wanted["kind"] == "stuffed":
            self.stuff(sock)
        return None

    @staticmethod
    def stuff(sock):
        end = time.monotonic() + 0.03
        while time.monotonic() < end:
            try:
                sock.send(b"x" * 65536)
            except BlockingIOError:
                time.sleep(0.005)

    def close(self):
        for connection in self.connections.values():
            if not connection.cut:
                # By reset: nothing of this round is left in the next.
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self.lose(connection, "closed")
        self.connections = {}
        return True

    def answer(self, request):
        if "listen" in request:
            return self.listen(request["listen"])
        if "open" in request:
            return {wanted["name"]: self.open(wanted) for wanted in request["open"]}
        if "close" in request:
            return self.close()
        return {name: {"cut": one.cut, "last": one.last, "kind": one.kind}
                for name, one in self.connections.items()}

    # --- events

    def accept(self, listener):
        try:
            sock, peer = listener.accept()
        except OSError:
            return
        name = "%s:%d %d accepted" % (peer[0].replace("::ffff:", ""), peer[1], sock.getsockname()[1])
        self.keep(name, sock, "new")

    def read(self, connection):
        try:
            data = connection.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as failure:
            self.lose(connection, errno.errorcode[failure.errno])
            return
        connection.last = time.monotonic()
        if connection.kind == "new":
            connection.kind = {b"stuff": "stuffed accepted", b"half!": "half accepted"}.get(
                data[:5], "accepted")
        if connection.kind == "stuffed accepted" or (not data and connection.kind == "half accepted"):
            # What comes is left unread; only errors are of interest.
            self.epoll.modify(connection.sock.fileno(), 0)
        elif not data:
            self.lose(connection, "end")
        elif connection.kind.endswith("accepted"):
            self.write(connection, data)

    def write(self, connection, data):
        try:
            connection.sock.send(data)
        except BlockingIOError:
            pass
        except OSError as failure:
            self.lose(connection, errno.errorcode[failure.errno])

    def happened(self, connection, events):
        if events & (select.EPOLLERR | select.EPOLLHUP):
            code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.lose(connection, errno.errorcode.get(code, "end"))
        else:
            self.read(connection)

    def tick(self):
        for connection in list(self.numbers.values()):
            if connection.kind == "busy" or connection.kind == "half accepted":
                self.write(connection, b"tick" * 25)

    def run(self):
        due = time.monotonic()
        while True:
            for number, events in self.epoll.poll(max(0, due - time.monotonic())):
                if number in self.listeners:
                    self.accept(self.listeners[number])
                elif number in self.numbers:
                    self.happened(self.numbers[number], events)
                elif number == sys.stdin.fileno():
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(json.dumps(self.answer(json.loads(line))), flush=True)
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_S
                self.tick()


if __name__ == "__main__":
    Live().run()
