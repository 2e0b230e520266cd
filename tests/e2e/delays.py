#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that take as long as asked for, and a client that logs how long they took.

delays.py serve PORT: /NAME/MS is answered after so many milliseconds.
delays.py call ADDRESS PORT CONNECTIONS, with a JSON list of paths on standard input: asks for each of
them, one after the other on each connection; a JSON list of [path, seconds from the request's last byte
written to the answer's first byte read].
"""
import asyncio
import json
import socket
import sys
import time


async def serve_connection(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        await asyncio.sleep(float(head.split()[1].rsplit(b"/", 1)[1]) / 1000)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def serve(port):
    server = await asyncio.start_server(serve_connection, sock=socket.create_server(
        ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000))
    await server.serve_forever()


async def call(address, port, paths, log):
    reader, writer = await asyncio.open_connection(address, port)
    while paths:
        path = paths.pop()
        writer.write(b"GET %s HTTP/1.1\r\nhost: delays\r\n\r\n" % path.encode())
        began = time.monotonic()
        first = await reader.readexactly(1)
        log.append([path, time.monotonic() - began])
        assert first + await reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    writer.close()


async def call_all(address, port, connections):
    paths, log = json.load(sys.stdin), []
    await asyncio.gather(*[call(address, port, paths, log) for _ in range(connections)])
    print(json.dumps(log))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(call_all(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
