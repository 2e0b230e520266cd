#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Connections with the same ends, one at once after the other.

http_reopener.py ADDRESS PORT SOURCE_PORT TIMES   Each time: begins an upload to /ok/upload/reopened,
resets the connection in the middle of it, opens it again from the same port, and asks for
/no/reopened; then sends an upload as a whole and the same request behind it. Prints the statuses of
the answers, and who gave them, a line for each time.
"""
import http.client
import io
import socket
import struct
import sys

LENGTH, PART = 32 << 20, 8 << 20
UPLOAD = b"PUT /ok/upload/reopened HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LENGTH
DENIED = b"GET /no/reopened HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"GET /no/body HTTP/1.1\r\n\r\n".ljust(1 << 20, b"x")


def connect(address, port, source):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.bind(("", source))
    client.connect((address, port))
    return client


def send_body(client, length):
    for _ in range(length // len(BODY)):
        client.sendall(BODY)


class Answers(io.BufferedReader):
    """What http.client reads one answer after the other from."""

    def makefile(self, _mode):
        return self

    def close(self):
        pass


def answers(client, count):
    stream, found = Answers(socket.SocketIO(client, "rb")), []
    for _ in range(count):
        answer = http.client.HTTPResponse(stream)
        answer.begin()
        answer.read()
        found.append("%d %s" % (answer.status, answer.headers.get("server", "").partition("/")[0]))
    return found


def main(address, port, source, times):
    for _ in range(int(times)):
        with connect(address, int(port), int(source)) as client:
            client.sendall(UPLOAD)
            send_body(client, PART)
        with connect(address, int(port), int(source)) as client:
            client.sendall(DENIED)
            said = answers(client, 1)
        with connect(address, int(port), int(source)) as client:
            client.sendall(UPLOAD)
            send_body(client, LENGTH)
            client.sendall(DENIED)
            said += answers(client, 2)
        print(", ".join(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
