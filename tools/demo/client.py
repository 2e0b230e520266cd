#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's client: says what its sockets experienced, as one JSON line.

  client.py get ADDRESS PORT            one HTTP request
  client.py many ADDRESS PORT COUNT     COUNT connections: answers by server, failures
  client.py udp ADDRESS PORT            one datagram and its answer, on an unconnected socket
  client.py hold ADDRESS PORT SECONDS   a keep-alive connection, a request every 20 ms until it is cut
"""
import collections
import errno
import json
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n"


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dial(address, port):
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.settimeout(3)
    sock.connect((address, port))
    return sock


def ask(sock):
    """One request on an open connection; the server's name."""
    sock.sendall(REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
        data = sock.recv(4096)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        answer += data
    return answer.split(b"\r\n\r\n", 1)[1].decode().strip()


def outcome(function):
    start = time.monotonic()
    try:
        result = {"ok": True, **function()}
    except OSError as failure:
        code = failure.errno or errno.ETIMEDOUT
        result = {"ok": False, "errno": errno.errorcode.get(code, str(code))}
    result["ms"] = round((time.monotonic() - start) * 1000, 2)
    return result


def get(address, port):
    with dial(address, port) as sock:
        return {"server": ask(sock), "peer": sock.getpeername()[0]}


def many(address, port, count):
    servers, failures = collections.Counter(), collections.Counter()
    for _ in range(count):
        one = outcome(lambda: get(address, port))
        if one["ok"]:
            servers[one["server"]] += 1
        else:
            failures[one["errno"]] += 1
    return {"servers": dict(servers), "failures": dict(failures)}


def udp(address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(b"hello", (address, port))
        data, peer = sock.recvfrom(2048)
        return {"server": data.decode().split()[0], "peer": peer[0]}


def hold(address, port, seconds):
    with dial(address, port) as sock:
        server, requests = ask(sock), 1
        print(json.dumps({"open": True, "server": server}), flush=True)
        end = time.time() + seconds
        while time.time() < end:
            time.sleep(0.02)
            try:
                ask(sock)
            except OSError as failure:
                return {"server": server, "requests": requests, "cut": True, "at": time.time(),
                        "by": errno.errorcode.get(failure.errno, str(failure.errno))}
            requests += 1
    return {"server": server, "requests": requests, "cut": False, "at": time.time()}


def main():
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    extra = [float(a) for a in sys.argv[4:]]
    if verb == "many":
        print(json.dumps(many(address, port, int(extra[0]))))
    elif verb == "hold":
        print(json.dumps(outcome(lambda: hold(address, port, extra[0]))))
    else:
        print(json.dumps(outcome(lambda: {"get": get, "udp": udp}[verb](address, port))))


if __name__ == "__main__":
    main()
