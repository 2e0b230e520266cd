#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for weftd: answers /readyz and /v1/status from what is in the folder. The playground's
tests use it to be independent of kernel features. An extra flag makes it misbehave:
`--misbehave crash` (exit at once), `never-ready`, `deaf` (never sees a later change), `slow`."""
import http.server
import json
import os
import sys
import time

import yaml

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder, node = arguments["--manifests"], arguments["--node"]
misbehave = arguments.get("--misbehave", "")


def versions():
    result = {}
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            stat = entry.stat()
            result[entry.name] = {"inode": stat.st_ino, "mtime_ns": stat.st_mtime_ns,
                                  "size": stat.st_size, "ok": True}
    return result


FIRST = versions()


def pods():
    result = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("pod_"):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                pod = yaml.safe_load(file)
            if pod["spec"]["nodeName"] == node:
                meta = pod["metadata"]
                result.append({"namespace": meta["namespace"], "name": meta["name"],
                               "uid": meta["uid"], "ifindex": 1, "attached": True})
    return result


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/readyz":
            body, code = (b"never\n", 503) if misbehave == "never-ready" else (b"ok\n", 200)
        else:
            body, code = json.dumps({
                "node": node, "pid": os.getpid(), "ready": True, "applied": True,
                "source": {"files": FIRST if misbehave == "deaf" else versions()},
                "pods": pods()}).encode(), 200
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("fake agent of", node, "started", flush=True)
if misbehave == "crash":
    print("fake agent cannot work", flush=True)
    sys.exit(3)
if misbehave == "slow":
    time.sleep(0.3)
host, _, port = arguments["--listen"].rpartition(":")
http.server.HTTPServer.server_bind = lambda self: http.server.socketserver.TCPServer.server_bind(
    self)
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
