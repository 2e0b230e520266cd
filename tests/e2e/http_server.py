#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python's http.server: blocking, a thread per connection.

http_server.py PORT LOG [whole]   answers every request with 200 and the line `METHOD TARGET LENGTH SHA256`
about it and its body; /ok/files/N with N bytes of pattern(); after an upgrade it echoes. LOG gets
a line `STATUS METHOD TARGET` per request that it believes it received. `whole`: heads that end with
the connection, and HTTP/0.9, are no requests.
"""
import hashlib
import http.server
import os
import socket
import sys

PIECE = 1 << 16
BLOCK = bytes(range(256)) * (PIECE // 256)


def pattern(length):
    """Pieces of a body of that length."""
    while length > 0:
        yield BLOCK[:min(length, PIECE)]
        length -= PIECE


class LineFile:
    """A file that knows the last line that was read."""

    def __init__(self, file):
        self.file, self.last = file, b""

    def readline(self, *limit):
        self.last = self.file.readline(*limit)
        return self.last

    def __getattr__(self, name):
        return getattr(self.file, name)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    log_file, whole = None, False

    def parse_request(self):
        if self.whole and not self.raw_requestline.rstrip(b"\r\n").endswith((b"HTTP/1.0", b"HTTP/1.1")):
            self.close_connection = True
            return False
        return super().parse_request() and (self.rfile.last or not self.whole)

    def setup(self):
        super().setup()
        self.rfile = LineFile(self.rfile)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, *_):
        pass

    def note(self, status):
        words = self.requestline.split()
        line = "%d %s %s\n" % (status, words[0], words[1] if len(words) > 1 else "")
        os.write(self.log_file, line.encode("latin-1", "replace"))

    def pieces(self):
        """The request's body."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while True:
                size = int(self.rfile.readline(PIECE).split(b";")[0] or b"0", 16)
                if not size:
                    break
                while size > 0:
                    data = self.rfile.read(min(size, PIECE))
                    if not data:
                        return
                    size -= len(data)
                    yield data
                self.rfile.readline(PIECE)
            while self.rfile.readline(PIECE).strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            data = self.rfile.read(min(left, PIECE))
            if not data:
                return
            left -= len(data)
            yield data

    def answer(self):
        if self.headers.get("Upgrade", "").lower() == "websocket" or self.command == "CONNECT":
            return self.switch()
        self.note(200)
        length, digest = 0, hashlib.sha256()
        for data in self.pieces():
            length += len(data)
            digest.update(data)
        target = self.requestline.split()[1]
        if target.startswith("/ok/files/"):
            size = int(target.rsplit("/", 1)[1])
            self.reply(pattern(size), size)
        else:
            line = "%s %s %d %s\n" % (self.command, target, length, digest.hexdigest())
            self.reply([line.encode("latin-1", "replace")], len(line))
        return None

    def reply(self, pieces, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            for data in pieces:
                self.wfile.write(data)
        self.wfile.flush()

    def switch(self):
        """From here on the connection is somebody else's: it echoes."""
        self.note(200 if self.command == "CONNECT" else 101)
        if self.command == "CONNECT":
            self.send_response_only(200)
        else:
            self.send_response_only(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while True:
            data = self.rfile.read1(PIECE)
            if not data:
                return
            self.wfile.write(data)
            self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 1024
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, *_):
        """Clients that go away are part of the tests."""


def main():
    Handler.log_file = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    Handler.whole = "whole" in sys.argv[3:]
    Server(("::", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
