#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's server: says its pod's name to whoever gets through.

Arguments: http:PORT (HTTP/1.1, keep-alive) and udp:PORT (echoes with its name), dual stack. Its log, on
standard output, has every request that it received.
"""
import http.server
import os
import socket
import socketserver
import sys
import threading

NAME = os.environ.get("POD_NAME", "?")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        os.write(sys.stdout.fileno(), (self.requestline + "\n").encode("latin-1"))
        body = (NAME + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_DELETE = do_GET

    def log_message(self, format, *args):
        pass


class HttpServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 512


def serve_udp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", port))
    while True:
        data, peer = sock.recvfrom(2048)
        sock.sendto(NAME.encode() + b" got " + data, peer)


def main():
    threads = []
    for argument in sys.argv[1:]:
        kind, port = argument.split(":")
        target = serve_udp if kind == "udp" else lambda p: HttpServer(("::", p), Handler).serve_forever()
        threads.append(threading.Thread(target=target, args=(int(port),)))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
