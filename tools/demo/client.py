#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's client: says what its sockets experienced, as one JSON line.

  client.py get ADDRESS PORT            one HTTP request
  client.py many ADDRESS PORT COUNT     COUNT connections: answers by server, failures
  client.py udp ADDRESS PORT            one datagram and its answer, on an unconnected socket
  client.py hold ADDRESS PORT SECONDS [REQUEST]   a keep-alive connection, a request every 20 ms until
                                        it is cut or refused
  client.py talk ADDRESS PORT JSON      [[REQUEST, ...], ...]: a connection for each list, all its
                                        requests written at once; a list of the answers to each

A REQUEST is "METHOD TARGET", followed by "|NAME: VALUE" for each header.
"""
import collections
import errno
import json
import socket
import sys
import time



def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dial(address, port):
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.settimeout(3)
    sock.connect((address, port))
    return sock


def request(text="GET /"):
    line, *headers = text.split("|")
    return "\r\n".join([line + " HTTP/1.1", "Host: demo", *headers, "", ""]).encode("latin-1")


def read_answer(stream, method="GET"):
    """The next answer on a connection: {"status", "by", "head", "body"}."""
    lines = []
    while not lines or lines[-1]:
        line = stream.readline()
        if not line:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    headers = dict(line.lower().split(": ", 1) for line in lines[1:-1])
    length = 0 if method == "HEAD" else int(headers["content-length"])
    return {"status": int(lines[0].split()[1]), "head": lines[:-1], "body": stream.read(length).decode().strip(),
            "by": "weft" if headers.get("server") == "weft" else "server"}


def ask(sock, text="GET /"):
    """One request on an open connection; its answer."""
    sock.sendall(request(text))
    with sock.makefile("rb") as stream:
        return read_answer(stream, text.split()[0])


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
        return {"server": ask(sock)["body"], "peer": sock.getpeername()[0]}


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


def hold(address, port, seconds, text="GET /"):
    with dial(address, port) as sock:
        server, requests = ask(sock, text)["body"], 1
        print(json.dumps({"open": True, "server": server}), flush=True)
        end = time.time() + seconds
        while time.time() < end:
            time.sleep(0.02)
            try:
                answer = ask(sock, text)
                by = None if answer["by"] == "server" else str(answer["status"])
            except OSError as failure:
                by = errno.errorcode.get(failure.errno, str(failure.errno))
            if by:
                return {"server": server, "requests": requests, "cut": True, "at": time.time(), "by": by}
            requests += 1
    return {"server": server, "requests": requests, "cut": False, "at": time.time()}


def converse(address, port, texts):
    """What came back on one connection. It ends with the last answer, a refusal or an error."""
    answers = []
    try:
        with dial(address, port) as sock, sock.makefile("rb") as stream:
            sock.sendall(b"".join(map(request, texts)))
            for text in texts:
                answers.append(read_answer(stream, text.split()[0]))
    except OSError as failure:
        answers.append({"error": errno.errorcode.get(failure.errno, str(failure.errno))})
    return answers


def main():
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    extra = sys.argv[4:]
    if verb == "many":
        print(json.dumps(many(address, port, int(extra[0]))))
    elif verb == "hold":
        print(json.dumps(outcome(lambda: hold(address, port, float(extra[0]), *extra[1:]))))
    elif verb == "talk":
        print(json.dumps([converse(address, port, texts) for texts in json.loads(extra[0])]))
    else:
        print(json.dumps(outcome(lambda: {"get": get, "udp": udp}[verb](address, port))))


if __name__ == "__main__":
    main()
