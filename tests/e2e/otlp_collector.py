#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP collector that does what it is told, and keeps what it gets.

    otlp_collector.py [FOLDER]

With FOLDER, which has server.crt and server.key, it speaks TLS. Takes a JSON request per line of
standard input and answers each with a line:

    {"do": "listen"}            on 127.0.0.1, at the port of the first time; {"port": N}
    {"do": "close"}             nobody listens any more, and connections end
    {"do": "answer", "path": P, "answers": [...]}   what the next requests for P get, each {"status", "headers",
                                "body", "delay" (seconds), "hang": true, "drop": true}; then again {}
    {"do": "take", "path": P}   what came so far: [{"time", "headers", "size", "body", "status"}], and forgets
                                it; no status: it was not answered"""
import collections
import contextlib
import gzip
import http.server
import json
import socket
import ssl
import sys
import threading
import time


class Scene:
    def __init__(self):
        self.lock = threading.Lock()
        self.answers = collections.defaultdict(list)
        self.taken = collections.defaultdict(list)
        self.ended = threading.Event()  # for those that hang
        self.server, self.port = None, 0


SCENE = Scene()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with SCENE.lock:
            queue = SCENE.answers[self.path]
            answer = queue.pop(0) if queue else {}
            SCENE.taken[self.path].append({
                "time": time.time(), "headers": {name.lower(): value for name, value in self.headers.items()},
                "size": len(body),
                "status": None if answer.get("drop") or answer.get("hang") else answer.get("status", 200),
                "body": (gzip.decompress(body) if self.headers["content-encoding"] else body).decode("utf-8")})
        if answer.get("hang"):
            SCENE.ended.wait()
        time.sleep(answer.get("delay", 0))
        if answer.get("drop") or answer.get("hang"):
            self.close_connection = True
            return
        content = answer.get("body", "{}").encode("utf-8")
        self.send_response(answer.get("status", 200))
        for name, value in answer.get("headers", {"content-type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass


def listen(folder):
    SCENE.server = Server(("127.0.0.1", SCENE.port), Handler)
    if folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + "/server.crt", folder + "/server.key")
        SCENE.server.socket = context.wrap_socket(SCENE.server.socket, server_side=True)
    SCENE.port = SCENE.server.server_address[1]
    threading.Thread(target=SCENE.server.serve_forever, args=(0.05,), daemon=True).start()
    return {"port": SCENE.port}


def close():
    SCENE.server.shutdown()
    SCENE.server.server_close()
    for connection in list(SCENE.server.connections):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    return {}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["do"] == "listen":
            answer = listen(folder)
        elif request["do"] == "close":
            answer = close()
        else:
            with SCENE.lock:
                if request["do"] == "answer":
                    SCENE.answers[request["path"]] = request["answers"]
                else:
                    answer = SCENE.taken.pop(request["path"], [])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
