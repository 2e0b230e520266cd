#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A raw HTTP client inside a pod. A line of JSON on standard input, {"talks": [talk, ...],
"parallel": n}, is answered with a line: a list of what became of each.

talk: {"address", "port", "send": [text or {"repeat": text, "times": n}, ...], one write each;
"joined": true for one write of all; "gap": s between writes; "answers": n, how many to wait for;
"methods": of the requests, so that answers to HEAD are understood; "then": written after the
answers; "fin": half close after the last write; "wait": s, how long to wait for the next byte;
"linger": s, after the answers, for what comes unasked; "close": "reset" for an RST}
Bytes are text in latin-1.
result: {"answers": [{"status", "headers", "body" or its "length" and "sha256"}, ...], "rest": text,
"end": "open" | "fin" | "reset" | an errno's name, "stage": "connect" | "send" | "receive", "ms"}
"""
import concurrent.futures
import errno
import hashlib
import json
import socket
import struct
import sys
import time

SHOWN_BODY = 4096
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def bytes_of(parts):
    for part in parts:
        if isinstance(part, dict):
            yield part["repeat"].encode("latin-1") * part["times"]
        else:
            yield part.encode("latin-1")


class Stream:
    """The bytes that a connection delivers."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        taken, self.buffer = self.buffer.split(mark, 1)
        return taken

    def take(self, length, sink):
        while length > 0:
            if not self.buffer:
                self.more()
            piece, self.buffer = self.buffer[:length], self.buffer[length:]
            length -= len(piece)
            sink(piece)


class Body:
    def __init__(self):
        self.length, self.digest, self.start = 0, hashlib.sha256(), b""

    def add(self, piece):
        self.length += len(piece)
        self.digest.update(piece)
        if len(self.start) < SHOWN_BODY:
            self.start += piece[:SHOWN_BODY]

    def describe(self):
        found = {"length": self.length}
        if self.length <= SHOWN_BODY:
            found["body"] = self.start.decode("latin-1")
        else:
            found["sha256"] = self.digest.hexdigest()
        return found


def read_chunks(stream, body):
    while True:
        size = int(stream.until(b"\r\n").split(b";")[0], 16)
        if not size:
            break
        stream.take(size, body.add)
        stream.until(b"\r\n")
    while stream.until(b"\r\n"):
        pass


def read_answer(stream, method):
    """One answer. Interim ones are answers, too."""
    lines = stream.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1."):
        raise ValueError("no status line: %r" % lines[0][:80])
    headers = {name.strip().lower(): value.strip()
               for name, _, value in (line.partition(":") for line in lines[1:])}
    status, body = int(lines[0].split(" ")[1]), Body()
    if method == "HEAD" or status < 200 or status in (204, 304) or (method == "CONNECT" and status < 300):
        pass
    elif "chunked" in headers.get("transfer-encoding", ""):
        read_chunks(stream, body)
    elif "content-length" in headers:
        stream.take(int(headers["content-length"]), body.add)
    else:
        try:
            stream.take(1 << 62, body.add)
        except EOFError:
            pass
    return {"status": status, "headers": headers, **body.describe()}


def read_answers(stream, talk, result, count):
    methods = talk.get("methods", [])
    finals = 0
    while len(result["answers"]) < count:
        method = methods[finals] if finals < len(methods) else "GET"
        answer = read_answer(stream, method)
        finals += answer["status"] >= 200 or answer["status"] == 101
        result["answers"].append(answer)


def converse(sock, talk, result):
    stream = Stream(sock)
    try:
        pieces = list(bytes_of(talk["send"]))
        if talk.get("joined"):
            pieces = [b"".join(pieces)]
        for index, piece in enumerate(pieces):
            if index and talk.get("gap"):
                time.sleep(talk["gap"])
            sock.sendall(piece)
        if talk.get("fin"):
            sock.shutdown(socket.SHUT_WR)
    except OSError:
        # Refused before it was all said: what was answered counts.
        result["stage"] = "send"
    else:
        result["stage"] = "receive"
    try:
        read_answers(stream, talk, result, talk.get("answers", 1))
        if "then" in talk:
            sock.sendall(b"".join(bytes_of(talk["then"])))
        if "linger" in talk or "then" in talk:
            sock.settimeout(talk.get("linger", talk.get("wait", 3)))
            while True:
                stream.more()
    except EOFError:
        result["end"] = "fin"
    except TimeoutError:
        result["end"] = "open"
    except ValueError as problem:
        result["end"] = str(problem)
    result["rest"] = stream.buffer[:SHOWN_BODY].decode("latin-1")


def talk_to(talk):
    begin = time.monotonic()
    result = {"answers": [], "rest": "", "end": "open", "stage": "connect"}
    family = socket.AF_INET6 if ":" in talk["address"] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(talk.get("wait", 3))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((talk["address"], talk.get("port", 80)))
            converse(sock, talk, result)
            if talk.get("close") == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    except ConnectionResetError:
        result["end"] = "reset"
    except OSError as failure:
        result["end"] = errno.errorcode.get(failure.errno, "ETIMEDOUT")
    result["ms"] = round((time.monotonic() - begin) * 1000)
    return result


def main():
    for line in sys.stdin:
        request = json.loads(line)
        with concurrent.futures.ThreadPoolExecutor(request.get("parallel", 16)) as pool:
            print(json.dumps(list(pool.map(talk_to, request["talks"]))), flush=True)


if __name__ == "__main__":
    main()
